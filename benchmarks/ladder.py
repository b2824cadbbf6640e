"""The ladder: what each part of an encoder's recipe adds, trained and scored rung by rung.

    OMP_NUM_THREADS=1 python benchmarks/ladder.py benchmarks/ladders/ecg.yaml --pool pool --shards shards --out ladder

Each rung has some minutes of training on shards of the pool below `--pool`, its seeds side by side in processes of
one thread, and is read frozen on tasks of `biosig bench`, whose shards lie below `--shards`. What is done is not done
again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch

from biosig import config as configuration
from biosig.bench.conditions import read_as_named, setting_of
from biosig.bench.config import BenchConfig, BenchTask, read_bench
from biosig.bench.scores import Judge
from biosig.downstream.baseline import MODEL
from biosig.downstream.data.task import open_model
from biosig.downstream.experiments.probe import score_rows
from biosig.models.readouts import Pooling
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.loop import pretrain
from biosig.pretrain.target_tables import load_targets, target_names
from biosig.pretrain.windows import load_windows
from biosig.publishing import whole_file
from biosig.text_files import read_yaml

TRIED = 30
"""Steps by which the speed is measured, after as many to warm up."""


@dataclass(frozen=True)
class Rung:
    """One row of the table.

    Parameters
    ----------
    title : str
        What it adds.
    model : str
        Preset.
    pooling : str, optional
        Readout; None = the one that the preset names.
    pretrain : dict
        Keys of `biosig.pretrain.config.PretrainConfig` over those of the ladder; none = random weights.
    minutes : float
        Of training, on one thread.
    steps : int, optional
        In place of the minutes.
    """

    title: str
    model: str = "biosig-fused-tiny"
    pooling: Pooling | None = None
    pretrain: dict[str, Any] = field(default_factory=dict)
    minutes: float = 15.0
    steps: int | None = None


@dataclass(frozen=True)
class Ladder:
    """A ladder of one modality.

    Parameters
    ----------
    tasks : list of str
        Of the bench.
    rungs : list of Rung
        From the ground.
    pretrain : dict
        Keys that all rungs share; `shards` of their sources lie below the pool.
    parts : dict of str to str
        Title → query: the people of a column of the table, who are folded by themselves. None = everybody.
    seeds : int
        Draws of weights and of training.
    """

    tasks: list[str]
    rungs: list[Rung]
    pretrain: dict[str, Any]
    parts: dict[str, str | None] = field(default_factory=lambda: {"everybody": None})
    seeds: int = 2


@dataclass(frozen=True)
class Place:
    """Folders of a ladder."""

    out: Path
    pool: Path
    bench: BenchConfig


def main() -> None:
    """Climb, and print the table after each rung."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--pool", type=Path, required=True, help="folder with shards of the pool")
    parser.add_argument("--shards", type=Path, required=True, help="folder with shards of the bench")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, help="a rung, in place of those of the file")
    parser.add_argument("--bench", type=Path, default=Path("configs/bench"))
    args = parser.parse_args()
    ladder = configuration.load(Ladder, read_yaml(args.config))
    bench = read_bench(args.bench, [f"shards={args.shards}", f"out={args.out}"])
    place = Place(args.out / args.config.stem, args.pool, bench)
    place.out.mkdir(parents=True, exist_ok=True)
    done: list[Rung] = []
    with ProcessPoolExecutor(ladder.seeds, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for rung in ladder.rungs:
            rung = replace(rung, minutes=args.minutes or rung.minutes)
            measure(ladder, rung, place)
            n_steps = steps_of(ladder, rung, place)
            climbing = [pool.submit(climb, ladder, rung, seed, n_steps, place) for seed in range(ladder.seeds)]
            for seed in climbing:
                seed.result()
            done.append(rung)
            print(table(ladder, done, place), flush=True)


def run_of(ladder: Ladder, rung: Rung, seed: int, n_steps: int, out: Path, pool: Path) -> PretrainConfig:
    """The pretraining of a rung."""
    values = {**ladder.pretrain, **rung.pretrain}
    sources = [{**source, "shards": str(pool / source["shards"])} for source in values["sources"]]
    values |= {"model": rung.model, "seed": seed, "steps": n_steps, "out": str(out), "sources": sources}
    return configuration.load(PretrainConfig, values)


def measure(ladder: Ladder, rung: Rung, place: Place) -> None:
    """Measure the targets of a rung once, before its seeds start together."""
    if rung.pretrain:
        run = run_of(ladder, rung, 0, 1, place.out / rung.title, place.pool)
        load_targets(run, load_windows(run)[0], target_names(run))


def steps_of(ladder: Ladder, rung: Rung, place: Place) -> int:
    """Steps that a rung's minutes have room for, by the clock of one process of one thread; measured once."""
    if not rung.pretrain or rung.steps is not None:
        return rung.steps or 0
    path = place.out / f"{rung.title}.json"
    if not path.exists():
        torch.set_num_threads(1)
        ends: list[float] = []
        with TemporaryDirectory(dir=place.out) as folder:
            run = run_of(ladder, rung, 0, 2 * TRIED, Path(folder) / "run", place.pool)
            pretrain(replace(run, validation=0.0), lambda *_: ends.append(time.process_time()))
        seconds = (ends[-1] - ends[TRIED - 1]) / (len(ends) - TRIED)
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps({"steps": round(60 * rung.minutes / seconds), "seconds": seconds}))
    return int(json.loads(path.read_text())["steps"])


