"""Euclidean alignment: each person's EEG, mixed so that its mean covariance is that of any other person's.

People differ more in the covariance of their EEG than conditions do; aligned, one classifier serves many (He & Wu 2020,
"Transfer learning for brain-computer interfaces: a Euclidean space data alignment approach", IEEE TBME 67(2), section
III.B). No label is used. The samples are mixed as they are stored, before any model, feature or network reads them, so
that all methods of a table get the same. Units keep their meaning: the mean power over electrodes stays what it was.

Shape letters: C electrodes of one stream, T samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.batches.contract import limit_band
from biosig.batches.input_contract import Align, InputContract
from biosig.batches.mapped_recordings import COPY, altered
from biosig.batches.windows import ReadableRecording, RecordingSet, Windows
from biosig.errors import DataError, EmptyWindowError, UsageError
from biosig.recording import Channel, Recording, Stream, is_known
from biosig.signal import runs_from_mask, unit_factor

Floats = NDArray[np.float64]

BAND = (0.5, 45.0)
"""Hz, in which the covariance is measured."""

SHRINKAGE = 0.05
"""Of the mean power that is added to each electrode's, so that directions with little in them are not blown up."""

FIRST = 60.0
"""s of each recording that "first_minute" looks at."""

SHORTEST = 10.0
"""Seconds of EEG that a covariance needs: aligned by itself, a single epoch would lose its difference from others."""

BLOCK, MARGIN = 60.0, 10.0
"""s that are in memory together, and those on either side that the filter sees."""


def aligned(windows: Windows, align: Align) -> Windows:
    """The same windows, their EEG aligned when it is read; ECG, PPG and electrodes of unknown place stay as they are.

    One symmetric matrix for each person and set of electrodes mixes the samples, so that electrodes keep their names
    and places. Where one electrode has no real value, a mixture of it would be a guess: all others have none there
    either. An electrode without any in a whole recording takes no part in its mixture.

    Parameters
    ----------
    windows : Windows
        Of recordings with the channels that take part (`biosig.downstream.data.picked_channels`).
    align : {"none", "subject", "first_minute"}
        "subject": a person's matrix is measured over all recordings that the windows are of, whole, so that a person in
        the test set is known by all that was recorded. "first_minute": each recording's matrix is measured over its
        first minute alone, which could be done while one records. A recording of no known subject is aligned by itself.

    Raises
    ------
    UsageError
        If no recording has an EEG electrode of known place.

    Notes
    -----
    A matrix is measured when a window of the person is first read; a DataError then tells if there is too little EEG.
    """
    if align == "none":
        return windows
    if not _has_electrode(windows):
        raise UsageError(
            f"align={align} mixes EEG electrodes of known place, and no recording here has one: give align=none, or "
            "choose other channels."
        )
    groups = _groups(windows.ds, np.unique(windows.recording).tolist(), align)
    return altered(windows, _Alignment(windows.ds, groups, FIRST if align == "first_minute" else None))


def chosen_align(align: Align | None, contract: Mapping[str, InputContract], windows: Windows) -> Align:
    """The alignment of windows for a model: the one asked for, else the one that its contract names for EEG.

    Parameters
    ----------
    align : {"none", "subject", "first_minute"}, optional
        The alignment that a user chose; None = as the weights name it.
    contract : mapping of modality to InputContract
        Of the model.
    windows : Windows
        Of any recordings; where none has an EEG electrode of known place, there is nothing to align.
    """
    if align is not None:
        return align
    named: Align = contract["eeg"].align if "eeg" in contract else "none"
    return named if named == "none" or _has_electrode(windows) else "none"


def alignment_card(align: Align) -> list[str]:
    """Lines of a model card on how its EEG is aligned; none where it is not."""
    if align == "none":
        return []
    by = {"subject": "a person's recordings, whole and without labels", "first_minute": f"its first {FIRST:g} s alone"}
    return [f"EEG is aligned by {by[align]} before the model reads it (`align={align}`), unless told otherwise.", ""]


def alignment_note(align: Align) -> list[str]:
    """Sentence that a table of aligned EEG needs; none without."""
    if align == "none":
        return []
    gaps = "where one electrode misses samples, the others of its stream count as missing too."
    if align == "subject":
        return [
            "EEG is aligned by person, over whole recordings and without labels, for all methods; so a person under "
            f"test is known by all that was recorded before the first window is classified; {gaps}"
        ]
    return [
        f"EEG is aligned by the first {FIRST:g} s of each recording, without labels, for all methods; windows that "
        f"begin later know nothing of what follows them; {gaps}"
    ]


