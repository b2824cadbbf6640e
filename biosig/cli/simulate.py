"""The verb `simulate`: recordings whose truth is known exactly, as shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from biosig.cli.tables import print_lines
from biosig.errors import UsageError
from biosig.progress import show_progress


def simulate(
    kind: Annotated[Literal["ecg", "ppg", "eeg"], tyro.conf.Positional],
    /,
    *,
    out: Path,
    n: int = 1000,
    seconds: float | None = None,
    seed: int = 0,
) -> int:
    """Simulate recordings, each of another person, into a folder of shards with their truth as labels and annotations.

    Parameters
    ----------
    kind : str
        ecg, ppg or eeg.
    out : Path
        Folder for the shards; it must not exist yet.
    n : int
        Recordings.
    seconds : float
        Of each; default: the simulation's own.
    seed : int
        Recording k is that of seed + k, the same on any machine.
    """
    from biosig.simulate.shards import write_simulated

    if out.exists():
        raise UsageError(f"{out} exists: give another folder with --out, or delete it.")
    if n < 1:
        raise UsageError(f"n is {n}: give 1 or more.")
    with show_progress(Console(stderr=True)) as progress:
        write_simulated(kind, out, n, seed, progress, **({} if seconds is None else {"seconds": seconds}))
    print_lines(Console(), f"Simulated: {n} recordings of {kind} in {out}")
    return 0