def climb(ladder: Ladder, rung: Rung, seed: int, n_steps: int, place: Place) -> None:
    """Train one seed of a rung, and predict every task's people by its frozen vectors."""
    folder = place.out / rung.title / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    weights = rung.model
    if rung.pretrain:
        weights = str(pretrain(run_of(ladder, rung, seed, n_steps, folder / "run", place.pool)))
    for name in ladder.tasks:
        for part, query in ladder.parts.items():
            path = folder / f"{name}, {part}.parquet"
            if path.exists():
                continue
            task = replace(place.bench.tasks[name], query=query or place.bench.tasks[name].query)
            model = open_model(weights, seed, "cpu")
            bench = replace(place.bench, model=weights, seed=0)
            bench = replace(bench, pooling=rung.pooling) if rung.pooling else read_as_named(bench, [model])
            setting = setting_of(bench, task)
            found = score_rows(setting.probe, setting.task, model, setting.parts, [MODEL]).predictions
            with whole_file(path) as temporary:
                found.assign(method=rung.title, seed=seed).to_parquet(temporary, index=False)


def table(ladder: Ladder, rungs: list[Rung], place: Place) -> str:
    """Scores of the rungs, mean over seeds, and what each adds to the one before, with 95 % intervals over people."""
    head = ["rung", "steps"] + [f"{name}, {part}" for name in ladder.tasks for part in ladder.parts]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    judges = {key: _judge(ladder, rungs, place, *key) for key in [(n, p) for n in ladder.tasks for p in ladder.parts]}
    for number, rung in enumerate(rungs):
        cells = [rung.title, str(steps_of(ladder, rung, place))]
        for judge in judges.values():
            of = judge.rows[rung.title].interval
            cell = f"{of.value:.3f} ({of.low:.3f} to {of.high:.3f})"
            if number:
                gain = judge.gain(rung.title, rungs[number - 1].title)
                low, high = gain.bounds()
                cell += f"; {gain.value:+.3f} ({low:+.3f} to {high:+.3f})"
            cells.append(cell)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _judge(ladder: Ladder, rungs: list[Rung], place: Place, name: str, part: str) -> Judge:
    task: BenchTask = place.bench.tasks[name]
    paths = [place.out / r.title / str(s) / f"{name}, {part}.parquet" for r in rungs for s in range(ladder.seeds)]
    return Judge(task, pd.concat(map(pd.read_parquet, paths), ignore_index=True), place.bench.n_bootstrap, 0)


if __name__ == "__main__":
    main()
