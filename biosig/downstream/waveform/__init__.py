"""Waveforms of channels predicted from others: dataset, model, baselines and run."""
