"""Self-supervised pretraining: masking, objectives (one a file), and the loop."""
