"""One recording in a shard: a path and a row number, which look everything up when they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from biosig.recording import Annotation, Channel, Recording, Subject
from biosig.shards.reader import open_shard


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """A recording that lies in a shard: its metadata at hand, its samples on demand; pickles as a path and a number."""

    path: str
    row: int

    def read(self, onset: float = 0.0, duration: float | None = None, *, lazy: bool = False) -> Recording:
        """Read a window, or all of it when called without arguments.

        Parameters
        ----------
        onset : float
            Start of the window in seconds after the recording's start.
        duration : float, optional
            Length of the window in seconds; default to the recording's end.
        lazy : bool
            Leave the samples of a whole recording in the shard until a part is asked for.

        Returns
        -------
        Recording
            Equal to `Recording.crop` of the whole recording; only the samples of the window are read.

        Raises
        ------
        DataError
            If the shard is gone.
        EmptyWindowError
            If no sample lies in the window.
        UnreadableError
            If the shard is damaged.
        """
        return open_shard(self.path).read(self.row, onset, duration, lazy=lazy)

    def read_signals(self, onset: float, duration: float) -> Recording:
        """As `read` of a window, without metadata that a model does not use: only id and robust scale.

        A loader over a million recordings reads no text for it, and keeps none in memory.
        """
        return open_shard(self.path).read_signals(self.row, onset, duration)

    @property
    def id(self) -> str:
        """Unique within a collection."""
        return open_shard(self.path).text["id"][self.row]

    @property
    def subject(self) -> Subject | None:
        """The recorded person."""
        return open_shard(self.path).subject(self.row)

    @property
    def session(self) -> str | None:
        """The sitting."""
        return open_shard(self.path).text["session"][self.row]

    @property
    def labels(self) -> dict[str, Any]:
        """Label name → str, number, bool or list of str."""
        return dict(open_shard(self.path).text["labels"][self.row])

    @property
    def report(self) -> str | None:
        """Free text that came with the recording."""
        return open_shard(self.path).text["report"][self.row]

    @property
    def robust_scale(self) -> dict[str, float]:
        """Kind → one amplitude, in the kind's unit."""
        return dict(open_shard(self.path).text["robust_scale"][self.row])

    @property
    def content_hash(self) -> str:
        """Fingerprint of the native samples (`biosig.content_hash.content_hash`)."""
        return open_shard(self.path).text["content_hash"][self.row]

    @property
    def fingerprint(self) -> bytes:
        """Landmark fingerprint of the native samples (`biosig.landmarks`); empty in an older shard."""
        return open_shard(self.path).fingerprints[self.row]

    @property
    def checksum(self) -> str:
        """SHA-256 over metadata and samples (`biosig.shards.spec.checksum`)."""
        return open_shard(self.path).text["checksum"][self.row]

    @property
    def annotations(self) -> list[Annotation]:
        """All events, onsets in seconds from the recording's start."""
        return open_shard(self.path).annotations(self.row)

    @property
    def channels(self) -> list[Channel]:
        """Channels of all streams, in order."""
        return open_shard(self.path).channels(self.row)

    @property
    def ch_names(self) -> list[str]:
        """Canonical names of all channels, in order."""
        return [channel.name for channel in self.channels]

    @property
    def kinds(self) -> list[str]:
        """The kinds of signal in this recording, sorted, each once."""
        return sorted({channel.kind for channel in self.channels})

    @property
    def sfreqs(self) -> list[float]:
        """Sampling rate of each stream in Hz."""
        shard = open_shard(self.path)
        return [shard.sfreq[stream] for stream in shard.streams_of(self.row)]

    @property
    def duration(self) -> float:
        """Seconds from the recording's start to the end of its last stream."""
        return open_shard(self.path).duration(self.row)
