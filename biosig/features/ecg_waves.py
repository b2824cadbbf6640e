"""Onset and end of P, QRS and T on the median beat, over all leads together.

The slopes at which the QRS begins and ends, and how far before and after them cardiologists place their marks, were
fitted to half of the marked records of the Lobachevsky database (Kalyakulina et al., IEEE Access 2020; 8:186181);
``benchmarks/delineation.py`` measures the error on the other half.

Shape letters: L leads, W samples of the median beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from biosig.features.ecg_beats import beats
from biosig.features.ecg_leads import leads
from biosig.features.ecg_median import UPSAMPLED, MedianBeat, median_beat
from biosig.features.window import Window, shared

QRS_SMOOTHING = 0.005
"""Seconds, standard deviation of a Gaussian."""

QRS_SLOPE = 0.12
"""Share of a lead's steepest slope at which the QRS begins and ends."""

QRS_QUANTILE = 0.85
"""Of the leads' ends, weighted by slope over noise: nearly the latest; of their onsets nearly the earliest."""

QRS_QUIET = (0.01, 0.013)
"""Seconds for which the slope must stay below, before and after the QRS: the end of a bundle branch block is gentle."""

QRS_EARLIER, QRS_LATER = 0.013, 0.012
"""Seconds by which marks lie before and after those slopes."""

T_LATER = (0.014, 0.017)
"""Seconds by which marks lie after the tangent's foot (Lepeschkin & Surawicz, Circulation 1952; 6:378) and after the
largest area under the end of the T wave (Zhang, Manriquez, Medigue, Papelier & Sorine, Computers in Cardiology
2005). Their mean is taken: the first is sharper, the second hardly ever takes another wave.
"""

P_SHORTEST = 0.12
"""Seconds before the QRS in which a P wave is looked for even where the T wave of the beat before reaches into them."""

P_WIDTH, P_REACH = 0.12, (0.11, 0.06)
"""Seconds: about how long a P wave is, and how far before and after its steepest stretch its onset is looked for."""

PRESENT = 0.5
"""A wave of a lower score gives no interval and no amplitude."""


@dataclass(frozen=True, eq=False)
class Waves:
    """Limits of the waves of the median beat, in seconds from its zero; NaN where a wave is not found.

    Parameters
    ----------
    p, qrs, t : tuple of float
        Onset and end over all leads.
    p_score, t_score : float
        Evidence from 0 to 1 that the wave is there: the share of the median beat's variance in its window that the
        scatter of single beats does not explain.
    y : ndarray of float64, shape (L, W)
        The median beat over its level just before the QRS.
    sfreq : float
    zero : int
        Sample of time 0.
    """

    p: tuple[float, float]
    qrs: tuple[float, float]
    t: tuple[float, float]
    p_score: float
    t_score: float
    y: NDArray[np.float64]
    sfreq: float
    zero: int

    def sample(self, time: float) -> int:
        """The sample of `y` nearest to a time."""
        return int(np.clip(self.zero + round(time * self.sfreq), 0, self.y.shape[1] - 1))

    def part(self, start: float, stop: float) -> NDArray[np.float64]:
        """The stretch of `y` between two times, both included, shape (L, n); at least one sample."""
        first = self.sample(start)
        return self.y[:, first : max(self.sample(stop), first) + 1]

    @property
    def has_p(self) -> bool:
        """True if there is a P wave before the QRS."""
        return bool(self.p_score >= PRESENT and np.isfinite(self.p[0]))

    @property
    def has_t(self) -> bool:
        """True if there is a T wave."""
        return bool(self.t_score >= PRESENT and np.isfinite(self.t[1]))


@shared
def waves(window: Window) -> Waves | None:
    """Waves of the window's median beat; None where there is no beat."""
    beat = median_beat(window)
    if not beat.n_beats:
        return None
    samples = beats(window).samples
    rr = float(np.median(np.diff(samples))) / leads(window).sfreq if len(samples) > 1 else 1.0
    return measure(beat, rr)


