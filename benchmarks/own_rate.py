"""Heart rate by the encoder's own head, on the windows of the bench: error of each person, averaged.

    OMP_NUM_THREADS=1 python benchmarks/own_rate.py MODEL [MODEL …] --shards shards

Each MODEL is a folder whose heads tell `head.ppg.heart_rate`, such as a run of the ladder with the term `rate` leaves.
The interval is over people, 10,000 draws.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

import biosig
from biosig.bench.conditions import setting_of
from biosig.bench.config import read_bench
from biosig.downstream.data.picked_channels import pick_channels
from biosig.evaluate.intervals import bootstrap_counts


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--shards", type=Path, required=True, help="folder with shards of the bench")
    parser.add_argument("--bench", type=Path, default=Path("configs/bench"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    bench = read_bench(args.bench, [f"shards={args.shards}", "out=unused"])
    task = bench.tasks["bidmc-heart-rate"]
    opened = setting_of(bench, task).task
    windows = pick_channels(opened.labelled.windows, task.channels)
    for folder in args.models:
        table = biosig.embed(biosig.load_model(folder), windows, heads=True).to_pandas()
        if len(table) != len(opened.subjects):
            raise SystemExit(f"{folder} reads {len(table)} of {len(opened.subjects)} windows: it needs all of them.")
        error = np.abs(table["head.ppg.heart_rate"].to_numpy() - opened.labelled.y)
        people = np.array([error[opened.subjects == person].mean() for person in np.unique(opened.subjects)])
        low, high = np.quantile(bootstrap_counts(len(people), 10_000, 0) @ people / len(people), [0.025, 0.975])
        interval = f"{people.mean():.2f} ({low:.2f} to {high:.2f}) beats/min"
        print(f"{folder}: {interval}, median person {np.median(people):.2f}")


if __name__ == "__main__":
    main()
