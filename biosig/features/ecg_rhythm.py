"""Rate, heart-rate variability, irregularity, ectopic beats and ventricular flutter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from biosig.features.ecg_beats import beats
from biosig.features.ecg_leads import leads
from biosig.features.ecg_median import median_beat
from biosig.features.intervals import (
    EARLY,
    TASK_FORCE,
    Intervals,
    autocorrelation_rate,
    intervals_between,
    local_median,
    variability,
    variability_columns,
)
from biosig.features.registry import Column, Values, feature
from biosig.features.window import Window, shared


@shared
def intervals(window: Window) -> Intervals:
    """The window's RR intervals."""
    ecg, beat = leads(window), median_beat(window)
    return intervals_between(beat.samples, ecg.sfreq, np.asarray(ecg.valid.any(0)), beat.common)


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
    timing=True,
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
    energy = energy[: len(energy) // 5 * 5].reshape(-1, 5).mean(1)
    return autocorrelation_rate(np.minimum(energy, np.percentile(energy, 98)), rate / 5) if len(energy) else np.nan


@feature("ecg", *variability_columns("RR"), timing=True)
@shared
def rr_variability(window: Window) -> Values:
    """Heart-rate variability."""
    return variability(intervals(window))


@feature(
    "ecg",
    Column("premature_share", "1", "share of beats that come before 85 % of the local median RR"),
    Column("pause_share", "1", "share of RR over 150 % of the local median"),
    Column("ectopic_share", "1", "share of beats whose QRS correlates less than 0.85 with the median beat's"),
    Column("premature_ectopic_share", "1", "share of beats that are both premature and of another shape"),
    Column("likeness_min", "1", "smallest correlation of a beat's QRS with the median beat's"),
    Column("likeness_mean", "1", "mean correlation of the beats' QRS with the median beat's"),
    timing=True,
)
@shared
def ectopy(window: Window) -> Values:
    """Premature beats and beats of another shape."""
    beat, rr = median_beat(window), intervals(window).rr
    if not len(beat.samples):
        return {}
    strange = beat.strange
    known = beat.likeness[np.isfinite(beat.likeness)]
    values = {"ectopic_share": float(strange.mean())}
    if len(known):
        values |= {"likeness_min": float(known.min()), "likeness_mean": float(known.mean())}
    if len(rr) >= 3:
        every = np.diff(beat.samples)
        usual = local_median(every.astype(np.float64))
        early = np.r_[False, every < EARLY * usual]
        values["premature_share"] = float(early.mean())
        values["pause_share"] = float((every > 1.5 * usual).mean())
        values["premature_ectopic_share"] = float((early & strange).mean())
    return values


FLUTTER_SECONDS, FLUTTER_SCORE = 4.0, 0.55
"""Length of a stretch, and the score from which it is flutter."""


@shared
def flutter_scores(window: Window) -> NDArray[np.float64]:
    """Likeness of each 4-s stretch (by steps of 2 s) to one sine of 2.3 to 7 Hz, 0 to 1: the spectral shape of flutter.

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
