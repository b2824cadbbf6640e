"""Beats: where the QRS complexes of a window are, from all leads together.

Shape letters: L leads, T samples, N beats.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d
from scipy.signal import butter, find_peaks

from biosig.features.ecg_leads import Leads, leads
from biosig.features.window import Window, shared
from biosig.signal import ZeroPhase

QRS_BAND = (8.0, 25.0)
"""Hz: the QRS's energy against that of P, T and wander (Thakor et al., IEEE Trans Biomed Eng 1984; 31:702)."""

SHORTEST = 0.8
"""Seconds: in less than one interval a QRS cannot be distinguished from the rest."""

WIDTH = 0.1
"""Seconds over which the QRS's power is averaged."""

REFRACTORY, NARROW = 0.22, 0.15
"""Seconds: no two beats are nearer than the first; peaks nearer than the second are parts of one wave."""

T_WAVE = 0.36
"""Seconds in which a second, flatter peak is a T wave (Pan & Tompkins, IEEE Trans Biomed Eng 1985; 32:230)."""

THRESHOLD, SEARCH_BACK = 0.32, 0.15
"""Shares of the local size of a QRS that a peak must reach, and that it must reach where a beat is missing."""

BLOCK, BLOCKS = 2.0, 9
"""Seconds of a block, one beat at 30 per minute, and how many of them around a moment give the usual size of a QRS."""

MISSED = 1.66
"""A gap of this many usual intervals is searched again (Pan & Tompkins 1985)."""


@dataclass(frozen=True, eq=False)
class Beats:
    """QRS complexes.

    Parameters
    ----------
    samples : ndarray of int, shape (N,)
        Place of each, at the rate of `Leads`.
    strength : ndarray of float, shape (N,)
        Size of each, over the typical size around it.
    energy : ndarray of float32, shape (T,)
        The detection function: root mean square over leads of the QRS band, each lead over its own size.
    """

    samples: NDArray[np.intp]
    strength: NDArray[np.float64]
    energy: NDArray[np.float32]


@shared
def beats(window: Window) -> Beats:
    """QRS complexes of all usable leads together."""
    return find_beats(leads(window))


def find_beats(ecg: Leads) -> Beats:
    """QRS complexes of leads."""
    none = Beats(np.empty(0, np.intp), np.empty(0), np.zeros(ecg.x.shape[1], np.float32))
    if not ecg.x.size or ecg.x.shape[1] < SHORTEST * ecg.sfreq:
        return none
    filtered = _qrs_filter(ecg.sfreq)(ecg.x) * ecg.valid
    energy, weight = qrs_energy(filtered, ecg.sfreq)
    size, rest = _local_levels(energy, ecg.sfreq)
    if not size.any():
        return none
    peaks, _ = find_peaks(energy, height=rest + SEARCH_BACK * (size - rest), distance=round(NARROW * ecg.sfreq))
    peaks = _apart(peaks, energy, filtered, weight, ecg.sfreq)
    ratio = (energy[peaks] - rest[peaks]) / (size[peaks] - rest[peaks])
    ratio[~ecg.valid[:, peaks].any(0)] = 0.0
    chosen = peaks[_without_t_waves(peaks, energy, ratio, ecg.sfreq)]
    chosen = _search_back(chosen, peaks, ratio, energy, ecg.sfreq)
    return Beats(chosen, (energy[chosen] / size[chosen]).astype(np.float64), energy)


@lru_cache(maxsize=16)
def _qrs_filter(sfreq: float) -> ZeroPhase:
    """Second order, run both ways: half the time of `biosig.signal.bandpass`, and it rings less."""
    return ZeroPhase(butter(2, (QRS_BAND[0], min(QRS_BAND[1], 0.45 * sfreq)), "bandpass", fs=sfreq, output="sos"))


