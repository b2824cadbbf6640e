"""Bench tables of a recipe over its pretraining seeds: the mean of the seeds' scores, each seed, and paired gains.

    python benchmarks/pretraining_seeds.py --controls runs/bench --run joint=runs/joint-0,runs/joint-1 --run ecg=runs/e

Every folder is one of `biosig bench` with the group "frozen". `--controls` holds the rows that no pretraining changes:
features, networks from scratch, rules. Scores of the seeds are averaged, on the same resampled people
(docs/evidence.md); gains are over the mean of three random twins, and over the first recipe named. The table of
decisions is of the people who decide, at Holm's levels over the five primary endpoints. Weights of single kinds of
signals are one recipe together: each task takes the folders that hold it, and `FOLDER:eeg+smni` is asked for tasks
that begin with these words alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from biosig import config as configuration
from biosig.bench.config import BenchConfig
from biosig.bench.scores import Gain, Judge, holm
from biosig.bench.tables import FEATURES, FUSED, TWIN, WITH_MODEL, WITH_TWIN, decided_on, predictions_of
from biosig.downstream.baseline import MODEL
from biosig.downstream.results.fusion import with_fused

OLD = "handmade-0.1"


class Seed(NamedTuple):
    """The bench of one pretraining seed, and the words that its tasks begin with."""

    bench: BenchConfig
    words: tuple[str, ...]

    def predictions(self, task: str) -> pd.DataFrame | None:
        """Predictions of a task; None where the bench does not hold it, or is not asked for it."""
        return predictions_of(self.bench, task) if task.startswith(self.words) else None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="append", required=True, help="NAME=BENCH,BENCH: a folder for each seed")
    parser.add_argument("--controls", type=Path, required=True)
    args = parser.parse_args()
    controls = opened(args.controls)
    runs = {
        name: [seed_of(path) for path in paths.split(",")] for name, _, paths in (r.partition("=") for r in args.run)
    }
    judges: dict[str, dict[str, Judge]] = {}
    deciding: dict[str, dict[str, Judge]] = {}
    for task in controls.tasks:
        for name, seeds in runs.items():
            rows = rows_of(seeds, controls, task)
            if rows is None:
                continue
            judges.setdefault(task, {})[name] = judge_of(controls, task, rows)
            if controls.tasks[task].primary:
                decided = next((of for seed in seeds if (of := decided_on(seed.bench, task)) is not None), None)
                kept = rows if decided is None else rows[rows["recording"].isin(decided)]
                deciding.setdefault(name, {})[task] = judge_of(controls, task, kept)
    print("\n".join([*scores(controls, judges), "", *decisions(deciding)]))


def seed_of(text: str) -> Seed:
    """The bench of one seed, from "FOLDER" or "FOLDER:eeg+smni"."""
    folder, _, words = text.partition(":")
    return Seed(opened(Path(folder)), tuple(words.split("+")))


def opened(folder: Path) -> BenchConfig:
    """The configuration of a finished bench, which names its folder."""
    return replace(configuration.load(BenchConfig, folder / "config.yaml"), out=folder)


def judge_of(config: BenchConfig, task: str, rows: pd.DataFrame) -> Judge:
    """The judge of a task, with the resamples of the bench."""
    return Judge(config.tasks[task], rows, config.n_bootstrap, config.seed)


def rows_of(seeds: Sequence[Seed], controls: BenchConfig, task: str) -> pd.DataFrame | None:
    """Predictions of a task: the model of each seed, the twin, the controls, and features fused with either."""
    found = [rows for seed in seeds if (rows := seed.predictions(task)) is not None]
    if not found:
        return None
    tables = [rows[rows["method"] == MODEL].assign(seed=number) for number, rows in enumerate(found)]
    tables.append(found[0][found[0]["method"] == TWIN])
    rest = predictions_of(controls, task)
    assert rest is not None
    own = {MODEL, TWIN, WITH_MODEL, WITH_TWIN}
    together = pd.concat([*tables, rest[~rest["method"].isin(own)]], ignore_index=True)
    return with_fused(together, FUSED, controls.tasks[task].target)


def scores(controls: BenchConfig, judges: dict[str, dict[str, Judge]]) -> list[str]:
    """Lines of the table of all tasks, on everybody."""
    lines = [
        "| task | weights | mean of the seeds | each seed | over the twin | over the first recipe | over the network "
        "from scratch | over features | over features of 0.1.0 | fused: weights − twin |",
        "|" + "---|" * 10,
    ]
    for task, by_name in judges.items():
        first = next(iter(by_name.values()))
        for name, judge in by_name.items():
            row = judge.rows[MODEL]
            each = [judge.metric.value(row.of.truth, row.of.values[..., s]) for s in range(row.of.values.shape[-1])]
            networks = [n for n in controls.tasks[task].networks if n in judge.rows]
            cells = [
                controls.tasks[task].title if judge is first else "",
                name,
                f"{row.value:.3f} ({row.interval.low:.3f} to {row.interval.high:.3f})",
                ", ".join(f"{value:.3f}" for value in each) if not controls.tasks[task].per_person else by_seed(judge),
                shown(judge.gain(MODEL, TWIN)),
                "" if judge is first else shown(across(judge, first)),
                "; ".join(f"{shown(judge.gain(MODEL, network))}" for network in networks[:1]),
                shown(judge.gain(MODEL, FEATURES)) if FEATURES in judge.rows else "",
                shown(judge.gain(MODEL, OLD)) if OLD in judge.rows else "",
                shown(judge.gain(WITH_MODEL, WITH_TWIN)) if WITH_MODEL in judge.rows else "",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    for name in dict.fromkeys(name for by_name in judges.values() for name in by_name):
        gains = [by_name[name].gain(MODEL, FEATURES) for by_name in judges.values() if name in by_name]
        units = np.array([gain.value / np.nanstd(gain.resampled) for gain in gains])
        half = 1.96 / np.sqrt(len(units))  # each has a standard error of 1 in this unit
        lines += ["", f"{name}, over features in standard errors, mean of {len(units)} tasks: {units.mean():+.2f} "]
        lines[-1] += f"({units.mean() - half:+.2f} to {units.mean() + half:+.2f}, as if tasks were independent)"
    return lines


def by_seed(judge: Judge) -> str:
    """Scores of each seed of a task that is scored person by person."""
    of, found = judge.rows[MODEL].of, []
    for seed in range(of.values.shape[-1]):
        people = pd.Series(of.subjects).groupby(of.subjects, sort=False).indices.values()
        found.append(sum(judge.metric.value(of.truth[own], of.values[own][..., seed]) for own in people) / len(people))
    return ", ".join(f"{value:.3f}" for value in found)


def across(judge: Judge, other: Judge) -> Gain:
    """Gain of one recipe over another, on the same resampled people."""
    sign = 1 if judge.metric.higher_is_better else -1
    one, two = judge.rows[MODEL], other.rows[MODEL]
    return Gain(sign * (one.value - two.value), sign * (one.resampled - two.resampled))


def shown(gain: Gain) -> str:
    """A gain with its 95 % interval."""
    low, high = gain.bounds()
    return f"{gain.value:+.3f} ({low:+.3f} to {high:+.3f})"


def decisions(deciding: dict[str, dict[str, Judge]]) -> list[str]:
    """Lines of the table of primary endpoints at Holm's levels."""
    lines = ["| weights | endpoint | gain over the twin | level | interval | clear of 0 |", "|" + "---|" * 6]
    for name, judges in deciding.items():
        table = holm({task: judge.gain(MODEL, TWIN, flips=True) for task, judge in judges.items()})
        for record in table.to_dict("records"):
            lines.append(
                f"| {name} | {record['endpoint']} | {record['gain']:+.3f} | {record['level']:.4f} | "
                f"{record['low']:+.4f} to {record['high']:+.4f} | {'yes' if record['above'] else 'no'} "
                f"(p {record['p_bootstrap']:.4f}, flips {record['p_sign_flip']:.4f}) |"
            )
    return lines


if __name__ == "__main__":
    main()
