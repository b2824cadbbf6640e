"""Random 10-s windows from shards, beside the habit of the field (gzip in HDF5) and a raw memory map.

Every reader returns float32 mV from the same int16 samples of PTB-XL at 500 Hz, for the same random windows, with the
page cache hot; rounds are interleaved so that a busy machine slows all alike. Twice: the records as they are (10 s,
so a window is a whole record), and the same signals joined into recordings of ten minutes, with random onsets.

    python benchmarks/shard_reads.py --data DIR     # DIR holds ptbxl-500/records500
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import wfdb
from numpy.typing import NDArray

from biosig.recording import Channel, Recording, Stream
from biosig.shards import ShardWriter, build_index, open_shards

SFREQ = 500.0
N_TIMES = 5000
WINDOWS_PER_ROUND = 25
GAIN = np.float32(1e-3)
"""mV per unit: the gain of every PTB-XL record is 1000 per mV, which `load` checks."""

Reader = Callable[[int, int], NDArray[np.float32]]


def load(data: Path) -> list[NDArray[np.int16]]:
    """All 500-Hz records as the source's integers, each (12, 5000)."""
    headers = sorted((data / "ptbxl-500" / "records500").rglob("*.hea"))
    if not headers:
        raise SystemExit(f"{data} holds no ptbxl-500/records500: give the folder that holds ptbxl-500.")
    records = []
    for header in headers:
        record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
        assert set(record.adc_gain) == {1000.0}
        assert set(record.baseline) == {0}
        records.append(np.ascontiguousarray(record.d_signal.T, np.int16))
    return records


def shard_reader(records: list[NDArray[np.int16]], folder: Path, compression: str) -> tuple[Reader, int]:
    """Windows through `open_shards`, as a user would read them."""
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    channels = tuple(Channel(lead, lead, "ecg", "mV") for lead in leads)
    path = folder / compression / "000.h5"
    path.parent.mkdir()
    with ShardWriter(path, recipe={}, compression=compression) as writer:
        for i, samples in enumerate(records):
            writer.add(Recording(str(i), [Stream(SFREQ, channels, samples, np.float64(GAIN), 0.0)]))
    build_index(path.parent)
    ds = open_shards(path.parent)

    def read(row: int, start: int) -> NDArray[np.float32]:
        return ds[row].read(start / SFREQ, N_TIMES / SFREQ).streams[0].physical()

    return read, path.stat().st_size


def gzip_reader(records: list[NDArray[np.int16]], folder: Path) -> tuple[Reader, int]:
    """One gzip-4 int16 dataset per recording with h5py's own chunks."""
    path = folder / "gzip.h5"
    with h5py.File(path, "w") as file:
        for i, samples in enumerate(records):
            file.create_dataset(str(i), data=samples, compression="gzip", compression_opts=4)
    file = h5py.File(path, "r")

    def read(row: int, start: int) -> NDArray[np.float32]:
        return file[str(row)][:, start : start + N_TIMES] * GAIN

    return read, path.stat().st_size


def memmap_reader(records: list[NDArray[np.int16]], folder: Path) -> tuple[Reader, int]:
    """Raw int16, nothing to decode: the floor."""
    path = folder / "raw.i16"
    with path.open("wb") as file:
        for samples in records:
            file.write(samples.tobytes())
    stops = np.cumsum([samples.size for samples in records])
    raw = np.memmap(path, np.int16, "r")
    views = [
        raw[stop - samples.size : stop].reshape(samples.shape) for stop, samples in zip(stops, records, strict=True)
    ]

    def read(row: int, start: int) -> NDArray[np.float32]:
        return views[row][:, start : start + N_TIMES] * GAIN

    return read, path.stat().st_size


def measure(readers: dict[str, Reader], records: list[NDArray[np.int16]], rounds: int) -> dict[str, float]:
    """Median seconds per window; in each round every reader reads the same windows in a row, as a loader would."""
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {name: [] for name in readers}
    for i in range(rounds + 1):
        rows = rng.integers(0, len(records), WINDOWS_PER_ROUND).tolist()
        windows = [(row, int(rng.integers(0, records[row].shape[1] - N_TIMES + 1))) for row in rows]
        for name, read in readers.items():
            for row, start in windows:
                begin = time.perf_counter()
                values = read(row, start)
                seconds = time.perf_counter() - begin
                if i:
                    times[name].append(seconds)
                else:  # the first round is not timed: it compares the values and warms the page cache
                    assert values.dtype == np.float32
                    assert np.array_equal(values, records[row][:, start : start + N_TIMES] * GAIN)
    return {name: float(np.median(seconds)) for name, seconds in times.items()}


def table(title: str, records: list[NDArray[np.int16]], rounds: int) -> None:
    """Write, measure and print one collection."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {
            "shard, LZ4": shard_reader(records, folder, "lz4"),
            "shard, Zstandard": shard_reader(records, folder, "zstd"),
            "(a) HDF5, gzip-4": gzip_reader(records, folder),
            "(b) numpy.memmap": memmap_reader(records, folder),
        }
        seconds = measure({name: read for name, (read, _) in made.items()}, records, rounds)
        raw = sum(samples.nbytes for samples in records)
        a, b = seconds["(a) HDF5, gzip-4"], seconds["(b) numpy.memmap"]
        print(f"\n{title}\n")
        print("| reader | ms per window | speed / (a) | speed / (b) | bytes / raw int16 |")
        print("|---|---|---|---|---|")
        for name, (_, nbytes) in made.items():
            s = seconds[name]
            print(f"| {name} | {1e3 * s:.3f} | {a / s:.2f} | {b / s:.3f} | {nbytes / raw:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds ptbxl-500")
    parser.add_argument("--rounds", type=int, default=40, help="rounds of 25 windows")
    args = parser.parse_args()
    records = load(args.data)
    print(f"{len(records)} records of PTB-XL at 500 Hz, 12 leads, 10-s windows, float32 mV, {os.cpu_count()}-core CPU")
    table("Records as they are, 10 s each", records, args.rounds)
    signal = np.concatenate(records, axis=1)
    ten_minutes = 60 * N_TIMES
    joined = [signal[:, i : i + ten_minutes] for i in range(0, signal.shape[1] - ten_minutes + 1, ten_minutes)]
    table("The same signals joined into recordings of 10 minutes, random onsets", joined, args.rounds)


if __name__ == "__main__":
    main()
