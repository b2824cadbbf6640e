"""What fine-tuning is worth on seven people: a table beside networks from scratch, tangent space and chance.

EEGMMIDB, run R04 (imagined movement of the left or the right fist), nine channels over the motor cortex, 4 s from each
cue; two tasks: left against right, and rest against imagery. Leave-one-subject-out; of the six others, two choose the
epoch. Three seeds, each (task, seed) in a process of its own with one thread.

Give a pretrained model with --model; without it the preset biosig-small starts from random weights, and the notes say
so. The settings are chosen to end in about half an hour on two cores, not to reach the best scores: nine channels
instead of 64, and few passes of the encoder.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import biosig
from biosig import config as configuration
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.results.scores import rate
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index

CHANNELS = ("FC3", "FCz", "FC4", "C3", "Cz", "C4", "CP3", "CPz", "CP4")
TASKS = {
    "left against right": {"left": ["T1"], "right": ["T2"]},
    "rest against imagery": {"rest": ["T0"], "imagery": ["T1", "T2"]},
}
BASELINES = ("chance", "from_scratch", "handmade", "eegnet", "shallow", "tangent")
SEEDS = (0, 1, 2)


def write_shards(data: Path, out: Path) -> None:
    """Run R04 of every subject, with the nine channels."""
    if (out / "index.parquet").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    with ShardWriter(out / "eegmmidb.h5", recipe={"channels": list(CHANNELS)}) as writer:
        for path in sorted(data.rglob("S*R04.edf")):
            recording = biosig.read(path)
            (stream,) = [s for s in recording.streams if any(c.name in CHANNELS for c in s.channels)]
            rows = [row for row, channel in enumerate(stream.channels) if channel.name in CHANNELS]
            writer.add(replace(recording, streams=[stream.pick(rows)], subject=Subject(path.stem[:4])))
    build_index(out)


def settings(args: argparse.Namespace, shards: Path, task: str, seed: int) -> FineTuneConfig:
    """One task with one seed."""
    values: dict[str, Any] = {
        "model": args.model,
        "shards": str(shards),
        "target": {"events": TASKS[task]},
        "windows": {"before": 0.0, "after": 4.0},
        "split": {"folds": "subjects", "validation": 0.34},
        "pooling": "attention",
        "probe": {"lr": 5e-3, "epochs": 30, "warmup": 3, "patience": 8, "batch_size": 16, "mixup": False},
        "tune": {"lr": 5e-4, "epochs": args.tune_epochs, "warmup": 1, "patience": 3, "batch_size": 16},
        "scratch": {"lr": 5e-4, "epochs": args.scratch_epochs, "warmup": 1, "patience": 3, "batch_size": 16},
        "network_stage": {"lr": 2e-3, "epochs": 25, "warmup": 1, "patience": 8, "dropout": 0.5, "batch_size": 16},
        "baselines": list(BASELINES),
        "seeds": [seed],
        "device": "cpu",
    }
    return configuration.load(FineTuneConfig, values)


def run(config: FineTuneConfig) -> tuple[pd.DataFrame, list[str], float]:
    """Predictions, notes, and CPU seconds of one run."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    began = time.process_time()
    result = run_finetune(config)
    return result.predictions, result.notes, time.process_time() - began


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds eegmmidb/, or its files")
    parser.add_argument("--model", default="biosig-small", help="checkpoint folder, or a preset for random weights")
    parser.add_argument("--out", type=Path, default=Path("runs/finetune-eeg"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tune-epochs", type=int, default=3)
    parser.add_argument("--scratch-epochs", type=int, default=6)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    args = parser.parse_args()
    write_shards(args.data, args.out / "shards")
    jobs = {(t, s): settings(args, args.out / "shards", t, s) for s in args.seeds for t in reversed(args.tasks)}
    began = time.perf_counter()
    with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as pool:
        done = dict(zip(jobs, pool.map(run, jobs.values()), strict=True))
    wall = time.perf_counter() - began

    print(f"Model: {args.model}; {len(args.seeds)} seeds, seven subjects left out in turn, interval over subjects.\n")
    print("| task | method | balanced accuracy | between seeds (SD) | AUROC |\n|---|---|---|---|---|")
    for task in args.tasks:
        # Methods without anything random are the same in each run: one is enough.
        parts = [done[task, seed][0] for seed in args.seeds]
        again = [part[~part["method"].isin(["chance", "tangent"])] for part in parts[1:]]
        predictions = pd.concat([parts[0], *again], ignore_index=True)
        predictions.to_parquet(args.out / f"{task.replace(' ', '-')}.parquet", index=False)
        table, _ = rate(predictions, jobs[task, args.seeds[0]])
        for method, rows in table.groupby("method", sort=False):
            by = {row.metric: f"{row.value:.3f} ({row.low:.3f}–{row.high:.3f})" for row in rows.itertuples()}
            spread = rows["sd_seeds"].iloc[0]
            print(
                f"| {task} | {method} | {by['balanced_accuracy']} | "
                f"{'–' if spread != spread else f'{spread:.3f}'} | {by['auroc']} |"
            )
    for task in args.tasks:
        predictions, notes, _ = done[task, args.seeds[0]]
        print(f"\n{task}: {(predictions['method'] == 'model').sum()} windows.\n" + "\n".join(f"- {n}" for n in notes))
    print(f"\n{wall:.0f} s on {args.workers} processes, {sum(seconds for *_, seconds in done.values()):.0f} CPU s.")


if __name__ == "__main__":
    main()
