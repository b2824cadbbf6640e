"""Recording, Stream, Channel, Annotation, Subject: the words that every other room speaks.

A recording is one sitting of one subject. Its signals live in *streams*, one per sampling rate, because devices
that record an ECG at 500 Hz and a PPG at 125 Hz exist and resampling at the door would be a decision made in silence.
A stream keeps the source's own numbers (int16 for most WFDB and EDF files) with the affine map to physical units.

Shape letters: C channels, T samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError, EmptyWindowError
from biosig.lazy_samples import LazySamples

Position = tuple[float, float, float]
"""x, y, z in metres: +x the subject's right, +y front, +z up, origin between the ears (MNE's head frame)."""

UNKNOWN: Position = (math.nan, math.nan, math.nan)

KINDS = ("ecg", "ppg", "eeg", "eog", "emg", "resp", "abp", "cvp", "acc", "temp", "spo2", "stim", "ref", "misc")
"""Kinds of channels. `misc` is a signal that is known to be of no other kind, or of which no kind is known."""

MODALITIES = ("ecg", "ppg", "eeg")
"""The kinds that the model has an embedding for; the others are stored and may be targets, but give no tokens."""

SAMPLE_DTYPES = (np.dtype("int16"), np.dtype("int32"), np.dtype("float32"))

BLOCK_BYTES = 2**24
"""Samples that are handled at once, where a recording need not be in memory as a whole."""


def is_known(position: Position) -> bool:
    """True where all three coordinates are numbers."""
    return all(math.isfinite(axis) for axis in position)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's identity; never a row index.

    Parameters
    ----------
    name : str
        Canonical name ("V1", "Fp1", "F3-C3", "finger").
    source_name : str
        The name in the file, to the letter.
    kind : str
        One of `KINDS`.
    unit : str
        Unit of the physical values ("mV", "uV", "NU", …).
    position, reference : tuple of 3 float
        Metres in the body frame; NaN = unknown (for `reference`: common, unknown or none).
    position_source : {"measured", "template", "unknown"}
        Where `position` comes from.
    """

    name: str
    source_name: str
    kind: str
    unit: str
    position: Position = UNKNOWN
    reference: Position = UNKNOWN
    position_source: str = "unknown"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError(f"Channel '{self.source_name}' has kind '{self.kind}'; known kinds are {', '.join(KINDS)}.")


@dataclass(frozen=True, slots=True)
class Annotation:
    """An event or an interval: `onset` and `duration` in seconds from the recording's start, and a `label`."""

    onset: float
    duration: float
    label: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The recorded person: an id (a pseudonym once in a shard), age in years and sex ("female", "male"), or None."""

    id: str
    age: float | None = None
    sex: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Origin of a recording: path, adapter, and the SHA-256 of the files that it was read from.

    An ingest puts keyed digests in place of path and SHA-256; shards of 0.1.0 have the SHA-256 as it is.
    """

    path: str = ""
    adapter: str = ""
    sha256: str = ""


def _no_runs() -> NDArray[np.int64]:
    return np.empty((0, 3), np.int64)


def _per_channel(numbers: Any, n_chans: int) -> NDArray[np.float64]:
    numbers = np.array(numbers, np.float64)
    return numbers if numbers.shape == (n_chans,) else np.broadcast_to(numbers, (n_chans,)).copy()


