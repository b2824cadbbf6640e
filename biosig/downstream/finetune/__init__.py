"""Training an encoder and its head for a task, and predicting with it."""
