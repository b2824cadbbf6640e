"""A recording as a page asks for it: groups of channels, and any stretch of one in a montage, filtered or as it is.

Shape letters: R rows of a montage, C channels, T samples, n pixel columns.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.recording import Recording, Stream
from biosig.signal import runs_from_mask
from biosig.view import columns, montage, wire
from biosig.view.filters import Filters, filtered, padding
from biosig.view.library import beside
from biosig.view.montage import Montage
from biosig.view.pyramid import Pyramid

RAW = 8
"""Samples a pixel up to which a page gets every sample; beyond, it gets pixel columns."""

READ = 2**22
"""Samples of all channels that are read for one answer; beyond, it comes from a pyramid."""

MOST_COLUMNS, MOST_GAPS, MOST_PYRAMIDS = 8192, 2000, 6
_EXCERPTS, _EXCERPT = 20, 10.0  # how many, s each
_KINDS = ("ecg", "eeg", "ppg", "abp", "cvp", "resp", "eog", "emg", "acc", "spo2", "temp", "misc", "stim", "ref")
_VOLTS = {"nV": 1e-3, "uV": 1.0, "mV": 1e3, "V": 1e6}


@dataclass
class Group:
    """Channels of one kind and unit in one stream: they share a clock, montages and a gain.

    Parameters
    ----------
    stream : Stream
        All channels of the stream.
    rows : list of int
        Those of the group.
    kind, unit : str
        Of its channels.
    centre : ndarray, shape (C,)
        Median of each channel of the stream over excerpts of the whole recording.
    reach : float
        Half of the range that most channels keep to, in the unit.
    """

    stream: Stream
    rows: list[int]
    kind: str
    unit: str
    centre: NDArray[np.float64]
    reach: float
    pyramids: dict[str, Pyramid] = field(default_factory=dict)

    @property
    def channels(self) -> list[Any]:
        """The group's channels."""
        return [self.stream.channels[row] for row in self.rows]

    def montage(self, name: str, bad: Collection[str] = ()) -> Montage:
        """A montage of these channels."""
        return montage.montage(name, self.kind, self.channels, self.rows, bad)


