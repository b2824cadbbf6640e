"""Baselines that learn from labels alone, on the tasks of configs/tasks/: networks from scratch, features, rules.

Each set is ingested once, as `real_tasks.py` does; each task is probed as its configuration says, with the baselines
below and their usual budget. Interrupted, it goes on after the last fold that was fitted.

    python benchmarks/supervised.py --data DIR [--only NAME …] [--baselines NAME …] [--minutes N]

DIR holds ptbxl-500/, bidmc/ and eegmmidb/.
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from pathlib import Path

import torch
from real_tasks import CONFIGS, shards_of

from biosig import config as configuration
from biosig.downstream.probe import ProbeConfig, run_probe
from biosig.plots.scores import headline_metrics

ECG = ("chance", "handmade", "features_network", "ecg_network")
TASKS = {
    "ptbxl-superclasses": (ECG, ()),
    "ptbxl-sex": (ECG, ()),
    "ptbxl-age": (ECG, ()),
    "bidmc-heart-rate": (("chance", "heart_rate", "handmade", "features_network", "ppg_network"), ("channels=[ppg]",)),
    "eegmmidb-rest-imagery": (("chance", "handmade", "features_network", "shallow", "eeg_network"), ()),
}
"""Baselines, and further settings, of each task."""


def main() -> None:
    """Run the tasks one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--work", type=Path, default=Path("runs/supervised"))
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--baselines", nargs="+", help="of those of each task; default all")
    parser.add_argument("--minutes", type=float, default=5.0, help="that one fit of a network may take")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # random weights: the notes say so
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    for task in args.only:
        began = time.perf_counter()
        baselines, settings = TASKS[task]
        chosen = [name for name in baselines if args.baselines is None or name in args.baselines]
        shards = shards_of(task.split("-")[0], args.data, args.work)
        out = args.work / "results" / "-".join((task, *chosen))
        values = [*settings, "model=biosig-tiny", f"shards={shards}", f"out={out}", "device=cpu", "layer=-1"]
        values += [f"baselines=[{','.join(chosen)}]", f"network_minutes={args.minutes}"]
        result = run_probe(configuration.load(ProbeConfig, CONFIGS / "tasks" / f"{task}.yaml", values))
        print(f"\n### {task}, {time.perf_counter() - began:.0f} s\n")
        metrics = headline_metrics(result.table)
        print(f"| method | {' | '.join(metrics)} |\n|---|{'---|' * len(metrics)}")
        for method, rows in result.table.groupby("method", sort=False):
            cells = {row.metric: f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})" for row in rows.itertuples()}
            print(f"| {method} | {' | '.join(cells[name] for name in metrics)} |")
        print("\n".join(f"- {note}" for note in result.notes if "network" in note), flush=True)


if __name__ == "__main__":
    main()
