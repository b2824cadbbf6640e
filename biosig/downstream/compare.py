"""Result folders side by side, and the difference of those that were tested on the same people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated

import pandas as pd
import tyro
from rich.console import Console
from rich.table import Table

from biosig.csv_table import write_csv
from biosig.downstream.rating import differences
from biosig.downstream.saved import SavedResult, open_result
from biosig.errors import UsageError
from biosig.plots.scores import headline_metrics


@dataclass(frozen=True)
class Comparison:
    """Several runs in one table.

    Parameters
    ----------
    table : DataFrame
        A row per run and metric: run, task, model, metric, value, low, high, n_subjects, split and tested (the first
        eight digits of the hashes of splits.json and of the tested windows with their truth).
    differences : DataFrame
        A row per metric of each run that was tested on what an earlier run was: run, minus (the first such run),
        metric, value, low, high; drawn in pairs.
    notes : list of str
        Which runs cannot be subtracted, and what differs between those that can.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    notes: list[str]


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Put result folders into one table, and subtract those with equal test rows.

    Parameters
    ----------
    folders : sequence of str or Path
        Of probes and fine-tunings, 2 to 26.

    Raises
    ------
    UsageError
        If there are fewer than two, one is given twice, or one is no result folder.
    """
    names = [str(folder).rstrip("/") for folder in folders]
    if len(set(names)) < len(names) or not 2 <= len(names) <= len(ascii_uppercase):
        raise UsageError(f"{len(set(names))} result folders are given: name 2 to {len(ascii_uppercase)} that differ.")
    runs = dict(zip(names, map(open_result, folders), strict=True))
    table = pd.concat([_rows(name, run) for name, run in runs.items()], ignore_index=True)
    first_with: dict[str, str] = {}
    parts, notes = [], []
    for name, run in runs.items():
        earlier = first_with.setdefault(run.test_rows, name)
        if earlier != name:
            parts.append(_difference(run, runs[earlier]).assign(run=name, minus=earlier))
            notes += _what_differs(name, run, earlier, runs[earlier])
        elif len(first_with) > 1:
            notes.append(
                f"{name} was tested on other windows or another truth than {names[0]}, so their scores cannot be "
                "subtracted."
            )
    columns = ["run", "minus", "metric", "value", "low", "high"]
    together = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return Comparison(table, together, notes)


def _rows(name: str, run: SavedResult) -> pd.DataFrame:
    """The model's scores."""
    own = run.scores[run.scores["method"] == "model"]
    facts = {"run": name, "task": run.target.title, "model": run.metrics["model"]}
    hashes = {"split": str(run.splits.get("sha256", ""))[:8], "tested": run.test_rows[:8]}
    shown = own[["metric", "value", "low", "high", "n_subjects"]].assign(**facts, **hashes)
    return shown[[*facts, "metric", "value", "low", "high", "n_subjects", *hashes]]


def _difference(run: SavedResult, other: SavedResult) -> pd.DataFrame:
    """The model of `run` minus the model of `other`, whose rows are brought to one order."""
    own, others = (_ordered(result).assign(method=name) for result, name in ((run, "model"), (other, "other")))
    return differences(pd.concat([own, others], ignore_index=True), run.scoring)


def _ordered(run: SavedResult) -> pd.DataFrame:
    rows = run.predictions[run.predictions["method"] == "model"]
    rows = rows if "seed" in rows else rows.assign(seed=0)
    return rows.sort_values(["seed", "recording", "onset"], kind="stable", ignore_index=True)


def _what_differs(name: str, run: SavedResult, earlier: str, other: SavedResult) -> list[str]:
    """What a reader of the difference must know."""
    notes = []
    if run.splits.get("sha256") != other.splits.get("sha256"):
        notes.append(
            f"{name} and {earlier} were tested on the same windows in different folds: their difference is also one of "
            "who they were fitted on."
        )
    if run.metrics["shards_hash"] != other.metrics["shards_hash"]:
        notes.append(f"{name} and {earlier} read different shards of the same windows.")
    return notes


def compare_verb(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], *, out: Path | None = None) -> int:
    """Put result folders side by side, with the paired difference of those that were tested on the same people.

    Parameters
    ----------
    runs : tuple of Path
        Result folders of probe and finetune, two or more.
    out : Path, optional
        Write the scores, with all metrics, as CSV.

    Returns
    -------
    int
        Exit status.
    """
    found = compare(runs)
    if out is not None:
        write_csv(found.table, out)
    print_comparison(found, Console())
    return 0


def print_comparison(found: Comparison, console: Console) -> None:
    """Print which run is which, and a table of headline metrics for those that were tested on the same people."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    letters = dict(zip(found.table["run"].unique(), ascii_uppercase, strict=False))
    for run, rows in found.table.groupby("run", sort=False):
        first = rows.iloc[0]
        hashes = f"split {first['split']}, tested rows {first['tested']}"
        say(f"{letters[run]}: {run} ({first['model']}, {first['n_subjects']} people, {hashes})")
    metrics = headline_metrics(found.table)
    for (task, _), rows in found.table.groupby(["task", "tested"], sort=False):
        scores = {letters[run]: of_run for run, of_run in rows.groupby("run", sort=False)}
        paired = found.differences[found.differences["run"].isin(rows["run"])].groupby(["run", "minus"], sort=False)
        leads = {f"{letters[run]} − {letters[minus]}": lead for (run, minus), lead in paired}
        shown = Table("metric", *scores, *leads, title=task, caption="value, 95 % interval over people")
        for metric in [name for name in metrics if name in set(rows["metric"])]:
            cells = [_cell(of_run, metric, "") for of_run in scores.values()]
            shown.add_row(metric, *cells, *(_cell(lead, metric, "+") for lead in leads.values()))
        console.print(shown)
    for note in found.notes:
        say(f"- {note}")


def _cell(rows: pd.DataFrame, metric: str, sign: str) -> str:
    row = rows.set_index("metric").loc[metric]
    return f"{row['value']:{sign}.3f}\n{row['low']:{sign}.3f} to {row['high']:{sign}.3f}"
