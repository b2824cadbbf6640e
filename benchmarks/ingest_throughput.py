"""Hours of signal per second: `biosig ingest` beside the plain loop that a researcher would write.

12-lead ECG: PTB-XL's records of 10 s at 500 Hz with configs/ingest/ecg.yaml. 19-channel EEG: the EDF files of EEGMAT,
each repeated to ten minutes or more, at 500 Hz with configs/ingest/eeg.yaml. The loop reads with wfdb or MNE, filters
to the same band and resamples to the same rate with MNE's defaults, and writes one gzip dataset of float32 per record
with h5py; it keeps no checksums, names, positions or validity.

First on one core, in interleaved rounds; then the ingest with one worker and with two, each run in a process of its
own, the start of its workers included. Every file goes in several times, as links in several folders: a hospital's
ingest lasts hours, and one that is over in seconds is mostly the start of its workers.

    python benchmarks/ingest_throughput.py --data DIR   # DIR holds ptbxl-500/records500 and eegmat
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is imported, here and in the workers: one core is one core

import h5py
import mne
import numpy as np
import wfdb
from numpy.typing import NDArray

from biosig.config import load
from ingest.pipeline.batch import Job
from ingest.pipeline.discover import discover
from ingest.pipeline.run import ingest_items
from ingest.preprocess.recipe import Recipe
from ingest.privacy.pseudonyms import Pseudonyms

CONFIGS = Path(__file__).parents[1] / "configs" / "ingest"
EEG_CHANNELS = 19
EEG_SECONDS = 600
COPIES = {"12-lead ECG": (4, 32), "19-channel EEG": (2, 16)}
"""Of the files: for the runs on one core, and for those with workers."""

Loop = Callable[[Path], Iterator[NDArray[np.float64]]]


def plain_ecg(folder: Path) -> Iterator[NDArray[np.float64]]:
    """What `ecg.yaml` asks for, with wfdb and MNE."""
    for header in sorted(folder.rglob("*.hea")):
        record = wfdb.rdrecord(str(header.with_suffix("")))
        x = mne.filter.filter_data(record.p_signal.T, record.fs, 0.5, 100)
        yield mne.filter.resample(x, up=250, down=record.fs)


def plain_eeg(folder: Path) -> Iterator[NDArray[np.float64]]:
    """What `eeg.yaml` asks for, with MNE."""
    for path in sorted(folder.rglob("*.edf")):
        raw = mne.io.read_raw_edf(path, preload=True)
        x = mne.filter.filter_data(raw.get_data(), raw.info["sfreq"], 0.5, 99.5)
        yield mne.filter.resample(x, up=200, down=raw.info["sfreq"])


def run_plain(loop: Loop, folder: Path) -> float:
    """Seconds that the loop takes over a folder."""
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        with h5py.File(Path(out) / "plain.h5", "w") as file:
            for i, x in enumerate(loop(folder)):
                file.create_dataset(str(i), data=x.astype(np.float32), compression="gzip")
        return time.perf_counter() - begin


def run_ingest(recipe: Recipe, folder: Path, workers: int) -> tuple[float, float]:
    """Seconds that the ingest takes over a folder, and hours of signal in it."""
    with tempfile.TemporaryDirectory() as out:
        job = Job(Path(out) / "shards", recipe, Pseudonyms(b"benchmark" * 4))
        begin = time.perf_counter()
        result = ingest_items(discover([folder]), job, workers=workers)
        seconds = time.perf_counter() - begin
    assert not result.failures, result.failures[0].sentence
    return seconds, result.seconds / 3600


def in_new_process(recipe: Recipe, folder: Path, workers: int) -> tuple[float, float]:
    """`run_ingest` where no worker was started before."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run_ingest, recipe, folder, workers).result()


def make_ecg(data: Path, folder: Path) -> Path:
    """PTB-XL's 500-Hz records."""
    return Path(shutil.copytree(data / "ptbxl-500" / "records500", folder / "ecg"))


def make_eeg(data: Path, folder: Path) -> Path:
    """EEGMAT's first 19 channels, each file's data records repeated; EDF stores each record's channels in a row."""
    out = folder / "eeg"
    out.mkdir()
    for path in sorted((data / "eegmat").rglob("*.edf")):
        content = path.read_bytes()
        n_signals, n_records = int(content[252:256]), int(content[236:244])
        fields, at = [], 256
        for width in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
            fields.append(content[at : at + EEG_CHANNELS * width])
            at += n_signals * width
        n_samples = [int(content[at - n_signals * 40 + 8 * i :][:8]) for i in range(n_signals)]
        records = np.frombuffer(content[at:], "<i2").reshape(n_records, sum(n_samples))
        kept = records[:, : sum(n_samples[:EEG_CHANNELS])].tobytes()
        times = -(-EEG_SECONDS // n_records)  # the records last one second
        head = content[:184] + f"{256 * (EEG_CHANNELS + 1):<8}{'':<44}{n_records * times:<8}".encode()
        head += content[244:252] + f"{EEG_CHANNELS:<4}".encode() + b"".join(fields)
        (out / path.name).write_bytes(head + kept * times)
    return out


def copies(folder: Path, n: int) -> Path:
    """A folder with `n` copies of another, as links."""
    out = folder.with_name(f"{folder.name}-{n}")
    for i in range(n):
        shutil.copytree(folder, out / str(i), copy_function=os.link)
    return out


def cores() -> list[int]:
    """The cores that this process may use; none where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def confine(to: list[int]) -> None:
    """Keep this process and those that it starts to the given cores, where the system can."""
    if to:
        os.sched_setaffinity(0, to)


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ptbxl-500/ and eegmat/")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    mne.set_log_level("error")
    with tempfile.TemporaryDirectory() as scratch:
        tasks = {
            "12-lead ECG": (make_ecg(arguments.data, Path(scratch)), load(Recipe, CONFIGS / "ecg.yaml"), plain_ecg),
            "19-channel EEG": (make_eeg(arguments.data, Path(scratch)), load(Recipe, CONFIGS / "eeg.yaml"), plain_eeg),
        }
        print("| one core | hours | plain loop (h/s) | ingest (h/s) | times faster |\n|---|---|---|---|---|")
        every_core = cores()
        confine(every_core[:1])
        for name, (folder, recipe, loop) in tasks.items():
            many = copies(folder, COPIES[name][0])
            plain, ours, hours = [], [], 0.0
            for i in range(arguments.rounds + 1):
                slow, (fast, hours) = run_plain(loop, many), run_ingest(recipe, many, workers=1)
                if i:  # the first round warms caches
                    plain.append(slow)
                    ours.append(fast)
            a, b = np.median(plain), np.median(ours)
            print(f"| {name} | {hours:.2f} | {hours / a:.3f} | {hours / b:.3f} | {a / b:.2f} |", flush=True)
        print("\n| ingest | hours | 1 worker (h/s) | 2 workers (h/s) | times faster |\n|---|---|---|---|---|")
        confine(every_core[:2])
        for name, (folder, recipe, _) in tasks.items():
            many = copies(folder, COPIES[name][1])
            rounds = [[in_new_process(recipe, many, n) for n in (1, 2)] for _ in range(arguments.rounds)]
            hours = rounds[0][0][1]
            a, b = (float(np.median([r[n][0] for r in rounds])) for n in (0, 1))
            print(f"| {name} | {hours:.1f} | {hours / a:.3f} | {hours / b:.3f} | {a / b:.2f} |", flush=True)


if __name__ == "__main__":
    main()
