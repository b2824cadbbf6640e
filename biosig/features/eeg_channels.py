"""Electrodes of a window: which can be measured, where they are, to which region they belong.

Shape letters: C channels of the window, E electrodes that can be measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import locate
from biosig.features.window import Window, shared

LARGEST_GAP_SHARE = 0.5
"""A channel that lacks more of its samples than this, or that does not vary, is not measured."""

LOBES = {
    "frontal": ("Fp2", "F8", "Fz", "F4"),
    "central": ("Cz", "C4"),
    "temporal": ("T8",),
    "parietal": ("Pz", "P8", "P4"),
    "occipital": ("O2",),
}
"""Lobe → sites of the 10–20 system, those of the left half left out: an electrode belongs to the lobe of the site that
it is nearest to, once it is turned to the right half."""

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

MIDLINE = 0.01
"""Metres to either side that still are the middle; the temporal lobes have none."""

FARTHEST = 0.06
"""Metres from the nearest site, beyond which a channel belongs to no region: neck, face."""


@dataclass(frozen=True, eq=False)
class Electrodes:
    """Channels that can be measured.

    Parameters
    ----------
    rows : ndarray of int, shape (E,)
        Which channels of the window they are.
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
    names = [window.ch_names[row] for row in rows]
    positions = np.array([position(name) for name in names]).reshape(-1, 3)
    return Electrodes(rows, positions, tuple(region(name) for name in names))


@lru_cache(maxsize=4096)
def position(name: str) -> tuple[float, float, float]:
    """Where a channel measures, in metres; NaN where the tables do not know it."""
    found = locate(name, "eeg")
    if found is None:
        return (np.nan, np.nan, np.nan)
    reference = np.asarray(found.reference)
    middle = (found.position + reference) / 2 if np.isfinite(reference).all() else np.asarray(found.position)
    return tuple(middle.tolist())


@lru_cache(maxsize=4096)
def region(name: str) -> str:
    """The region of a channel, "" where it is in none."""
    x, y, z = position(name)
    if not np.isfinite(x):
        return ""
    distance = {
        lobe: min(float(np.linalg.norm(np.array(position(site)) - (abs(x), y, z))) for site in sites)
        for lobe, sites in LOBES.items()
    }
    lobe = min(distance, key=lambda lobe: distance[lobe])
    side = "middle" if abs(x) <= MIDLINE else "right" if x > 0 else "left"
    return f"{lobe} {side}" if distance[lobe] <= FARTHEST and f"{lobe} {side}" in REGIONS else ""


def per_channel(window: Window, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values of the usable electrodes (E,) as one per channel of the window (C,), NaN for the others."""
    out = np.full(len(window.ch_names), np.nan)
    out[electrodes(window).rows] = values
    return out


def per_region(window: Window, values: NDArray[np.floating]) -> dict[str, float]:
    """Mean of the values (E,) over the electrodes of each region; NaN for regions without any."""
    of = electrodes(window).regions
    members = {
        name: [i for i, region in enumerate(of) if region == name and np.isfinite(values[i])] for name in REGIONS
    }
    return {name: float(np.mean(values[rows])) if rows else np.nan for name, rows in members.items()}
