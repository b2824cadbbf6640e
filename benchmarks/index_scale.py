"""A hundred thousand ECGs in an index: what opening it takes, and whether a random window still costs the same.

Ten-second 12-lead records, made by repeating PTB-XL's at 100 Hz, each with its own least-bit noise, subject, labels and
report, go into shards of 4,096. Everything is measured in fresh processes: opening the index (time, memory beyond the
imports, torch absent), then random windows, cold and warm, as a user reads them (`ds[i].read`) and as the loader does.
A small collection fits into the processor's cache and a large one does not, whatever the index costs; so windows are
also read with that cache emptied before each.

    OMP_NUM_THREADS=1 python benchmarks/index_scale.py --data DIR     # DIR holds ptbxl-500/records100; about 4 minutes
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import biosig
from biosig.shards import ShardWriter, build_index
from biosig.signal import robust_scale

SHARD_RECORDINGS = 4096
LABELS = ("NORM", "MI", "STTC", "CD", "HYP")

MEASURE = """
import json, sys, time
import numpy as np
import biosig
from biosig.shards import dataset  # what opening needs is imported before the clock starts
import pandas, pyarrow.parquet

def rss():
    with open("/proc/self/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) / 1024

before, begin = rss(), time.perf_counter()
ds = biosig.open_shards(sys.argv[1])
length = len(ds)
seconds, memory = time.perf_counter() - begin, rss() - before
rows = np.random.default_rng(0).integers(0, length, 12_000)
onsets = np.random.default_rng(1).uniform(0, 5, len(rows)).round(2)

scratch = np.zeros(16_000_000)  # larger than the processor's cache

def read(way, which, emptied=False):
    times = []
    for row, onset in zip(rows[which].tolist(), onsets[which].tolist()):
        if emptied:
            scratch.__iadd__(1)
        begin = time.perf_counter()
        getattr(ds[row], way)(onset, 5.0)
        times.append(time.perf_counter() - begin)
    return times

result = {"recordings": length, "open_s": seconds, "open_mb": memory, "torch": "torch" in sys.modules}
way = sys.argv[2]
result["first_ms"] = 1e3 * read(way, slice(0, 1))[0]
result["cold_us"] = 1e6 * float(np.mean(read(way, slice(1, 2_000))))
result["warm_us"] = 1e6 * float(np.median(read(way, slice(2_000, None))))
result["memory_after_mb"] = rss() - before
result["emptied_us"] = 1e6 * float(np.median(read(way, slice(2_000, 3_000), emptied=True)))
print(json.dumps(result))
"""


def make(data: Path, folder: Path, n: int) -> None:
    """Write `n` recordings and their index."""
    headers = sorted((data / "ptbxl-500" / "records100").rglob("*.hea"))
    if not headers:
        raise SystemExit(f"{data} holds no ptbxl-500/records100: give the folder that holds ptbxl-500.")
    real = [biosig.read(header) for header in headers]
    scales = [robust_scale(recording.streams[0].physical()) for recording in real]
    rng = np.random.default_rng(0)
    history = ("ecg: band-pass 0.5 – 100 Hz, zero phase", "ecg: resampled from 500 to 100 Hz")
    for first in range(0, n, SHARD_RECORDINGS):
        with ShardWriter(folder / f"{first // SHARD_RECORDINGS:05d}.h5", recipe={"name": "index_scale"}) as writer:
            for i in range(first, min(first + SHARD_RECORDINGS, n)):
                recording, scale = real[i % len(real)], scales[i % len(real)]
                (stream,) = recording.streams
                noise = rng.integers(0, 2, stream.samples.shape, np.int16)
                writer.add(
                    replace(
                        recording,
                        id=f"{i:07d}",
                        streams=[replace(stream, samples=stream.samples + noise)],
                        subject=biosig.Subject(f"{i // 3:016x}", float(rng.integers(18, 90)), "female"),
                        labels={"diagnosis": [LABELS[i % 5]], "fold": i % 10, "pacemaker": None},
                        report="sinusrhythmus linkstyp t abnormal in anterolateralen ableitungen",
                        robust_scale={"ecg": scale},
                        history=history,
                    )
                )
    build_index(folder)


def measure(folder: Path, way: str) -> dict[str, float]:
    """Open and read in a fresh process."""
    found = subprocess.run([sys.executable, "-c", MEASURE, folder, way], check=True, capture_output=True, text=True)
    return json.loads(found.stdout)


def main() -> None:
    """Make both collections, measure each way three times, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds ptbxl-500/records100")
    parser.add_argument("--recordings", type=int, default=100_000, help="recordings in the large collection")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folders = {n: Path(name) / str(n) for n in (1_000, args.recordings)}
        for n, folder in folders.items():
            folder.mkdir()
            begin = time.perf_counter()
            make(args.data, folder, n)
            print(f"{n:,} recordings made in {time.perf_counter() - begin:.0f} s", flush=True)
        print("\n| recordings | open (s) | memory, opened (MB) | torch imported | read by | first window (ms) ", end="")
        print("| next 2,000, mean (us) | warm, median (us) | warm, processor's cache emptied, median (us) ", end="")
        print("| memory, after 12,000 windows (MB) |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for way in ("read", "read_signals"):
            runs: dict[int, list[dict[str, float]]] = {n: [] for n in folders}
            for _ in range(3):
                for n, folder in folders.items():
                    runs[n].append(measure(folder, way))
            for n, found in runs.items():
                r = {key: float(np.median([run[key] for run in found])) for key in found[0]}
                print(
                    f"| {n:,} | {r['open_s']:.3f} | {r['open_mb']:.0f} | {'yes' if r['torch'] else 'no'} | {way} "
                    f"| {r['first_ms']:.1f} | {r['cold_us']:.0f} | {r['warm_us']:.0f} "
                    f"| {r['emptied_us']:.0f} | {r['memory_after_mb']:.0f} |"
                )


if __name__ == "__main__":
    main()
