"""Writes ``positions.csv``: ``python -m tools.make_electrode_tables``. Needs MNE and no network.

The order of rows is the vocabulary that trained models index into: append, never reorder.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes.torso import ELECTRODES, LEADS, TYPICAL, Weights

HERE = Path(__file__).parents[1] / "biosig" / "electrodes"

SITES: Mapping[str, tuple[float, float, float]] = {
    "finger": (0.35, 0.05, -0.85),
    "wrist": (0.32, 0.0, -0.75),
    "ear": (0.075, 0.0, -0.01),
    "forehead": (0.0, 0.10, 0.05),
    "toe": (0.10, 0.15, -1.55),
}

NO_REFERENCE = np.full(3, np.nan)

Row = tuple[str, str, NDArray[np.float64], NDArray[np.float64], str]


def eeg_rows() -> Iterator[Row]:
    """The 10-05 template in MNE's head frame; T3 … T6 are left to the aliases, being T7, T8, P7 and P8."""
    import mne

    built_in = mne.channels.get_builtin_montages()
    template = next(name for name in ("colin27_1005", "standard_1005") if name in built_in)  # renamed in MNE 1.13
    montage = mne.channels.transform_to_head(mne.channels.make_standard_montage(template))
    source = "MNE montage colin27_1005 (standard_1005 before MNE 1.13), head frame"
    for name, position in montage.get_positions()["ch_pos"].items():
        if name not in ("T3", "T4", "T5", "T6"):
            yield "eeg", name, position, NO_REFERENCE, source


def ecg_rows() -> Iterator[Row]:
    """Leads as centroid of the positive against centroid of the negative electrodes, then the limb electrodes."""
    for name, (positive, negative, source) in LEADS.items():
        yield "ecg", name, _centroid(positive), _centroid(negative), source
    for name in ("RA", "LA", "RL", "LL"):
        yield "ecg", name, np.array(ELECTRODES[name]), NO_REFERENCE, f"limb electrode alone; {TYPICAL}"


def ppg_rows() -> Iterator[Row]:
    """Sites by side and colour of light; where the side is not said it is the right one, by convention."""
    for site, (x, y, z) in SITES.items():
        for side, sign in (("", 1), (" right", 1), (" left", -1)):
            if side and x == 0:
                continue
            for light in ("", " IR", " red", " green", " blue"):
                source = TYPICAL if side or x == 0 else f"{TYPICAL}; side not said: right, by convention"
                yield "ppg", f"{site}{side}{light}", np.array((sign * x, y, z)), NO_REFERENCE, source


def _centroid(weights: Weights) -> NDArray[np.float64]:
    names = list(weights)
    return np.average([ELECTRODES[name] for name in names], axis=0, weights=[weights[name] for name in names])


def main() -> None:
    """Write the table beside this file."""
    with (HERE / "positions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("kind", "name", "x", "y", "z", "rx", "ry", "rz", "source"))
        for rows in (ecg_rows(), ppg_rows(), eeg_rows()):
            for kind, name, position, reference, source in rows:
                numbers = ["" if np.isnan(v) else f"{v + 0.0:.7g}" for v in np.round((*position, *reference), 7)]
                writer.writerow((kind, name, *numbers, source))


if __name__ == "__main__":
    main()
