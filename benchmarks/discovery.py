"""How long ingest takes to find the recordings below a folder: made WFDB records, 1,000 a folder.

python benchmarks/discovery.py [--recordings 50000]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from ingest.pipeline.discover import discover


def make(folder: Path, n: int) -> None:
    """`n` headers with a signal file each."""
    for number in range(n):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(exist_ok=True)
        name = f"r{number:06d}"
        (place / f"{name}.hea").write_text(f"{name} 1 100 10\n{name}.dat 16 200/mV 16 0 0 0 0 II\n")
        (place / f"{name}.dat").write_bytes(bytes(20))


def main() -> None:
    """Measure what the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        make(Path(temporary), args.recordings)
        os.sync()
        wall, cpu = [], []
        for _ in range(args.rounds):
            begins = time.perf_counter(), time.process_time()
            found = discover([Path(temporary)])
            wall.append(time.perf_counter() - begins[0])
            cpu.append(time.process_time() - begins[1])
            assert len(found.items) == args.recordings
    print(
        f"{args.recordings:,} recordings found in {np.median(wall):.1f} s (processor {np.median(cpu):.1f} s), medians"
    )
    print(f"of {args.rounds}: {', '.join(f'{seconds:.1f}' for seconds in wall)}")


main()