def measure(
    beat: MedianBeat, rr: float, t_before: float | None = None, noise: NDArray[np.float64] | None = None
) -> Waves:
    """Waves of a median beat.

    Parameters
    ----------
    beat : MedianBeat
    rr : float
        Usual interval between beats, in seconds.
    t_before : float, optional
        End of the previous beat's T wave, in seconds from this beat's zero; default: as its own, `rr` before.
    noise : ndarray, shape (L,), optional
        Deviation of single beats, for the presence of waves of a shape that occurs once; default: their score is NaN.
    """
    rate, zero = beat.sfreq, beat.zero
    none = (np.nan, np.nan)
    size = np.ptp(beat.x, axis=1)
    trust = 1 / np.where(np.isfinite(beat.noise), beat.noise + 1e-3 * size + 1e-12, 1.0)
    on, off = _qrs(beat, trust)
    level = np.median(beat.x[:, max(on - round(0.02 * rate), 0) : max(on - round(0.002 * rate), 1)], axis=1)
    y = beat.x - level[:, None]
    t_first = off + round(0.08 * rate)
    t_last = min(max(zero + round(min(0.68, rr - 0.22) * rate), t_first + round(0.1 * rate)), y.shape[1] - 10)
    centre = zero + 0.31 * np.sqrt(np.clip(rr, 0.4, 1.4)) * rate
    tangent = _last_edge(y, trust, rate, (t_first, t_last), centre, 0.12 * rate, 0.012, 0.4, None, 0.15, 0.6)
    area = _largest_area(y, trust, rate, (t_first + round(0.04 * rate), t_last), centre + 0.06 * rate)
    t_end = (tangent + area + sum(T_LATER) * rate) / 2
    flip = y.shape[1] - 1
    p_first = on - round(min(0.34, max(rr - 0.3, 0.12)) * rate)
    before = t_end - rr * rate if t_before is None else zero + t_before * rate
    if np.isfinite(before):
        p_first = max(p_first, min(round(before), on - round(P_SHORTEST * rate)))
    p_first, p_last = max(p_first, 3), on - round(0.008 * rate)
    place = _steepest_stretch(y, trust, rate, (p_first, p_last), on - 0.15 * rate)
    first, last = max(p_first, round(place - P_REACH[0] * rate)), min(p_last, round(place + P_REACH[1] * rate))
    p_on = flip - _last_edge(
        y[:, ::-1], trust, rate, (flip - last, flip - first), flip - on + 0.15 * rate, 0.08 * rate, 0.009, 0.6, 0.3,
        0.1, 0.7,
    )  # fmt: skip
    p_score = _score(beat, p_first, p_last, noise)
    t_score = _score(beat, t_first, t_last, noise)
    p, t = none, none
    if np.isfinite(p_on):
        stretch = (round(p_on + 0.03 * rate), on)
        p_end = np.nan
        if stretch[1] - stretch[0] > 5:
            middle = p_on + 0.08 * rate
            p_end = _last_edge(y, trust, rate, stretch, middle, 0.04 * rate, 0.009, 0.6, 0.2, 0.1, 0.5)
        p = ((p_on - zero) / rate, (min(p_end, on) - zero) / rate)
    if np.isfinite(t_end):
        stretch = (max(flip - round(t_end - 0.055 * rate), 0), flip - off)  # T may end after the median beat does
        t_on = np.nan
        if stretch[1] - stretch[0] > 5:
            middle = flip - t_end + 0.155 * rate
            t_on = flip - _last_edge(y[:, ::-1], trust, rate, stretch, middle, 0.06 * rate, 0.012, 0.4, None, 0.15, 0.6)
        t = ((max(t_on, off) - zero) / rate, (t_end - zero) / rate)
    return Waves(p, ((on - zero) / rate, (off - zero) / rate), t, p_score, t_score, y, rate, zero)


