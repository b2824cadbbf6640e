"""Electrodes of a window: which can be measured, where they are, to which region they belong.

Shape letters: C channels of the window, E electrodes that can be measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import VOCABULARY, locate
from biosig.features.window import Window, shared
from biosig.recording import UNKNOWN, is_known

LARGEST_GAP_SHARE = 0.5
"""A channel that lacks more of its samples than this, or that does not vary, is not measured."""

LOBES = {
    "frontal": ("Fp", "AF", "F"),
    "central": ("FC", "C", "CP"),
    "temporal": ("FT", "T", "TP"),
    "parietal": ("P",),
    "occipital": ("PO", "O", "I"),
}
"""Lobe → letters of the 10–10 system. A channel is in the lobe of the 10–10 electrode that it is nearest to."""

REGIONS = {
    "frontal left": ("F3", "F7"),
    "frontal middle": ("Fz",),
    "frontal right": ("F4", "F8"),
    "central left": ("C3",),
    "central middle": ("Cz",),
    "central right": ("C4",),
    "temporal left": ("T7",),
    "temporal right": ("T8",),
    "parietal left": ("P3", "P7"),
    "parietal middle": ("Pz",),
    "parietal right": ("P4", "P8"),
    "occipital left": ("O1",),
    "occipital middle": ("Oz",),
    "occipital right": ("O2",),
}
"""Region → sites in whose middle it lies."""

FARTHEST = 0.03
"""Metres from the nearest 10–10 electrode, beyond which a channel belongs to no region: neck, face."""


@dataclass(frozen=True, eq=False)
class Electrodes:
    """Channels that can be measured.

    Parameters
    ----------
    rows : ndarray of int, shape (E,)
        Their rows among the channels of the window.
    positions : ndarray, shape (E, 3)
        Metres; the middle between the two electrodes of a bipolar channel; NaN = unknown.
    regions : tuple of str
        Region of each, "" where it is unknown.
    """

    rows: NDArray[np.intp]
    positions: NDArray[np.float64]
    regions: tuple[str, ...]


@shared
def electrodes(window: Window) -> Electrodes:
    """The window's usable electrodes."""
    x = window.x
    finite = np.isfinite(x)
    enough = finite.mean(1) >= 1 - LARGEST_GAP_SHARE if window.n_times else np.zeros(len(x), bool)
    low, high = np.where(finite, x, np.inf).min(1, initial=np.inf), np.where(finite, x, -np.inf).max(1, initial=-np.inf)
    rows = np.flatnonzero(enough & (high > low))
    places = np.array([position(window.ch_names[row]) for row in rows]).reshape(-1, 3)
    if window.positions is not None:  # measured ones are better than those of the name
        own = window.positions[rows]
        places = np.where(np.isfinite(own).all(1, keepdims=True), own, places)
    return Electrodes(rows, places, tuple(region(place) for place in places))


@lru_cache(maxsize=4096)
def position(name: str) -> tuple[float, float, float]:
    """Position of a channel of that name, in metres; NaN if the tables do not know it."""
    found = locate(name, "eeg")
    if found is None:
        return UNKNOWN
    x, y, z = found.position
    if not is_known(found.reference):
        return x, y, z
    rx, ry, rz = found.reference
    return (x + rx) / 2, (y + ry) / 2, (z + rz) / 2


def region(place: NDArray[np.float64]) -> str:
    """The region of a place (3,) in metres, "" where it is in none."""
    names, places = _ten_ten()
    distance = np.linalg.norm(places - place, axis=1)
    nearest = int(distance.argmin())
    if not distance[nearest] <= FARTHEST:
        return ""
    letters, number = names[nearest]
    lobe = next(lobe for lobe, members in LOBES.items() if letters in members)
    return f"{lobe} {'middle' if number == 'z' else 'left' if int(number) % 2 else 'right'}"


@lru_cache(maxsize=1)
def _ten_ten() -> tuple[list[tuple[str, str]], NDArray[np.float64]]:
    """Letters and number of each 10–10 electrode of `LOBES`, and its position (n, 3)."""
    letters = "|".join(letters for members in LOBES.values() for letters in members)
    found = [re.fullmatch(rf"({letters})(z|10|\d)", name) for kind, name in VOCABULARY if kind == "eeg"]
    names = [(match[1], match[2]) for match in found if match]
    return names, np.array([position("".join(name)) for name in names])


def per_channel(window: Window, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values of the usable electrodes (E,) as one per channel of the window (C,), NaN for the others."""
    out = np.full(len(window.ch_names), np.nan)
    out[electrodes(window).rows] = values
    return out


def per_region(window: Window, values: NDArray[np.floating]) -> dict[str, float]:
    """Mean of the values (E,) over the electrodes of each region; NaN for regions without any."""
    finite = np.isfinite(values)
    inside = _members(window)
    n = inside @ finite
    sums = inside @ np.where(finite, values, 0.0)
    return dict(zip(REGIONS, np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0).tolist(), strict=True))


@shared
def _members(window: Window) -> NDArray[np.float64]:
    """1 where an electrode is in a region, shape (regions, E)."""
    of = np.array(electrodes(window).regions, dtype=object)
    return np.array([of == name for name in REGIONS], np.float64).reshape(len(REGIONS), len(of))
