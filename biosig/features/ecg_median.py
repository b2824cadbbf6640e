"""The median beat of every lead, over the beats of the most common shape.

Shape letters: L leads, N beats, W samples of a beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.features.ecg_beats import beats
from biosig.features.ecg_leads import Leads, leads
from biosig.features.window import Window, shared
from biosig.signal import resample

BEFORE, AFTER = 0.5, 0.75
"""Seconds around the QRS: PR reaches 0.4 s in long block, QT 0.6 s at slow rates."""

WHOLE = (-0.3, 0.45)
"""Seconds of a beat that must lie inside the recording for it to count."""

QRS = 0.1
"""Seconds to either side in which beats are compared and aligned."""

LARGEST_SHIFT = 0.06

ALIKE = 0.85
"""Correlation of QRS complexes, over all leads, of beats of one shape (Moody & Mark 1982 take 0.8 to 0.9)."""

MOST_BEATS, MOST_COMPARED = 240, 24
"""Beats that a median is taken of and that are compared each with each; from longer recordings spread evenly."""

UPSAMPLED = 2


@dataclass(frozen=True, eq=False)
class MedianBeat:
    """Median beat and how each beat compares with it.

    Parameters
    ----------
    x : ndarray of float64, shape (L, W)
        Median over the beats of the commonest shape, in the window's unit, over the level before the QRS. W is 0
        without beats.
    sfreq : float
        Twice the rate of `Leads`, so that waves are measured to 2 ms.
    zero : int
        The sample where the QRS is.
    singles : ndarray of float32, shape (L, N used, W / 2)
        The beats that it is the median of, at the rate of `Leads`; NaN in gaps.
    noise : ndarray of float64, shape (L,)
        Deviation of single beats from the median beat: root mean square over beats, median outside the QRS; NaN with
        one beat.
    n_beats : int
        Number of beats that it is the median of.
    samples : ndarray of int, shape (N,)
        Place of each beat of the window once it is aligned with the median beat, at the rate of `Leads`.
    likeness : ndarray of float64, shape (N,)
        Correlation of each beat's QRS with the median beat's, over all leads; NaN of an unlike one that the
        recording cuts.
    """

    x: NDArray[np.float64]
    sfreq: float
    zero: int
    singles: NDArray[np.float32]
    noise: NDArray[np.float64]
    n_beats: int
    samples: NDArray[np.intp]
    likeness: NDArray[np.float64]

    @property
    def common(self) -> NDArray[np.bool_]:
        """Mask of beats that have the commonest shape, shape (N,)."""
        return self.likeness >= ALIKE

    @property
    def strange(self) -> NDArray[np.bool_]:
        """Mask of beats that have another shape, shape (N,); of one that the recording cuts it is not known."""
        return self.likeness < ALIKE


@shared
def median_beat(window: Window) -> MedianBeat:
    """The window's median beat."""
    return average(leads(window), beats(window).samples)


def average(ecg: Leads, samples: NDArray[np.intp]) -> MedianBeat:
    """Median beat of leads with QRS complexes at `samples`."""
    rate = ecg.sfreq
    empty = np.empty((len(ecg.x), 0))
    if not len(samples):
        return MedianBeat(
            empty,
            UPSAMPLED * rate,
            0,
            np.empty((len(ecg.x), 0, 0), np.float32),
            np.full(len(ecg.x), np.nan),
            0,
            samples,
            np.empty(0),
        )
    n_times = ecg.x.shape[1]
    whole = (samples + WHOLE[0] * rate >= 0) & (samples + WHOLE[1] * rate < n_times)
    candidates = _spread(np.flatnonzero(whole if whole.any() else samples >= 0), MOST_BEATS)
    qrs, reach = round(QRS * rate), round(LARGEST_SHIFT * rate)
    some = _spread(candidates, MOST_COMPARED)
    wide = _cut(ecg.x, samples[some], -qrs - reach, qrs + reach + 1)
    _, likeness = _align(wide, wide[:, :, reach : reach + 2 * qrs + 1])
    leader = int(np.argmax((likeness > ALIKE).sum(1) + likeness.mean(1) / 2))
    template = wide[:, leader, reach : reach + 2 * qrs + 1]
    for _ in range(2):
        wide = _cut(ecg.x, samples[candidates], -qrs - reach, qrs + reach + 1)
        (shift,), (alike,) = _align(wide, template[:, None])
        moved = samples[candidates] + shift
        members = alike >= min(ALIKE, alike.max())
        template = np.median(_cut(ecg.x, moved[members], -qrs, qrs + 1), axis=1)
    aligned, likeness_of_all = _place_all(ecg.x, samples, template, qrs, reach)
    cut_off = (aligned < qrs) | (aligned + qrs >= n_times)
    likeness_of_all[cut_off & (likeness_of_all < ALIKE)] = np.nan
    first, last = -round(BEFORE * rate), round(AFTER * rate) + 1
    used = moved[members]
    cut = _cut(ecg.x, used, first, last, fill=np.nan)  # [L, N, W]
    gaps = ~_cut(ecg.valid, used, first, last)
    if gaps.any():
        cut[gaps] = np.nan
    cut = cut - _middle(cut[:, :, -first - round(0.09 * rate) : -first - round(0.05 * rate)], 2)[:, :, None]
    median = _middle(cut, 1)
    outside = np.r_[0 : -first - qrs, -first + qrs : last - first]
    noise = np.full(len(median), np.nan)
    if len(used) > 1:
        noise = np.sqrt(np.median(_mean_square(cut[:, :, outside] - median[:, None, outside]), 1))
    median = np.where(np.isfinite(median), median, 0.0)
    return MedianBeat(
        x=resample(median, rate, UPSAMPLED * rate),
        sfreq=UPSAMPLED * rate,
        zero=-first * UPSAMPLED,
        singles=cut,
        noise=noise,
        n_beats=len(used),
        samples=aligned,
        likeness=likeness_of_all,
    )


