"""Sizes of the output of stems: sites, bands and lines of an EEG, rates of a pulse. This module needs no torch."""

from __future__ import annotations

SITES = ("AF7", "AF8", "F3", "F4", "FCz", "T7", "T8", "C3", "C4", "Cz", "P3", "P4", "Pz", "PO7", "PO8", "Oz")
"""Sites of virtual EEG channels; each also minus the mean of all, and one more for channels of unknown place."""

EDGES = (1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 22, 24, 27, 30, 34, 38, 45)
"""Hz: 22 bands, of 1 Hz where the alpha and sensorimotor rhythms are."""

N_POWERS = (2 * len(SITES) + 1) * (len(EDGES) - 1)

STEP, FIRST, LAST = 0.25, 4.0, 44.0
"""Hz, of the lines."""

N_LINES = round((LAST - FIRST) / STEP) + 1

RATES, N_RATES = (28.0, 230.0), 120
"""Beats per minute, lowest and highest, and how many lie between them at equal ratios: 1.8 % apart."""