def _qrs(beat: MedianBeat, trust: NDArray[np.float64]) -> tuple[int, int]:
    """Samples of the QRS's onset and end: a late quantile over leads of where each one's slope begins and ends."""
    rate, zero = beat.sfreq, beat.zero
    slopes = np.abs(np.gradient(gaussian_filter1d(beat.x, QRS_SMOOTHING * rate, axis=1), axis=1))
    first, last = zero - round(0.08 * rate), zero + round(0.08 * rate)
    peaks = first + slopes[:, first:last].argmax(1)
    tops = slopes[np.arange(len(peaks)), peaks]
    loud = slopes > QRS_SLOPE * tops[:, None]
    quiet, quiet_after = (round(length * rate) for length in QRS_QUIET)
    # a place is inside the QRS where one of the next `quiet` samples towards its peak's far side is loud
    sums = np.concatenate((np.zeros((len(loud), 1), int), np.cumsum(loud, axis=1)), 1)
    n = loud.shape[1]
    places = np.arange(n)
    before = sums[:, places] - sums[:, np.maximum(places - quiet, 0)]
    after = sums[:, np.minimum(places + 1 + quiet_after, n)] - sums[:, np.minimum(places + 1, n)]
    ons, offs = np.empty(len(peaks)), np.empty(len(peaks))
    for lead, peak in enumerate(peaks):
        still = np.flatnonzero(before[lead, : peak + 1] == 0)
        ons[lead] = max(still[-1] if len(still) else 0, zero - round(0.18 * rate))
        still = np.flatnonzero(after[lead, peak:] == 0)
        offs[lead] = min(peak + still[0] if len(still) else n - 1, zero + round(0.22 * rate))
    weight = trust * tops
    on = _weighted_quantile(ons, weight, 1 - QRS_QUANTILE)
    off = _weighted_quantile(offs, weight, QRS_QUANTILE)
    return round(on - QRS_EARLIER * rate), round(off + QRS_LATER * rate)


def _steepest_stretch(
    y: NDArray[np.float64], trust: NDArray[np.float64], rate: float, stretch: tuple[int, int], centre: float
) -> float:
    """The middle of the `P_WIDTH` seconds in which all leads together are steepest: where a P wave must lie.

    A single lead's noise can be as steep as a flat P wave; that of several leads does not rise at one place.
    """
    first, last = stretch
    if last - first < 5:
        return (first + last) / 2
    slopes = np.gradient(gaussian_filter1d(y, 0.009 * rate, axis=1), axis=1) * trust[:, None]
    power = uniform_filter1d((slopes**2).sum(0)[first:last], round(P_WIDTH * rate), mode="constant")
    power *= np.exp(-0.5 * ((np.arange(first, last) - centre) / (0.12 * rate)) ** 2)
    return float(first + power.argmax())


def _last_edge(
    y: NDArray[np.float64],
    trust: NDArray[np.float64],
    rate: float,
    stretch: tuple[int, int],
    centre: float,
    width: float,
    smoothing: float,
    share: float,
    fraction: float | None,
    reach: float,
    quantile: float,
) -> float:
    """The sample at which the last wave of a stretch ends, over leads; NaN where there is none.

    In each lead: among the steepest places of the stretch, weighted by a Gaussian about where such waves end, the last
    one of at least `share` of the largest; from it the wave ends where the slope has fallen to `fraction` of its own
    or, where that is None, where its tangent meets the level that follows. Over leads: the `quantile` by weight, a
    lead's slope over its noise. In mirrored time it gives an onset.
    """
    first, last = stretch
    if last - first < 5:
        return np.nan
    smooth = gaussian_filter1d(y, smoothing * rate, axis=1)
    slopes = np.gradient(smooth, axis=1)
    steep = np.abs(slopes[:, first:last]) * np.exp(-0.5 * ((np.arange(first, last) - centre) / width) ** 2)
    is_peak = (steep[:, 1:-1] >= steep[:, :-2]) & (steep[:, 1:-1] > steep[:, 2:])
    height = np.where(is_peak, steep[:, 1:-1], 0.0)
    enough = (height >= share * height.max(1, keepdims=True)) & is_peak
    ends, weights = [], []
    n_reach = round(reach * rate)
    for lead in np.flatnonzero(enough.any(1)):
        at = first + 1 + int(np.flatnonzero(enough[lead])[-1])
        sign = np.sign(slopes[lead, at])
        if fraction is None:
            after = sign * smooth[lead, at : at + n_reach]
            end = at + (after.max() - after[0]) / abs(slopes[lead, at])
        else:
            after = sign * slopes[lead, at : at + n_reach]
            below = np.flatnonzero(after < fraction * after[0])
            end = at + (below[0] if len(below) else len(after))
        ends.append(float(end))
        weights.append(abs(slopes[lead, at]) * trust[lead])
    return _weighted_quantile(np.array(ends), np.array(weights), quantile) if ends else np.nan


