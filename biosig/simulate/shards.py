"""Simulated recordings as a folder of shards, such as pretraining mixes in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from biosig import simulate
from biosig.content_hash import content_hash
from biosig.landmarks import fingerprint
from biosig.progress import Progress
from biosig.recording import SIMULATED, Recording, Subject
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter
from biosig.signal import robust_scale


def write_simulated(
    kind: Literal["ecg", "ppg", "eeg"],
    out: Path,
    n: int,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Path:
    """Simulate recordings, each of another person, and write them with their labels and annotations.

    Parameters
    ----------
    kind : {"ecg", "ppg", "eeg"}
        Kind of the simulation.
    out : Path
        Folder, which is made.
    n, seed : int
        Number of recordings, and the first seed; recording k is that of `seed` + k.
    progress : callable, optional
        Called after each recording.
    **options
        Of the simulation, such as ``seconds=10``.

    Returns
    -------
    Path
        The folder's index.

    Raises
    ------
    UsageError
        If an option is unknown or out of its range, or the shard exists.
    """
    out.mkdir(parents=True, exist_ok=True)
    with ShardWriter(out / "simulated.h5", {"simulated": kind, "seed": seed, **options}) as writer:
        for number in range(seed, seed + n):
            recording, _ = getattr(simulate, kind)(number, **options)
            writer.add(_complete(recording, f"{SIMULATED}{kind}-{number}"))
            if progress:
                progress("simulate", number - seed + 1, n)
    return build_index(out)


def _complete(recording: Recording, name: str) -> Recording:
    """A recording with the facts that ingest would add: its subject, scale, content hash and fingerprint."""
    scales = {
        kind: robust_scale(stream.physical())
        for stream in recording.streams
        for kind in {c.kind for c in stream.channels}
    }
    return replace(
        recording,
        id=name,
        subject=Subject(name),
        robust_scale=scales,
        content_hash=content_hash(recording.streams),
        fingerprint=fingerprint(recording.streams),
    )
