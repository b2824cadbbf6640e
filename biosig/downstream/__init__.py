"""What a clinical researcher does with a model: turn labelled recordings into a number that can be defended."""