def qrs_energy(filtered: NDArray[np.float32], sfreq: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The detection function, shape (T,), and the weight that each lead's power has in each block, shape (L, blocks).

    Each lead's QRS-band power over its own size, clear leads weighing more.
    """
    power = uniform_filter1d(filtered**2, max(round(WIDTH * sfreq), 1), axis=1)
    block = min(round(BLOCK * sfreq), power.shape[1])
    n = power.shape[1] // block
    parts = power[:, : n * block].reshape(len(power), n, block)
    nearby = (1, min(BLOCKS, n))
    size = median_filter(parts.max(2), nearby, mode="reflect")
    rest = median_filter(np.median(parts[:, :, ::4], 2), nearby, mode="reflect")
    clarity = np.divide(size, rest, out=np.zeros_like(size), where=rest > 0)  # (L, n)
    share = clarity / np.maximum(clarity.sum(0), 1e-12)
    weight = np.divide(share, size, out=np.zeros_like(size), where=size > 0)
    of_block = np.minimum(np.arange(power.shape[1]) // block, n - 1)
    return np.sqrt(np.maximum((weight[:, of_block] * power).sum(0), 0)).astype(np.float32), weight


def _apart(
    peaks: NDArray[np.intp],
    energy: NDArray[np.float32],
    filtered: NDArray[np.float32],
    weight: NDArray[np.floating],
    sfreq: float,
) -> NDArray[np.intp]:
    """Of peaks nearer than `REFRACTORY` the one whose slopes have the most power: a tall P wave is less steep."""
    near = np.diff(peaks) < REFRACTORY * sfreq
    if not near.any():
        return peaks
    merit = energy[peaks].astype(np.float64)
    half, block = round(WIDTH / 2 * sfreq), min(round(BLOCK * sfreq), len(energy))
    for i in np.flatnonzero(np.r_[near, False] | np.r_[False, near]):
        step = np.diff(filtered[:, max(peaks[i] - half, 0) : peaks[i] + half + 1], axis=1)
        merit[i] = weight[:, min(peaks[i] // block, weight.shape[1] - 1)] @ (step**2).sum(1)
    kept = np.ones(len(peaks), bool)
    groups = np.split(np.arange(len(peaks)), np.flatnonzero(~near) + 1)
    for group in (group for group in groups if len(group) > 1):
        for i in group[np.argsort(-merit[group])]:
            if kept[i]:
                close = group[np.abs(peaks[group] - peaks[i]) < REFRACTORY * sfreq]
                kept[close] = False
                kept[i] = True
    return peaks[kept]


def _local_levels(energy: NDArray[np.float32], sfreq: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Typical height of a QRS's peak and of the signal between, around each sample, shapes (T,)."""
    block = min(round(BLOCK * sfreq), len(energy))
    n = len(energy) // block
    parts = energy[: n * block].reshape(n, block).astype(np.float64)
    tops = median_filter(parts.max(1), min(BLOCKS, n), mode="reflect")
    rest = median_filter(np.median(parts, 1), min(BLOCKS, n), mode="reflect")
    centres, times = (np.arange(n) + 0.5) * block, np.arange(len(energy))
    size = np.interp(times, centres, np.maximum(tops, 0.1 * np.median(tops)))
    return size, np.minimum(np.interp(times, centres, rest), 0.5 * size)


def _without_t_waves(
    peaks: NDArray[np.intp], energy: NDArray[np.float32], ratio: NDArray[np.float64], sfreq: float
) -> list[int]:
    """Indices of peaks over the threshold that are no T wave of the one before."""
    kept: list[int] = []
    for i in np.flatnonzero(ratio >= THRESHOLD):
        if kept and peaks[i] - peaks[kept[-1]] < T_WAVE * sfreq and energy[peaks[i]] < 0.5 * energy[peaks[kept[-1]]]:
            continue
        if kept and peaks[i] - peaks[kept[-1]] < T_WAVE * sfreq and energy[peaks[kept[-1]]] < 0.4 * energy[peaks[i]]:
            kept.pop()
        kept.append(int(i))
    return kept


def _search_back(
    chosen: NDArray[np.intp],
    peaks: NDArray[np.intp],
    ratio: NDArray[np.float64],
    energy: NDArray[np.float32],
    sfreq: float,
) -> NDArray[np.intp]:
    """The chosen peaks and, where a gap is too long, the largest smaller peak inside it."""
    if len(chosen) < 3:
        return chosen
    rr = np.diff(chosen)
    usual = median_filter(rr, min(9, len(rr)), mode="nearest")
    found = []
    for i in np.flatnonzero(rr > MISSED * usual):
        inside = (peaks > chosen[i] + T_WAVE * sfreq) & (peaks < chosen[i + 1] - REFRACTORY * sfreq)
        inside &= ratio >= SEARCH_BACK
        if inside.any():
            found.append(peaks[inside][np.argmax(energy[peaks[inside]])])
    return np.sort(np.concatenate((chosen, np.array(found, np.intp))))
