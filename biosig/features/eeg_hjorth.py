"""Hjorth's descriptors, from the moments of the spectrum."""

from __future__ import annotations

import numpy as np

from biosig.features.eeg_channels import electrodes, per_channel, per_region
from biosig.features.eeg_spectra import spectrum
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window

HJORTH = "Hjorth, Electroencephalogr Clin Neurophysiol 1970; 29:306"

RANGE = (1.0, 45.0)
"""Hz: drift and mains hum, which the descriptors would follow, lie outside."""


@feature(
    "eeg",
    Column("hjorth_activity", "dB re 1 uV²", "10 lg of m0, the power from 1 to 45 Hz", HJORTH, "channel", True),
    Column("hjorth_mobility", "Hz", "√(m2 / m0) of the spectrum from 1 to 45 Hz: a sine gives its frequency", HJORTH,
           "channel"),
    Column("hjorth_complexity", "1", "√(m4 / m2) / √(m2 / m0): a sine gives 1", HJORTH, "channel"),
    Column("region_hjorth_mobility", "Hz", "mean of hjorth_mobility over the region's electrodes", HJORTH, "region"),
    Column("region_hjorth_complexity", "1", "mean of hjorth_complexity over the region's electrodes", HJORTH, "region"),
)  # fmt: skip
def hjorth(window: Window) -> Values:
    """Activity, mobility and complexity."""
    found = spectrum(window)
    mobility = complexity = activity = np.full(len(electrodes(window).rows), np.nan)
    if found is not None:
        use = found.mask(max(RANGE[0], window.band[0] or 0.0), min(RANGE[1], window.highest_frequency))
        m0, m2, m4 = (found.density[:, use] @ found.freqs[use] ** order * found.step for order in (0, 2, 4))
        with np.errstate(divide="ignore", invalid="ignore"):
            activity, mobility = 10 * np.log10(m0), np.sqrt(m2 / m0)
            complexity = np.sqrt(m4 / m2) / mobility
    return {
        "hjorth_activity": per_channel(window, activity),
        "hjorth_mobility": per_channel(window, mobility),
        "hjorth_complexity": per_channel(window, complexity),
        "region_hjorth_mobility": per_region(window, mobility),
        "region_hjorth_complexity": per_region(window, complexity),
    }
