"""The windows of a pretraining run: several shard folders as one set, split by subject."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.alignment import aligned
from biosig.batches.joined import ConcatRecordings
from biosig.batches.windows import RecordingSet, Windows, fixed_length_windows
from biosig.errors import UsageError
from biosig.evaluate.duplicates import find_duplicates
from biosig.evaluate.splits import drawn_order
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.lead_copies import LeadCopies
from biosig.shards.dataset import ShardDataset, open_shards

logger = logging.getLogger(__name__)


def load_windows(config: PretrainConfig) -> tuple[Windows, Windows]:
    """The run's training and validation windows; no subject is in both, also one that comes in several sources.

    Recordings are in the order of `config.order`. Subjects without an id count as one subject each recording. Whoever
    shares a signal with a held-out subject, equal or near and in any source, is held out too; a warning is logged.
    Copies of recordings validate nothing.

    Raises
    ------
    UsageError
        If a source is empty after its query, or no window is as long as asked.
    """
    stored = [_open(source, config) for source in config.sources]
    joined = ConcatRecordings([_as_asked(ds, source) for ds, source in zip(stored, config.sources, strict=True)])
    windows = _grid(joined, config)
    sizes = [len(ds) for ds in stored]
    number = np.repeat(np.arange(len(stored)), sizes)  # of the source of each stored recording
    copied = np.array([source.copies > 0 for source in config.sources])
    subjects = np.concatenate([_subjects(ds) for ds in stored])
    hashes = [content for ds in stored for content in ds.table["content_hash"].to_pylist()]
    marks = [data for ds in stored for data in ds.fingerprints]
    contents = find_duplicates(hashes, marks)
    names = [name for ds in stored for name in ds.table["recording"].to_pylist()]
    originals = np.flatnonzero(~copied[number])
    folders = [config.sources[source].shards.resolve() for source in number.tolist()]
    first_of = {(folders[row], names[row]): row for row in reversed(originals.tolist())}  # a folder may be two sources
    once = np.array(sorted(first_of.values()), np.int64)
    duplicates = contents.of(once, sum(not marks[row] for row in once.tolist()))
    for note in duplicates.notes([names[row] for row in once.tolist()]):
        logger.warning("%s", note)
    groups = contents.people(subjects, hashes)
    people = groups if config.order == "content" else subjects
    held_out = []
    for source, of_copies in enumerate(copied.tolist()):
        drawn_from = people[number == source]
        if of_copies:  # a person who is in another source is drawn there
            drawn_from = np.setdiff1d(drawn_from, people[originals])
        held_out.append(_held_out(drawn_from, source, config))
    is_held_out = np.isin(groups, groups[np.isin(people, np.concatenate(held_out))])
    validation = is_held_out[joined.stored_rows(windows.recording, sizes)]
    seen = ~copied[joined.source_of(windows.recording)]
    return windows[~validation], windows[validation & seen]


def _grid(joined: ConcatRecordings, config: PretrainConfig) -> Windows:
    """The windows of all sources, each on its own grid."""
    parts, start = [], 0
    for ds, source in zip(joined.sets, config.sources, strict=True):
        part = fixed_length_windows(ds, *config.grid_of(source))
        if not len(part):
            logger.warning(
                "No recording of %s is as long as a window of %g s.", source.shards, config.grid_of(source)[0]
            )
        parts.append(replace(part, recording=part.recording + start))
        start += len(ds)
    recording, onset, duration = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("recording", "onset", "duration")
    )
    if not len(recording):
        raise UsageError(f"No recording is as long as a window of {config.window:g} s: use a shorter window.")
    return Windows(joined, recording, onset, duration)


def _open(source: SourceConfig, config: PretrainConfig) -> ShardDataset:
    ds = open_shards(source.shards)
    if source.query:
        ds = ds.query(source.query, may_be_empty=False)
    if not len(ds):
        raise UsageError(f"{source.shards} holds no recording: ingest some first.")
    return ds.by_content() if config.order == "content" else ds


def _as_asked(ds: ShardDataset, source: SourceConfig) -> RecordingSet:
    """The recordings of a source, or copies of them, aligned where that is asked for."""
    asked: RecordingSet = LeadCopies(ds, source.copies) if source.copies else ds
    longest = float(asked.to_pandas()["duration"].max())
    return aligned(fixed_length_windows(asked, longest, keep_tail=True), source.align).ds


def _subjects(ds: ShardDataset) -> NDArray[np.str_]:
    table = ds.to_pandas()
    return table["subject"].where(table["subject"].notna(), table["recording"]).to_numpy(str)


def shares(config: PretrainConfig, windows: Windows) -> tuple[NDArray[np.int64], list[float]] | None:
    """The source of each window (B,), and each source's share of the windows that are drawn; None where none is given.

    Raises
    ------
    UsageError
        If a source with a share has no window.
    """
    if all(source.share is None for source in config.sources):
        return None
    assert isinstance(windows.ds, ConcatRecordings)
    source = windows.ds.source_of(windows.recording)
    n_windows = np.bincount(source, minlength=len(config.sources))
    for one, n in zip(config.sources, n_windows.tolist(), strict=True):
        if one.share is not None and not n:
            raise UsageError(f"{one.shards} has a share of {one.share:g}, and no window to train on: leave it out.")
    rest = 1 - sum(one.share or 0.0 for one in config.sources)
    n_rest = sum(n for one, n in zip(config.sources, n_windows.tolist(), strict=True) if one.share is None)
    return source, [
        rest * n / n_rest if one.share is None else one.share
        for one, n in zip(config.sources, n_windows.tolist(), strict=True)
    ]


def _held_out(people: NDArray[np.str_], source: int, config: PretrainConfig) -> NDArray[np.str_]:
    """Those people of a source who are drawn for validation."""
    names = np.unique(people)
    if config.order == "content":
        order = drawn_order(names, config.seed)
    else:
        order = np.random.default_rng([config.seed, source]).permutation(len(names))
    return names[order][: round(config.validation * len(names))]


def draw(windows: Windows, most: int, seed: int) -> Windows:
    """At most `most` windows, drawn once with `seed`, for each validation."""
    if len(windows) <= most:
        return windows
    rows = np.sort(np.random.default_rng(seed).choice(len(windows), most, replace=False))
    return replace(windows[rows])
