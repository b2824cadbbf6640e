"""What else could explain a score: checks of a task and a model, each with a number, a verdict and a sentence."""
