"""Bench: score every model on the same tasks, people and folds, beside tuned baselines."""
