"""The verbs ingest and inspect."""
