"""Quality of each EEG channel, and the parts of it that are not of the brain: eyes, muscles, mains, movement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from biosig.features.eeg_channels import electrodes, per_channel, position
from biosig.features.eeg_spectra import spectrum
from biosig.features.registry import Column, Values, feature
from biosig.features.runs import clipped_share, flat_share
from biosig.features.window import Window
from biosig.signal import bandpass

PREP = "Bigdely-Shamlo et al., Front Neuroinform 2015; 9:16"

MUSCLE = (7.0, 75.0)
"""Hz of the slope that tells muscle from brain."""

MUSCLE_LEAST = 40.0
"""Hz that the recording must reach for that slope."""

BLINK_BAND, BLINK_HEIGHT, BLINK_APART = (1.0, 8.0), 50.0, 0.3
"""Hz, uV and seconds: blinks are slow, larger than brain activity at the forehead, and last a third of a second."""

FOREHEAD = 0.03
"""Metres from Fp1 or Fp2 within which an electrode sees the eyes."""


@feature(
    "eeg",
    Column("n_channels", "1", "channels that vary and lack at most half of their samples"),
    Column("n_segments", "1", "segments without a gap behind the channel's spectrum", "", "channel"),
    Column("seconds", "s", "seconds that those segments cover", "", "channel"),
    Column("missing", "1", "share of samples without a value", "", "channel"),
    Column("flat", "1", "share of samples within 0.2 s or more of one value", "", "channel"),
    Column("clipped", "1", "share of samples at the channel's largest or smallest value, in runs of 3 or more", "",
           "channel"),
)  # fmt: skip
def quality(window: Window) -> Values:
    """Amount of each channel that is present, and moves."""
    x, found = window.x, spectrum(window)
    still = (x[:, 1:] == x[:, :-1]).sum(1)  # most channels have too few equal neighbours to be looked at
    values: dict[str, float | NDArray[np.floating]] = {
        "n_channels": float(len(electrodes(window).rows)),
        "missing": 1 - np.isfinite(x).mean(1) if window.n_times else np.nan,
        "flat": np.array([flat_share(row, window.sfreq) if n else 0.0 for row, n in zip(x, still, strict=True)]),
        "clipped": np.array([clipped_share(row) if n else 0.0 for row, n in zip(x, still, strict=True)]),
    }
    if found is not None:
        values["n_segments"] = per_channel(window, found.n_segments.astype(np.float64))
        values["seconds"] = per_channel(window, found.seconds)
    return values


@feature(
    "eeg",
    Column("kurtosis", "1", "fourth standardised moment less 3 of the samples: large with pops and blinks",
           "Delorme et al., Neuroimage 2007; 34:1443", "channel"),
    Column("jump", "1", "largest step between samples over the steps' median size", "", "channel"),
    Column("swing", "uV", "largest less smallest value", "", "channel", True),
    Column("likeness", "1", "98th percentile of the correlation's size with other channels", PREP, "channel"),
    Column("deviation", "1", "robust z-score over channels of the channel's interquartile range", PREP, "channel",
           True),
)  # fmt: skip
def shape(window: Window) -> Values:
    """Outliers in time and among channels."""
    rows = electrodes(window).rows
    if not len(rows) or window.n_times < 16:
        return {}
    x = window.x[rows]
    centred = x - np.nanmean(x, axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    whole = np.isfinite(x).all(1)
    centred = centred if whole.all() else np.where(np.isfinite(centred), centred, np.float32(0))
    n = np.isfinite(x).sum(1)
    square = centred**2
    variance = square.sum(1, dtype=np.float64) / n
    steps = np.abs(np.diff(x, axis=1))
    low, high = np.nanpercentile(x, (25, 75), axis=1) if not whole.all() else np.percentile(x, (25, 75), axis=1)
    spread = (high - low).astype(np.float64)
    middle = np.median(spread)
    around = 1.4826 * np.median(np.abs(spread - middle))
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = np.nanmedian(steps, axis=1) if not whole.all() else np.median(steps, axis=1)
        values = {
            "kurtosis": per_channel(window, (square**2).sum(1, dtype=np.float64) / n / variance**2 - 3),
            "jump": per_channel(window, np.nanmax(steps, axis=1) / usual),
            "swing": per_channel(window, np.nanmax(x, axis=1) - np.nanmin(x, axis=1)),
            "deviation": per_channel(window, (spread - middle) / around),
        }
        if len(rows) > 1:
            unit = centred / np.sqrt(variance * n).astype(np.float32)[:, None]
            alike = np.abs(unit @ unit.T)
            np.fill_diagonal(alike, 0.0)
            values["likeness"] = per_channel(window, np.percentile(alike, 98, axis=1))
    return values


@feature(
    "eeg",
    Column("muscle_slope", "1", "slope of lg density over lg f from 7 to 75 Hz, or to the end of the recording's band "
           "from 40 Hz on: above −0.59 where muscle prevails",
           "Fitzgibbon et al., Clin Neurophysiol 2016; 127:1781", "channel"),
    Column("mains", "dB", "10 lg of the density at 50 or 60 Hz, the larger, over its neighbourhood's median", PREP,
           "channel"),
    Column("drift_share", "1", "power below 1 Hz over that below 45 Hz", "", "channel"),
    Column("blinks", "1/min", "peaks of 1 to 8 Hz at Fp1 and Fp2 beyond 50 uV and five robust deviations",
           "after Kleifges et al., Front Neurosci 2017; 11:12", "", True),
)  # fmt: skip
def intruders(window: Window) -> Values:
    """Muscles, mains, drift and eyes."""
    found = spectrum(window)
    if found is None:
        return {}
    values: dict[str, float | NDArray[np.floating]] = {"blinks": _blinks(window)}
    top = window.highest_frequency
    with np.errstate(divide="ignore", invalid="ignore"):
        if top >= MUSCLE_LEAST:
            use = found.mask(MUSCLE[0], min(MUSCLE[1], top))
            for line in (50.0, 60.0):
                use &= np.abs(found.freqs - line) > 2
            at = np.log10(found.freqs[use])
            at -= at.mean()
            values["muscle_slope"] = per_channel(window, np.log10(found.density[:, use]) @ at / (at @ at))
        heights = []
        for line in (50.0, 60.0):
            if line + 5 < top and found.length >= 2:
                away = np.abs(found.freqs - line)
                beside = np.median(found.density[:, (away > 1.5) & (away < 5)], axis=1)
                heights.append(10 * np.log10(found.density[:, away <= 1.0].max(1) / beside))
        if heights:
            values["mains"] = per_channel(window, np.max(heights, axis=0))
        if found.length >= 4 and top >= 45:
            values["drift_share"] = per_channel(window, found.power(0.0, 1.0) / found.power(0.0, 45.0))
    return values


def _blinks(window: Window) -> float:
    """Blinks per minute; NaN without an electrode at the forehead or in windows under 2 s."""
    eyes = np.array([position("Fp1"), position("Fp2")])
    found = electrodes(window)
    distance = np.linalg.norm(found.positions[:, None] - eyes, axis=2)
    rows = found.rows[(distance <= FOREHEAD).any(1)]
    if not len(rows) or window.duration < 2 or not window.amplitude or window.sfreq <= 2.5 * BLINK_BAND[1]:
        return np.nan
    mean = window.x[rows].mean(0)
    x = bandpass(mean, window.sfreq, *BLINK_BAND)
    x = np.where(np.isfinite(x), x, 0.0)
    height = max(BLINK_HEIGHT, 5 * 1.4826 * float(np.median(np.abs(x))))
    peaks, _ = find_peaks(np.abs(x), height=height, distance=max(round(BLINK_APART * window.sfreq), 1))
    return 60 * len(peaks) / window.duration
