"""Networks, hand-made features and rules of the baselines."""
