"""REVE's bank of electrode positions, rebuilt from the template montages that MNE ships.

REVE (El Ouahidi et al. 2025, arXiv 2510.21585, appendix C) places channels by looking their names up in a published
table of 543. Its coordinates are those of MNE's montages as they stand: the 10-05 template in its mri frame, the
BioSemi cap on its sphere of 95 mm, and the HydroCel net shifted so that its vertex is the template's Cz. So the table
is made here from MNE, equal to 2e-8 m. Neither cap lies on the template's scalp: MNE's own BioSemi and HydroCel
electrodes, taken from the head frame by `biosig.electrodes.frames.head_to_mri`, are up to 3.7 and 2.5 cm from where
the bank has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes.names import fold, kind_from_words, parts, split_prefix
from biosig.electrodes.tables import LOCATIONS
from biosig.errors import UsageError

_ROWS = {
    "Fp": "1 z 2", "AFp": "1 2 3h 4h", "AF": "7 3 z 4 8", "AFF": "1 2 1h 2h 5h 6h",
    "F": "9 7 5 3 1 z 2 4 6 8 10", "FFT": "7h 8h", "FFC": "1h 2h 3h 4h 5h 6h",
    "FT": "9 7 8 10", "FC": "5 3 1 z 2 4 6", "FTT": "7h 8h 9h 10h", "FCC": "1h 2h 3h 4h 5h 6h",
    "T": "9 7 8 10 3 4 5 6", "C": "5 3 1 z 2 4 6", "TTP": "7h 8h", "CCP": "1h 2h 3h 4h 5h 6h",
    "TP": "9 7 8 10", "CP": "5 3 1 z 2 4 6", "TPP": "7h 8h 9h 10h", "CPP": "1h 2h 3h 4h 5h 6h",
    "P": "9 7 5 3 1 z 2 4 6 8 10", "PPO": "1 2 1h 2h 5h 6h 9h 10h",
    "PO": "9 7 5 3 z 4 6 8 10", "POO": "1 2 3h 4h 9h 10h",
    "O": "1 z 2", "OI": "1h 2h", "I": "1 z 2", "A": "1 2", "M": "1 2",
}  # fmt: skip

TEN_FIVE = tuple(row + column for row, columns in _ROWS.items() for column in columns.split())
"""Electrodes of the 10-05 system (Oostenveld and Praamstra 2001, Clin Neurophysiol 112:713) in the bank."""

SPELLINGS = (
    "FP1", "FPZ", "FP2", "FZ", "FCZ", "CZ", "CPZ", "PZ", "POZ", "OZ",
    "Fc1", "Fc2", "Fc5", "Fc6", "Cp1", "Cp2", "Cp5", "Cp6",
)  # fmt: skip
"""Electrodes of `TEN_FIVE` that the bank has in a second spelling."""

BIOSEMI = tuple(f"{row}{number}" for row in "ABCD" for number in range(1, 33))
"""The inputs of BioSemi's cap with 128 electrodes."""

BIOSEMI_PREFIX = "biosemi128_"

HYDROCEL = tuple(f"E{number}" for number in range(1, 130))
"""The electrodes of EGI's net with 128, and E129, its reference at the vertex."""

TWO_MEANINGS = frozenset(TEN_FIVE) & frozenset(BIOSEMI)
"""A1, A2 and C1 to C6 are electrodes of the 10-05 system in the bank, and BioSemi's only with the prefix."""


def reve_names() -> tuple[str, ...]:
    """The 543 names of the bank, as it spells them; `reve_positions` also takes others of the same electrodes."""
    inputs = tuple(name for name in BIOSEMI if name not in TWO_MEANINGS)
    return (*TEN_FIVE, *SPELLINGS, *inputs, *HYDROCEL, *(BIOSEMI_PREFIX + name for name in BIOSEMI))


