"""What a score is worth: metrics, subject-level intervals, splits and baselines."""
