"""Metrics, subject-level bootstrap intervals, splits by subject, calibration, duplicates and the leakage ledger."""
