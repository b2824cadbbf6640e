"""Shape of the mean pulse and of its first two derivatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import argrelmax, argrelmin, savgol_filter

from biosig.features.ppg_pulses import pulses
from biosig.features.ppg_signals import signals
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window

CHARLTON = "Charlton et al., Am J Physiol Heart Circ Physiol 2022; 322:H493"
TAKAZAWA = "Takazawa et al., Hypertension 1998; 32:365"

WIDTHS = (10, 25, 50, 75, 90)

SMOOTH = 0.056
"""Seconds of the cubic that the derivatives are taken of (Savitzky & Golay, Anal Chem 1964; 36:1627)."""

DIASTOLE = 0.3
"""Seconds after the notch in which the diastolic peak is looked for."""

NEEDED_BAND = 10.0
"""Hz up to which the recording must reach for its second derivative's waves."""


def derivatives(mean: NDArray[np.float64], sfreq: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and second derivative of a pulse, per second and per second squared, shapes (P,)."""
    length = max(round(SMOOTH * sfreq) | 1, 5)
    if len(mean) < length:
        return np.empty(0), np.empty(0)
    first, second = (savgol_filter(mean, length, 3, deriv=order, delta=1 / sfreq) for order in (1, 2))
    return first, second


@feature(
    "ppg",
    Column("crest_time", "ms", "foot to systolic peak of the mean pulse", CHARLTON),
    Column("fall_time", "ms", "systolic peak to the end of the mean pulse", CHARLTON),
    *(Column(f"width_{share}", "ms", f"width of the mean pulse at {share} % of its height", "Awad et al., J Clin Monit "
             "Comput 2007; 21:365") for share in WIDTHS),
    *(Column(f"width_ratio_{share}", "1", f"part of width_{share} after the peak over that before",
             "Awad et al., J Clin Monit Comput 2007; 21:365") for share in WIDTHS),
    Column("pulse_area", "1", "mean of the mean pulse, its height being 1", CHARLTON),
    Column("pulse_skewness", "1", "third standardised moment of the mean pulse's samples"),
    Column("pulse_kurtosis", "1", "fourth standardised moment of the mean pulse's samples"),
    Column("rise_share", "1", "crest_time over the pulse's length", CHARLTON),
    Column("harmonic_2", "1", "second harmonic of the mean pulse over its first, amplitudes", CHARLTON),
    Column("harmonic_3", "1", "third harmonic of the mean pulse over its first, amplitudes", CHARLTON),
    Column("pulse_height", "channel's unit", "median of peak less foot, in the channel's unit", "", "", True),
    Column("polarity", "1", "(steepest rise − steepest fall) / (their sum) of the mean pulse: below 0 where the signal "
           "is turned upside down"),
)  # fmt: skip
def shape(window: Window) -> Values:
    """Widths, times and moments of the mean pulse."""
    found, rate = pulses(window), signals(window).sfreq
    mean = found.mean
    if len(mean) < 5:
        return {}
    top, ms = int(mean.argmax()), 1000 / rate
    values = {
        "crest_time": top * ms,
        "fall_time": (len(mean) - 1 - top) * ms,
        "pulse_area": float(mean.mean()),
        "rise_share": top / (len(mean) - 1),
        "pulse_height": float(np.median(found.heights)),
    }
    for share in WIDTHS:
        left, right = _crossings(mean, top, share / 100)
        values[f"width_{share}"] = (right - left) * ms
        values[f"width_ratio_{share}"] = (right - top) / (top - left) if top > left else np.nan
    centred = mean - mean.mean()
    values["pulse_skewness"] = float((centred**3).mean() / centred.std() ** 3)
    values["pulse_kurtosis"] = float((centred**4).mean() / centred.std() ** 4)
    harmonics = np.abs(np.fft.rfft(mean[:-1]))[1:4]
    if len(harmonics) == 3 and harmonics[0] > 0:
        values["harmonic_2"], values["harmonic_3"] = (float(h / harmonics[0]) for h in harmonics[1:])
    first, _ = derivatives(mean, rate)
    if len(first):
        values["polarity"] = float((first.max() + first.min()) / (first.max() - first.min()))
    return values


def _crossings(mean: NDArray[np.float64], top: int, level: float) -> tuple[float, float]:
    """Samples at which the pulse last rises through `level` before its peak and first falls through it after."""
    below = np.flatnonzero(mean[:top] < level)
    after = np.flatnonzero(mean[top:] < level)
    if not len(below) or not len(after):
        return np.nan, np.nan
    i, j = below[-1], top + after[0]
    left = i + (level - mean[i]) / (mean[i + 1] - mean[i])
    right = j - 1 + (mean[j - 1] - level) / (mean[j - 1] - mean[j])
    return float(left), float(right)


@feature(
    "ppg",
    Column("notch_time", "ms", "foot to e wave of the second derivative: the dicrotic notch", CHARLTON),
    Column("notch_height", "1", "mean pulse at the notch", CHARLTON),
    Column("notch_depth", "1", "rise from the notch to the diastolic peak, 0 where the pulse only bends", CHARLTON),
    Column("diastolic_height", "1", "mean pulse at the diastolic peak, or at its bend: reflection index",
           "Millasseau et al., Clin Sci 2002; 103:371"),
    Column("diastolic_delay", "ms", "systolic to diastolic peak: height of the body over it is the stiffness index",
           "Millasseau et al., Clin Sci 2002; 103:371"),
    Column("area_ratio", "1", "area of the mean pulse after the notch over that before",
           "Wang et al., Conf Proc IEEE EMBS 2009:1746"),
    Column("slope_max", "1/s", "steepest rise of the mean pulse, its height being 1", CHARLTON),
    Column("slope_max_time", "ms", "foot to steepest rise", CHARLTON),
    Column("slope_min", "1/s", "steepest fall of the mean pulse", CHARLTON),
    Column("apg_a", "1/s²", "first wave of the second derivative, the pulse's height being 1", TAKAZAWA),
    *(Column(f"apg_{wave}_a", "1", f"wave {wave} of the second derivative over wave a", TAKAZAWA) for wave in "bcde"),
    *(Column(f"apg_{wave}_time", "ms", f"foot to wave {wave} of the second derivative", TAKAZAWA) for wave in "abcde"),
    Column("aging_index", "1", "(b − c − d − e) / a", TAKAZAWA),
)  # fmt: skip
def waves(window: Window) -> Values:
    """Notch, diastolic wave and the waves of the derivatives; all NaN where the recording's band ends below 10 Hz."""
    mean, rate = pulses(window).mean, signals(window).sfreq
    first, second = derivatives(mean, rate)
    highest = min(window.band[1] or np.inf, 0.45 * window.sfreq)
    if not len(first) or highest < NEEDED_BAND:
        return {}
    ms, steep, top = 1000 / rate, int(first[: int(mean.argmax()) + 1].argmax()), int(mean.argmax())
    values: dict[str, float] = {
        "slope_max": float(first[steep]),
        "slope_max_time": steep * ms,
        "slope_min": float(first.min()),
    }
    at = apg_waves(second, steep, rate)
    if "a" not in at or not second[at["a"]] > 0:
        return values
    a = float(second[at["a"]])
    values["apg_a"] = a
    values |= {f"apg_{wave}_time": i * ms for wave, i in at.items()}
    values |= {f"apg_{wave}_a": float(second[i]) / a for wave, i in at.items() if wave != "a"}
    if "e" not in at:
        return values
    values["aging_index"] = float(values["apg_b_a"] - values["apg_c_a"] - values["apg_d_a"] - values["apg_e_a"])
    notch = at["e"]
    if notch <= top:
        return values
    rest, near = mean[notch:], slice(notch, notch + round(DIASTOLE * rate))
    tops = argrelmax(mean[near])[0]
    bends = argrelmin(second[near])[0]
    peak = tops[0] if len(tops) else bends[0] if len(bends) else None
    values |= {"notch_time": notch * ms, "notch_height": float(mean[notch])}
    values["area_ratio"] = float(rest.sum() / mean[:notch].sum())
    if peak is not None:
        low = mean[top : notch + peak + 1].min()
        values["notch_depth"] = float(max(mean[notch + peak] - low, 0.0)) if len(tops) else 0.0
        values["diastolic_height"] = float(mean[notch + peak])
        values["diastolic_delay"] = (notch + peak - top) * ms
    return values


def apg_waves(second: NDArray[np.float64], steep: int, sfreq: float) -> dict[str, int]:
    """Samples of the waves a to e of a pulse's second derivative; those that cannot be separated are left out.

    a is the largest maximum before the steepest rise, b the smallest minimum in the 150 ms after it, e the largest
    maximum from 100 to 400 ms after b, c and d the first maximum and the last minimum between b and e.
    """
    found = {"a": int(second[: steep + 1].argmax())}
    stop = min(steep + round(0.15 * sfreq) + 1, len(second))
    b = steep + int(second[steep:stop].argmin())
    found["b"] = b
    tops = argrelmax(second)[0]
    later = tops[(tops > b + 0.1 * sfreq) & (tops < b + 0.4 * sfreq)]
    if not len(later):
        return found
    e = int(later[second[later].argmax()])
    between = second[b : e + 1]
    c, d = argrelmax(between)[0], argrelmin(between)[0]
    if len(c) and len(d) and c[0] < d[-1]:
        return found | {"c": b + int(c[0]), "d": b + int(d[-1]), "e": e}
    flat = b + (e - b) // 2  # c and d merge into one bend where vessels are stiff
    return found | {"c": flat, "d": flat, "e": e}
