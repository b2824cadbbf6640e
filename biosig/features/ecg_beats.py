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

REFRACTORY = 0.22
"""Seconds: no two beats are nearer."""

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
        Where each is, at the rate of `Leads`.
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
    energy = qrs_energy(ecg)
    size, rest = _local_levels(energy, ecg.sfreq)
    if not size.any():
        return none
    distance = round(REFRACTORY * ecg.sfreq)
    peaks, _ = find_peaks(energy, height=rest + SEARCH_BACK * (size - rest), distance=distance)
    ratio = (energy[peaks] - rest[peaks]) / (size[peaks] - rest[peaks])
    ratio[~ecg.valid[:, peaks].any(0)] = 0.0
    chosen = peaks[_without_t_waves(peaks, energy, ratio, ecg.sfreq)]
    chosen = _search_back(chosen, peaks, ratio, energy, ecg.sfreq)
    return Beats(chosen, (energy[chosen] / size[chosen]).astype(np.float64), energy)


@lru_cache(maxsize=16)
def _qrs_filter(sfreq: float) -> ZeroPhase:
    """Second order, run both ways: half the time of `biosig.signal.bandpass`, and it rings less."""
    return ZeroPhase(butter(2, (QRS_BAND[0], min(QRS_BAND[1], 0.45 * sfreq)), "bandpass", fs=sfreq, output="sos"))


def qrs_energy(ecg: Leads) -> NDArray[np.float32]:
    """The detection function, shape (T,): each lead's QRS-band power over its own size, clear leads weighing more."""
    power = (_qrs_filter(ecg.sfreq)(ecg.x) * ecg.valid) ** 2
    power = uniform_filter1d(power, max(round(0.1 * ecg.sfreq), 1), axis=1)
    block = min(round(BLOCK * ecg.sfreq), power.shape[1])
    n = power.shape[1] // block
    parts = power[:, : n * block].reshape(len(power), n, block)
    nearby = (1, min(BLOCKS, n))
    size = median_filter(parts.max(2), nearby, mode="reflect")
    rest = median_filter(np.median(parts[:, :, ::4], 2), nearby, mode="reflect")
    clarity = np.divide(size, rest, out=np.zeros_like(size), where=rest > 0)  # (L, n)
    share = clarity / np.maximum(clarity.sum(0), 1e-12)
    weight = np.divide(share, size, out=np.zeros_like(size), where=size > 0)
    of_block = np.minimum(np.arange(power.shape[1]) // block, n - 1)
    return np.sqrt(np.maximum((weight[:, of_block] * power).sum(0), 0)).astype(np.float32)


def _local_levels(energy: NDArray[np.float32], sfreq: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Typical height of a QRS's peak and of what lies between, around each sample, shapes (T,)."""
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
