"""Filters of a page: each is named, off at the start, and gives a sample one value whatever page shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from biosig.errors import UsageError
from biosig.signal import ZeroPhase, notch_filter

ORDER = 2
"""Of the Butterworth design; run forwards and backwards it falls with 24 dB an octave."""

_SHIFT = (math.sqrt(2) - 1) ** (1 / (2 * ORDER))
"""By which a cut-off moves, so that two passes together have −3 dB at the named frequency: |H|² = 1/√2."""

ECHO = 1e-7
"""To which share an echo has fallen at the end of the padding: of 100 mV it is 0.01 µV."""

SHORTEST_PADDING = 10.0
"""Seconds that are filtered before and after the page at least."""


@dataclass(frozen=True)
class Filters:
    """Filters that a page adds to the recorded band.

    Parameters
    ----------
    low, high : float or None
        Cut-offs of a high-pass and a low-pass in Hz, at −3 dB; None = none.
    notch : float or None
        Mains frequency in Hz, whose multiples go too.
    """

    low: float | None = None
    high: float | None = None
    notch: float | None = None

    @classmethod
    def parse(cls, text: str) -> Filters:
        """Read "low,high,notch" in Hz, each a number or "-"; "" = none.

        Raises
        ------
        UsageError
            If it is not of that form, or a number lies outside 0.005 to 10,000 Hz.
        """
        parts = text.split(",") if text else ["-"] * 3
        try:
            low, high, mains = (None if part == "-" else float(part) for part in parts)
        except ValueError:
            raise UsageError("Filters are 'low,high,notch' in Hz, with - for none.") from None
        given = [part for part in (low, high, mains) if part is not None]
        if not all(0.005 <= part <= 1e4 for part in given) or (low and high and low >= high):
            raise UsageError("Filters need 0.005 <= low < high <= 10000 Hz.")
        return cls(low, high, mains)

    def __bool__(self) -> bool:
        return any(part is not None for part in (self.low, self.high, self.notch))

    def at(self, sfreq: float) -> Filters:
        """Those that a sampling rate leaves: a cut-off at or above half of it does nothing."""
        keep = [
            part if part is not None and part < 0.49 * sfreq else None for part in (self.low, self.high, self.notch)
        ]
        return Filters(*keep)

    def words(self) -> str:
        """The filters as a page names them."""
        parts = []
        if self.low is not None:
            parts.append(f"high-pass {self.low:g} Hz")
        if self.high is not None:
            parts.append(f"low-pass {self.high:g} Hz")
        if self.notch is not None:
            parts.append(f"notch {self.notch:g} Hz and multiples")
        return ", ".join(parts) + " (zero-phase)" if parts else "none"


@lru_cache(maxsize=64)
def designed(filters: Filters, sfreq: float) -> ZeroPhase:
    """All filters in one pass forwards and one backwards."""
    made = []
    for freq, kind, shift in ((filters.low, "highpass", _SHIFT), (filters.high, "lowpass", 1 / _SHIFT)):
        if freq is not None:
            warped = math.atan(shift * math.tan(math.pi * freq / sfreq)) * sfreq / math.pi
            made.append(ZeroPhase(signal.butter(ORDER, warped, kind, fs=sfreq, output="sos")))
    if filters.notch is not None:
        made.append(notch_filter(sfreq, filters.notch))
    whole = made[0]
    for one in made[1:]:
        whole = whole.then(one)
    return whole


def padding(filters: Filters, sfreq: float) -> int:
    """Samples before and after a page that its filter needs."""
    return max(math.ceil(SHORTEST_PADDING * sfreq), designed(filters, sfreq).settling(ECHO))


def filtered(x: NDArray[np.float64], filters: Filters, sfreq: float) -> NDArray[np.float64]:
    """Rows (R, T) filtered within each stretch that has no gap; NaN stays NaN and is never bridged."""
    run = designed(filters, sfreq)
    finite = np.isfinite(x)
    whole = finite.all(axis=1)
    out = np.full_like(x, np.nan)
    if whole.any():
        out[whole] = run(x[whole])
    for row in np.flatnonzero(~whole):
        edges = np.flatnonzero(np.diff(finite[row], prepend=False, append=False))
        for start, stop in edges.reshape(-1, 2):
            out[row, start:stop] = run(x[row, start:stop])
    return out