class Signals:
    """An open recording.

    Parameters
    ----------
    recording : Recording
        Its samples may be in their file.
    cache : Path
        Folder of pyramids.
    """

    def __init__(self, recording: Recording, cache: Path) -> None:
        self.recording, self.cache = recording, cache
        self.groups = [group for stream in recording.streams for group in _groups(stream)]
        self.groups.sort(key=lambda group: _KINDS.index(group.kind))
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """All that a page needs before it asks for samples; nothing about the person."""
        r = self.recording
        return {
            "id": r.id,
            "duration": r.duration,
            "kinds": r.kinds,
            "adapter": r.source.adapter,
            "history": list(r.history),
            "notes": list(r.notes),
            "labels": {str(name): str(value) for name, value in r.labels.items()},
            "n_annotations": len(r.annotations),
            "groups": [self._describe(group) for group in self.groups],
        }

    def _describe(self, group: Group) -> dict[str, Any]:
        band = self.recording.band.get(group.kind, (None, None))
        names = montage.names_for(group.kind, group.channels)
        return {
            "kind": group.kind,
            "unit": group.unit,
            "microvolts": _VOLTS.get(group.unit),
            "sfreq": group.stream.sfreq,
            "onset": group.stream.onset,
            "n_times": group.stream.n_times,
            "reach": group.reach,
            "band": list(band),
            "channels": [
                {"name": c.name, "source_name": c.source_name, "placed": c.position_source} for c in group.channels
            ],
            "montages": [self._rows(group, group.montage(name)) for name in names],
        }

    @staticmethod
    def _rows(group: Group, chosen: Montage) -> dict[str, Any]:
        return {
            "name": chosen.name,
            "negative_up": chosen.negative_up,
            "note": chosen.note,
            "rows": [
                {
                    "name": row.name,
                    "missing": list(row.missing),
                    "note": row.note,
                    "side": row.side if group.kind == "eeg" else "",
                    "gap_before": row.gap_before,
                    "present": bool(row.weights),
                    "centre": sum(w * float(group.centre[c]) for c, w in row.weights.items()),
                }
                for row in chosen.rows
            ],
        }

    def body(self, number: int, name: str, filters: Filters, step: float, first: int, n: int, bad: list[str]) -> bytes:
        """A stretch of a group, packed (`biosig.view.wire`).

        Parameters
        ----------
        number : int
            Of the group.
        name : str
            Of the montage.
        filters : Filters
            That the page adds.
        step : float
            Seconds a pixel.
        first, n : int
            The first pixel column, counted from the recording's start, and how many.
        bad : list of str
            Channels that no average takes.

        Returns
        -------
        bytes
            In the header: `mode` "raw" (samples from `start` on: "samples" (R, T) as in the file with `scale` and
            `offset`, or float32 "values") or "columns" ("columns" (4, R, n): first, least, greatest, last; first and
            last are NaN where they are not known); `gaps` as (row, start, stop) in seconds; `filters` that were
            applied, in words; `notes`; `until`, the second up to which extremes are known.

        Raises
        ------
        UsageError
            If there is no such group or montage, or the numbers are out of bounds.
        """
        if not 0 <= number < len(self.groups):
            raise UsageError(f"There is no group {number}.")
        if not (1 <= n <= MOST_COLUMNS and math.isfinite(step) and 1e-6 <= step <= 1e5 and abs(first) < 2**40):
            raise UsageError(f"A stretch has 1 to {MOST_COLUMNS} columns of 0.000001 to 100000 s.")
        group = self.groups[number]
        chosen = group.montage(name, bad)
        stream = group.stream
        cuts = np.clip(columns.edges(first, n, step, stream.sfreq, stream.onset), 0, stream.n_times)
        used = filters.at(stream.sfreq)
        notes = [chosen.note] if chosen.note else []
        if used != filters:
            notes.append(f"half of the rate is {stream.sfreq / 2:g} Hz: no filter at or above it")
        held = step * stream.sfreq
        n_read = int(cuts[-1] - cuts[0]) * max(len(chosen.channels), 1)
        header: dict[str, Any] = {"sfreq": stream.sfreq, "onset": stream.onset, "first": first, "n": n, "step": step}
        if held <= RAW:
            arrays = self._raw(group, chosen, used, cuts, header)
        elif n_read <= READ:
            x, gaps = self._values(group, chosen, int(cuts[0]), int(cuts[-1]), used)
            arrays = {"columns": columns.reduce(x, cuts - cuts[0])}
            header |= {"mode": "columns", "gaps": gaps, "exact": True}
        else:
            if used:
                notes.append("NOT FILTERED: a page this long shows the signal without filters")
                used = Filters()
            arrays = self._overview(group, chosen, cuts, header)
        header["gaps"] = _seconds(header["gaps"], stream, step)
        header |= {"filters": used.words(), "notes": notes, "negative_up": chosen.negative_up}
        return wire.pack(header, arrays)

    def _raw(
        self, group: Group, chosen: Montage, used: Filters, cuts: NDArray[np.int64], header: dict[str, Any]
    ) -> dict[str, NDArray[Any]]:
        """Every sample, and one more on either side, so that lines go on."""
        stream = group.stream
        start, stop = max(int(cuts[0]) - 1, 0), min(int(cuts[-1]) + 1, stream.n_times)
        header |= {"mode": "raw", "start": start}
        rows = [row for row in chosen.rows if row.weights]
        if chosen.plain and not used and stream.samples.dtype.kind == "i":
            picked = stream.pick([row.channel for row in rows if row.channel is not None]).slice(start, stop)
            runs = stream.pick([row.channel for row in rows if row.channel is not None]).invalid
            header["gaps"] = runs[(runs[:, 2] > start) & (runs[:, 1] < stop)]
            header |= {"scale": picked.scale.tolist(), "offset": picked.offset.tolist()}
            return {"samples": np.asarray(picked.samples)}
        x, header["gaps"] = self._values(group, chosen, start, stop, used)
        return {"values": x.astype(np.float32)}

    def _values(
        self, group: Group, chosen: Montage, start: int, stop: int, used: Filters
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Rows (R, T) of a montage, NaN where one is not a real value, and the runs where they are not."""
        pad = padding(used, group.stream.sfreq) if used else 0
        before, after = max(start - pad, 0), min(stop + pad, group.stream.n_times)
        x = _physical(group.stream.pick(chosen.channels).slice(before, max(after, before)))
        x = _summed(chosen, x)
        mask = ~np.isfinite(x)
        if used and x.size:
            x = filtered(x, used, group.stream.sfreq)
        gaps = runs_from_mask(mask) + np.array([0, before, before]) if mask.any() else np.empty((0, 3), np.int64)
        gaps = gaps[(gaps[:, 2] > start) & (gaps[:, 1] < stop)]
        return x[:, start - before : stop - before], gaps

    def _overview(
        self, group: Group, chosen: Montage, cuts: NDArray[np.int64], header: dict[str, Any]
    ) -> dict[str, NDArray[Any]]:
        pyramid = self._pyramid(group, chosen)
        pyramid.wait(0.0 if pyramid.done else 0.3)
        low, high = pyramid.extremes(cuts)
        none = np.full_like(low, np.nan)
        header |= {"mode": "columns", "gaps": pyramid.gaps, "exact": False, "edge": pyramid.edge(cuts)}
        if not pyramid.whole:
            header["until"] = group.stream.onset + pyramid.done / group.stream.sfreq
            header["error"] = pyramid.error
        return {"columns": np.stack((none, low, high, none))}

    def _pyramid(self, group: Group, chosen: Montage) -> Pyramid:
        parts = (self.recording.source.path, _stamp(self.recording), group.stream.ch_names, repr(chosen.rows), "1")
        key = hashlib.sha256(repr((*parts, group.stream.n_times, group.stream.sfreq)).encode()).hexdigest()[:32]
        with self._lock:
            if key not in group.pyramids:
                stream = group.stream.pick(chosen.channels)
                whole = stream.samples.dtype.kind == "i" and not len(stream.invalid)

                order = [chosen.channels.index(row.channel) for row in chosen.rows if row.channel is not None]

                def extract(start: int, stop: int) -> NDArray[Any]:
                    if chosen.plain and whole:
                        return np.asarray(stream.samples[:, start:stop])[order]
                    return _summed(chosen, _physical(stream.slice(start, stop))).astype(np.float32)

                shape = (sum(bool(row.weights) for row in chosen.rows), stream.n_times)
                while len(group.pyramids) >= MOST_PYRAMIDS:
                    group.pyramids.pop(next(iter(group.pyramids)))
                affine = (stream.scale[order, None], stream.offset[order, None]) if chosen.plain else (1.0, 0.0)
                block = 2**21 // max(stream.n_chans, 1)
                group.pyramids[key] = Pyramid(self.cache, key, shape, extract, block, *affine)
            return group.pyramids[key]


def _groups(stream: Stream) -> list[Group]:
    centre, half = _excerpts(stream)
    places: dict[tuple[str, str], list[int]] = {}
    for row, channel in enumerate(stream.channels):
        own = channel.name if channel.kind not in ("ecg", "eeg", "eog", "emg", "acc") else ""
        places.setdefault((channel.kind, channel.unit, own), []).append(row)  # type: ignore[arg-type]
    made = []
    for key, rows in places.items():
        known = half[rows][np.isfinite(half[rows])]
        made.append(Group(stream, rows, key[0], key[1], centre, float(np.median(known)) if len(known) else 0.0))
    return made


def _excerpts(stream: Stream) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and half of the range (0.5 to 99.5 %) of each channel (C,) over excerpts that lie over all of it."""
    n_times = min(math.ceil(_EXCERPT * stream.sfreq), max(2**21 // max(stream.n_chans, 1), 16))
    starts = np.linspace(0, max(stream.n_times - n_times, 0), _EXCERPTS).astype(int)
    if stream.n_times <= _EXCERPTS * n_times:
        starts, n_times = np.array([0]), stream.n_times
    x = np.concatenate([_physical(stream.slice(s, min(s + n_times, stream.n_times))) for s in starts], axis=1)
    quantiles = np.full((3, len(x)), np.nan)
    for row, values in enumerate(x):
        finite = values[np.isfinite(values)]
        if finite.size:
            quantiles[:, row] = np.percentile(finite, (0.5, 50, 99.5))
    return np.nan_to_num(quantiles[1]), (quantiles[2] - quantiles[0]) / 2


def _physical(stream: Stream) -> NDArray[np.float64]:
    """Values in the channels' units as float64, (C, T): a millivolt of offset must not cost a nanovolt of signal."""
    x = np.asarray(stream.samples).astype(np.float64)
    x *= stream.scale[:, None]
    x += stream.offset[:, None]
    if stream.samples.dtype.kind == "f":
        x[~np.isfinite(x)] = np.nan
    for channel, start, stop in stream.invalid:
        x[channel, start:stop] = np.nan
    return x


def _summed(chosen: Montage, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of a montage of its channels; a row has no real value where one of its channels has none."""
    if chosen.plain:
        order = [chosen.channels.index(row.channel) for row in chosen.rows if row.channel is not None]
        return x[order]
    weights = chosen.matrix()
    finite = np.isfinite(x)
    if finite.all():
        return weights @ x
    out = weights @ np.where(finite, x, 0.0)
    out[((weights != 0).astype(float) @ ~finite) > 0] = np.nan
    return out


def _seconds(gaps: NDArray[np.int64], stream: Stream, step: float) -> list[list[float]]:
    """Gaps as (row, start, stop) in seconds; of too many, those closer than a pixel become one."""
    if len(gaps) > MOST_GAPS:
        apart = (gaps[1:, 0] != gaps[:-1, 0]) | (gaps[1:, 1] - gaps[:-1, 2] > step * stream.sfreq)
        firsts, lasts = np.append(True, apart), np.append(apart, True)
        gaps = np.column_stack((gaps[firsts, :2], gaps[lasts, 2]))
    return [[int(r), stream.onset + a / stream.sfreq, stream.onset + b / stream.sfreq] for r, a, b in gaps.tolist()]


def _stamp(recording: Recording) -> Any:
    """Version of a recording: its content hash, else size and time of its files."""
    if recording.content_hash:
        return recording.content_hash
    path = Path(recording.source.path)
    if not path.is_file():
        return id(recording)
    return str(path.resolve()), [(status.st_size, status.st_mtime_ns) for status in beside(path)]
