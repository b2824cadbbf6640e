"""Public encoders that other projects trained, one family a file."""
