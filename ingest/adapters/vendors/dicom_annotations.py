"""Annotations of DICOM waveforms: moments and intervals, measurements as labels, statements as the report.

DICOM PS3.3 C.10.10. Positions of samples count from 1, time offsets are milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from biosig.recording import Annotation, Recording, Stream

_POINTS = ("POINT", "MULTIPOINT")
_SEGMENTS = ("SEGMENT", "MULTISEGMENT")


def add_annotations(
    recording: Recording, sequence: Iterable[Any], streams: Mapping[int, Stream], notes: list[str]
) -> None:
    """Add to a recording the annotations, labels and report of its Waveform Annotation Sequence.

    Parameters
    ----------
    recording : Recording
        Gets annotations, labels (measurements without a place in time) and report (statements without one).
    sequence : iterable of pydicom Dataset
        The items of the sequence.
    streams : dict
        Multiplex group, from 0, → stream.
    notes : list of str
        A note on items that were left out is appended to it.
    """
    statements, n_left_out = [], 0
    for item in sequence:
        label, unit = (
            code_of(item, "ConceptNameCodeSequence"),
            code_of(item, "MeasurementUnitsCodeSequence", "CodeValue"),
        )
        text = str(item.get("UnformattedTextValue") or "").strip()
        if item.get("TemporalRangeType"):
            places = _places(item, streams)
            kept = [Annotation(on, length, label or text) for on, length in places if 0 <= on < recording.duration]
            recording.annotations += kept if label or text else []
            n_left_out += not kept or not (label or text)
        elif item.get("NumericValue") is not None and label:
            name = f"{label} ({unit})" if unit else label
            value = float(_first(item.NumericValue))
            n_left_out += recording.labels.setdefault(name, value) != value
        elif text:
            statements.append(f"{label}: {text}" if label else text)
        elif code_of(item, "ConceptCodeSequence"):
            statements.append(": ".join(filter(None, (label, code_of(item, "ConceptCodeSequence")))))
        else:
            n_left_out += 1
    recording.annotations = sorted(
        (_within(annotation, recording.duration) for annotation in recording.annotations), key=lambda a: a.onset
    )
    recording.report = "\n".join(statements) or None
    if n_left_out:
        notes.append(
            f"{n_left_out} waveform annotations have no label, no place in a signal that is kept, or another value for "
            "a label that is there: left out."
        )


def _places(item: Any, streams: Mapping[int, Stream]) -> list[tuple[float, float]]:
    """Onset and duration of each moment or interval; none if it lies in a group that is not there."""
    group = int(_first(item.get("ReferencedWaveformChannels") or [1])) - 1
    stream = streams.get(group)
    kind = str(item.TemporalRangeType)
    if stream is None or kind not in _POINTS + _SEGMENTS:
        return []
    if item.get("ReferencedSamplePositions") is not None:
        times = [(float(position) - 1) / stream.sfreq for position in _all(item.ReferencedSamplePositions)]
    else:
        times = [float(offset) / 1000 for offset in _all(item.get("ReferencedTimeOffsets"))]
    times = [stream.onset + time for time in times]
    if kind in _POINTS:
        return [(time, 0.0) for time in times]
    return [(start, max(end - start, 0.0)) for start, end in zip(times[::2], times[1::2], strict=False)]


def _within(annotation: Annotation, duration: float) -> Annotation:
    length = min(annotation.duration, duration - annotation.onset)
    return Annotation(annotation.onset, length, annotation.label)


def code_of(item: Any, sequence: str, keyword: str = "CodeMeaning") -> str:
    """One element of the first code in a code sequence, "" where there is none."""
    first = (item.get(sequence) or [None])[0]
    return "" if first is None else str(first.get(keyword) or "").strip()


def _all(value: Any) -> list[Any]:
    """A DICOM value, which is one thing or several, as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, int | float | str) else list(value)


def _first(value: Any) -> Any:
    return _all(value)[0]
