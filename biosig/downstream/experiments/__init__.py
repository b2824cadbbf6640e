"""Probing and fine-tuning from a configuration to a result folder."""
