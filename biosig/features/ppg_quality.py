"""Perfusion and quality of each channel."""

from __future__ import annotations

import numpy as np

from biosig.features.ppg_pulses import ALIKE, pulses
from biosig.features.ppg_signals import per_channel, signals
from biosig.features.registry import Column, Values, feature
from biosig.features.runs import clipped_share, flat_share
from biosig.features.window import Window

RATIO = "Webster, Design of Pulse Oximeters, 1997, chapter 9"

HEART = (0.5, 3.5)
"""Hz: 30 to 210 pulses a minute."""


@feature(
    "ppg",
    Column("perfusion", "%", "100 · median (peak − foot) / mean level, where the unit is known, the recording is not "
           "high-passed and no sample is below 0", "Lima et al., Crit Care Med 2002; 30:1210", "channel", True),
    Column("ratio_of_ratios", "1", "perfusion of the red channel over that of the infrared one", RATIO, "", True),
)  # fmt: skip
def perfusion(window: Window) -> Values:
    """Pulsatile over steady part."""
    ppg, found = signals(window), pulses(window)
    if not len(found.peaks) or window.band[0]:
        return {}
    height = np.median(ppg.raw[:, found.peaks] - ppg.raw[:, found.feet], axis=1)
    level, low = ppg.raw.mean(1, dtype=np.float64), ppg.raw.min(1)
    share = 100 * np.divide(height, level, out=np.full(len(level), np.nan), where=low >= 0)
    of_channel = per_channel(window, share)
    lights = {}
    for light in ("red", "IR"):
        rows = [row for row, name in enumerate(window.ch_names) if name.split()[-1] == light]
        lights[light] = of_channel[rows[0]] if rows else np.nan
    return {"perfusion": of_channel, "ratio_of_ratios": float(lights["red"] / lights["IR"])}


@feature(
    "ppg",
    Column("missing", "1", "share of samples without a value", "", "channel"),
    Column("flat", "1", "share of samples within 0.2 s or more of one value", "", "channel"),
    Column("clipped", "1", "share of samples at the channel's largest or smallest value, in runs of 3 or more", "",
           "channel"),
    Column("chosen", "1", "1 for the channel that pulses are measured in, else 0", "", "channel"),
    Column("skewness", "1", "third standardised moment in 0.5 to 8 Hz", "Elgendi, Bioengineering 2016; 3:21",
           "channel"),
    Column("pulsatile_share", "1", "share of the power above 0.4 Hz that lies in 0.5 to 3.5 Hz",
           "after Elgendi, Bioengineering 2016; 3:21", "channel"),
    Column("likeness_mean", "1", "mean correlation of the pulses with the mean pulse",
           "Orphanidou et al., IEEE J Biomed Health Inform 2015; 19:832"),
    Column("likeness_min", "1", "smallest correlation of a pulse with the mean pulse"),
    Column("alike_share", "1", "share of whole pulses with a correlation of 0.8 or more"),
    Column("height_variation", "1", "interquartile range of the pulses' heights over their median"),
)  # fmt: skip
def quality(window: Window) -> Values:
    """Quality of each channel: gaps, flat and clipped samples, and the shape of its pulses."""
    ppg, found = signals(window), pulses(window)
    values: dict[str, float | np.ndarray] = {
        "missing": 1 - np.isfinite(window.x).mean(1) if window.n_times else np.nan,
        "flat": np.array([flat_share(x, window.sfreq) for x in window.x]),
        "clipped": np.array([clipped_share(x) for x in window.x]),
        "chosen": np.zeros(len(window.ch_names)),
    }
    if not len(ppg.rows):
        return values
    pulse = ppg.pulse.astype(np.float64)
    values["skewness"] = per_channel(window, (pulse**3).mean(1) / np.maximum(pulse.std(1), 1e-30) ** 3)
    part = ppg.shape[:, : round(300 * ppg.sfreq)]
    power = np.abs(np.fft.rfft(part * np.hanning(part.shape[1]), axis=1)) ** 2
    freqs = np.fft.rfftfreq(part.shape[1], 1 / ppg.sfreq)
    heart = (freqs >= HEART[0]) & (freqs <= HEART[1])
    total = np.maximum(power[:, freqs >= 0.4].sum(1), 1e-30)
    values["pulsatile_share"] = per_channel(window, power[:, heart].sum(1) / total)
    if len(found.peaks):
        values["chosen"][ppg.rows[found.signal]] = 1.0  # type: ignore[index]
        low, middle, high = np.percentile(found.heights, (25, 50, 75))
        values["height_variation"] = float((high - low) / middle) if len(found.heights) > 2 else np.nan
    some = found.likeness[np.isfinite(found.likeness)]
    if len(some) > 1:  # one pulse is its own mean
        values["likeness_mean"], values["likeness_min"] = float(some.mean()), float(some.min())
        values["alike_share"] = float((some >= ALIKE).mean())
    return values
