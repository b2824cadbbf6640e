"""Differences between an exported file, read again block by block, and the recording that it was made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.export.edf_calibration import OFFSET_TOLERANCE, SCALE_TOLERANCE
from biosig.recording import Recording, Stream, sample_range

_DECIMALS = 9
"""Of seconds, to which times of events are compared."""

_LAST_BITS = 1e-9
"""Of a scale, and of a step."""


def differences(recording: Recording, streams: Sequence[Stream], again: Recording) -> list[str]:
    """Facts that a format could not hold, in words; an empty list if it holds all.

    Parameters
    ----------
    recording : Recording
        The exported recording, its annotations timed from the file's first sample.
    streams : sequence of Stream
        The streams that are in the file.
    again : Recording
        The recording that an adapter reads from the file.

    Raises
    ------
    DataError
        If samples, rates, or which samples are real values differ: then the export itself is wrong.
    """
    counts: Counter[str] = Counter()
    if len(streams) != len(again.streams):
        raise DataError(f"Recording '{recording.id}' came back with {len(again.streams)} streams, not {len(streams)}.")
    for one, other in zip(streams, again.streams, strict=True):
        counts["stream(s) with values that are real under an annotation BAD…, and read as none"] += _check_samples(
            recording, one, other
        )
        for a, b in zip(one.channels, other.channels, strict=True):
            counts["channel name(s)"] += (a.name, a.source_name) != (b.name, b.source_name)
            counts["kind(s) of channel"] += a.kind != b.kind
            counts["unit(s)"] += a.unit != b.unit
            places = np.array([(*a.position, *a.reference), (*b.position, *b.reference)])
            counts["electrode position(s)"] += not np.array_equal(places[0], places[1], equal_nan=True)
        for what, off, most in (
            ("scale(s)", _scale_off(one, other), "1 in 10^5"),
            ("offset(s)", _offset_off(one, other), "1/4 step"),
        ):
            counts[f"{what}, in the last bits"] += int(((off > 0) & (off < _LAST_BITS)).sum())
            counts[f"{what}, by less than {most}"] += int((off >= _LAST_BITS).sum())
        counts["onset(s) of signals"] += one.onset != other.onset
    events, found = (
        {(round(a.onset, _DECIMALS), round(a.duration, _DECIMALS), a.label) for a in r.annotations}
        for r in (recording, again)
    )
    counts["annotation(s)"] += len(events - found)
    added = {label for *_, label in found - events if label.startswith("BAD_")}
    words = [f"{n} {what}" for what, n in counts.items() if n]
    words += [f"what {label} marks, as real values or none" for label in sorted(added)]
    before, after = recording.subject, again.subject
    facts = [(s.age, s.sex) if s is not None else (None, None) for s in (before, after)]
    words += ["age and sex"] if facts[0] != facts[1] else []
    words += ["the report"] if (recording.report or None) != again.report else []
    words += ["labels"] if recording.labels != again.labels else []
    if not recording.history and streams == recording.streams and recording.content_hash != again.content_hash:
        words.append("the content hash")
    return words


def _in_one_unit(one: Stream, other: Stream) -> NDArray[np.bool_]:
    """A name that an adapter takes for another kind comes back in that kind's unit."""
    return np.array([a.unit == b.unit for a, b in zip(one.channels, other.channels, strict=True)])


def _scale_off(one: Stream, other: Stream) -> NDArray[np.float64]:
    return np.abs(other.scale / one.scale - 1)[_in_one_unit(one, other)]


def _offset_off(one: Stream, other: Stream) -> NDArray[np.float64]:
    """In steps."""
    return np.abs((other.offset - one.offset) / one.scale)[_in_one_unit(one, other)]


def _check_samples(recording: Recording, one: Stream, other: Stream) -> bool:
    """Refuse streams that differ in more than the last bits of their calibration; rows of `other` may be longer.

    Returns
    -------
    bool
        True if real values are read as none because an annotation there says BAD, which readers of EDF obey.
    """
    same = one.sfreq == other.sfreq and one.n_chans == other.n_chans and one.n_times <= other.n_times
    if same:
        same = bool((_scale_off(one, other) <= SCALE_TOLERANCE).all())
        same &= bool((_offset_off(one, other) <= OFFSET_TOLERANCE).all())
    bad = [e for e in recording.annotations if e.label.lower().startswith("bad") and e.duration > 0]
    spans = np.array([sample_range(e.onset, e.duration, one.sfreq, one.n_times) for e in bad]).reshape(-1, 2)
    obeyed = False
    for a in one.blocks() if same else ():
        start = round((a.onset - one.onset) * one.sfreq)
        b = other.slice(start, start + a.n_times)
        valid, after = a.valid(), b.valid()
        marked = np.zeros(a.n_times, bool)
        for first, stop in (spans - start).clip(0, a.n_times):
            marked[first:stop] = True
        same &= bool(((after == valid) | (valid & marked)).all())
        same &= bool((np.asarray(a.samples) == np.asarray(b.samples))[valid].all())
        obeyed |= bool((after != valid).any())
    if same and other.n_times > one.n_times:  # filled up to a whole data record
        same = all(not b.valid().any() for b in [other.slice(one.n_times, other.n_times)])
    if not same:
        raise DataError(
            f"Recording '{recording.id}' reads back otherwise than it was written: nothing was exported; please "
            "report it."
        )
    return obeyed
