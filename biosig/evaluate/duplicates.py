"""Recordings that hold the same signal: equal samples, or a copy that was re-saved, rescaled, resampled or cropped.

Equal samples have one content hash. Copies are found by their landmarks (`biosig.landmarks`), without comparing every
recording with every other one: landmarks are sorted by their 64 signs four times, each time beginning with other 16 of
them, and compared with a few neighbours in that order, where those of a copy lie (Charikar, "Similarity estimation
techniques from rounding algorithms", STOC 2002). Two recordings with such neighbours are then compared channel by
channel at the one shift in time that most of them agree on. Shape letters: n landmarks, N recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from biosig.content_hash import content_hash
from biosig.evaluate.splits import connected_groups
from biosig.landmarks import ALIKE, Landmarks, distance, fingerprint

if TYPE_CHECKING:
    from biosig.batches.windows import ReadableRecording
    from biosig.shards.dataset import ShardDataset

FOR, ENOUGH, IN_ALL = 4, 12, 19
"""Points for a copy: `FOR` for each landmark of the common time, less one for each sign by which the two differ,
down to −`FOR`, as for one that the other channel does not have; `ENOUGH` points in a channel, and `IN_ALL` points in
all channels with enough, make a copy."""

MOST = 2**25
"""Landmarks that are compared: those of 220,000 ten-second ECGs of 12 leads. Beyond that each recording takes part with
some of its own, and short copies of single leads may be missed."""

TOLERANCE = 0.012
"""Seconds by which the times of agreeing landmarks may differ."""

_NEIGHBOURS = 12  # in each order
_HITS = 3  # landmarks that must be found alike at one shift before two recordings are compared
_TURNS = (0, 16, 32, 48)

Pairs = NDArray[np.int64]
"""Rows (a, b) of two recordings, shape (n_pairs, 2)."""


_SHOWN = 3


@dataclass(frozen=True)
class Duplicates:
    """Groups of recordings, of N, that hold the same signal.

    Parameters
    ----------
    group : ndarray of int64, shape (N,)
        The same number for recordings that are equal or near, and for no others: that of the first of them.
    equal : ndarray of int64, shape (N,)
        Likewise for those with equal samples alone.
    n_unmarked : int
        Recordings without a fingerprint, of which only equal samples are known.
    """

    group: NDArray[np.int64]
    equal: NDArray[np.int64]
    n_unmarked: int

    def of(self, rows: NDArray[np.int64], n_unmarked: int) -> Duplicates:
        """The same of some of the recordings, by their rows in order, of which so many have no fingerprint."""

        def among(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
            _, first, code = np.unique(numbers[rows], return_index=True, return_inverse=True)
            return first[code]

        return Duplicates(among(self.group), among(self.equal), n_unmarked)

    def members(self) -> list[NDArray[np.int64]]:
        """The rows of each group of two or more."""
        order = np.argsort(self.group, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.group[order])) + 1)
        return [rows for rows in parts if len(rows) > 1]

    def people(self, subjects: Sequence[Any] | NDArray[Any], content_hashes: Sequence[str]) -> NDArray[np.str_]:
        """The person of each recording (N,): folds keep a person together, and intervals draw a person as one.

        Subjects who share a signal, equal or near, are one person, whose name is the smallest content hash of all their
        recordings: neither a key nor a name decides about it.

        Parameters
        ----------
        subjects : sequence of str
            Of the N recordings.
        content_hashes : sequence of str
            Of the same; an empty one is equal to no other.
        """
        names = [content or f"recording {row}" for row, content in enumerate(content_hashes)]
        return connected_groups(names, np.asarray(subjects, str), self.group.astype(str))

    def notes(self, names: Sequence[str]) -> list[str]:
        """Notes to print beside a split that keeps these groups together; empty without copies.

        Parameters
        ----------
        names : sequence of str
            Names of the N recordings.
        """
        notes, groups = [], self.members()
        if groups:
            n_equal = sum(int((self.equal[rows] != rows).sum()) for rows in groups)
            n_copies = sum(len(rows) - 1 for rows in groups)
            listed = "; ".join(" = ".join(str(names[row]) for row in rows[:_SHOWN]) for rows in groups[:_SHOWN])
            more = f"; and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
            notes.append(
                f"{n_copies} recordings are there twice ({n_equal} with equal samples, {n_copies - n_equal} as near "
                f"copies), in {len(groups)} groups that are kept together in every split: {listed}{more}."
            )
        if self.n_unmarked:
            notes.append(
                f"{self.n_unmarked} of {len(self.group)} recordings come from shards without fingerprints, so copies "
                "of them are found by equal samples alone: ingest them again to find near ones."
            )
        return notes


def find_duplicates(content_hashes: Sequence[str], fingerprints: Sequence[bytes]) -> Duplicates:
    """Recordings that are equal, by their content hashes, or near, by their landmarks.

    Parameters
    ----------
    content_hashes : sequence of str
        One per recording; an empty one is equal to no other.
    fingerprints : sequence of bytes
        Of the same recordings (`biosig.landmarks.fingerprint`); an empty one is near no other.
    """
    first: dict[str, int] = {}
    equal = np.array(
        [first.setdefault(content, row) if content else row for row, content in enumerate(content_hashes)], np.int64
    )
    firsts = np.flatnonzero(equal == np.arange(len(equal)))  # a thousand equal ones need no comparison
    near = near_pairs(Landmarks.of([fingerprints[row] for row in firsts.tolist()]).thinned(MOST))
    one, other = np.concatenate((np.column_stack((equal, np.arange(len(equal)))), firsts[near])).T
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(equal), len(equal)))
    _, start, code = np.unique(connected_components(graph, directed=False)[1], return_index=True, return_inverse=True)
    return Duplicates(start[code], equal, sum(not data for data in fingerprints))


def duplicates_of(recordings: Sequence[ReadableRecording]) -> Duplicates:
    """`find_duplicates` of recordings in shards or in memory."""
    return find_duplicates([one.content_hash for one in recordings], [one.fingerprint for one in recordings])


def marks_of(recording: ReadableRecording) -> tuple[str, bytes]:
    """Content hash and fingerprint of a recording, worked out of its samples where it has none."""
    if recording.content_hash and recording.fingerprint:
        return recording.content_hash, recording.fingerprint
    streams = recording.read().streams
    return recording.content_hash or content_hash(streams), fingerprint(streams)


def duplicates_in(ds: ShardDataset) -> Duplicates:
    """`find_duplicates` of all recordings of a shard dataset."""
    return find_duplicates(ds.table["content_hash"].to_pylist(), ds.fingerprints)


def near_pairs(one: Landmarks, other: Landmarks | None = None) -> Pairs:
    """Pairs of recordings that hold the same signal, by their landmarks.

    Parameters
    ----------
    one : Landmarks
        Of recordings that are compared with each other, or with those of `other`.
    other : Landmarks, optional
        Of recordings that are not compared with each other.

    Returns
    -------
    ndarray of int64, shape (n_pairs, 2)
        Numbers of the recordings, sorted: a < b of `one`, or a of `one` and b of `other`. Of many copies of one signal
        not each pair is listed, but enough to connect them.
    """
    both = one if other is None else one | other
    n_one = int(one.recording.max(initial=-1)) + 1
    left, right = _alike(both, None if other is None else n_one)
    if not len(left):
        return np.empty((0, 2), np.int64)
    shift = both.time[left] - both.time[right]
    order = np.lexsort((shift, both.recording[right], both.recording[left]))
    left, right, shift = left[order], right[order], shift[order]
    pair = np.column_stack((both.recording[left], both.recording[right])).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, (pair[1:] != pair[:-1]).any(axis=1)])
    stops = np.append(starts[1:], len(pair))
    enough = (pair[_HITS - 1 :] == pair[: 1 - _HITS]).all(axis=1)
    enough &= shift[_HITS - 1 :] - shift[: 1 - _HITS] <= 2 * TOLERANCE  # so many that agree on one shift
    parts = _Parts(both)
    found = [
        starts[at]
        for at in np.unique(np.searchsorted(stops, np.flatnonzero(enough), "right")).tolist()
        if _agree(both, parts, left[starts[at] : stops[at]], right[starts[at] : stops[at]])
    ]
    pairs = pair[found]
    return pairs if other is None else pairs - (0, n_one)


def _alike(landmarks: Landmarks, border: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of landmarks (left, right) that are alike, of different recordings, or of both sides of a `border`."""
    n = np.uint64(len(landmarks))
    found: list[NDArray[np.uint64]] = []
    for turn in _TURNS:
        turned = np.bitwise_left_shift(landmarks.bits, np.uint64(turn))
        if turn:
            turned |= landmarks.bits >> np.uint64(64 - turn)
        turned = np.where(turned >> np.uint64(63), ~turned, turned)  # polarity is free
        order = np.argsort(turned)
        turned, recording = turned[order], landmarks.recording[order]
        for lag in range(1, _NEIGHBOURS + 1):
            near = (distance(turned[lag:], turned[:-lag]) <= ALIKE) & (recording[lag:] != recording[:-lag])
            if border is not None:
                near &= (recording[lag:] < border) != (recording[:-lag] < border)
            rows = np.flatnonzero(near)
            a, b = order[rows], order[rows + lag]
            swap = landmarks.recording[a] > landmarks.recording[b]
            found.append(np.where(swap, b, a).astype(np.uint64) * n + np.where(swap, a, b).astype(np.uint64))
    left, right = np.divmod(np.unique(np.concatenate(found)), max(n, np.uint64(1)))
    return left.astype(np.int64), right.astype(np.int64)