def mixing(covariance: Floats) -> Floats:
    """The matrix (C, C) that makes a mean covariance (C, C) nearly a multiple of the identity, of the same trace."""
    power = np.trace(covariance) / len(covariance)
    variance, direction = np.linalg.eigh(covariance + SHRINKAGE * power * np.eye(len(covariance)))
    variance = np.maximum(variance, SHRINKAGE * power)  # gaps of several electrodes may leave it below
    whitening = (direction / np.sqrt(variance)) @ direction.T
    return whitening * np.sqrt(np.trace(covariance) / np.trace(whitening @ covariance @ whitening))


Layout = tuple[tuple[str, ...], str]
"""Names of a stream's electrodes, sorted, and the unit in which they are mixed."""


@dataclass(frozen=True)
class _Mixing:
    """Mixing matrix of a stream's electrodes."""

    rows: NDArray[np.intp]  # (n,) those of the C sorted electrodes that take part
    matrix: Floats  # (n, n)
    gain: float  # by which the typical electrode's amplitude grows


class _Alignment:
    """An `Alteration` that measures matrices when they are first needed, and keeps them."""

    def __init__(self, ds: RecordingSet, groups: dict[int, list[int]], seconds: float | None) -> None:
        self._ds, self._groups, self._seconds = ds, groups, seconds
        self._durations = ds.to_pandas()["duration"].to_numpy(np.float64)
        self._known: dict[int, dict[Layout, _Mixing]] = {}

    def __call__(self, part: Recording, whole: ReadableRecording, row: int) -> Recording:  # noqa: ARG002
        if row not in self._known:
            self._known |= self._measured(self._groups.get(row, [row]))
        known, scale = self._known[row], dict(part.robust_scale)
        if "eeg" in scale and known:
            scale["eeg"] *= float(np.median([way.gain for way in known.values()]))
        return replace(part, streams=[_mixed(stream, known, part.id) for stream in part.streams], robust_scale=scale)

    def _measured(self, rows: Sequence[int]) -> dict[int, dict[Layout, _Mixing]]:
        """Mixing matrices of the streams of recordings that are aligned together."""
        of_each = {row: self._sums(row) for row in rows}
        together: dict[Layout, Floats] = {}  # by the electrodes that took part
        for layout, sums in (item for each in of_each.values() for item in each.items()):
            part, of_part = _taking_part(layout, sums)[1:]
            together[part] = together.get(part, 0.0) + of_part
        found: dict[int, dict[Layout, _Mixing]] = {}
        for row, each in of_each.items():
            found[row] = {}
            for layout, sums in each.items():
                members, part, _ = _taking_part(layout, sums)
                products, seconds = together[part]
                if not len(members) or np.diag(seconds).max() < SHORTEST:
                    raise DataError(
                        f"Recording '{self._ds[row].id}' is aligned by {np.diag(seconds).max(initial=0.0):.3g} s of "
                        f"{', '.join(layout[0][:3])} …, and {SHORTEST:g} s or more are needed: leave it out with a "
                        "query, say whose it is if there is more of the same person, or choose align=none."
                    )
                covariance = products / np.maximum(seconds, 1e-9)
                matrix = mixing(covariance)
                before, after = (np.median(np.sqrt(np.diag(c))) for c in (covariance, matrix @ covariance @ matrix))
                found[row][layout] = _Mixing(members, matrix, float(after / before))
        return found

    def _sums(self, row: int) -> dict[Layout, Floats]:
        """Of each stream the integrals (2, C, C) over time: of products of two electrodes, and of 1 where both are."""
        sums: dict[Layout, Floats] = {}
        for stream in self._blocks(row):
            order, layout, factor = _electrodes(stream)
            values = stream.physical()[order].astype(np.float64) * factor[:, None]  # (C, T)
            real = np.isfinite(values)
            values[~real] = 0.0
            counts = real.astype(np.float64)
            parts = np.stack((values @ values.T, counts @ counts.T)) / stream.sfreq
            sums[layout] = sums.get(layout, 0.0) + parts
        return sums

    def _blocks(self, row: int) -> Iterator[Stream]:
        """Streams with electrodes in `BAND`, a part of the recording at a time; if limited, without the rest."""
        recording, end = self._ds[row], self._durations[row]
        margin = MARGIN if self._seconds is None else 0.0
        for start in np.arange(0.0, end if self._seconds is None else min(end, self._seconds), BLOCK).tolist():
            try:
                part = recording.read_signals(start - margin, BLOCK + 2 * margin)
                streams = [_in_band(stream) for stream in part.streams if len(_electrodes(stream)[0])]
                yield from replace(part, streams=streams).crop(start, BLOCK).streams
            except EmptyWindowError:
                continue


