"""A random 10-s window of a day of EEG against one of as many bytes from short recordings, at random onsets both.

The day is 24 hours of 64 channels at 200 Hz, made by repeating EEGMMIDB's recordings and written block by block. The
short recordings are the same signals in pieces of one minute, as many bytes in all. The page cache is hot and the two
take turns.

    OMP_NUM_THREADS=1 python benchmarks/long_windows.py --data DIR     # DIR holds eegmmidb/; needs 4 GB of disk
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import biosig
from biosig.lazy_samples import LazySamples
from biosig.recording import Recording, Stream
from biosig.shards import ShardDataset, ShardWriter, build_index
from biosig.signal import resample

SFREQ = 200.0
WINDOW = 10.0


class Repeated(LazySamples):
    """Samples that go on from their start when they end, to `n_times` of them."""

    def __init__(self, samples: NDArray[np.int16], n_times: int) -> None:
        super().__init__((samples.shape[0], n_times), samples.dtype)
        self._samples = samples

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Samples `start` to `stop`."""
        return self._samples[:, np.arange(start, stop) % self._samples.shape[1]]


def joined(data: Path) -> Recording:
    """All recordings of EEGMMIDB one after the other, at the model's rate."""
    files = sorted((data / "eegmmidb").glob("*.edf"))
    if not files:
        raise SystemExit(f"{data} holds no eegmmidb/*.edf: give the folder that holds eegmmidb.")
    streams = [biosig.read(file).streams[0] for file in files]
    at_rate = [resample(stream.physical(), stream.sfreq, SFREQ) for stream in streams]
    step = max(float(np.abs(values).max()) for values in at_rate) / (2**15 - 1)  # uV
    samples = np.concatenate([np.rint(values / step).astype(np.int16) for values in at_rate], axis=1)
    channels = streams[0].channels
    return Recording("day", [Stream(SFREQ, channels, samples, np.full(len(channels), step), np.zeros(len(channels)))])


def write(folder: Path, recordings: list[Recording]) -> ShardDataset:
    """One shard and its index."""
    folder.mkdir()
    with ShardWriter(folder / "000.h5", recipe={}) as writer:
        for recording in recordings:
            writer.add(recording)
    build_index(folder)
    return biosig.open_shards(folder)


def read_random(ds: ShardDataset, rng: np.random.Generator) -> float:
    """Seconds to read one window at a random onset."""
    row = int(rng.integers(len(ds)))
    onset = float(rng.uniform(0, ds[row].duration - WINDOW))
    begin = time.perf_counter()
    window = ds[row].read(onset, WINDOW)
    seconds = time.perf_counter() - begin
    assert window.streams[0].n_times == round(WINDOW * SFREQ)
    return seconds


def main() -> None:
    """Write both, read both, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds eegmmidb/")
    parser.add_argument("--hours", type=float, default=24.0, help="length of the long recording")
    parser.add_argument("--windows", type=int, default=1_000, help="windows to read of each")
    args = parser.parse_args()
    source = joined(args.data)
    (stream,) = source.streams
    n_times = round(args.hours * 3600 * SFREQ)
    minute = round(60 * SFREQ)
    with tempfile.TemporaryDirectory() as name:
        day = replace(source, streams=[replace(stream, samples=Repeated(np.asarray(stream.samples), n_times))])
        sets = {f"one of {args.hours:g} h": write(Path(name) / "long", [day])}
        starts = range(0, stream.n_times - minute + 1, minute)
        parts = [replace(source, id=str(i), streams=[replace(stream.slice(i, i + minute), onset=0.0)]) for i in starts]
        repeats = max(n_times // minute // len(parts), 1)
        short = [replace(part, id=f"{part.id}-{k}") for k in range(repeats) for part in parts]
        sets[f"{len(short)} of 1 min"] = write(Path(name) / "short", short)
        rng = np.random.default_rng(0)
        times = np.array([[read_random(ds, rng) for ds in sets.values()] for _ in range(args.windows)])
        medians = 1e3 * np.median(times[len(times) // 10 :], axis=0)  # the first tenth warms up
        print("\n| recordings | ms per 10-s window, median | of the short ones |\n|---|---|---|")
        for title, milliseconds in zip(sets, medians, strict=True):
            print(f"| {title} | {milliseconds:.3f} | {milliseconds / medians[-1]:.2f} |")


if __name__ == "__main__":
    main()
