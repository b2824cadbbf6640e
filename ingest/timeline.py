"""Runs of samples on one even grid: where each begins, what lies between them, and how much of that is too much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError

_MAX_UNHELD = 2**26
"""Samples that gaps may ask for where they outnumber those that a file holds: a day of one channel at 770 Hz."""


def place(onsets: Sequence[float], lengths: Sequence[int], sfreq: float) -> list[int]:
    """The first sample of each run, rounded to the grid and never before the end of the run before it.

    Parameters
    ----------
    onsets : sequence of float
        Seconds after the first run's start, in order.
    lengths : sequence of int
        Samples in each run.
    sfreq : float
        Hz.
    """
    starts, stop = [], 0
    for onset, length in zip(onsets, lengths, strict=True):
        starts.append(max(round(onset * sfreq), stop))
        stop = starts[-1] + length
    return starts


def gaps(starts: Sequence[int], lengths: Sequence[int], n_chans: int) -> NDArray[np.int64]:
    """The samples between runs as a stream's `invalid`: rows (channel, start, stop) for every channel."""
    stops = [start + length for start, length in zip(starts, lengths, strict=True)]
    between = [(a, b) for a, b in zip(stops, starts[1:], strict=False) if b > a]
    rows = [(row, a, b) for row in range(n_chans) for a, b in between]
    return np.array(rows, np.int64).reshape(-1, 3)


def check_span(path: Path, seconds: float, held: float, samples_per_second: float) -> None:
    """Refuse gaps that would take more room than the recording: a wrong clock, or two sittings in one file.

    Parameters
    ----------
    path : Path
        For the message.
    seconds, held : float
        From the first sample to the last, and how many of them there are samples for.
    samples_per_second : float
        Of all channels.

    Raises
    ------
    UnreadableError
    """
    if (seconds - held) * samples_per_second > max(_MAX_UNHELD, held * samples_per_second):
        raise UnreadableError(
            f"{path} spans {seconds / 3600:.3g} h, of which it holds {held / 3600:.3g} h: split it where the gaps are."
        )
