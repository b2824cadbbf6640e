"""Intervals between heart beats, their variability and a rate by autocorrelation: for ECG and PPG alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, lombscargle

from biosig.features.registry import Column

TASK_FORCE = "Task Force of the ESC and NASPE, Circulation 1996; 93:1043"

EARLY, LATE = 0.85, 1.15
"""Shares of the local median interval at which a beat is premature and at which a pause begins."""

SHORTEST_FOR_LF, SHORTEST_FOR_HF = 75.0, 20.0
"""Seconds: three cycles of 0.04 and of 0.15 Hz."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """RR intervals in ms of neighbouring beats with no gap between them.

    Parameters
    ----------
    rr : ndarray, shape (N,)
    times : ndarray, shape (N,)
        End of each in seconds.
    normal : ndarray of bool, shape (N,)
        True if both its beats have the commonest shape and it is neither premature nor a pause.
    follows : ndarray of bool, shape (N,)
        True if it begins where the interval before ends; differences are taken of such alone.
    """

    rr: NDArray[np.float64]
    times: NDArray[np.float64]
    normal: NDArray[np.bool_]
    follows: NDArray[np.bool_]


def intervals_between(
    samples: NDArray[np.number], sfreq: float, valid: NDArray[np.bool_], common: NDArray[np.bool_]
) -> Intervals:
    """Intervals between neighbouring beats.

    Parameters
    ----------
    samples : ndarray, shape (N,)
        Place of each beat, sorted; fractions of a sample are kept.
    sfreq : float
        Their rate in Hz.
    valid : ndarray of bool, shape (T,)
        True for samples that are real values; an interval over one that is not is left out.
    common : ndarray of bool, shape (N,)
        True if a beat has the commonest shape.
    """
    if len(samples) < 2:
        return Intervals(np.empty(0), np.empty(0), np.empty(0, bool), np.empty(0, bool))
    lost = np.concatenate(([0], np.cumsum(~valid)))[np.clip(samples.astype(np.intp), 0, len(valid))]
    whole = lost[1:] == lost[:-1]
    rr = np.diff(samples) * 1000 / sfreq
    usual = local_median(rr)
    normal = common[1:] & common[:-1] & (rr >= EARLY * usual) & (rr <= LATE * usual)
    normal &= ~np.r_[False, rr[:-1] < EARLY * usual[:-1]]
    follows = np.r_[False, whole[1:] & whole[:-1]]
    return Intervals(rr[whole], samples[1:][whole] / sfreq, normal[whole], follows[whole])


def local_median(rr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over 11 intervals around each, fewer at the ends."""
    if len(rr) <= 11:
        return np.full(len(rr), np.median(rr))
    padded = np.r_[rr[:5], rr, rr[-5:]]
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=1)


