"""Readers of file formats, a family each."""
