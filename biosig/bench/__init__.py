"""The bench: every model judged on the same tasks, people and folds, beside baselines at their best."""
