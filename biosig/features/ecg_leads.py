"""The leads of a window as ECG features measure them: at one rate, without baseline wander and mains hum.

Shape letters: L leads that can be measured, T samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from biosig.features.window import Window, shared
from biosig.signal import bandpass, bridge_gaps, notch, resample

RATE = 250.0
"""Hz, about; the exact rate is the nearest that the recording's own can be brought to."""

HIGH_PASS = 0.5
"""Hz, without delay; 0.67 Hz without delay keeps ST segments (Kligfield et al., Circulation 2007; 115:1306)."""

LARGEST_GAP_SHARE = 0.5
"""A lead that lacks more of its samples than this, or that does not vary, is not measured."""

BLOCK_SECONDS, OVERLAP_SECONDS = 600.0, 10.0


@dataclass(frozen=True, eq=False)
class Leads:
    """Leads that can be measured.

    Parameters
    ----------
    x : ndarray of float32, shape (L, T)
        In the window's unit; gaps are bridged by straight lines.
    valid : ndarray of bool, shape (L, T)
        False inside gaps.
    sfreq : float
        Sampling rate in Hz, about `RATE`.
    names : tuple of str
    rows : ndarray of int, shape (L,)
        Their rows among the channels of the window.
    mains : float
        The mains frequency that was removed, in Hz; 0 where there was none.
    """

    x: NDArray[np.float32]
    valid: NDArray[np.bool_]
    sfreq: float
    names: tuple[str, ...]
    rows: NDArray[np.intp]
    mains: float

    def row(self, name: str) -> int | None:
        """Row of the lead of that name, or None."""
        return self.names.index(name) if name in self.names else None


def working_rate(sfreq: float) -> float:
    """The rate nearest to `RATE` that a signal at `sfreq` Hz can be resampled to exactly."""
    return sfreq * float(Fraction(RATE / sfreq).limit_denominator(100))


@shared
def leads(window: Window) -> Leads:
    """The window's usable leads."""
    finite = np.isfinite(window.x)
    share = finite.mean(1) if window.n_times else np.zeros(len(window.ch_names))
    rows = np.array(
        [i for i in range(len(share)) if share[i] >= 1 - LARGEST_GAP_SHARE and _varies(window.x[i])], np.intp
    )
    rate = working_rate(window.sfreq)
    mains = _mains(window.x[rows], window.sfreq) if len(rows) else 0.0
    blocks = [_clean(window.x[rows, a:b], window.sfreq, rate, mains, keep) for a, b, keep in _blocks(window)]
    shape = (len(rows), 0)
    return Leads(
        x=np.concatenate([x for x, _ in blocks], 1) if blocks else np.empty(shape, np.float32),
        valid=np.concatenate([valid for _, valid in blocks], 1) if blocks else np.empty(shape, bool),
        sfreq=rate,
        names=tuple(window.ch_names[row] for row in rows),
        rows=rows,
        mains=mains,
    )


def _varies(x: NDArray[np.float32]) -> bool:
    some = x[::5]  # a lead of which single samples alone differ does not vary
    some = some[np.isfinite(some)]
    return bool(len(some) and some.max() > some.min())


def _blocks(window: Window) -> list[tuple[int, int, tuple[float, float]]]:
    """Parts of a long window: first and last sample with the overlap, and the seconds of the part to keep."""
    total = window.duration
    parts = []
    # a whole number of seconds of both rates begins each block, so that blocks join without a shift
    step = BLOCK_SECONDS if total > 1.5 * BLOCK_SECONDS else total
    n = max(int(np.ceil(total / step)), 1) if total else 0
    for i in range(n):
        start, stop = i * step, min((i + 1) * step, total)
        first, last = max(start - OVERLAP_SECONDS, 0.0), min(stop + OVERLAP_SECONDS, total)
        a, b = round(first * window.sfreq), round(last * window.sfreq)
        parts.append((a, b, (start - a / window.sfreq, stop - a / window.sfreq)))
    return parts


def _clean(
    x: NDArray[np.float32], sfreq: float, rate: float, mains: float, keep: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if mains:
        x = notch(x, sfreq, mains, harmonics=False)
    x = resample(x, sfreq, rate) if rate != sfreq else x
    valid = np.isfinite(x)
    x = bandpass(bridge_gaps(x) if not valid.all() else x, rate, HIGH_PASS, None)
    part = slice(round(keep[0] * rate), round(keep[1] * rate))
    return x[:, part], valid[:, part]


MAINS_RATIO = 30.0
"""Mains is removed where its bin's power exceeds the median of its neighbourhood this many times."""


def _mains(x: NDArray[np.float32], sfreq: float) -> float:
    """50 or 60 where that line stands out in the median lead's spectrum, else 0."""
    n = min(x.shape[1], int(60 * sfreq))
    if n < 2 * sfreq:
        return 0.0
    some = x[:, :n]
    some = bridge_gaps(some) if not np.isfinite(some).all() else some
    length = int(2 * sfreq)
    parts = some[:, : n // length * length].reshape(len(x), -1, length)
    taper = np.hanning(length).astype(np.float32)
    power = (np.abs(np.fft.rfft(parts * taper, axis=2)) ** 2).mean((0, 1))
    freqs = np.fft.rfftfreq(length, 1 / sfreq)
    for line in (50.0, 60.0):
        if line + 4 >= sfreq / 2:
            continue
        beside = power[(np.abs(freqs - line) > 1.5) & (np.abs(freqs - line) < 6)]
        if power[np.abs(freqs - line) <= 0.5].max() > MAINS_RATIO * np.median(beside):
            return line
    return 0.0
