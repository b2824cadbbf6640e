"""Comparison of result folders in one table, with differences of those that were tested on the same people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import pandas as pd

from biosig.downstream.data.columns import truth_names
from biosig.downstream.results.result_folder import SavedResult, open_result
from biosig.downstream.results.scores import differences
from biosig.errors import UsageError


@dataclass(frozen=True)
class Comparison:
    """Several runs in one table.

    Parameters
    ----------
    table : DataFrame
        A row per run and metric: run, task, model, metric, value, low, high, n_subjects, split and tested (the first
        eight digits of the hashes of the parts and of the tested windows with their labels, both by content).
    differences : DataFrame
        A row per metric of each run that was tested on the same rows as an earlier run: run, minus (the first such
        run), metric, value, low, high; on the same resampled people.
    notes : list of str
        Runs that cannot be subtracted, and differences between those that can.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    notes: list[str]


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Put result folders into one table, and subtract those with equal test rows.

    Parameters
    ----------
    folders : sequence of str or Path
        Folders of probes and fine-tunings, 2 to 26.

    Raises
    ------
    UsageError
        If there are fewer than two, one is given twice, or one is not a result folder.
    """
    names = [str(folder).rstrip("/") for folder in folders]
    if len(set(names)) < len(names) or not 2 <= len(names) <= len(ascii_uppercase):
        raise UsageError(f"{len(set(names))} result folders are given: name 2 to {len(ascii_uppercase)} that differ.")
    runs = dict(zip(names, map(open_result, folders), strict=True))
    table = pd.concat([_rows(name, run) for name, run in runs.items()], ignore_index=True)
    first_with: dict[str, str] = {}
    parts, notes = [], []
    for name, run in runs.items():
        earlier = next((first_with[rows] for rows in run.test_rows if rows in first_with), name)
        first_with |= {rows: earlier for rows in run.test_rows if rows not in first_with}
        if earlier != name:
            parts.append(_difference(run, runs[earlier]).assign(run=name, minus=earlier))
            notes += _difference_notes(name, run, earlier, runs[earlier])
        elif name != names[0]:
            notes.append(
                f"{name} was tested on other windows or other labels than {names[0]}, so their scores cannot be "
                "subtracted."
            )
    columns = ["run", "minus", "metric", "value", "low", "high"]
    together = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return Comparison(table, together, notes)


def _rows(name: str, run: SavedResult) -> pd.DataFrame:
    """The model's scores of one run."""
    own = run.scores[run.scores["method"] == "model"]
    facts = {"run": name, "task": run.target.title, "model": run.metrics["model"]}
    hashes = {"split": run.split[:8], "tested": run.test_rows[0][:8]}
    shown = own[["metric", "value", "low", "high", "n_subjects"]].assign(**facts, **hashes)
    return shown[[*facts, "metric", "value", "low", "high", "n_subjects", *hashes]]


def _difference(run: SavedResult, other: SavedResult) -> pd.DataFrame:
    """The model of `run` minus the model of `other`, with the rows of both in one order."""
    by = ["content"] if run.test_rows[0] == other.test_rows[0] and len(run.test_rows) > 1 else ["recording"]
    own, others = (
        _ordered(result, [*by, "onset", *truth_names(run.target)]).assign(method=name)
        for result, name in ((run, "model"), (other, "other"))
    )
    identifiers = [name for name in ("recording", "subject", "content", "person") if name in own]
    n = len(own[own["seed"] == own["seed"].iloc[0]])
    others = others.drop(columns=["content", "person"], errors="ignore")
    # Rows of each seed are of the same windows.
    others[identifiers] = own[identifiers].iloc[np.arange(len(others)) % n].to_numpy()
    return differences(pd.concat([own, others], ignore_index=True), run.scoring)


def _ordered(run: SavedResult, by: list[str]) -> pd.DataFrame:
    rows = run.predictions[run.predictions["method"] == "model"]
    rows = rows if "seed" in rows else rows.assign(seed=0)
    return rows.sort_values(["seed", *by], kind="stable", ignore_index=True)


def _difference_notes(name: str, run: SavedResult, earlier: str, other: SavedResult) -> list[str]:
    """Remarks for the reader of a difference."""
    notes = []
    if run.split != other.split:
        notes.append(
            f"{name} and {earlier} were tested on the same windows in different folds, so their training people differ "
            "too."
        )
    if run.metrics["shards_hash"] != other.metrics["shards_hash"]:
        notes.append(f"{name} and {earlier} read different shards of the same windows.")
    return notes
