"""Run every benchmark in turn: `make bench DATA=DIR`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "shard_reads.py",
    "loader.py",
    "index_scale.py",
    "long_windows.py",
    "packing.py",
    "bootstrap_speed.py",
    "probe_quality.py",
    "ingest_throughput.py",
)


def main() -> None:
    """Run each script with the same --data; stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with ptbxl-500/, eegmmidb/, eegmat/ and bidmc/"
    )
    data = parser.parse_args().data
    for script in SCRIPTS:
        print(f"\n## {script}\n", flush=True)
        subprocess.run([sys.executable, Path(__file__).with_name(script), "--data", data], check=True)


if __name__ == "__main__":
    main()
