"""Amplitudes, durations, slopes, areas and ratios of every lead's median beat."""

from __future__ import annotations

import numpy as np

from biosig.features.ecg_leads import leads
from biosig.features.ecg_measures import measures, per_channel
from biosig.features.ecg_waves import waves
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window

KLIGFIELD = "Kligfield et al., Circulation 2007; 115:1306"
LEVEL = "over the level before the QRS"
SPANS = ("qrs_swing", "qrs_notch")
"""Differences within the QRS, which have no level."""

_AMPLITUDES = {
    "q": ("q_amplitude", "depth of the first negative deflection before the first positive one"),
    "r": ("r_amplitude", "first positive deflection of the QRS"),
    "s": ("s_amplitude", "depth of the largest negative deflection after R; of QS that of the complex"),
    "r2": ("r2_amplitude", "largest positive deflection after S"),
    "swing": ("qrs_swing", "QRS from peak to peak"),
    "notch": ("qrs_notch", "deepest dip inside a deflection of the QRS"),
    "early": ("qrs_early", "amplitude 40 ms after the QRS's onset"),
    "late": ("qrs_late", "amplitude 40 ms before the QRS's end"),
    "j": ("j_amplitude", "amplitude at the QRS's end"),
    "st40": ("st40", "amplitude 40 ms after the QRS's end"),
    "st60": ("st60", "amplitude 60 ms after the QRS's end"),
    "st80": ("st80", "amplitude 80 ms after the QRS's end"),
    "t": ("t_amplitude", "T wave's value farthest from zero"),
    "t_min": ("t_min", "T wave's smallest value"),
    "t_max": ("t_max", "T wave's largest value"),
    "u": ("u_amplitude", "largest value 20 to 120 ms after T's end over that at 120 ms"),
    "p": ("p_amplitude", "P wave's value farthest from the line between its ends"),
    "p_min": ("p_min", "P wave's smallest value over that line"),
    "p_max": ("p_max", "P wave's largest value over that line"),
    "pr_slope": ("pr_segment_rise", "level before the QRS − value at P's end"),
}
_TIMES = {
    "q_ms": ("q_duration", "duration of Q"),
    "r_ms": ("r_duration", "duration of R"),
    "s_ms": ("s_duration", "duration of S"),
    "r2_ms": ("r2_duration", "duration of the second R"),
    "r_peak_ms": ("r_peak_time", "QRS's onset to the largest positive peak"),
}
_AREAS = {
    "qrs_area": ("qrs_area", "sum of the QRS × sample"),
    "t_area": ("t_area", "sum of the T wave × sample"),
    "p_area": ("p_area", "sum of the P wave over the line between its ends × sample"),
    "p_terminal": (
        "p_terminal_force",
        "depth × duration of what is negative of the P wave's second half (Morris et al., Circulation 1964; 29:242)",
    ),
}
_SLOPES = {
    "upslope": ("qrs_upslope", "steepest rise of the QRS"),
    "downslope": ("qrs_downslope", "steepest fall of the QRS"),
    "t_upslope": ("t_upslope", "steepest rise of the T wave"),
    "t_downslope": ("t_downslope", "steepest fall of the T wave"),
}
_NUMBERS = {
    "n_deflections": ("qrs_deflections", "deflections of the QRS of 3 % of its swing or more"),
    "notches": ("qrs_notches", "deflections of the QRS with a dip of 3 % of its swing or more"),
    "t_symmetry": ("t_symmetry", "ln (T onset to T peak / T peak to T end)"),
}


def _columns() -> list[Column]:
    groups = ((_AMPLITUDES, "mV", True), (_TIMES, "ms", False), (_AREAS, "mV·ms", True), (_SLOPES, "mV/ms", True))
    return [
        Column(
            name,
            unit,
            formula + (f", {LEVEL}" if unit == "mV" and name not in SPANS else ""),
            KLIGFIELD,
            "channel",
            amplitude,
        )
        for group, unit, amplitude in (*groups, (_NUMBERS, "1", False))
        for name, formula in group.values()
    ]


@feature("ecg", *_columns())
def shape(window: Window) -> Values:
    """Measures of each lead."""
    found = measures(window)
    groups = {**_AMPLITUDES, **_TIMES, **_AREAS, **_SLOPES, **_NUMBERS}
    return {name: per_channel(window, getattr(found, attribute)) for attribute, (name, _) in groups.items()}


@feature(
    "ecg",
    Column("q_r_ratio", "1", "Q / (Q + R)", "", "channel"),
    Column("r_s_ratio", "1", "(R − S) / (R + S), R the larger of both R waves", "", "channel"),
    Column("r2_r_ratio", "1", "R' / (R + R')", "", "channel"),
    Column("j_share", "1", "J amplitude / QRS swing of the lead", "", "channel"),
    Column("st60_share", "1", "ST60 / QRS swing of the lead", "", "channel"),
    Column("st_slope_share", "1", "(ST80 − J) / QRS swing of the lead", "", "channel"),
    Column("t_share", "1", "T amplitude / QRS swing of the lead", "", "channel"),
    Column("p_share", "1", "P amplitude / QRS swing of the lead", "", "channel"),
    Column("qrs_area_share", "1", "QRS area / (QRS swing × QRS duration) of the lead", "", "channel"),
    Column("early_share", "1", "amplitude 40 ms after the QRS's onset / QRS swing of the lead", "", "channel"),
    Column("late_share", "1", "amplitude 40 ms before the QRS's end / QRS swing of the lead", "", "channel"),
)
def shares(window: Window) -> Values:
    """Ratios within one lead, which no gain changes."""
    found, limits = measures(window), waves(window)
    if limits is None:
        return {}
    with np.errstate(divide="ignore", invalid="ignore"):
        tall, swing = np.maximum(found.r, found.r2), found.swing
        values = {
            "q_r_ratio": found.q / (found.q + found.r),
            "r_s_ratio": (tall - found.s) / (tall + found.s),
            "r2_r_ratio": found.r2 / (found.r + found.r2),
            "j_share": found.j / swing,
            "st60_share": found.st60 / swing,
            "st_slope_share": (found.st80 - found.j) / swing,
            "t_share": found.t / swing,
            "p_share": found.p / swing,
            "qrs_area_share": found.qrs_area / (swing * 1000 * (limits.qrs[1] - limits.qrs[0])),
            "early_share": found.early / swing,
            "late_share": found.late / swing,
        }
    return {name: per_channel(window, numbers) for name, numbers in values.items()}


@feature(
    "ecg",
    Column(
        "beat",
        "mV",
        "median beat from −300 to 420 ms in steps of 30 ms, mean of 30 ms, " + LEVEL,
        "",
        "lead_time",
        True,
    ),
)
def beat_samples(window: Window) -> Values:
    """The median beat itself, coarse, by lead and time."""
    limits = waves(window)
    times = np.arange(-300, 421, 30)
    numbers = np.full((len(window.ch_names), len(times)), np.nan)
    if limits is not None:
        first, last = (np.array([limits.sample((time + side) / 1000) for time in times.tolist()]) for side in (-14, 14))
        sums = np.cumsum(np.pad(limits.y, ((0, 0), (1, 0))), axis=1)
        numbers[leads(window).rows] = (sums[:, last + 1] - sums[:, first]) / (last + 1 - first)
    labels = ((name, time) for name in window.ch_names for time in times)
    return {"beat": {f"{name}@{time}": number for (name, time), number in zip(labels, numbers.ravel(), strict=True)}}
