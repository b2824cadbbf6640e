"""Peak memory of ingesting a day of EEG: 24 h, 64 channels, 200 Hz, made once by repeating a real recording.

    python benchmarks/long_recording.py --data DIR [--hours 24]

DIR holds eegmmidb/. Takes about 8 GB of disk in the system's folder for temporary files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import biosig
from biosig.signal import resample

CONFIGS = Path(__file__).parents[1] / "configs" / "ingest"
SFREQ = 200

RUN = """
import resource, sys
from biosig.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    sys.stderr.write(f"\\npeak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}\\n")
    sys.exit(end.code)
"""


def write_edf(source: Path, path: Path, hours: float) -> None:
    """An EDF file with data records of one second that repeat the recording at `source`."""
    (stream,) = biosig.read(source).streams
    step = 0.1  # uV
    values = np.rint(resample(stream.physical(), stream.sfreq, SFREQ) / step).astype("<i2")  # (C, T)
    n_chans, n_seconds = len(values), values.shape[1] // SFREQ
    records = values[:, : n_seconds * SFREQ].reshape(n_chans, n_seconds, SFREQ).transpose(1, 0, 2).tobytes()
    n_records = round(hours * 3600)

    def field(texts: list[str], width: int) -> bytes:
        return b"".join(text.encode().ljust(width) for text in texts)

    head = field(["0"], 8) + field(["X X X X", "Startdate X X X X"], 80) + field(["01.01.85", "00.00.00"], 8)
    head += (
        field([str(256 * (n_chans + 1))], 8) + b" " * 44 + field([str(n_records), "1"], 8) + field([str(n_chans)], 4)
    )
    head += field(stream.ch_names, 16) + b" " * 80 * n_chans + field(["uV"] * n_chans, 8)
    for limit in (-(2**15) * step, (2**15 - 1) * step, -(2**15), 2**15 - 1):
        head += field([f"{limit:g}"] * n_chans, 8)
    head += b" " * 80 * n_chans + field([str(SFREQ)] * n_chans, 8) + b" " * 32 * n_chans
    record_bytes = len(records) // n_seconds
    with path.open("wb") as file:
        file.write(head)
        for start in range(0, n_records, n_seconds):
            file.write(records[: min(n_seconds, n_records - start) * record_bytes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=24.0)
    options = parser.parse_args()
    source = sorted((options.data / "eegmmidb").glob("*R04.edf"))[0]
    print("| recipe | source (MB) | shards (MB) | seconds | peak memory (MB) | peak of verify (MB) |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        edf = Path(folder, "day.edf")
        write_edf(source, edf, options.hours)
        for recipe in ("native", "eeg"):
            out = Path(folder, recipe)
            begun = time.monotonic()
            words = [str(edf), "--out", str(out), "--recipe", str(CONFIGS / f"{recipe}.yaml"), "--workers", "1"]
            peak = run("ingest", *words)
            seconds = time.monotonic() - begun
            n_bytes = sum(path.stat().st_size for path in out.glob("*.h5"))
            sizes = f"{edf.stat().st_size / 1e6:.0f} | {n_bytes / 1e6:.0f}"
            print(f"| {recipe} | {sizes} | {seconds:.0f} | {peak} | {run('verify', str(out))} |", flush=True)


def run(*words: str) -> int:
    """Run a verb in a process of its own; its peak memory in MB."""
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return int(done.stderr.rsplit("peak", 1)[1])


if __name__ == "__main__":
    main()
