"""Degraded test recordings, with half the rate, gaps or noise, for methods that were fitted on good ones.

Each degradation is a function of the recording alone, seeded by its content hash, so that a window, the same window
with a margin, and every method of a table read the same samples.

Shape letters: C channels, T samples, N windows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.batches.mapped_recordings import COPY, Alteration, MappedRecording, MappedRecordings, altered
from biosig.batches.windows import ReadableRecording, RecordingSet, Windows
from biosig.downstream.data.splits import Split, tested_rows
from biosig.downstream.data.task import Task
from biosig.errors import UsageError
from biosig.recording import MODALITIES, Recording, Stream
from biosig.signal import is_flat, resample, robust_scale

MISSING, GAP = 0.1, 0.5
"""Share of samples that are lost, and seconds that are lost at once in all channels, as by a radio link."""

SNR = 10.0
"""dB of the recording's robust scale over the noise, with half of its power white and half from the mains."""

MAINS = 50.0
"""Hz."""

_BLOCK = 1024  # samples of noise that are drawn at once


def half_rate(part: Recording, whole: ReadableRecording, row: int) -> Recording:  # noqa: ARG001
    """Halve the sampling rate, after a low-pass (`biosig.signal.resample`)."""

    def halved(stream: Stream) -> Stream:
        sfreq = stream.sfreq / 2
        return _as_values(stream, resample(stream.physical(), stream.sfreq, sfreq), sfreq)

    return _with_streams(part, halved)


def missing(part: Recording, whole: ReadableRecording, row: int) -> Recording:  # noqa: ARG001
    """Remove a tenth of the samples, `GAP` s at a time."""

    def with_gaps(stream: Stream) -> Stream:
        values = stream.physical()
        block = np.floor((stream.onset + np.arange(stream.n_times) / stream.sfreq + 1e-9) / GAP).astype(
            np.int64
        )  # (T,)
        drawn = np.random.default_rng(_seed(whole, "missing")).random(max(int(block[-1]), 0) + 1)
        values[:, drawn[np.maximum(block, 0)] < MISSING] = np.nan
        return _as_values(stream, values)

    return _with_streams(part, with_gaps)


def noise(part: Recording, whole: ReadableRecording, row: int) -> Recording:  # noqa: ARG001
    """Add white noise and mains hum at `SNR`; all of it is white if the rate is too low for `MAINS`."""

    def with_noise(stream: Stream) -> Stream:
        values = stream.physical()
        moves = ~is_flat(values)
        first = round(stream.onset * stream.sfreq)
        hum = _hum(whole, stream, first)  # (T,)
        for at, channel in enumerate(stream.channels):
            scale = scale_of(part, channel.kind) if channel.kind in MODALITIES and moves[at] else math.nan
            if scale > 0:
                white = _white(whole, channel.source_name, first, stream.n_times)
                drawn = white if hum is None else np.sqrt(0.5) * white + hum
                values[at] += (scale * 10 ** (-SNR / 20) * drawn).astype(np.float32)
        return _as_values(stream, values)

    return _with_streams(part, with_noise)


DEGRADATIONS: dict[str, Alteration] = {"half_rate": half_rate, "missing": missing, "noise": noise}
"""All degradations by name."""


def degraded(windows: Windows, name: str) -> Windows:
    """The same windows with one of `DEGRADATIONS`.

    Raises
    ------
    UsageError
        If there is no such degradation.
    """
    return altered(windows, _named(name))


def with_degraded_test(task: Task, parts: Sequence[Split], name: str) -> tuple[Task, list[Split]]:
    """Degrade the test parts of a task, and leave training and validation parts unchanged.

    Its windows are the training and validation windows, unchanged, and the test windows, degraded. Test parts keep
    their order, so that predictions can be paired with those of the task itself.

    Parameters
    ----------
    task : Task
        N windows.
    parts : sequence of Split
        One per fold.
    name : str
        A name of `DEGRADATIONS`.

    Raises
    ------
    UsageError
        If there is no such degradation.
    """
    good = np.unique(np.concatenate([rows for part in parts for rows in (part.train, part.validation)]))
    bad = tested_rows(parts)
    windows, rows = task.labelled.windows, np.concatenate((good, bad))
    both = _WithCopies(windows.ds, _named(name), name)
    shift = np.repeat([0, len(windows.ds)], [len(good), len(bad)])
    columns = {column: getattr(task, column)[rows] for column in ("recordings", "subjects", "contents")}
    taken = replace(windows[rows], ds=both, recording=windows.recording[rows] + shift)
    labelled = replace(task.labelled, windows=taken, y=task.labelled.y[rows])
    return replace(task, labelled=labelled, **columns), [
        Split(
            np.searchsorted(good, part.train),
            np.searchsorted(good, part.validation),
            np.searchsorted(bad, part.test) + len(good),
        )
        for part in parts
    ]


