"""Rate, heart-rate variability, irregularity, ectopic beats and ventricular flutter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, lombscargle

from biosig.features.ecg_beats import beats
from biosig.features.ecg_leads import leads
from biosig.features.ecg_median import median_beat
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window, shared

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
        Whether both its beats have the commonest shape and it is neither premature nor a pause.
    follows : ndarray of bool, shape (N,)
        Whether it begins where the interval before ends; differences are taken of such alone.
    """

    rr: NDArray[np.float64]
    times: NDArray[np.float64]
    normal: NDArray[np.bool_]
    follows: NDArray[np.bool_]


@shared
def intervals(window: Window) -> Intervals:
    """The window's RR intervals."""
    ecg, beat = leads(window), median_beat(window)
    samples = beat.samples
    if len(samples) < 2:
        return Intervals(np.empty(0), np.empty(0), np.empty(0, bool), np.empty(0, bool))
    lost = np.concatenate(([0], np.cumsum(~ecg.valid.any(0))))
    whole = lost[samples[1:]] == lost[samples[:-1]]
    rr = np.diff(samples) * 1000 / ecg.sfreq
    usual = _local_median(rr)
    common = beat.common[1:] & beat.common[:-1]
    normal = common & (rr >= EARLY * usual) & (rr <= LATE * usual)
    after_early = np.r_[False, rr[:-1] < EARLY * usual[:-1]]
    normal &= ~after_early
    follows = np.r_[False, whole[1:] & whole[:-1]]
    return Intervals(rr[whole], samples[1:][whole] / ecg.sfreq, normal[whole], follows[whole])


