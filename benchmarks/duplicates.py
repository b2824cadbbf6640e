"""Copies that were planted among real recordings, copies that are none, and a hundred thousand recordings.

Planted: of recordings of each folder, at most 100, copies are made (re-saved at a coarser step, another gain and
polarity, another rate, cut to 8 s, one channel of many) and looked for among all recordings of the folder. None: pairs
that are found within and between the folders, each to be looked at. Many: ten-second 12-lead ECGs made of those of the
first folder, each with noise of its own, and a copy of every hundredth: the time to find these.

    biosig ingest ptbxl-500/records500 --out shards/ptbxl-500 ...   # and each other set into a folder of its own
    OMP_NUM_THREADS=1 python benchmarks/duplicates.py shards/ptbxl-500 shards/cinc2017 ...
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.evaluate.duplicates import near_pairs
from biosig.landmarks import Landmarks, fingerprint
from biosig.recording import MODALITIES, Channel, Stream
from biosig.shards import ShardDataset, open_shards
from biosig.signal import resample
from biosig.signal.validity import bridge_gaps

Samples = NDArray[np.float64]
RATES = (100, 125, 128, 200, 250, 256, 360, 500)
SECONDS = 8.0


def signals(ds: ShardDataset, row: int) -> tuple[NDArray[np.float64], float, str]:
    """The first stream with ECG, PPG or EEG of a recording: samples (C, T) in steps of its file, rate, kind."""
    recording = ds[row].read()
    kind = next(kind for kind in MODALITIES if kind in recording.kinds)
    stream = next(recording.of_kind(kind))
    return bridge_gaps(stream.physical().astype(np.float64) / np.abs(stream.scale[:, None])), stream.sfreq, kind


def copies(x: Samples, sfreq: float, rng: np.random.Generator) -> Iterator[tuple[str, Samples, float]]:
    """Copies of samples (C, T), each with what was done to it and its rate."""
    start = int(rng.integers(0, max(x.shape[1] - int(SECONDS * sfreq), 1)))
    part = slice(start, start + int(SECONDS * sfreq) + 1)
    rate = float(rng.choice([rate for rate in RATES if rate != sfreq and sfreq / 2 <= rate]))
    yield "re-saved", np.round(x / rng.choice([2, 3, 4])), sfreq
    yield "gain", np.round(x * rng.choice([-1, 1]) * np.exp(rng.uniform(-1, 1)) + rng.normal(0, 100)), sfreq
    yield "rate", np.round(resample(x, sfreq, rate)), rate
    yield "cropped", x[:, part], sfreq
    if len(x) > 1:
        row = int(rng.integers(len(x)))
        yield "one channel", x[row : row + 1], sfreq
        yield "one channel, cropped", x[row : row + 1, part], sfreq


def marked(x: NDArray[np.float64], sfreq: float, kind: str) -> bytes:
    """The fingerprint of samples (C, T)."""
    channels = tuple(Channel(str(i), str(i), kind, "mV") for i in range(len(x)))
    return fingerprint([Stream(sfreq, channels, x.astype(np.float32), 1, 0)])


def planted(ds: ShardDataset, rng: np.random.Generator) -> None:
    """Print how many of each kind of copy are found among all recordings."""
    durations = ds.table["duration"].to_numpy()
    rows = rng.permutation(np.flatnonzero(durations >= SECONDS))[:100].tolist()
    made: dict[str, list[tuple[int, bytes]]] = {}
    for row in rows:
        x, sfreq, kind = signals(ds, row)
        for name, copy, rate in copies(x, sfreq, rng):
            made.setdefault(name, []).append((row, marked(copy, rate, kind)))
    originals = Landmarks.of(ds.fingerprints)
    for name, those in made.items():
        pairs = {tuple(pair) for pair in near_pairs(originals, Landmarks.of([data for _, data in those])).tolist()}
        found = sum((row, i) in pairs for i, (row, _) in enumerate(those))
        print(f"  {name}: {found} of {len(those)} found")


def many(ds: ShardDataset, n: int, rng: np.random.Generator) -> None:
    """Print how long it takes to find every hundredth of n recordings in which it is there twice."""
    base = [signals(ds, row) for row in range(min(len(ds), 200))]
    began, marks = time.perf_counter(), []
    for i in range(n):
        x, sfreq, kind = base[i % len(base)]
        noisy = x + rng.normal(size=x.shape).cumsum(axis=1) * x.std(axis=1, keepdims=True) / 3
        marks.append(marked(noisy, sfreq, kind))
        if i % 100 == 0:
            marks.append(marked(np.round(noisy[:, 100:] / 2), sfreq, kind))
    made = time.perf_counter() - began
    landmarks = Landmarks.of(marks)
    began = time.perf_counter()
    pairs = near_pairs(landmarks)
    seconds = time.perf_counter() - began
    print(
        f"{len(marks):,} recordings, {len(landmarks):,} landmarks: {len(pairs)} pairs (planted {-(-n // 100)}) found in"
    )
    print(f"  {seconds:.1f} s; made and fingerprinted in {made:.0f} s ({1000 * made / len(marks):.1f} ms each)")


def main() -> None:
    """Measure what the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path, nargs="+")
    parser.add_argument("--many", type=int, default=100_000, help="recordings in the last part; 0 = none")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    sets = {path.name: open_shards(path) for path in args.shards}
    for name, ds in sets.items():
        print(f"{name}: {len(ds)} recordings, {np.mean([len(data) for data in ds.fingerprints]):.0f} bytes each")
        planted(ds, rng)
    owner = [name for name, ds in sets.items() for _ in range(len(ds))]
    ids = [f"{name}/{one}" for name, ds in sets.items() for one in ds.table["recording"].to_pylist()]
    began = time.perf_counter()
    pairs = near_pairs(Landmarks.of([data for ds in sets.values() for data in ds.fingerprints])).tolist()
    print(f"{len(pairs)} of {len(ids) * (len(ids) - 1) // 2:,} pairs found in {time.perf_counter() - began:.1f} s:")
    for (one, other), count in Counter((owner[a], owner[b]) for a, b in pairs).items():
        print(f"  {one} × {other}: {count}")
    for a, b in pairs:
        print(f"    {ids[a]} = {ids[b]}")
    if args.many:
        many(next(iter(sets.values())), args.many, rng)


main()
