"""Targets from channels and events that the model does not see: a monitor's reading, or the rate of an event.

Monitors write their numbers (heart rate, respiratory rate, SpO2) about once a second, each an average over the seconds
before. They are kept as channels of kinds without a modality, so no model reads them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from biosig.batches.windows import ReadableRecording, Windows
from biosig.errors import DataError, UsageError
from biosig.recording import MODALITIES, Stream, sample_range

LEAST_PRESENT = 0.5
"""Share of a window's readings that must be present for it to have a value."""


def window_values(
    windows: Windows, channel: str, plausible: tuple[float, float] = (-math.inf, math.inf)
) -> NDArray[np.float64]:
    """The median of a channel in each window, in the channel's unit.

    Parameters
    ----------
    windows : Windows
        N windows.
    channel : str
        Canonical name ("HR", "SpO2").
    plausible : tuple of float
        Range of real readings; values outside it, such as the 0 of a disconnected monitor, count as missing.

    Returns
    -------
    ndarray of float64, shape (N,)
        NaN where the recording lacks the channel, or less than half of the window's readings are there.

    Raises
    ------
    DataError
        If no recording has the channel.
    UsageError
        If the model would see the channel.
    """
    values = np.full(len(windows), math.nan)
    found = False
    for row in np.unique(windows.recording):
        stream = _stream_of(windows.ds[int(row)], channel)
        if stream is None:
            continue
        found = True
        readings = stream.physical()[0].astype(np.float64)  # [T]
        readings[(readings < plausible[0]) | (readings > plausible[1])] = math.nan
        for i in np.flatnonzero(windows.recording == row):
            start, stop = sample_range(
                windows.onset[i] - stream.onset, windows.duration[i], stream.sfreq, len(readings)
            )
            present = readings[start:stop][np.isfinite(readings[start:stop])]
            if len(present) and len(present) >= LEAST_PRESENT * windows.duration[i] * stream.sfreq:
                values[i] = np.median(present)
    if not found:
        raise DataError(f"No recording has the channel '{channel}'; {_measurable(windows)}")
    return values


def event_rates(
    windows: Windows, label: str, plausible: tuple[float, float] = (-math.inf, math.inf)
) -> NDArray[np.float64]:
    """Rate per minute of an annotation in each window: 60 over the median interval between onsets.

    Parameters
    ----------
    windows : Windows
        N windows.
    label : str
        Label of the annotations, such as "RR" of a chest strap.
    plausible : tuple of float
        Range of rates that count.

    Returns
    -------
    ndarray of float64, shape (N,)
        NaN where fewer than three annotations lie in the window.

    Raises
    ------
    DataError
        If no recording has such an annotation.
    """
    events = windows.ds.annotations
    events = events[events["label"] == label]
    if not len(events):
        known = ", ".join(sorted(windows.ds.annotations["label"].unique())[:20]) or "none"
        raise DataError(f"No recording has the annotation '{label}'; there are {known}.")
    onsets = {row: np.sort(group.to_numpy(np.float64)) for row, group in events.groupby("recording")["onset"]}
    values = np.full(len(windows), math.nan)
    for i, row in enumerate(windows.recording.tolist()):
        all_onsets = onsets.get(row, np.empty(0))
        start, stop = np.searchsorted(all_onsets, (windows.onset[i], windows.onset[i] + windows.duration[i]))
        intervals = np.diff(all_onsets[start:stop])
        if len(intervals) > 1 and plausible[0] <= (rate := 60 / np.median(intervals)) <= plausible[1]:
            values[i] = rate
    return values


def _stream_of(recording: ReadableRecording, channel: str) -> Stream | None:
    """The channel as a stream of its own, None where the recording has no such channel."""
    named = [c for c in recording.channels if c.name == channel]
    if not named:
        return None
    if named[0].kind in MODALITIES:
        raise UsageError(
            f"Channel '{channel}' of recording '{recording.id}' is {named[0].kind}, which a model reads: "
            "a measure needs a channel of another kind."
        )
    streams = recording.read().of_kind(named[0].kind)
    return next(s.pick([s.ch_names.index(channel)]) for s in streams if channel in s.ch_names)


def _measurable(windows: Windows) -> str:
    """A clause that lists the channels that can be a target."""
    recordings = (windows.ds[int(row)] for row in np.unique(windows.recording))
    names = dict.fromkeys(c.name for recording in recordings for c in recording.channels if c.kind not in MODALITIES)
    return f"those that a model does not see are {', '.join(names) or 'none'}."
