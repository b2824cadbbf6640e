"""Fast path of training: windows that only need scaling, several at a time, for little more than reading them costs.

Such are windows from shards made at the model's rate: integers of one modality, without a gap, with a stored scale. One
by one they cost as much in calls as in samples; a few together still lie in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from biosig.batches.channel_layout import ChannelLayout, montage
from biosig.batches.input_contract import InputContract
from biosig.batches.integer_samples import scale_integers, survey_integers
from biosig.batches.packed import Packer
from biosig.batches.windows import Windows
from biosig.recording import sample_range
from biosig.shards.reader import Shard, open_shard
from biosig.shards.stored_recording import StoredRecording

GROUP_BYTES = 2**20
"""Samples that are handled together."""


class PlainWindow(NamedTuple):
    """Place of the samples of such a window, and the scaling that they need."""

    row: int  # its number among the windows
    shard: Shard
    recording: int
    stream: int
    start: int
    stop: int
    modality: str
    members: ChannelLayout
    scale: float  # the recording's robust scale
    onset: float  # seconds from the window's start to the first sample


def plain_windows(
    windows: Windows, rows: NDArray[np.int64], contract: Mapping[str, InputContract]
) -> tuple[list[PlainWindow], list[int]]:
    """Those of the windows numbered `rows` that are of this sort and lie in a shard, and the numbers of the others."""
    shards: dict[str, Shard] = {}  # whether a file is still the one that was opened is asked once, not by every window
    plain, other = [], []
    columns = (windows.recording, windows.onset, windows.duration)
    for row, recording, onset, duration in zip(rows.tolist(), *(c[rows].tolist() for c in columns), strict=True):
        stored = windows.ds[recording]
        window = None
        if isinstance(stored, StoredRecording):
            shard = shards.get(stored.path)
            if shard is None:
                shard = shards[stored.path] = open_shard(stored.path)
            window = _plain_window(row, shard, stored.row, onset, duration, contract)
        if window is None:
            other.append(row)
        else:
            plain.append(window)
    return plain, other


def _plain_window(
    row: int, shard: Shard, recording: int, onset: float, duration: float, contract: Mapping[str, InputContract]
) -> PlainWindow | None:
    streams = shard.streams_of(recording)
    if len(streams) != 1 or shard.has_gaps(streams[0]) or shard.samples[streams[0]].dtype != np.int16:
        return None
    stream = streams[0]
    channels, sfreq, begins = shard.channel_sets[shard.channel_set[stream]], shard.sfreq[stream], shard.onset[stream]
    kind = channels[0].kind
    wanted = contract.get(kind)
    if wanted is None or wanted.sfreq != sfreq or not _only_scales(wanted):
        return None
    start, stop = sample_range(onset - begins, duration, sfreq, shard.n_times[stream])
    members = montage(channels, kind, wanted)
    scale = shard.robust_scale(recording, kind)
    if len(members.rows) < len(channels) or not 0 < scale < math.inf or stop == start or (stop - start) % wanted.stride:
        return None
    return PlainWindow(row, shard, recording, stream, start, stop, kind, members, scale, begins + start / sfreq - onset)


def _only_scales(contract: InputContract) -> bool:
    """True if integers at the contract's rate need nothing but one scale, and are cut end to end."""
    scaled = contract.normalisation == "robust" and contract.band is None and contract.cleaning == "none"
    return scaled and contract.frame == "head" and contract.stride == contract.patch_size


def in_groups(windows: Sequence[PlainWindow]) -> Iterator[list[PlainWindow]]:
    """The windows with the same channels and length together, a cache full at a time."""
    by_shape: dict[tuple[int, int], list[PlainWindow]] = {}
    for window in windows:
        n_times = window.stop - window.start
        group = by_shape.setdefault((id(window.members), n_times), [])
        group.append(window)
        if len(group) * len(window.members.rows) * n_times * 2 >= GROUP_BYTES:
            yield by_shape.pop((id(window.members), n_times))
    yield from by_shape.values()


def add_together(group: Sequence[PlainWindow], clip: float, packer: Packer) -> tuple[list[int], list[int]]:
    """Read windows of equal channels and length, bring them to the contract and add them to a batch.

    Parameters
    ----------
    group : sequence of PlainWindow
        From `in_groups`.
    clip : float
        As in the contract of their modality.
    packer : Packer
        Of the batch, with room for them.

    Returns
    -------
    added, other : list of int
        The windows' numbers. Those with a channel that does not move are not added: they have samples that are not
        real, and need `prepare`.
    """
    modality, members = group[0].modality, group[0].members
    n_chans, n_times = len(members.rows), group[0].stop - group[0].start
    samples = np.empty((len(group), n_chans, n_times), np.int16)
    for window, own in zip(group, samples, strict=True):
        window.shard.read_samples(window.recording, window.stream, window.start, window.stop, out=own)
    rows = samples.reshape(-1, n_times)  # (G · C, T)
    calibrations = [window.shard.calibration(window.stream) for window in group]
    gain, offset = np.array(calibrations).transpose(1, 0, 2) * members.factor  # (G, C), (G, C)
    step = gain * members.sign / np.array([window.scale for window in group])[:, None]
    values = packer.room(modality, len(rows), n_times)
    values[...] = rows
    lowest, highest, mean = survey_integers(rows, values)
    moves = scale_integers(values, lowest, highest, mean, step.ravel(), clip).reshape(step.shape)
    moves &= np.isfinite(mean.reshape(step.shape) * gain + offset)
    whole = np.flatnonzero(moves.all(axis=1)).tolist()
    if len(whole) < len(group):
        values = values.reshape(samples.shape)[whole].reshape(-1, n_times)
    added = [group[i] for i in whole]
    packer.add_whole(modality, values, members, [w.scale for w in added], [w.onset for w in added])
    return [w.row for w in added], [w.row for i, w in enumerate(group) if i not in whole]
