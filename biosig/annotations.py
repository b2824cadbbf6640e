"""Annotations beside the samples: events that lie in the recording, spans marked as bad, and trigger channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Annotation, Recording, Stream, sample_range

_MOST_CODES = 256
"""Different values above which a trigger channel is taken for a signal: eight lines carry no more."""

_LEAST_HELD = 4
"""Samples that a value is held on average; a trigger channel rests between its pulses."""

_BIOSEMI_CODE = 2**16 - 1
"""Bits 0 to 15 of a BioSemi status word are the trigger; those above tell the amplifier's state."""


def in_range(events: Sequence[Annotation], duration: float) -> tuple[list[Annotation], list[str]]:
    """Events by time, those that begin outside 0 … `duration` seconds left out and those that reach beyond cut.

    Returns
    -------
    events : list of Annotation
    notes : list of str
        Sentences on the number of those that were left out or cut.
    """
    kept = [e for e in events if 0 <= e.onset < duration]
    notes = []
    if left := len(events) - len(kept):
        notes.append(f"{left} of {len(events)} annotations lie outside the signals: left out.")
    if cut := sum(not 0 <= e.duration <= duration - e.onset + 1e-6 for e in kept):
        notes.append(f"{cut} of {len(events)} annotations end outside the signals: cut there.")
    kept = [Annotation(e.onset, min(max(e.duration, 0.0), duration - e.onset), e.label) for e in kept]
    return sorted(kept, key=lambda e: e.onset), notes


def mark_bad_spans(recording: Recording, about: Mapping[tuple[float, str], Sequence[str]] | None = None) -> Recording:
    """Samples under an annotation that starts with "bad" are not real values: MNE's own convention for marking them.

    Parameters
    ----------
    recording : Recording
        Recording, of which the streams are changed in place.
    about : mapping, optional
        Onset and label of annotations that concern some channels only → those channels' names in the source.
    """
    about = about or {}
    bad = [a for a in recording.annotations if a.label.lower().startswith("bad") and a.duration > 0]
    for stream in recording.streams:
        runs = []
        for mark in bad:
            start, stop = sample_range(mark.onset - stream.onset, mark.duration, stream.sfreq, stream.n_times)
            names = about.get((mark.onset, mark.label))
            rows = [row for row, c in enumerate(stream.channels) if names is None or c.source_name in names]
            runs += [(row, start, stop) for row in rows if stop > start]
        stream.invalid = np.concatenate((stream.invalid, np.array(runs, np.int64).reshape(-1, 3)))
    if bad:
        seconds = sum(a.duration for a in bad)
        where = "the channels that they name" if any((a.onset, a.label) in about for a in bad) else "all channels"
        recording.notes += (f"{len(bad)} annotations mark {seconds:g} s as bad, so invalid in {where}.",)
    return recording


def from_triggers(streams: Sequence[Stream]) -> tuple[list[Annotation], list[str]]:
    """Turn trigger channels (kind stim) into annotations: one for each time that a value other than 0 is held.

    As `mne.find_events` does with ``consecutive=True``, with the time that the value is held as the duration.
    A channel with more than 256 different values, or that changes all the time, is a signal: none of it is converted.

    Returns
    -------
    events : list of Annotation
        Labelled with the value, by time; with several trigger channels as "name:value".
    notes : list of str
        Sentences on the channels that were converted, and those that were not.
    """
    triggers = [(s, row) for s in streams for row, channel in enumerate(s.channels) if channel.kind == "stim"]
    events: list[Annotation] = []
    notes: list[str] = []
    for stream, row in triggers:
        name = stream.channels[row].source_name
        held = _held_values(stream.pick([row]))
        if held is None:
            notes.append(f"Channel '{name}' varies like a signal: not read as triggers.")
            continue
        values, starts, stops = (part[held[0] != 0] for part in held)
        if len(values):
            notes.append(f"{len(values)} annotations are the values of trigger channel '{name}'.")
        prefix = f"{name}:" if len(triggers) > 1 else ""
        for value, start, stop in zip(values.tolist(), starts.tolist(), stops.tolist(), strict=True):
            onset = stream.onset + start / stream.sfreq
            events.append(Annotation(onset, (stop - start) / stream.sfreq, f"{prefix}{value:.7g}"))
    return sorted(events, key=lambda e: e.onset), notes


def _held_values(stream: Stream) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]] | None:
    """Each value of a stream of one channel, from which sample and to which it is held; None for a signal."""
    status = stream.samples.dtype == np.int32 and stream.channels[0].source_name.lower() == "status"
    values, starts = [np.empty(0)], [np.empty(0, np.int64)]
    codes: set[float] = set()
    at, last = 0, np.nan
    for block in stream.blocks():
        x = np.asarray(block.samples)[0].astype(np.int64) & _BIOSEMI_CODE if status else block.physical()[0]
        x = np.nan_to_num(x.astype(np.float64))
        steps = np.flatnonzero(np.diff(x, prepend=last))
        values.append(x[steps])
        starts.append(steps + at)
        codes.update(np.unique(x[steps]).tolist())
        if len(codes) > _MOST_CODES or sum(map(len, starts)) > 1 + stream.n_times / _LEAST_HELD:
            return None
        at, last = at + len(x), x[-1]
    onsets = np.concatenate(starts)
    return np.concatenate(values), onsets, np.append(onsets[1:], at)
