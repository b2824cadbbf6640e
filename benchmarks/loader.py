"""The training loader end to end: how many GB of int16 samples one core reads, decodes, scales and packs in a second.

Real recordings go into shards by the recipes that ship (12-lead ECG at 250 Hz, 64-channel EEG at 200 Hz), and windows
of 10 s come out as packed batches in a seeded random order, one process, one thread, page cache hot. Beside it, batch
by batch in turn, the same windows read from the same shards and nothing else, and copied from a memory map of int16.
Seconds are the process's own on a processor, all threads together: what one core does, also where it is shared.

    OMP_NUM_THREADS=1 python benchmarks/loader.py --data DIR     # DIR holds ptbxl-500/ and eegmmidb/
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import biosig
from biosig.batches.joined import ConcatRecordings
from biosig.batches.loader import BatchPlan, count_tokens, load_batches
from biosig.batches.windows import Windows, fixed_length_windows
from biosig.models.presets import preset
from biosig.shards.reader import open_shard

SECONDS = 10.0
CONTRACT = preset("biosig-base").contract
SOURCES = {"12-lead ECG, 250 Hz": ("ptbxl-500/records500", "ecg"), "64-channel EEG, 200 Hz": ("eegmmidb", "eeg")}
RECIPES = Path(__file__).parents[1] / "configs" / "ingest"

Rows = NDArray[np.int64]


def shards(data: Path, folder: Path) -> dict[str, Windows]:
    """The sets to draw from, each as its windows of 10 s."""
    sets = {}
    for name, (source, recipe) in SOURCES.items():
        out = folder / recipe
        verb = [sys.executable, "-c", "import biosig.cli; biosig.cli.main()", "ingest", data / source, "--out", out]
        subprocess.run([*verb, "--recipe", RECIPES / f"{recipe}.yaml"], check=True, capture_output=True)
        sets[name] = biosig.open_shards(out)
    windows = {name: fixed_length_windows(ds, SECONDS) for name, ds in sets.items()}
    return windows | {"both, mixed": fixed_length_windows(ConcatRecordings(list(sets.values())), SECONDS)}


def shard_reads(windows: Windows) -> Callable[[Rows], None]:
    """Reads the samples of windows from their shards, and makes nothing of them."""
    places = [_place(windows, i) for i in range(len(windows))]

    def read(rows: Rows) -> None:
        for row in rows.tolist():
            path, recording, stream, start, stop = places[row]
            open_shard(path).read_samples(recording, stream, start, stop)

    return read


def memory_map(windows: Windows, file: Path) -> Callable[[Rows], None]:
    """Copies windows out of a file of raw int16 that holds them side by side."""
    samples = [windows.read_signals(i).streams[0].samples for i in range(len(windows))]
    file.write_bytes(b"".join(np.ascontiguousarray(x).tobytes() for x in samples))
    raw = np.memmap(file, np.int16, "r")
    stops = np.cumsum([x.size for x in samples])
    views = [raw[stop - x.size : stop].reshape(x.shape) for stop, x in zip(stops, samples, strict=True)]

    def read(rows: Rows) -> None:
        for row in rows.tolist():
            np.array(views[row])

    return read


def _place(windows: Windows, i: int) -> tuple[str, int, int, int, int]:
    stored = windows.ds[int(windows.recording[i])]
    shard = open_shard(stored.path)
    (stream,) = shard.streams_of(stored.row)
    start = round(float(windows.onset[i]) * shard.sfreq[stream])
    return stored.path, stored.row, stream, start, start + round(SECONDS * shard.sfreq[stream])


def measure(windows: Windows, budget: int, rounds: int, file: Path) -> None:
    """One row of the table: each batch's median time, for every reader in turn."""
    batches = BatchPlan(count_tokens(windows, CONTRACT), budget, seed=0).epoch(0)
    alone, mapped = shard_reads(windows), memory_map(windows, file)
    seconds = np.empty((rounds + 1, 3, len(batches)))
    for i in range(rounds + 1):  # the first round warms up
        loader = load_batches(windows, batches, CONTRACT)
        steps: list[Callable[[Rows], object]] = [lambda _, loader=loader: next(loader), alone, mapped]
        for b, rows in enumerate(batches):
            for r, step in enumerate(steps):
                begin = time.process_time()
                step(rows)
                seconds[i, r, b] = time.process_time() - begin
    typical = np.median(seconds[1:], axis=0).sum(axis=1)
    best = seconds[1:].min(axis=0).sum(axis=1)
    nbytes = file.stat().st_size
    speeds = " | ".join(f"{nbytes / t / 1e9:.3f} ({nbytes / b / 1e9:.3f})" for t, b in zip(typical, best, strict=True))
    print(f"{len(windows)} | {1e6 * typical[0] / len(windows):.0f} | {speeds} |", flush=True)


def main() -> None:
    """Ingest, measure, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds ptbxl-500/ and eegmmidb/")
    parser.add_argument("--rounds", type=int, default=15, help="times that every batch is read by each reader")
    parser.add_argument("--budget", type=int, default=32_768, help="tokens per batch")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        windows = shards(args.data, Path(name))
        print(f"\nGB of int16 samples per second and core: median of {args.rounds} rounds (best), windows of")
        print(f"{SECONDS:g} s, {args.budget} tokens per batch, {os.cpu_count()}-core CPU\n")
        print("| set | windows | us per window, loader | loader | shard reads alone | memory map, copy |")
        print("|---|---|---|---|---|---|")
        for title, of_set in windows.items():
            print(f"| {title} | ", end="")
            measure(of_set, args.budget, args.rounds, Path(name) / "raw.i16")


if __name__ == "__main__":
    main()