@dataclass(slots=True)
class Stream:
    """Channels that share one sampling rate and one clock.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    channels : tuple of Channel
        One per row of `samples`.
    samples : ndarray or LazySamples, shape (C, T)
        The source's own numbers: int16, int32 or float32, in memory or still in their file.
    scale, offset : ndarray of float64, shape (C,)
        physical = samples * scale + offset, in the channel's unit.
    invalid : ndarray of int64, shape (n_runs, 3)
        Runs of samples that are not real values, as rows (channel, start, stop), stop excluded.
    onset : float
        Time of the first sample in seconds after the recording's start.
    moments : ndarray of float64, shape (C, 2), optional
        Mean and deviation of each channel over the whole recording, in the channel's unit; None = not worked out.
    """

    sfreq: float
    channels: tuple[Channel, ...]
    samples: NDArray[Any] | LazySamples
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    invalid: NDArray[np.int64] = field(default_factory=_no_runs)
    onset: float = 0.0
    moments: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n_chans = len(self.channels)
        if self.samples.ndim != 2 or self.samples.shape[0] != n_chans:
            raise DataError(
                f"A stream of {n_chans} channels needs samples of shape ({n_chans}, n_times), not {self.samples.shape}."
            )
        if self.samples.dtype not in SAMPLE_DTYPES:
            raise DataError(f"Samples must be int16, int32 or float32, not {self.samples.dtype}.")
        if not (math.isfinite(self.sfreq) and self.sfreq > 0):
            raise DataError(f"The sampling rate must be a positive number of Hz, not {self.sfreq}.")
        self.scale = _per_channel(self.scale, n_chans)
        self.offset = _per_channel(self.offset, n_chans)
        self.invalid = np.asarray(self.invalid, np.int64).reshape(-1, 3)
        self.onset = float(self.onset) + 0.0  # -0.0 is 0.0: a recording and its copy must be equal to the bit

    @property
    def n_chans(self) -> int:
        """Number of channels."""
        return len(self.channels)

    @property
    def n_times(self) -> int:
        """Number of samples per channel."""
        return int(self.samples.shape[1])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_times / self.sfreq

    @property
    def ch_names(self) -> list[str]:
        """Canonical channel names."""
        return [channel.name for channel in self.channels]

    def valid(self) -> NDArray[np.bool_]:
        """Mask of samples that are real values, shape (C, T): not in an `invalid` run and, for floats, finite."""
        samples = np.asarray(self.samples) if self.samples.dtype.kind == "f" else None
        valid = np.ones(self.samples.shape, bool) if samples is None else np.isfinite(samples)
        for channel, start, stop in self.invalid:
            valid[channel, start:stop] = False
        return valid

    def physical(self) -> NDArray[np.float32]:
        """Values in each channel's unit, float32, shape (C, T); NaN where a sample is not a real value."""
        precision = np.float64 if self.samples.dtype == np.int32 else np.float32
        values: NDArray[Any] = np.asarray(self.samples).astype(precision)
        with np.errstate(over="ignore"):  # becomes infinite, which is not a real value
            values *= self.scale[:, None].astype(precision)
        if self.offset.any():
            values += self.offset[:, None].astype(precision)
        values = values.astype(np.float32, copy=False)
        if self.samples.dtype.kind == "f":
            values[np.isinf(values)] = np.nan
        for channel, start, stop in self.invalid:
            values[channel, start:stop] = np.nan
        return values

    def slice(self, start: int, stop: int) -> Stream:
        """Samples `start` (inclusive) to `stop` (exclusive) as a stream of its own, in memory.

        `samples` is a view where they were in memory already.
        """
        runs = clip_runs(self.invalid, start, stop)
        return replace(self, samples=self.samples[:, start:stop], invalid=runs, onset=self.onset + start / self.sfreq)

    def block_length(self, n_bytes: int = BLOCK_BYTES) -> int:
        """Samples per channel whose reading takes at most `n_bytes`, and at least one sample."""
        rows = self.samples.n_read if isinstance(self.samples, LazySamples) else self.n_chans
        return max(n_bytes // max(rows * self.samples.itemsize, 1), 1)

    def blocks(self, n_bytes: int = BLOCK_BYTES) -> Iterator[Stream]:
        """The stream in consecutive parts of at most `n_bytes` of samples (and at least one sample), each in memory."""
        length = self.block_length(n_bytes)
        if 0 < self.n_times <= length and isinstance(self.samples, np.ndarray):
            yield self
            return
        for start in range(0, self.n_times, length):
            yield self.slice(start, min(start + length, self.n_times))

    def pick(self, rows: Sequence[int]) -> Stream:
        """The given rows, in the given order, as a stream of its own."""
        new_row = {row: i for i, row in enumerate(rows)}
        runs = [(new_row[c], a, b) for c, a, b in self.invalid.tolist() if c in new_row]
        index = list(rows)
        return replace(
            self,
            channels=tuple(self.channels[row] for row in rows),
            samples=self.samples.pick(index) if isinstance(self.samples, LazySamples) else self.samples[index],
            scale=self.scale[index],
            offset=self.offset[index],
            invalid=np.array(runs, np.int64).reshape(-1, 3),
            moments=None if self.moments is None else self.moments[index],
        )


SIMULATED = "simulated-"
"""Prefix of the ids of subjects that `biosig.simulate` makes."""


@dataclass(slots=True)
class Recording:
    """One sitting of one subject: streams, annotations, labels and where it all came from.

    Parameters
    ----------
    id : str
        Unique within a collection.
    streams : list of Stream
        One per sampling rate.
    subject : Subject or None
        None if the source does not state it and no table was joined.
    session : str or None
        Names the sitting where a subject has several.
    annotations : list of Annotation
        Onsets in seconds from the recording's start.
    labels : dict
        Label name → str, number, bool or list of str.
    report : str or None
        Free text that came with the recording.
    source : Source
        Files that it was read from.
    robust_scale : dict
        Kind → one amplitude per recording, in the kind's unit (`biosig.signal.robust_scale`); filled by ingest.
    band : dict
        Kind → (low, high) in Hz that the samples were limited to since they were read; None = that side is open.
    content_hash : str
        `content_hash` of the native samples, before any recipe; filled by the adapter or `biosig.read`.
    fingerprint : bytes
        `biosig.landmarks.fingerprint` of the native samples, by which copies are found; empty = not worked out. It
        does not matter to whether two recordings are equal.
    history : tuple of str
        Steps that changed the samples since they were read; empty = untouched.
    notes : tuple of str
        Remarks for a user (an unknown channel, a unit that was guessed).
    steps_done : dict
        Kind → how many steps of the input contract in use its samples have been through (`biosig.batches.steps`).
    """

    id: str
    streams: list[Stream]
    subject: Subject | None = None
    session: str | None = None
    annotations: list[Annotation] = field(default_factory=list)
    labels: dict[str, Any] = field(default_factory=dict)
    report: str | None = None
    source: Source = field(default_factory=Source)
    robust_scale: Mapping[str, float] = field(default_factory=dict)
    band: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    content_hash: str = ""
    fingerprint: bytes = field(default=b"", compare=False, repr=False)
    history: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps_done: Mapping[str, int] = field(default_factory=dict)

    @property
    def channels(self) -> list[Channel]:
        """Channels of all streams, in order."""
        return [channel for stream in self.streams for channel in stream.channels]

    @property
    def ch_names(self) -> list[str]:
        """Canonical names of all channels, in order."""
        return [channel.name for channel in self.channels]

    @property
    def kinds(self) -> list[str]:
        """The kinds of signal in this recording, sorted, each once."""
        return sorted({channel.kind for channel in self.channels})

    @property
    def duration(self) -> float:
        """Seconds from the recording's start to the end of its last stream."""
        return max((stream.onset + stream.duration for stream in self.streams), default=0.0)

    def of_kind(self, kind: str) -> Iterator[Stream]:
        """Each stream's channels of one kind, as streams of their own; streams without any are left out."""
        for stream in self.streams:
            rows = [row for row, channel in enumerate(stream.channels) if channel.kind == kind]
            if rows:
                yield stream if len(rows) == stream.n_chans else stream.pick(rows)

    def load(self) -> Recording:
        """The same recording with all samples in memory."""
        return replace(self, streams=[replace(stream, samples=np.asarray(stream.samples)) for stream in self.streams])

    def crop(self, onset: float, duration: float) -> Recording:
        """The part from `onset` lasting `duration` seconds; times stay relative to the recording's own start.

        Annotations that touch the part are kept. Streams without a sample in it are left out.

        Raises
        ------
        EmptyWindowError
            If the part holds no sample of any stream.
        """
        streams = []
        for stream in self.streams:
            start, stop = sample_range(onset - stream.onset, duration, stream.sfreq, stream.n_times)
            if stop > start:
                streams.append(stream.slice(start, stop))
        if not streams:
            raise EmptyWindowError(
                f"Recording '{self.id}' lasts {self.duration:g} s: no sample lies in the window from "
                f"{onset:g} s lasting {duration:g} s."
            )
        end = onset + duration
        notes = [a for a in self.annotations if a.onset < end and a.onset + a.duration >= onset]
        return replace(self, streams=streams, annotations=notes)

    def __repr__(self) -> str:
        rates = ", ".join(f"{s.n_chans} × {s.n_times} at {s.sfreq:g} Hz" for s in self.streams)
        return f"<Recording {self.id}: {'+'.join(self.kinds)}, {rates}, {self.duration:.1f} s>"


def sample_range(onset: float, duration: float, sfreq: float, n_times: int) -> tuple[int, int]:
    """The samples of a window: `round(onset * sfreq)` and `round(duration * sfreq)` of them, within 0 … `n_times`."""
    start = round(onset * sfreq)
    return min(max(start, 0), n_times), min(max(start + round(duration * sfreq), 0), n_times)


def clip_runs(runs: NDArray[np.int64], start: int, stop: int) -> NDArray[np.int64]:
    """Runs (channel, start, stop), shape (n_runs, 3), as seen from within samples `start` to `stop`."""
    if not len(runs):
        return runs
    clipped = np.column_stack((runs[:, 0], runs[:, 1].clip(start, stop) - start, runs[:, 2].clip(start, stop) - start))
    return clipped[clipped[:, 2] > clipped[:, 1]]