def _spread(indices: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).round().astype(np.intp)]


def _cut(x: NDArray[Any], samples: NDArray[np.intp], first: int, last: int, fill: float | None = None) -> NDArray[Any]:
    """Stretches around samples, (L, N, last - first); outside the recording the edge, or `fill`."""
    at = samples[:, None] + np.arange(first, last)
    inside = at.clip(0, x.shape[1] - 1)
    cut = x[:, inside]
    if fill is not None and (inside != at).any():
        cut[:, inside != at] = fill
    return cut


def _align(wide: NDArray[Any], templates: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Shift of each stretch (L, N, S + 2 reach) to fit each template (L, M, S) best, and its correlation: (M, N)."""
    n_leads, n_templates, length = templates.shape
    centred = templates - templates.mean(2, keepdims=True)
    views = np.lib.stride_tricks.sliding_window_view(wide, length, axis=2)  # [L, N, shifts, S]
    _, n_beats, n_shifts, _ = views.shape
    product = np.zeros((n_templates, n_beats * n_shifts))
    for lead in range(n_leads):
        product += centred[lead] @ views[lead].reshape(-1, length).T
    sums, squares = _running(wide, length), _running(np.square(wide), length)  # [L, N, shifts]
    power = np.maximum((squares - sums**2 / length).sum(0), 1e-20)
    size = np.maximum((centred**2).sum((0, 2)), 1e-20)
    likeness = product.reshape(n_templates, n_beats, n_shifts) / np.sqrt(power * size[:, None, None])
    best = likeness.argmax(2)
    return best - n_shifts // 2, np.take_along_axis(likeness, best[:, :, None], 2)[:, :, 0]


def _running(x: NDArray[Any], length: int) -> NDArray[np.float64]:
    total = np.cumsum(x, axis=2, dtype=np.float64)
    total = np.concatenate((np.zeros_like(total[:, :, :1]), total), 2)
    return total[:, :, length:] - total[:, :, :-length]


def _place_all(
    x: NDArray[np.float32], samples: NDArray[np.intp], template: NDArray[Any], qrs: int, reach: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Aligned sample and likeness of every beat, in blocks."""
    shifts, alike = [], []
    for start in range(0, len(samples), 500):
        wide = _cut(x, samples[start : start + 500], -qrs - reach, qrs + reach + 1)
        (shift,), (likeness,) = _align(wide, template[:, None])
        shifts.append(np.where(likeness >= 0.5, shift, 0))
        alike.append(likeness)
    return (samples + np.concatenate(shifts)).clip(0, x.shape[1] - 1), np.concatenate(alike)


def _mean_square(residual: NDArray[Any]) -> NDArray[np.float64]:
    """Mean over beats of finite values, 0 where there are none; (L, N, W) → (L, W)."""
    finite = np.isfinite(residual)
    if finite.all():
        return (residual**2).mean(1, dtype=np.float64)
    return (np.where(finite, residual, 0) ** 2).sum(1) / np.maximum(finite.sum(1), 1)


def _middle(x: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Median over an axis; over what is finite where something is not."""
    finite = np.isfinite(x)
    if finite.all():
        return np.median(x, axis=axis).astype(np.float64)
    ordered = np.sort(np.where(finite, x, np.nan), axis=axis)  # NaN comes last
    n = finite.sum(axis=axis, keepdims=True)
    low, high = (
        np.take_along_axis(ordered, np.maximum(at, 0), axis)
        for at in ((n - 1) // 2, np.minimum(n // 2, x.shape[axis] - 1))
    )
    return ((low + np.where(n > 0, high, np.nan)) / 2).squeeze(axis).astype(np.float64)
