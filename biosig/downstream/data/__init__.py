"""Labels, targets, windows and splits of a task."""
