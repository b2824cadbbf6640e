"""Retrieval of reports by signals, and of signals by reports."""
