"""Audit: checks for other explanations of a score, each with a number, a verdict and a sentence."""
