"""Windows that only need scaling, several at a time: what training mostly reads, for little more than reading it costs.

Such are windows from shards made at the model's rate: integers of one modality, without a gap, with a stored scale. One
by one they cost as much in calls as in samples; a few together still lie in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from biosig.batches.contract import InputContract, Prepared, Room, scale_integers, survey_integers
from biosig.batches.montage import Montage, montage
from biosig.batches.windows import Windows
from biosig.recording import sample_range
from biosig.shards.reader import Shard, open_shard
from biosig.shards.stored import StoredRecording

GROUP_BYTES = 2**19
"""Samples that are handled together."""


@dataclass(frozen=True, slots=True)
class PlainWindow:
    """Where the samples of such a window lie, and what they need."""

    row: int  # its number among the windows
    shard: Shard
    recording: int
    stream: int
    start: int
    stop: int
    modality: str
    members: Montage
    scale: float  # the recording's robust scale
    onset: float  # seconds from the window's start to the first sample

    @property
    def shape(self) -> tuple[str, int, int]:
        """Modality, channels and samples."""
        return self.modality, len(self.members.rows), self.stop - self.start


def plain_window(windows: Windows, row: int, contract: Mapping[str, InputContract]) -> PlainWindow | None:
    """Window number `row`, if it is of this sort and lies in a shard."""
    stored = windows.ds[int(windows.recording[row])]
    if not isinstance(stored, StoredRecording):
        return None
    shard, onset = open_shard(stored.path), float(windows.onset[row])
    streams = shard.streams_of(stored.row)
    if len(streams) != 1 or shard.has_gaps(streams[0]) or shard.samples[streams[0]].dtype != np.int16:
        return None
    stream = streams[0]
    channels, sfreq, begins = shard.channel_sets[shard.channel_set[stream]], shard.sfreq[stream], shard.onset[stream]
    wanted = contract.get(channels[0].kind)
    if wanted is None or wanted.sfreq != sfreq or wanted.band is not None or wanted.stride != wanted.patch_size:
        return None
    start, stop = sample_range(onset - begins, float(windows.duration[row]), sfreq, shard.n_times[stream])
    members = montage(channels, channels[0].kind, wanted.unit)
    scale = shard.robust_scale(stored.row, channels[0].kind)
    if len(members.rows) < len(channels) or not 0 < scale < np.inf or stop == start or (stop - start) % wanted.stride:
        return None
    first = begins + start / sfreq - onset
    return PlainWindow(row, shard, stored.row, stream, start, stop, channels[0].kind, members, scale, first)


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


def prepare_together(group: Sequence[PlainWindow], clip: float, room: Room) -> list[Prepared]:
    """Read windows of equal channels and length, and bring them to the contract: one `Prepared` each.

    Parameters
    ----------
    group : sequence of PlainWindow
        From `in_groups`.
    clip : float
        As in the contract of their modality.
    room : callable
        Gives the array to write all their values to.
    """
    modality, n_chans, n_times = group[0].shape
    members = group[0].members
    samples = np.empty((len(group), n_chans, n_times), np.int16)
    for window, own in zip(group, samples, strict=True):
        window.shard.read_samples(window.recording, window.stream, window.start, window.stop, out=own)
    rows = samples.reshape(-1, n_times)  # (G · C, T)
    gain, offset = (np.concatenate(x) for x in zip(*(w.shard.calibration(w.stream) for w in group), strict=True))
    gain, offset = (x * np.tile(members.factor, len(group)) for x in (gain, offset))
    scale = np.repeat([window.scale for window in group], n_chans)
    out = room(modality, len(rows), n_times)
    out[...] = rows
    extremes = survey_integers(rows)
    moves = scale_integers(out, *extremes, gain * np.tile(members.sign, len(group)) / scale, clip)
    mean = extremes[2] * gain + offset
    moves &= np.isfinite(mean)
    mean = mean.astype(np.float32)
    all_move, all_real = bool(moves.all()), np.broadcast_to(True, (n_chans, n_times))
    prepared = []
    for i, window in enumerate(group):
        part = slice(i * n_chans, (i + 1) * n_chans)
        valid = all_real
        if not (all_move or moves[part].all()):
            valid = np.repeat(moves[part, None], n_times, axis=1)
            out[part][~moves[part]], mean[part][~moves[part]] = 0, 0
        prepared.append(
            Prepared(
                modality=modality,
                values=out[part],
                valid=valid,
                position=members.position,
                reference=members.reference,
                channel=members.channel,
                sign=members.sign,
                mean=mean[part],
                scale=window.scale,
                onset=window.onset,
                ch_names=members.ch_names,
            )
        )
    return prepared