def scale_of(window: Recording, kind: str) -> float:
    """The recording's robust scale of a kind, in its unit, or the window's own if it is not known; NaN = none."""
    known = float(window.robust_scale.get(kind, math.nan))
    if known > 0:
        return known
    scales = [robust_scale(stream.physical()) for stream in window.of_kind(kind)]
    return float(np.nanmedian(scales)) if np.isfinite(scales).any() else math.nan


class _WithCopies(MappedRecordings):
    """Recordings followed by an altered copy of each; the column `COPY` marks the copies."""

    def __init__(self, ds: RecordingSet, alteration: Alteration, name: str) -> None:
        super().__init__(ds)
        self._alteration, self._name = alteration, name

    @property
    def annotations(self) -> pd.DataFrame:
        table = self.ds.annotations
        return pd.concat([table, table.assign(recording=table["recording"] + len(self.ds))], ignore_index=True)

    def __len__(self) -> int:
        return 2 * len(self.ds)

    def __getitem__(self, row: int) -> ReadableRecording:
        within = row % len(self.ds)
        return self.ds[row] if row == within else MappedRecording(self.ds[within], within, self._alteration)

    def to_pandas(self) -> pd.DataFrame:
        table = self.ds.to_pandas()
        return pd.concat([table.assign(**{COPY: ""}), table.assign(**{COPY: self._name})], ignore_index=True)

    def rows_within(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows % len(self.ds)


def _named(name: str) -> Alteration:
    if name not in DEGRADATIONS:
        raise UsageError(f"There is no degradation '{name}'; there are {', '.join(DEGRADATIONS)}.")
    return DEGRADATIONS[name]


def _with_streams(part: Recording, function: Callable[[Stream], Stream]) -> Recording:
    """Apply a function to the streams of a part that a model can read; the others stay unchanged."""
    streams = [
        function(stream) if stream.n_times > 1 and any(c.kind in MODALITIES for c in stream.channels) else stream
        for stream in part.streams
    ]
    return replace(part, streams=streams)


def _as_values(stream: Stream, values: NDArray[np.float32], sfreq: float | None = None) -> Stream:
    """The stream with other values (C, T), NaN where there is no value."""
    one, none = np.ones(stream.n_chans), np.empty((0, 3), np.int64)
    return replace(stream, samples=values, scale=one, offset=0 * one, invalid=none, sfreq=sfreq or stream.sfreq)


def _seed(whole: ReadableRecording, *what: str | int) -> int:
    text = " ".join(map(str, (whole.content_hash or whole.id, *what)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _white(whole: ReadableRecording, channel: str, first: int, n_times: int) -> NDArray[np.float64]:
    """White noise of variance 1 (T,) of a channel, beginning at one of its samples."""
    blocks = range(first // _BLOCK, (first + n_times - 1) // _BLOCK + 1)
    drawn = [np.random.default_rng(_seed(whole, "noise", channel, k)).standard_normal(_BLOCK) for k in blocks]
    start = first - blocks[0] * _BLOCK
    return np.concatenate(drawn)[start : start + n_times]


def _hum(whole: ReadableRecording, stream: Stream, first: int) -> NDArray[np.float64] | None:
    """A sine of power 1/2 (T,), the same on all channels; None if the rate is too low for it."""
    if 0.45 * stream.sfreq < MAINS:
        return None
    phase = np.random.default_rng(_seed(whole, "mains")).uniform(0, 2 * np.pi)
    return np.sin(2 * np.pi * MAINS * (first + np.arange(stream.n_times)) / stream.sfreq + phase)