def reve_positions(names: Sequence[str], on_unknown: Literal["raise", "unplaced"] = "raise") -> NDArray[np.float64]:
    """Positions of electrodes that REVE was trained with, by their names.

    Parameters
    ----------
    names : sequence of str
        In any case, with a prefix or a common reference or without ("EEG FP1-REF"); of the bank, or any
        other of the 10-05 template ("AF1"). A bipolar pair ("FP1-F7") is placed in the middle of its two electrodes.
    on_unknown : {"raise", "unplaced"}
        Policy for names that are not such an electrode: raise, or give NaN.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        A row for each name, in metres in the mri frame (see `biosig.electrodes.frames`); NaN = no position.

    Raises
    ------
    UsageError
        If names are unknown and are not to be left unplaced, or if names have two meanings: "A1" is an ear lobe and,
        beside "A3", an input of BioSemi's cap.
    """
    if on_unknown not in ("raise", "unplaced"):
        raise UsageError(f'on_unknown={on_unknown!r} is not known; give "raise" or "unplaced"')
    electrodes = [_electrodes(name) for name in names]
    _refuse_two_meanings({electrode for pair in electrodes for electrode in pair})
    places = _places()
    unplaced = [not pair or not all(electrode in places for electrode in pair) for pair in electrodes]
    if on_unknown == "raise" and any(unplaced):
        unknown = ", ".join(repr(name) for name, lost in zip(names, unplaced, strict=True) if lost)
        raise UsageError(
            f"REVE's bank has no position for {sum(unplaced)} of {len(names)} channels ({unknown}); give their "
            'positions yourself (metres, mri frame), leave them out, or pass on_unknown="unplaced" to get NaN for them'
        )
    positions = np.full((len(names), 3), np.nan)
    for row, (pair, lost) in enumerate(zip(electrodes, unplaced, strict=True)):
        if not lost:
            positions[row] = np.mean([places[electrode] for electrode in pair], axis=0)
    return positions


def _electrodes(name: str) -> tuple[str, ...]:
    """The one or two electrodes in a channel's name, folded; none in the name of a channel that is no EEG."""
    kind, bare = split_prefix(name)
    # "ECG A1" is not an ear lobe; "E1-M2" is an eye in sleep studies
    if (kind or kind_from_words(bare) or "eeg") != "eeg":
        return ()
    table = LOCATIONS["eeg"]
    keys = [fold(part) for part in parts(bare) if part is not None]
    return tuple(fold(table[key].name) if key in table else key for key in keys)  # "INION" → "IZ"


def _refuse_two_meanings(electrodes: set[str]) -> None:
    inputs, both = electrodes & set(BIOSEMI) - TWO_MEANINGS, electrodes & TWO_MEANINGS
    if inputs and both:
        raise UsageError(
            f"{', '.join(sorted(both))} are electrodes of the 10-20 system as well as inputs of BioSemi's cap, and "
            f"{min(inputs)} is one of its inputs; write BioSemi's with their prefix, as {BIOSEMI_PREFIX}{min(both)}"
        )


@cache
def _places() -> dict[str, NDArray[np.float64]]:
    """Folded name → position in metres, mri frame: the 10-05 template and both caps."""
    import mne

    known = mne.channels.get_builtin_montages()
    template = next(name for name in ("colin27_1005", "standard_1005") if name in known)  # renamed in MNE 1.13
    ten_five, biosemi, hydrocel = (
        {fold(name): position for name, position in montage.get_positions()["ch_pos"].items()}
        for montage in map(mne.channels.make_standard_montage, (template, "biosemi128", "GSN-HydroCel-129"))
    )
    shift = ten_five["CZ"] - hydrocel["CZ"]
    net = {name: position + shift for name, position in hydrocel.items() if name != "CZ"} | {"E129": ten_five["CZ"]}
    prefixed = {fold(BIOSEMI_PREFIX + name): position for name, position in biosemi.items()}
    return biosemi | net | prefixed | ten_five  # the last has the names of two meanings
