"""Formats that MNE reads safely, and MNE's own objects."""
