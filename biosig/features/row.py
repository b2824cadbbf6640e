"""One row of features of a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from biosig.errors import DataError
from biosig.features.registry import Column, check_kinds, features
from biosig.features.window import Window, window_of
from biosig.recording import Recording

if TYPE_CHECKING:
    import pandas as pd


def extract(recording: Recording, kinds: Sequence[str] | None = None) -> pd.Series:
    """All features of a recording, as one row of a table.

    Parameters
    ----------
    recording : Recording
        The whole of it is one window; `Recording.crop` gives a part.
    kinds : sequence of str, optional
        "ecg", "ppg", "eeg"; default all that the recording has.

    Returns
    -------
    pandas.Series of float64
        Named by the recording's id, indexed by column ("ecg.rate", "ecg.r_amplitude[V1]"); NaN where a value cannot be
        had. ``attrs["notes"]`` holds sentences on what was left out and why.

    Raises
    ------
    UsageError
        If a kind has no features.
    DataError
        If the recording has no channel of these kinds, or no sample.
    """
    import pandas as pd

    chosen = check_kinds(kinds)
    values, notes = measure(recording, chosen)
    if not values:
        raise DataError(
            f"Recording '{recording.id}' has no sample of {', '.join(chosen)} (its kinds: "
            f"{', '.join(recording.kinds) or 'none'}): features need a channel of one of these kinds."
        )
    row = pd.Series(values, dtype=np.float64, name=recording.id)
    row.attrs["notes"] = notes
    return row


def measure(recording: Recording, kinds: Sequence[str]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Values by column name, none where there is no sample of these kinds, and notes on what was left out and why."""
    values: dict[str, float] = {}
    notes: list[str] = []
    for kind in kinds:
        window = window_of(recording, kind)
        if window is not None and window.n_times:
            values |= extract_window(window)
            notes += window.notes
    return values, tuple(notes)


def extract_window(window: Window) -> dict[str, float]:
    """All features of one window by full column name; NaN where a value cannot be had."""
    row: dict[str, float] = {}
    for entry in features(window.kind):
        found = entry.function(window)
        for column in entry.columns:
            row |= _cells(window, column, found.get(column.name, np.nan))
    return row


@lru_cache(maxsize=2**12)
def _channel_columns(name: str, ch_names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of a column's cells, one per channel."""
    return tuple(f"{name}[{label}]" for label in ch_names)


def _cells(window: Window, column: Column, value: object) -> dict[str, float]:
    """Full column name → number, of a function's return value for one column."""
    name = f"{window.kind}.{column.name}"
    if column.index == "channel":
        names = _channel_columns(name, window.ch_names)
        numbers = value.tolist() if isinstance(value, np.ndarray) else [value] * len(names)
        cells = dict(zip(names, numbers, strict=True))
    elif isinstance(value, Mapping):
        cells = {f"{name}[{label}]": float(number) for label, number in value.items()}
    elif column.index:
        return {}
    else:
        cells = {name: float(value)}  # type: ignore[arg-type]
    blank = column.amplitude and not window.amplitude
    return {cell: number if isfinite(number) and not blank else np.nan for cell, number in cells.items()}