class _Parts:
    """Places of the channels of each recording among sorted landmarks."""

    def __init__(self, landmarks: Landmarks) -> None:
        key = landmarks.recording.astype(np.int64) << 32 | landmarks.channel
        self._keys, self._starts = np.unique(key, return_index=True)
        self._stops = np.append(self._starts[1:], len(key))
        self._recording = self._keys >> 32

    def channel(self, recording: int, channel: int) -> slice:
        """The landmarks of a channel."""
        at = int(np.searchsorted(self._keys, recording << 32 | channel))
        return slice(int(self._starts[at]), int(self._stops[at]))

    def n_channels(self, recording: int) -> int:
        """Channels with enough landmarks to be found."""
        first, stop = np.searchsorted(self._recording, (recording, recording + 1))
        return int((self._stops[first:stop] - self._starts[first:stop] >= _HITS).sum())


def _agree(landmarks: Landmarks, parts: _Parts, left: NDArray[np.int64], right: NDArray[np.int64]) -> bool:
    """Check whether two recordings with these alike landmarks agree in half of the channels of the smaller one."""
    shift = _common(landmarks.time[left] - landmarks.time[right])
    a, b = int(landmarks.recording[left[0]]), int(landmarks.recording[right[0]])
    near = np.abs(landmarks.time[left] - landmarks.time[right] - shift) <= TOLERANCE
    wanted = max((min(parts.n_channels(a), parts.n_channels(b)) + 1) // 2, 1)
    matched: dict[int, int] = {}
    channels = zip(landmarks.channel[left[near]].tolist(), landmarks.channel[right[near]].tolist(), strict=True)
    for ca, cb in sorted(set(channels)):
        points = _copy_points(landmarks, parts.channel(a, ca), parts.channel(b, cb), shift)
        if points >= ENOUGH:
            matched[ca] = max(points, matched.get(ca, 0))
    return len(matched) >= wanted and sum(matched.values()) >= IN_ALL


def _common(shifts: NDArray[np.float64]) -> float:
    """The shift that most agree on."""
    shifts = np.sort(shifts)
    stop = np.searchsorted(shifts, shifts + 2 * TOLERANCE, "right")
    first = int(np.argmax(stop - np.arange(len(shifts))))
    return float(np.median(shifts[first : stop[first]]))


def _copy_points(landmarks: Landmarks, one: slice, other: slice, shift: float) -> int:
    """Points for one channel being a copy of another, at this shift."""
    t, u = landmarks.time[one], landmarks.time[other] + shift
    begin, end = max(t[0], u[0]) - TOLERANCE, min(t[-1], u[-1]) + TOLERANCE
    common = min(int(((t >= begin) & (t <= end)).sum()), int(((u >= begin) & (u <= end)).sum()))
    at = np.searchsorted(u, t)
    below, above = np.maximum(at - 1, 0), np.minimum(at, len(u) - 1)
    nearest = np.where(np.abs(u[below] - t) <= np.abs(u[above] - t), below, above)
    close = np.abs(u[nearest] - t) <= TOLERANCE
    differing = distance(landmarks.bits[one][close], landmarks.bits[other][nearest[close]]).astype(np.int64)
    return int(np.maximum(FOR - differing, -FOR).sum()) - FOR * (common - len(differing))