def _local_median(rr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over 11 intervals around each, fewer at the ends."""
    if len(rr) <= 11:
        return np.full(len(rr), np.median(rr))
    padded = np.r_[rr[:5], rr, rr[-5:]]
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=1)


@feature(
    "ecg",
    Column("n_beats", "1", "beats found in the window"),
    Column("n_intervals", "1", "RR intervals without a gap between their beats"),
    Column("n_normal", "1", "RR intervals of beats of the commonest shape, neither premature nor a pause", TASK_FORCE),
    Column("rate", "1/min", "60000 / median RR"),
    Column("rate_autocorrelation", "1/min", "60 / lag of the largest autocorrelation of the QRS energy, 0.25 to 2 s"),
    Column(
        "rate_agreement", "1", "rate / rate_autocorrelation: 2 or 1/2 where beats are counted twice or half of them"
    ),
    Column("rr_min", "ms", "shortest RR"),
    Column("rr_max", "ms", "longest RR"),
)
@shared
def rate(window: Window) -> Values:
    """Number of beats and rate."""
    found, rr = intervals(window), intervals(window).rr
    values: dict[str, float] = {
        "n_beats": float(len(beats(window).samples)),
        "n_intervals": float(len(rr)),
        "n_normal": float(found.normal.sum()),
    }
    if len(rr):
        by_lag = _autocorrelation_rate(window)
        values |= {"rate": 60_000 / float(np.median(rr)), "rr_min": float(rr.min()), "rr_max": float(rr.max())}
        values |= {"rate_autocorrelation": by_lag, "rate_agreement": values["rate"] / by_lag}
    return values


def _autocorrelation_rate(window: Window) -> float:
    """Rate by the autocorrelation of the detection function; NaN in windows of less than 4 s."""
    rate = leads(window).sfreq
    energy = beats(window).energy[: round(300 * rate)].astype(np.float64)
    if len(energy) < 4 * rate:
        return np.nan
    energy = energy[: len(energy) // 5 * 5].reshape(-1, 5).mean(1)
    step = rate / 5
    energy = np.minimum(energy, np.percentile(energy, 98)) - energy.mean()
    spectrum = np.abs(np.fft.rfft(energy, 2 * len(energy))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(energy)] / np.arange(len(energy), 0, -1)
    lags = np.arange(round(0.25 * step), min(round(2.0 * step), len(energy) // 2))
    peaks, _ = find_peaks(correlation[lags])
    if not len(peaks):
        return np.nan
    height = correlation[lags][peaks]
    if height.max() <= 0:
        return np.nan
    # the first of nearly equal peaks: twice the interval correlates as well as once
    return float(60 * step / lags[peaks[height >= 0.85 * height.max()][0]])


def _steps(found: Intervals, keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Differences of successive intervals that are both kept and follow each other."""
    pairs = found.follows[1:] & keep[1:] & keep[:-1]
    return np.diff(found.rr)[pairs]


@feature(
    "ecg",
    Column("sdnn", "ms", "standard deviation of normal RR", TASK_FORCE),
    Column("rmssd", "ms", "root mean square of differences of successive normal RR, none across a gap", TASK_FORCE),
    Column("pnn50", "1", "share of those differences over 50 ms", TASK_FORCE),
    Column("pnn20", "1", "share of those differences over 20 ms", "Mietus et al., Heart 2002; 88:378"),
    Column("sdrr", "ms", "standard deviation of all RR"),
    Column("rmssd_raw", "ms", "as rmssd over all RR"),
    Column("rr_cv", "1", "standard deviation of all RR / mean"),
    Column("rr_entropy", "1", "Shannon entropy, bits, of RR / median in steps of 0.05"),
    Column("sd1", "ms", "rmssd / √2", "Brennan et al., IEEE Trans Biomed Eng 2001; 48:1342"),
    Column("sd2", "ms", "√(2 sdnn² − sd1²)", "Brennan et al., IEEE Trans Biomed Eng 2001; 48:1342"),
    Column(
        "lf_power", "ms²", "power of normal RR from 0.04 to 0.15 Hz by Lomb's periodogram, 75 s or more", TASK_FORCE
    ),
    Column("hf_power", "ms²", "power of normal RR from 0.15 to 0.4 Hz by Lomb's periodogram, 20 s or more", TASK_FORCE),
    Column("lf_hf", "1", "lf_power / hf_power", TASK_FORCE),
)
@shared
def variability(window: Window) -> Values:
    """Heart-rate variability."""
    found = intervals(window)
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


@feature(
    "ecg",
    Column("premature_share", "1", "share of beats that come before 85 % of the local median RR"),
    Column("pause_share", "1", "share of RR over 150 % of the local median"),
    Column("ectopic_share", "1", "share of beats whose QRS correlates less than 0.85 with the median beat's"),
    Column("premature_ectopic_share", "1", "share of beats that are both premature and of another shape"),
    Column("likeness_min", "1", "smallest correlation of a beat's QRS with the median beat's"),
    Column("likeness_mean", "1", "mean correlation of the beats' QRS with the median beat's"),
)
@shared
def ectopy(window: Window) -> Values:
    """Premature beats and beats of another shape."""
    beat, rr = median_beat(window), intervals(window).rr
    if not len(beat.samples):
        return {}
    strange = ~beat.common
    values = {
        "ectopic_share": float(strange.mean()),
        "likeness_min": float(beat.likeness.min()),
        "likeness_mean": float(beat.likeness.mean()),
    }
    if len(rr) >= 3:
        every = np.diff(beat.samples)
        usual = _local_median(every.astype(np.float64))
        early = np.r_[False, every < EARLY * usual]
        values["premature_share"] = float(early.mean())
        values["pause_share"] = float((every > 1.5 * usual).mean())
        values["premature_ectopic_share"] = float((early & strange).mean())
    return values


FLUTTER_SECONDS, FLUTTER_SCORE = 4.0, 0.55
"""Length of a stretch, and the score from which it is flutter."""


@shared
def flutter_scores(window: Window) -> NDArray[np.float64]:
    """How far each 4-s stretch (by steps of 2 s) is one sine, 0 to 1, of 2.3 to 7 Hz: the spectral shape of flutter.

    Share of the power from 0.5 to 25 Hz that lies within 0.75 Hz of the largest peak, over leads the median.
    """
    ecg = leads(window)
    length, step = round(FLUTTER_SECONDS * ecg.sfreq), round(FLUTTER_SECONDS / 2 * ecg.sfreq)
    if not len(ecg.x) or ecg.x.shape[1] < length:
        return np.empty(0)
    taper = np.hanning(length).astype(np.float32)
    freqs = np.fft.rfftfreq(length, 1 / ecg.sfreq)
    use = (freqs >= 0.5) & (freqs <= 25)
    scores = []
    for start in range(0, ecg.x.shape[1] - length + 1, step):
        power = np.abs(np.fft.rfft(ecg.x[:, start : start + length] * taper, axis=1)[:, use]) ** 2
        peak = freqs[use][power.argmax(1)]
        near = np.abs(freqs[use][None] - peak[:, None]) <= 0.75
        share = (power * near).sum(1) / np.maximum(power.sum(1), 1e-20)
        scores.append(np.median(np.where((peak >= 2.3) & (peak <= 7), share, 0.0)))
    return np.array(scores)


@feature(
    "ecg",
    Column("flutter_share", "1", "share of 4-s stretches with a flutter score of 0.55 or more",
           "spectral criterion after Barro et al., J Med Eng Technol 1989; 13:220"),
    Column("flutter_max", "1", "largest share of 0.5 to 25 Hz within 0.75 Hz of a peak at 2.3 to 7 Hz, of 4 s",
           "Barro et al., J Med Eng Technol 1989; 13:220"),
)  # fmt: skip
def flutter(window: Window) -> Values:
    """Ventricular flutter."""
    scores = flutter_scores(window)
    return (
        {"flutter_share": float((scores >= FLUTTER_SCORE).mean()), "flutter_max": float(scores.max())}
        if len(scores)
        else {}
    )
