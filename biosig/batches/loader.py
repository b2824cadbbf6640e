"""From windows to packed batches: filled to a token budget, in a seeded order that any step can be resumed from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from biosig.batches.channel_layout import channels_read, montage
from biosig.batches.contract import InputContract, PreparedStream, prepare
from biosig.batches.fast_path import PlainWindow, add_together, in_groups, plain_windows
from biosig.batches.filtered_recordings import filter_to_contract
from biosig.batches.ordered import check_windows
from biosig.batches.packed import PackedBatch, Packer
from biosig.batches.windows import ReadableRecording, Windows
from biosig.errors import UsageError
from biosig.recording import Recording

Reports = Callable[[ReadableRecording], Sequence[int]]
"""A recording → the word ids of its report, none where it has none; goes to workers, so it must pickle."""

Transform = Callable[[int, PackedBatch, NDArray[np.int64]], PackedBatch]
"""Changes the batch of a number, which holds these windows; goes to workers, so it must pickle."""


def count_tokens(
    windows: Windows, contract: Mapping[str, InputContract], reports: Reports | None = None
) -> NDArray[np.int64]:
    """Tokens that each window will give, shape (B,), from the index alone; with reports, theirs too.

    Raises
    ------
    DataError, UsageError
        If an ordered contract does not take the channels or the length of a window (`biosig.batches.ordered`).
    """
    check_windows(windows, contract)
    by_recording: dict[int, dict[str, int]] = {}
    counts = np.zeros(len(windows), np.int64)
    n_words: dict[int, int] = {}
    for row in np.unique(windows.recording):
        recording = windows.ds[int(row)]
        by_recording[int(row)] = {m: len(read) for m, read in channels_read(recording.channels, contract).items()}
        n_words[int(row)] = len(reports(recording)) if reports else 0
    for i, (row, duration) in enumerate(zip(windows.recording, windows.duration, strict=True)):
        counts[i] = sum(n * contract[m].n_patches_in(float(duration)) for m, n in by_recording[int(row)].items())
        counts[i] += n_words[int(row)] if counts[i] else 0
    return counts


_ROUNDING = 1e-6  # windows: a share of 0.3 of ten windows is three of them


@dataclass(frozen=True)
class BatchPlan:
    """Plan of batches: a seeded permutation of all windows in each epoch, cut at a token budget.

    With shares, an epoch has as many windows, and each source gives its share of them: the next ones of an endless
    row of permutations of its windows, so that it shows all of them before it shows one again.

    Parameters
    ----------
    tokens : ndarray of int64, shape (B,)
        Tokens per window.
    budget : int
        Tokens per batch at most; a window larger than that makes a batch of its own.
    seed : int
        Seeds the order of every epoch.
    source : ndarray of int64, shape (B,), optional
        The source of each window.
    shares : sequence of float, optional
        Of the windows that are drawn, for each source; their sum is 1.
    """

    tokens: NDArray[np.int64]
    budget: int
    seed: int
    source: NDArray[np.int64] | None = None
    shares: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if not self.tokens.sum():
            raise UsageError(
                "No window gives a token: no channel is of a modality that the model knows, or the windows "
                "are shorter than a patch."
            )
        if self.source is not None and self.shares is not None:
            n_usable = np.bincount(self.source[self.tokens > 0], minlength=len(self.shares))
            for number, share in enumerate(self.shares):
                if share and not n_usable[number]:
                    raise UsageError(
                        f"Source number {number} is to give {share:.0%} of the windows, and none of its own gives a "
                        "token: no channel is of a modality that the model knows. Leave it out."
                    )

    def epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        """The batches of one epoch, as arrays of window numbers."""
        usable = np.flatnonzero(self.tokens)
        if self.source is not None and self.shares is not None:
            usable = self._drawn(usable, self.source[usable], self.shares, epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(usable)
        return _fill(order, self.tokens, self.budget)

    def _drawn(
        self, usable: NDArray[np.int64], source: NDArray[np.int64], shares: Sequence[float], epoch: int
    ) -> NDArray[np.int64]:
        """The windows of an epoch, source after source."""
        drawn = []
        for number, share in enumerate(shares):
            own = usable[source == number]
            start, stop = (int(share * len(usable) * passed + _ROUNDING) for passed in (epoch, epoch + 1))
            if start == stop:
                continue
            cycles = range(start // len(own), (stop - 1) // len(own) + 1)
            row = [np.random.default_rng([self.seed, cycle, number, 1]).permutation(own) for cycle in cycles]
            first = start - cycles.start * len(own)
            drawn.append(np.concatenate(row)[first : first + stop - start])
        return np.concatenate(drawn)

    def batches(self, start: int, stop: int) -> Iterator[NDArray[np.int64]]:
        """The batches of steps `start` to `stop`, however many epochs that takes."""
        epoch, first = 0, 0
        while first < stop:
            batches = self.epoch(epoch)
            for step, rows in enumerate(batches, first):
                if start <= step < stop:
                    yield rows
            epoch, first = epoch + 1, first + len(batches)


def in_order(tokens: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """All windows in their own order, cut at a token budget: for embedding."""
    return _fill(np.arange(len(tokens)), tokens, budget)


def _fill(order: NDArray[np.int64], tokens: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    batches, start, filled = [], 0, 0
    for i, count in enumerate(tokens[order].tolist()):
        if filled and filled + count > budget:
            batches.append(order[start:i])
            start, filled = i, 0
        filled += count
    return [*batches, order[start:]] if start < len(order) else batches


class LoadedBatch(NamedTuple):
    """A packed batch and the numbers of the windows in it; windows without a valid token are not, and may be all."""

    batch: PackedBatch | None
    rows: NDArray[np.int64]


class _Batches(Dataset[LoadedBatch]):
    def __init__(
        self,
        windows: Windows,
        batches: list[NDArray[np.int64]],
        contract: Mapping[str, InputContract],
        reports: Reports | None,
        transform: Transform | None,
        keep_bytes: float,
    ) -> None:
        self.windows, self.batches, self.contract = windows, batches, dict(contract)
        self.reports, self.transform = reports, transform
        self._kept: dict[int, list[PreparedStream]] = {}
        self._room = keep_bytes

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> LoadedBatch:
        rows = self.batches[step]
        rows = rows[np.lexsort((self.windows.onset[rows], self.windows.recording[rows]))]  # as they lie in the files
        words = self._words(rows)
        untold = np.array([row for row in rows.tolist() if row not in words], np.int64)
        plain, other = plain_windows(self.windows, untold, self.contract)
        other += words
        recordings = {row: None if row in self._kept else self.windows.read_signals(row) for row in other}
        packer = Packer(self.contract, self._n_tokens(recordings, plain))
        used: list[int] = []
        for group in in_groups(plain):
            added, other = add_together(group, self.contract[group[0].modality].clip, packer)
            used += added
            recordings |= {row: self.windows.read_signals(row) for row in other}
        for row, recording in recordings.items():
            prepared = self._prepared(row, recording, packer)
            if packer.add(prepared, words.get(row, ())):
                used.append(row)
        numbers = np.array(used, np.int64)
        if not used:
            return LoadedBatch(None, numbers)
        batch = packer.batch()
        return LoadedBatch(self.transform(step, batch, numbers) if self.transform else batch, numbers)

    def _prepared(self, row: int, recording: Recording | None, packer: Packer) -> Sequence[PreparedStream]:
        """A window as the contract wants it, which is kept while there is room."""
        if recording is None:
            return self._kept[row]
        prepared = prepare(recording, self.contract, float(self.windows.onset[row]), packer.room)
        size = sum(one.values.nbytes for one in prepared)
        if size <= self._room:
            self._room -= size
            self._kept[row] = [replace(one, values=one.values.copy()) for one in prepared]
        return prepared

    def _words(self, rows: NDArray[np.int64]) -> dict[int, Sequence[int]]:
        """The words of the windows whose recording has a report."""
        if self.reports is None:
            return {}
        words = {row: self.reports(self.windows.ds[int(self.windows.recording[row])]) for row in rows.tolist()}
        return {row: ids for row, ids in words.items() if len(ids)}

    def _n_tokens(self, recordings: Mapping[int, Recording | None], plain: Iterable[PlainWindow]) -> dict[str, int]:
        """Tokens of each modality in these windows, of which those without a recording are kept."""
        n_tokens: dict[str, int] = {}
        for window in plain:
            n_patches = self.contract[window.modality].n_patches(window.stop - window.start)
            n_tokens[window.modality] = n_tokens.get(window.modality, 0) + len(window.members.rows) * n_patches
        for prepared in (one for row, recording in recordings.items() if recording is None for one in self._kept[row]):
            n_chans, n_times = prepared.values.shape
            n_patches = self.contract[prepared.modality].n_patches(n_times)
            n_tokens[prepared.modality] = n_tokens.get(prepared.modality, 0) + n_chans * n_patches
        for stream in (stream for recording in recordings.values() if recording for stream in recording.streams):
            for modality, contract in self.contract.items():
                n_chans = len(montage(stream.channels, modality, contract).rows)
                n_patches = contract.n_patches(round(stream.n_times * contract.sfreq / stream.sfreq))
                n_tokens[modality] = n_tokens.get(modality, 0) + n_chans * n_patches
        return n_tokens


def load_batches(
    windows: Windows,
    batches: list[NDArray[np.int64]],
    contract: Mapping[str, InputContract],
    workers: int = 0,
    reports: Reports | None = None,
    transform: Transform | None = None,
    keep_bytes: float = 0.0,
) -> Iterator[LoadedBatch]:
    """Read, prepare and pack batches in order, in `workers` background processes (0 = in this one).

    With `reports`, each window of a recording that has a report comes with its words. `transform` changes each,
    in the process that read it. Each process keeps windows that it has filtered and resampled, up to `keep_bytes`.
    """
    loader = DataLoader(
        _Batches(filter_to_contract(windows, contract), batches, contract, reports, transform, keep_bytes),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,  # HDF5 and forked threads do not mix
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)
