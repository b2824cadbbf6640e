"""The windows of a pretraining run: several shard folders as one set, split by subject."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.batches.windows import ReadableRecording, RecordingSet, Windows, grid
from biosig.errors import UsageError
from biosig.evaluate.duplicates import find_duplicates
from biosig.evaluate.splits import drawn_order
from biosig.pretrain.config import PretrainConfig
from biosig.shards.dataset import ShardDataset, open_shards

logger = logging.getLogger(__name__)


class Joined:
    """Several sets of recordings, one after the other."""

    def __init__(self, sets: Sequence[RecordingSet]) -> None:
        self.sets = list(sets)
        self._starts = np.cumsum([0, *(len(ds) for ds in self.sets)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, row: int) -> ReadableRecording:
        which = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self.sets[which][row - int(self._starts[which])]

    @property
    def annotations(self) -> pd.DataFrame:
        """All annotations, with recordings numbered through."""
        tables = [
            ds.annotations.assign(recording=ds.annotations["recording"] + start)
            for ds, start in zip(self.sets, self._starts, strict=False)
        ]
        return pd.concat(tables, ignore_index=True)

    def to_pandas(self) -> pd.DataFrame:
        """One row per recording: id, subject, duration in seconds."""
        tables = [ds.to_pandas()[["recording", "subject", "duration"]].astype({"subject": object}) for ds in self.sets]
        return pd.concat(tables, ignore_index=True)


def load_windows(config: PretrainConfig) -> tuple[Windows, Windows]:
    """The run's training and validation windows; no subject is in both, also one that comes in several sources.

    Recordings are in the order of `config.order`. Subjects without an id count as one subject each recording. Whoever
    shares a signal with a held-out subject, equal or near and in any source, is held out too; a warning is logged.

    Raises
    ------
    UsageError
        If a source is empty after its query, or no window is as long as asked.
    """
    sets: list[ShardDataset] = []
    subject_of: list[NDArray[np.str_]] = []  # by source, one per recording
    for source in config.sources:
        ds = open_shards(source.shards)
        if source.query:
            ds = ds.query(source.query, may_be_empty=False)
        if not len(ds):
            raise UsageError(f"{source.shards} holds no recording: ingest some first.")
        ds = ds.by_content() if config.order == "content" else ds
        sets.append(ds)
        table = ds.to_pandas()
        subject_of.append(table["subject"].where(table["subject"].notna(), table["recording"]).to_numpy(str))
    joined = Joined(sets)
    windows = grid(joined, config.window, config.stride)
    if not len(windows):
        raise UsageError(f"No recording is as long as a window of {config.window:g} s: use a shorter window.")
    subjects = np.concatenate(subject_of)
    hashes = [content for ds in sets for content in ds.table["content_hash"].to_pylist()]
    contents = find_duplicates(hashes, [data for ds in sets for data in ds.fingerprints])
    for note in contents.notes([name for ds in sets for name in ds.table["recording"].to_pylist()]):
        logger.warning("%s", note)
    groups = contents.people(subjects, hashes)
    people = groups if config.order == "content" else subjects
    ends = np.cumsum([len(ds) for ds in sets])[:-1]
    held_out = [_held_out(names, number, config) for number, names in enumerate(np.split(people, ends))]
    drawn_groups = groups[np.isin(people, np.concatenate(held_out))]
    validation = np.isin(groups, drawn_groups)[windows.recording]
    return windows[~validation], windows[validation]


def _held_out(people: NDArray[np.str_], source: int, config: PretrainConfig) -> NDArray[np.str_]:
    """Those people of a source who are drawn for validation."""
    names = np.unique(people)
    if config.order == "content":
        order = drawn_order(names, config.seed)
    else:
        order = np.random.default_rng([config.seed, source]).permutation(len(names))
    return names[order][: round(config.validation * len(names))]


def draw(windows: Windows, most: int, seed: int) -> Windows:
    """At most `most` windows, drawn once with `seed`: what each validation looks at."""
    if len(windows) <= most:
        return windows
    rows = np.sort(np.random.default_rng(seed).choice(len(windows), most, replace=False))
    return replace(windows[rows])
