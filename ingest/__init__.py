"""Adapters, recipes and the pipeline that turn source files into shards."""
