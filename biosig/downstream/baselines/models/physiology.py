"""Features of many windows (`biosig.features`) as one matrix, and remarks on windows that could not be measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from biosig.errors import DataError
from biosig.evaluate.metrics import Floats
from biosig.features.registry import KINDS
from biosig.features.row import measure
from biosig.recording import Recording

_COUNTS = {"ecg.n_beats": "heart beat", "ppg.n_pulses": "pulse"}


def feature_matrix(windows: Iterable[Recording]) -> tuple[Floats, list[str]]:
    """Features of many windows.

    Parameters
    ----------
    windows : iterable of Recording
        Read one at a time.

    Returns
    -------
    matrix : ndarray, shape (n_windows, n_features)
        NaN where a window lacks the channel or could not be measured.
    remarks : list of str
        Sentences that count windows without a heart beat, a pulse or amplitudes.

    Raises
    ------
    DataError
        If no window gives any feature.
    """
    column_of: dict[str, int] = {}
    rows, without, windows_of_kind, no_amplitude = [], Counter[str](), Counter[str](), Counter[str]()
    for window in windows:
        values, notes = measure(window, KINDS)
        columns = np.array([column_of.setdefault(name, len(column_of)) for name in values], np.int32)
        rows.append((columns, np.fromiter(values.values(), np.float32)))
        for name in _COUNTS:
            without[name] += values.get(name) == 0
        for kind in {name.split(".")[0] for name in values}:
            windows_of_kind[kind] += 1
        for note in notes:
            no_amplitude[note.split(":")[0]] += ": no amplitudes" in note
    if not any(np.isfinite(numbers).any() for _, numbers in rows):
        raise DataError(
            f"None of {len(rows)} windows gives a feature: they need usable ECG, PPG or EEG channels; check the "
            "channels' kinds with `biosig inspect`, or leave 'handmade' out of the baselines."
        )
    matrix = np.full((len(rows), len(column_of)), np.nan)
    for row, (columns, numbers) in enumerate(rows):
        matrix[row, columns] = numbers
    remarks = [
        f"No {what} was found in {without[name]} of {windows_of_kind[name.split('.')[0]]} windows; training medians "
        "stand in for what it gives."
        for name, what in _COUNTS.items()
        if without[name]
    ]
    remarks += [
        f"Amplitudes of {n} of {windows_of_kind[kind]} windows of {kind} have no believable unit and are left out."
        for kind, n in no_amplitude.items()
        if n
    ]
    return matrix, remarks
