"""Downstream tasks: probe, fine-tune and evaluate a model on labelled recordings, beside baselines."""
