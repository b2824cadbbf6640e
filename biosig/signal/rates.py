"""Sampling rates that a kind of signal can have: a wrong rate makes a window of seconds one of hours."""

from __future__ import annotations

from biosig.errors import DataError

_RATES = {"ecg": (20.0, 100_000.0), "ppg": (4.0, 100_000.0), "eeg": (16.0, 100_000.0)}
"""Hz. Below, no QRS complex, no pulse wave and no alpha rhythm is left; above, no recorder of these signals samples."""


def check_rate(kind: str, sfreq: float, where: str) -> None:
    """Refuse a rate that no signal of this kind is sampled at; kinds that have no usual rate pass.

    Parameters
    ----------
    kind : str
        "ecg", "ppg", "eeg" or another.
    sfreq : float
        Hz.
    where : str
        Recording or file that the message names.

    Raises
    ------
    DataError
    """
    low, high = _RATES.get(kind, (0.0, float("inf")))
    if not low <= sfreq <= high:
        raise DataError(
            f"{where}: {sfreq:g} Hz is not a sampling rate of {kind.upper()}, which lies from {low:g} to {high:,.0f} "
            "Hz: correct the rate that the source states, or sfreq."
        )
