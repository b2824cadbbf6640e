"""Scale and offset as EDF writes them: two digital values and their physical values, in eight characters each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError

_WIDTH = 8
_MOST_ENDS = 750
_ENOUGH = 256

SCALE_TOLERANCE = 1e-5
"""Largest error of a scale that eight characters do not hold, relative to itself."""

OFFSET_TOLERANCE = 0.25
"""The same of an offset, in steps."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Physical values, as text, of the digital minimum and maximum."""

    physical_min: str
    physical_max: str
    digital_min: int
    digital_max: int


def calibrate(
    name: str, channel: str, scale: float, offset: float, limits: NDArray[np.int64], n_bytes: int
) -> Calibration:
    """The calibration that gives `scale` and `offset` to the last bit, or else the nearest one.

    Parameters
    ----------
    name, channel : str
        For messages.
    scale, offset : float
        physical = digital * scale + offset.
    limits : ndarray, shape (2,)
        Lowest and highest sample, which lie between the digital minimum and maximum.
    n_bytes : int
        Per sample: 2 (EDF) or 3 (BDF).

    Raises
    ------
    DataError
        If there is no scale, a sample needs more bits, or eight characters do not hold the physical values.
    """
    most = 2 ** (8 * n_bytes - 1)
    lowest, highest = map(int, limits)
    if lowest < -most or highest >= most:
        raise DataError(
            f"Channel '{channel}' of recording '{name}' has samples of more than {8 * n_bytes} bits, which "
            f"{'EDF' if n_bytes == 2 else 'BDF'} does not hold: export it as WFDB."
        )
    known = _candidates(scale, offset, most) if scale else []
    found = next((c for c in known if c.digital_min <= lowest and highest <= c.digital_max), None)
    if found is None:
        raise DataError(
            f"Channel '{channel}' of recording '{name}' has a step of {scale:g}, whose range EDF cannot write in eight "
            "characters: export it as WFDB."
        )
    return found


@lru_cache(maxsize=4096)
def _candidates(scale: float, offset: float, most: int) -> list[Calibration]:
    """Pairs of digital values whose physical ones are short decimals: exact ones, then the nearest, then the widest."""
    grid = _grid(most)
    values = grid * scale + offset
    whole_digits = np.floor(np.log10(np.maximum(np.abs(values), 1))).astype(int) + 1
    decimals = np.clip(_WIDTH - 1 - (values < 0) - whole_digits, 0, _WIDTH - 2)
    powers = 10.0**decimals
    short = np.rint(values * powers) / powers  # what a reader makes of the text
    is_short = np.abs(short - values) <= 1e-12 * np.maximum(np.abs(values), abs(scale))
    usable = np.flatnonzero(is_short | (grid == -most) | (grid == most - 1))
    usable = usable[np.abs(short[usable]) < 10.0 ** (_WIDTH - 1)]
    low, high = (ends.ravel() for ends in np.meshgrid(usable[:_MOST_ENDS], usable[-_MOST_ENDS:], indexing="ij"))
    differ = (low < high) & (short[low] != short[high])
    low, high = low[differ], high[differ]
    scales = (short[high] - short[low]) / (grid[high] - grid[low])
    offsets = short[low] - grid[low] * scales
    by_scale, by_offset = np.abs(scales / scale - 1), np.abs(offsets - offset) / abs(scale)
    error = by_scale + by_offset / most
    fine = np.flatnonzero((by_scale < SCALE_TOLERANCE) & (by_offset < OFFSET_TOLERANCE))
    widest = fine[np.argsort((low - high)[fine], kind="stable")]
    exact = widest[(scales[widest] == scale) & (offsets[widest] == offset)]
    nearest = fine[np.argsort(error[fine], kind="stable")]
    order = np.concatenate([exact[:_ENOUGH], nearest[:_ENOUGH], widest[:_ENOUGH]])

    def text(k: int) -> str:
        written = f"{short[k]:.{decimals[k]}f}"
        return written.rstrip("0").rstrip(".") if "." in written else written

    return [
        Calibration(text(i), text(k), int(grid[i]), int(grid[k]))
        for i, k in zip(low[order].tolist(), high[order].tolist(), strict=True)
    ]


@lru_cache(maxsize=2)
def _grid(most: int) -> NDArray[np.int64]:
    """Digital values that may be an end of the range: all of 16 bits; of 24, those that recorders choose."""
    if most <= 2**15:
        return np.arange(-most, most)
    powers = 2 ** np.arange(most.bit_length())
    tens = np.outer(10 ** np.arange(7), np.arange(1, 100)).ravel()
    chosen = np.concatenate([powers, powers - 1, tens, tens - 1])
    chosen = np.unique(np.concatenate([chosen, -chosen]))
    return chosen[(chosen >= -most) & (chosen < most)]