def _groups(ds: RecordingSet, rows: Sequence[int], align: Align) -> dict[int, list[int]]:
    """For each recording the rows that it is aligned with, its own among them."""
    if align == "first_minute":
        return {row: [row] for row in rows}
    table = ds.to_pandas()
    subjects, copies = table["subject"].tolist(), table.get(COPY, pd.Series([""] * len(table))).tolist()
    people: dict[Any, list[int]] = {}
    for row in rows:
        known = isinstance(subjects[row], str) and subjects[row] != ""
        people.setdefault((subjects[row], copies[row]) if known else row, []).append(row)
    return {row: together for together in people.values() for row in together}


def _has_electrode(windows: Windows) -> bool:
    rows = np.unique(windows.recording).tolist()
    return any(_is_mixed(channel) for row in rows for channel in windows.ds[row].channels)


def _is_mixed(channel: Channel) -> bool:
    return channel.kind == "eeg" and is_known(channel.position)


def _electrodes(stream: Stream) -> tuple[list[int], Layout, Floats]:
    """A stream's electrodes (C) by name: their rows, their layout, and factors (C,) from their units to one."""
    rows = [row for row, channel in enumerate(stream.channels) if _is_mixed(channel)]
    rows.sort(key=lambda row: stream.channels[row].name)
    members = [stream.channels[row] for row in rows]
    units = {channel.unit for channel in members}
    unit = units.pop() if len(units) == 1 else "uV"
    factor = np.array([unit_factor(channel.unit, unit) for channel in members], np.float64)
    return rows, (tuple(channel.name for channel in members), unit), factor


def _taking_part(layout: Layout, sums: Floats) -> tuple[NDArray[np.intp], Layout, Floats]:
    """The electrodes (n,) that have any real value: their numbers, their layout, and their part of the sums."""
    members = np.flatnonzero(np.diag(sums[1]))
    names = tuple(layout[0][member] for member in members)
    return members, (names, layout[1]), sums[:, members][:, :, members]


def _in_band(stream: Stream) -> Stream:
    return _with_values(stream, limit_band(_real(stream), stream.sfreq, BAND))


def _mixed(stream: Stream, known: Mapping[Layout, _Mixing], name: str) -> Stream:
    """The stream with its electrodes mixed; at moments at which one of them has no value, none has."""
    rows, layout, factor = _electrodes(stream)
    if not rows:
        return stream
    if layout not in known:
        raise DataError(
            f"Recording '{name}' has {', '.join(layout[0][:3])} … only after its first {FIRST:g} s, by which it is to "
            "be aligned: leave it out with a query, or choose align=subject."
        )
    way, values = known[layout], stream.physical()
    members, factor = np.array(rows)[way.rows], factor[way.rows]
    matrix = way.matrix * factor / factor[:, None]
    values[members] = matrix.astype(np.float32) @ _real(stream)[members]  # a NaN in one is a NaN in all
    return _with_values(stream, values)


def _real(stream: Stream) -> NDArray[np.float32]:
    """Values (C, T), NaN where an electrode does not move for a second: it has come off, or was not plugged in."""
    values = stream.physical()
    long = min(round(stream.sfreq), values.shape[1] - 1)
    for channel, start, stop in runs_from_mask(np.diff(values, axis=1) == 0).tolist():
        if stop - start >= long:
            values[channel, start : stop + 1] = np.nan
    return values


def _with_values(stream: Stream, values: NDArray[np.float32]) -> Stream:
    one = np.ones(stream.n_chans)
    return replace(stream, samples=values, scale=one, offset=0 * one, invalid=np.empty((0, 3), np.int64))
