"""Hand-made features of a window of any mixture of ECG, PPG and EEG, and of many windows as one table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pandas as pd

from biosig.downstream.baselines.models.ecg_features import ecg_features
from biosig.downstream.baselines.models.eeg_features import eeg_features
from biosig.downstream.baselines.models.ppg_features import ppg_features
from biosig.errors import DataError
from biosig.recording import Recording, Stream

_MEASURES: dict[str, Callable[[Stream], dict[str, float]]] = {
    "ecg": ecg_features,
    "ppg": ppg_features,
    "eeg": eeg_features,
}


def handmade_features(window: Recording) -> dict[str, float]:
    """Measure heart rate, HRV, wave amplitudes and durations; pulse rate and shape; log band power.

    Parameters
    ----------
    window : Recording
        One window, physical units stated by its channels.

    Returns
    -------
    dict of str to float
        Feature name, with the channel in brackets if it belongs to one, → value; NaN where the signal was too
        poor to measure. Empty if the window has no ECG, PPG or EEG.
    """
    features: dict[str, float] = {}
    for kind, measure in _MEASURES.items():
        for stream in window.of_kind(kind):
            for name, value in measure(stream).items():
                if math.isnan(features.get(name, math.nan)):  # of streams with several rates the first to succeed
                    features[name] = value
    return features


def feature_table(windows: Iterable[Recording]) -> tuple[pd.DataFrame, list[str]]:
    """The features of many windows, and notes on those that could not be measured.

    Parameters
    ----------
    windows : iterable of Recording
        Read one at a time.

    Returns
    -------
    table : DataFrame, shape (n_windows, n_features)
        Columns by feature name; NaN where a window lacks the channel or could not be measured.
    notes : list of str
        Sentences that count windows without a heart beat or a pulse.

    Raises
    ------
    DataError
        If no window gives any feature.
    """
    rows = [handmade_features(window) for window in windows]
    table = pd.DataFrame(rows, dtype="float64")
    if not table.shape[1] or table.isna().all(axis=None):
        raise DataError(
            f"None of {len(rows)} windows gives a hand-made feature: they need usable ECG, PPG or EEG channels; "
            "check the channels' kinds with `biosig inspect`, or leave 'handmade' out of the baselines."
        )
    notes = []
    for kind, what in (("ecg", "heart beat"), ("ppg", "pulse")):
        rates = [column for column in table if str(column).startswith(f"{kind}.rate")]
        names = [column for column in table if str(column).startswith(f"{kind}.")]
        if not rates:
            continue
        failed = int(sum(any(name in row for name in names) for row in rows) - table[rates].notna().any(axis=1).sum())
        if failed:
            notes.append(
                f"No {what} was found in {failed} of {len(rows)} windows; training medians stand in for what it gives."
            )
    return table, notes
