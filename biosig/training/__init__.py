"""Training: optimisers, weight averages, the state of a run that resumes exactly, seeds, the epoch loop and the log."""
