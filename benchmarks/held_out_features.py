"""Choice of a recipe without labels: how well features of people who were held out are read from frozen vectors.

    OMP_NUM_THREADS=1 python benchmarks/held_out_features.py runs/a runs/b --twins 2

Each argument is a run folder of `biosig pretrain`. Their validation people must be the same: equal sources, share and
seed. Each window's features, in deviations from the mean of the same person in the same source and clipped at four,
are predicted by ridge regression on the window's vector in such deviations, whose penalty and whose folds leave out
people (what is not measured is the mean there, and is not scored); the figure is the mean over columns of the share of
variance that is predicted (R²), with its range over the folds. Targets of different losses are so compared by one
measure, and no label is seen.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

import biosig
from biosig import config as configuration
from biosig.batches.windows import Windows
from biosig.models.model import Model
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.target_tables import load_targets
from biosig.pretrain.windows import load_windows
from biosig.text_files import read_yaml

PENALTIES = tuple(10.0**power for power in range(6))
FOLDS = 5
LARGEST = 4.0
MEASURED = 0.2
"""Share of the windows in which a column must be measured; the others are left out."""

Floats = NDArray[np.float64]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--twins", type=int, default=2, help="draws of random weights beside them")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", RuntimeWarning)  # of columns that a group does not have
    run = configuration.load(PretrainConfig, read_yaml(args.runs[0] / "config.yaml"))
    windows, wanted, group, person = held_out(run)
    print(f"{len(windows)} windows of {len(np.unique(person))} people, {wanted.shape[1]} columns\n")
    print("| weights | R² | of the folds |\n|---|---|---|", flush=True)
    for draw in range(args.twins):
        report(f"random, draw {draw}", biosig.build_model(run.model, seed=draw), windows, wanted, group, person)
    for folder in args.runs:
        report(folder.name, biosig.load_model(folder / "model"), windows, wanted, group, person)


def held_out(run: PretrainConfig) -> tuple[Windows, Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Windows of held-out people, their relative features (n, F), person in a source (n,), and person (n,)."""
    windows = load_windows(run)[1]
    targets = load_targets(run, windows, ["features"])
    assert targets.source is not None
    names = np.array([str(subject) for subject in windows.subjects])
    people = np.unique(names, return_inverse=True)[1]
    group = np.unique(np.column_stack((targets.source, people)), axis=0, return_inverse=True)[1]
    values = np.asarray(targets.values["features"], float)
    values = values[:, np.isfinite(values).mean(0) >= MEASURED]
    return windows, relative(values, group), group, people


def relative(values: Floats, group: NDArray[np.int64]) -> Floats:
    """Values (n, F) in deviations from the mean of their group, clipped."""
    values = values.copy()
    for number in np.unique(group):
        own = values[group == number]
        values[group == number] = (own - np.nanmean(own, 0)) / (np.nanstd(own, 0) + 1e-9)
    return values.clip(-LARGEST, LARGEST)


def report(
    name: str,
    model: Model,
    windows: Windows,
    wanted: Floats,
    group: NDArray[np.int64],
    person: NDArray[np.int64],
) -> None:
    """Print the row of one model."""
    table = biosig.embed(model, windows)
    vectors = np.array(table["vector"].to_pylist(), float)
    if len(vectors) != len(wanted):
        raise SystemExit(f"{name}: {len(vectors)} of {len(wanted)} windows have a vector; all must.")
    vectors = relative(vectors, group)
    scores = [explained(vectors, wanted, person, *fold) for fold in GroupKFold(FOLDS).split(vectors, groups=person)]
    print(f"| {name} | {np.mean(scores):.4f} | {min(scores):.4f} to {max(scores):.4f} |", flush=True)


def explained(
    x: Floats, y: Floats, person: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64]
) -> float:
    """Mean R² over columns in the test part, by the penalty that inner folds choose."""
    inner = list(GroupKFold(3).split(x[train], groups=person[train]))
    found = [np.mean([_r2(x[train], y[train], a, b, penalty) for a, b in inner]) for penalty in PENALTIES]
    return _r2(x, y, train, test, PENALTIES[int(np.argmax(found))])


def _r2(
    x: Floats, y: Floats, train: Sequence[int] | NDArray[np.int64], test: NDArray[np.int64], penalty: float
) -> float:
    predicted = Ridge(penalty).fit(x[train], np.nan_to_num(y[train])).predict(x[test])
    error, spread = np.nansum((y[test] - predicted) ** 2, 0), np.nansum(y[test] ** 2, 0)
    return float((1 - error[spread > 0] / spread[spread > 0]).mean())


if __name__ == "__main__":
    main()
