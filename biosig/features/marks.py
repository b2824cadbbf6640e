"""Beats and waves of a recording as annotations."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from biosig.errors import DataError
from biosig.features.window import window_of
from biosig.recording import Annotation, Recording

DELINEATED = {"ecg": "biosig.features.ecg_marks", "ppg": "biosig.features.ppg_marks"}
"""Kind → module whose function `marks(window)` gives a list of `Mark`."""


@dataclass(frozen=True, slots=True)
class Mark(Annotation):
    """A wave with `score`, the evidence from 0 to 1 that it is there."""

    score: float = 1.0


def delineate(recording: Recording, kind: str = "ecg") -> list[Mark]:
    """Beats and waves of one kind of signal.

    Parameters
    ----------
    recording : Recording
    kind : str
        "ecg": labels "beat" (its duration is 0, its onset the QRS's main deflection), "P", "QRS" and "T".
        "ppg": labels "pulse" (from the foot to the next pulse's foot) and "peak" (the systolic peak, its duration 0).

    Returns
    -------
    list of Mark
        Sorted by onset, in seconds from the recording's start.

    Raises
    ------
    DataError
        If the recording has no channel of that kind, or the kind has no waves to mark.
    """
    window = window_of(recording, kind) if kind in DELINEATED else None
    if window is None:
        raise DataError(
            f"Recording '{recording.id}' has no waves of kind '{kind}' to mark (its kinds: "
            f"{', '.join(recording.kinds) or 'none'}): delineation knows {', '.join(DELINEATED)}."
        )
    return sorted(importlib.import_module(DELINEATED[kind]).marks(window), key=lambda mark: (mark.onset, mark.label))