def autocorrelation_rate(x: NDArray[np.floating], sfreq: float) -> float:
    """Rate in 1/min by the autocorrelation of `x`, shape (T,), lags of 0.25 to 2 s; NaN under 4 s or without a peak."""
    if len(x) < 4 * sfreq:
        return np.nan
    spectrum = np.abs(np.fft.rfft(x - x.mean(), 2 * len(x))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(x)] / np.arange(len(x), 0, -1)
    lags = np.arange(round(0.25 * sfreq), min(round(2.0 * sfreq), len(x) // 2))
    peaks, _ = find_peaks(correlation[lags])
    height = correlation[lags][peaks]
    if not (height > 0).any():
        return np.nan
    # the first of nearly equal peaks: twice the interval correlates as well as once
    return float(60 * sfreq / lags[peaks[height >= 0.85 * height.max()][0]])


def _steps(found: Intervals, keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Differences of successive intervals that are both kept and follow each other."""
    pairs = found.follows[1:] & keep[1:] & keep[:-1]
    return np.diff(found.rr)[pairs]


def variability_columns(name: str) -> tuple[Column, ...]:
    """The columns of `variability` of intervals called `name`: "RR"."""
    return (
        Column("sdnn", "ms", f"standard deviation of normal {name}", TASK_FORCE),
        Column(
            "rmssd", "ms", f"root mean square of differences of successive normal {name}, none across a gap", TASK_FORCE
        ),
        Column("pnn50", "1", "share of those differences over 50 ms", TASK_FORCE),
        Column("pnn20", "1", "share of those differences over 20 ms", "Mietus et al., Heart 2002; 88:378"),
        Column("sdrr", "ms", f"standard deviation of all {name}"),
        Column("rmssd_raw", "ms", f"as rmssd over all {name}"),
        Column("rr_cv", "1", f"standard deviation of all {name} / mean"),
        Column("rr_entropy", "1", f"Shannon entropy, bits, of {name} / median in steps of 0.05"),
        Column("sd1", "ms", "rmssd / √2", "Brennan et al., IEEE Trans Biomed Eng 2001; 48:1342"),
        Column("sd2", "ms", "√(2 sdnn² − sd1²)", "Brennan et al., IEEE Trans Biomed Eng 2001; 48:1342"),
        Column(
            "lf_power",
            "ms²",
            f"power of normal {name} from 0.04 to 0.15 Hz by Lomb's periodogram, 75 s or more",
            TASK_FORCE,
        ),
        Column(
            "hf_power",
            "ms²",
            f"power of normal {name} from 0.15 to 0.4 Hz by Lomb's periodogram, 20 s or more",
            TASK_FORCE,
        ),
        Column("lf_hf", "1", "lf_power / hf_power", TASK_FORCE),
    )


def variability(found: Intervals) -> dict[str, float]:
    """Heart-rate variability, by the names of `variability_columns`."""
    normal, every = found.rr[found.normal], np.ones(len(found.rr), bool)
    values: dict[str, float] = {}
    if len(found.rr) >= 3:
        share = np.bincount(np.round(20 * np.clip(found.rr / np.median(found.rr), 0, 3)).astype(int)) / len(found.rr)
        values["sdrr"] = float(found.rr.std(ddof=1))
        values["rr_cv"] = values["sdrr"] / float(found.rr.mean())
        values["rr_entropy"] = float(-(share[share > 0] * np.log2(share[share > 0])).sum())
        raw = _steps(found, every)
        if len(raw):
            values["rmssd_raw"] = float(np.sqrt(np.mean(raw**2)))
    steps = _steps(found, found.normal)
    if len(normal) >= 3 and len(steps) >= 2:
        values["sdnn"], values["rmssd"] = float(normal.std(ddof=1)), float(np.sqrt(np.mean(steps**2)))
        values["pnn50"], values["pnn20"] = float(np.mean(np.abs(steps) > 50)), float(np.mean(np.abs(steps) > 20))
        values["sd1"] = values["rmssd"] / np.sqrt(2)
        values["sd2"] = float(np.sqrt(max(2 * values["sdnn"] ** 2 - values["sd1"] ** 2, 0)))
        times = found.times[found.normal]
        span = times[-1] - times[0]
        if span >= SHORTEST_FOR_HF:
            values["hf_power"] = band_power(times, normal, 0.15, 0.4)
        if span >= SHORTEST_FOR_LF:
            values["lf_power"] = band_power(times, normal, 0.04, 0.15)
            values["lf_hf"] = values["lf_power"] / max(values["hf_power"], 1e-12)
    return values


def band_power(times: NDArray[np.float64], values: NDArray[np.float64], low: float, high: float) -> float:
    """Power of unevenly sampled values between two frequencies, in their unit squared; a sine of A gives A² / 2.

    Of more than five minutes it is the mean over stretches of five minutes.
    """
    if times[-1] - times[0] > 450:
        parts = np.floor((times - times[0]) / 300)
        chosen = [parts == part for part in np.unique(parts) if (parts == part).sum() > 30]
        powers = [band_power(times[part], values[part], low, high) for part in chosen]
        return float(np.mean(powers)) if powers else np.nan
    span = times[-1] - times[0]
    freqs = np.arange(max(1 / span, low / 8), 0.6, 1 / (4 * span))
    inside = (freqs >= low) & (freqs < high)
    density = lombscargle(times, values - values.mean(), 2 * np.pi * freqs[inside]) * 2 * span / len(times)
    return float(density.sum() / (4 * span))