def _largest_area(
    y: NDArray[np.float64], trust: NDArray[np.float64], rate: float, stretch: tuple[int, int], centre: float
) -> float:
    """The sample before which the area over its own level is largest, over leads; NaN where there is none.

    Of the largest positive and the largest negative area of a lead the later one counts, unless it is less than a
    third of the other.
    """
    first, last = stretch[0], min(stretch[1], y.shape[1] - 10)
    if last - first < 5:
        return np.nan
    sums = np.cumsum(gaussian_filter1d(y, 0.008 * rate, axis=1), axis=1)
    places, length, beside = np.arange(first, last), round(0.08 * rate), round(0.016 * rate)
    before = (sums[:, places] - sums[:, places - length]) / length
    here = (sums[:, places + beside] - sums[:, places - beside - 1]) / (2 * beside + 1)
    area = (before - here) * np.exp(-0.5 * ((places - centre) / (0.1 * rate)) ** 2)
    high, low, rows = area.argmax(1), area.argmin(1), np.arange(len(y))
    up, down = area[rows, high], -area[rows, low]
    both = np.minimum(up, down) * 3 > np.maximum(up, down)
    ends = np.where(both, np.maximum(high, low), np.where(up > down, high, low))
    return first + _weighted_quantile(ends.astype(np.float64), np.abs(area[rows, ends]) * trust, 0.7)


def _weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], quantile: float) -> float:
    order = np.argsort(values)
    share = (np.cumsum(weights[order]) - weights[order] / 2) / max(weights.sum(), 1e-30)
    return float(np.interp(quantile, share, values[order]))


def _score(beat: MedianBeat, first: int, last: int, noise: NDArray[np.float64] | None) -> float:
    """1 minus twice the share of the median's variance that is left by the scatter of single beats.

    A stretch without a wave has a ratio of 1 on average, since the median over n beats of noise has π / 2 n of the
    noise's variance.
    """
    first, last = first // UPSAMPLED, last // UPSAMPLED
    if last - first < 5:
        return 0.0
    length = max(round(0.04 * beat.sfreq / UPSAMPLED), 1)
    singles = uniform_filter1d(beat.singles[:, :, first:last], length, axis=2)
    times = np.linspace(-1, 1, singles.shape[2])
    singles = singles - singles.mean(2, keepdims=True)
    singles = singles - (singles @ times / (times @ times))[:, :, None] * times
    singles = singles[:, np.isfinite(singles).all((0, 2))]
    n = singles.shape[1]
    if n == 0 or (n == 1 and noise is None):
        return np.nan
    median = np.median(singles, axis=1)
    if n == 1 and noise is not None:
        left = noise**2
    else:
        # the typical beat's scatter: one extrasystole with a T wave in the stretch does not speak against the P waves
        left = np.median(((singles - median[:, None]) ** 2).mean(2), axis=1) * np.pi / 2 / (n - 1)
    signal = (median**2).mean(1)
    trust = 1 / np.maximum(left, 1e-3 * max(float(signal.max()), 1e-20))
    ratio = float((signal * trust).sum() / max(float((left * trust).sum()), 1e-20))
    return float(np.clip(1 - 2 / max(ratio, 1e-9), 0, 1))
