"""The signals of a WFDB record by rate, brought into memory or left in their files; one pass finds missing samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import guess_kinds
from biosig.electrodes.channels import deduplicate_names, notes_on, resolve_channel
from biosig.lazy_samples import LazySamples
from biosig.recording import BLOCK_BYTES, Channel, Stream
from ingest.adapters.wfdb.formats import MISSING
from ingest.adapters.wfdb.header import Header, SignalLine
from ingest.adapters.wfdb.scan import joined_runs, survey
from ingest.adapters.wfdb.signal_files import SignalFile, open_files

resolve_once = lru_cache(4096)(resolve_channel)
"""A database has a handful of channels in a million records."""


@dataclass(slots=True)
class Group:
    """Signals of one rate.

    Parameters
    ----------
    per_frame : int
        Samples in each of the record's frames.
    rows : list of int
        Their rows among the header's signals.
    channels : list of Channel
        Each resolved on its own; `streams_of` resolves names that stand twice.
    samples : ndarray or LazySamples, shape (C, T)
        Integers of the file, or float32.
    scale, offset : ndarray of float64, shape (C,)
        physical = samples * scale + offset, in the channel's unit.
    invalid : ndarray of int64, shape (n_runs, 3)
        Runs (channel, start, stop) of samples that are not real values.
    lowest, highest : ndarray, shape (C,)
        Range of the real values; (1, 0) where there is none.
    """

    per_frame: int
    rows: list[int]
    channels: list[Channel]
    samples: NDArray[Any] | LazySamples
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    invalid: NDArray[np.int64]
    lowest: NDArray[Any]
    highest: NDArray[Any]


class FileSamples(LazySamples):
    """Signals of one rate in the files of a single-segment record.

    Parameters
    ----------
    files : sequence of SignalFile
        All of the record's.
    signals : sequence of SignalLine
        All of the record's.
    rows : sequence of int
        The signals that are wanted; all have the same samples per frame.
    """

    def __init__(self, files: Sequence[SignalFile], signals: Sequence[SignalLine], rows: Sequence[int]) -> None:
        self._per_frame = signals[rows[0]].per_frame
        self._places: list[tuple[SignalFile, list[tuple[int, int, int, np.int32]]]] = []
        row_of = {row: i for i, row in enumerate(rows)}
        for file in files:
            columns = np.cumsum([0, *file.per_frame]).tolist()
            wanted = [
                (row_of[row], column, signals[row].skew, np.int32(MISSING[file.fmt] or 0))
                for row, column in zip(file.rows, columns, strict=False)
                if row in row_of
            ]
            if wanted:
                self._places.append((file, wanted))
        wide = any(file.fmt in ("8", "24", "32", "524") for file, _ in self._places)
        super().__init__((len(rows), files[0].n_frames * self._per_frame), np.int32 if wide else np.int16)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop`, shape (C, stop - start)."""
        n = self._per_frame
        first, last = start // n, -(-stop // n)
        samples = np.empty((self.shape[0], (last - first) * n), self.dtype)
        for file, wanted in self._places:
            skewed = max(skew for _, _, skew, _ in wanted)
            length = max(BLOCK_BYTES // (4 * sum(file.per_frame)), 1)  # the other signals of a frame may be far faster
            for at in range(first, last, length):
                end = min(at + length, last)
                frames = file.read(at, min(end + skewed, file.n_frames))
                for row, column, skew, missing in wanted:
                    available = frames[skew : skew + end - at, column : column + n]
                    out = samples[row, (at - first) * n : (end - first) * n]
                    out[: available.size].reshape(-1, n)[:] = available
                    out[available.size :] = missing  # the end that a skewed signal does not reach
        return samples[:, start - first * n : stop - first * n]


def read_groups(header: Header, in_memory: int) -> tuple[list[Group], list[str], list[Path]]:
    """Every signal of a single-segment record, by rate; those of at most `in_memory` bytes are brought into memory.

    Returns
    -------
    groups : list of Group
        In the order in which the header names their rates.
    notes : list of str
        Sentences on counts, checksums and missing samples.
    files : list of Path
        The signal files.

    Raises
    ------
    UnreadableError
        If a signal file is absent, damaged or too short.
    """
    files, _, notes = open_files(header)
    groups = []
    doubtful: list[str] = []
    kinds = guess_kinds([signal.name for signal in header.signals], [signal.unit for signal in header.signals])
    for per_frame in dict.fromkeys(signal.per_frame for signal in header.signals):
        rows = [row for row, signal in enumerate(header.signals) if signal.per_frame == per_frame]
        samples = FileSamples(files, header.signals, rows)
        groups.append(_group(header.signals, kinds, rows, samples, in_memory, doubtful))
    if doubtful:
        notes.append(
            f"The header's checksums contradict the samples of {', '.join(doubtful)}: they may be damaged or cut."
        )
    return groups, notes, [file.path for file in files]


def streams_of(groups: Sequence[Group], fs: float) -> tuple[list[Stream], list[str]]:
    """One stream per rate, and notes on how channels were resolved; `fs` is the frames per second."""
    in_order = sorted(
        (row, channel) for group in groups for row, channel in zip(group.rows, group.channels, strict=True)
    )
    channels, notes = deduplicate_names([channel for _, channel in in_order])
    settled = {row: channel for (row, _), channel in zip(in_order, channels, strict=True)}
    streams = [
        Stream(
            sfreq=float(fs) * group.per_frame,
            channels=tuple(settled[row] for row in group.rows),
            samples=group.samples,
            scale=group.scale,
            offset=group.offset,
            invalid=group.invalid,
        )
        for group in groups
    ]
    return streams, [*notes, *notes_on(channels), *_notes_on_nothing(groups)]


def _notes_on_nothing(groups: Sequence[Group]) -> list[str]:
    """Notes on signals of no real value, or one and the same: files of zeros are common, and read without an error."""
    notes = []
    for what, test in (
        ("Not one valid sample in", np.greater),
        ("One and the same value throughout, so nothing was measured, in", np.equal),
    ):
        names = [
            channel.name
            for group in groups
            for channel, none in zip(group.channels, test(group.lowest, group.highest), strict=True)
            if none and channel.kind != "stim" and group.samples.shape[1] > 1
        ]
        if names:
            everything = len(names) == sum(len(group.channels) for group in groups)
            notes.append(f"{what} {'all signals' if everything else ', '.join(names)}.")
    return notes


def _group(
    signals: Sequence[SignalLine],
    kinds: Sequence[str],
    rows: list[int],
    lazy: FileSamples,
    in_memory: int,
    doubtful: list[str],
) -> Group:
    """The signals of one rate; names of those whose checksum differs from the header's are added to `doubtful`."""
    here = [signals[row] for row in rows]
    samples: NDArray[Any] | FileSamples = lazy.read(0, lazy.shape[1]) if lazy.nbytes <= in_memory else lazy
    found = survey(samples, [MISSING[signal.fmt] for signal in here])
    samples = found.fit(samples)
    tails = [
        (i, lazy.shape[1] - signal.skew * signal.per_frame, lazy.shape[1])
        for i, signal in enumerate(here)
        if signal.skew and MISSING[signal.fmt] is None
    ]
    invalid = joined_runs([found.invalid, np.array(tails, np.int64).reshape(-1, 3).clip(0)])
    doubtful += [
        signal.name
        for signal, total in zip(here, found.sums.tolist(), strict=True)
        if signal.checksum and not signal.skew and (total - signal.checksum) % 2**16
    ]
    resolved = [resolve_once(signals[row].name, signals[row].unit, kinds[row]) for row in rows]
    factor = np.array([factor for _, factor in resolved])
    gain = np.array([signal.gain for signal in here])
    return Group(
        here[0].per_frame,
        rows,
        [channel for channel, _ in resolved],
        samples,
        1 / gain * factor,
        np.array([0.0 - signal.baseline for signal in here]) / gain * factor,
        invalid,
        found.lowest,
        found.highest,
    )
