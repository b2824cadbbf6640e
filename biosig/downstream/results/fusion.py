"""Late fusion of two rows of a table: the mean of their standardised scores, without labels.

A fused row shows the information that a model adds to features. Scores of two methods have two scales, and the larger
log-odds would dominate the mean; so each is standardised before the mean is taken.

Shape letters: n tested windows of a fold, K classes or labels.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from biosig.errors import UsageError

if TYPE_CHECKING:
    from biosig.downstream.data.target_config import Target
    from biosig.evaluate.metrics import Floats, Kind

Pair = tuple[str, str]
"""Names of two rows of a table."""

SMALLEST = 1e-6
"""Smallest distance of probabilities to 0 and 1: trees and neighbours give both, with infinite log-odds."""

FLAT = 1e-9
"""Deviation of scores that differ by rounding alone."""


def fused_name(pair: Pair) -> str:
    """Name of the row of a pair: "handmade + model"."""
    return " + ".join(pair)


def check_pairs(pairs: Sequence[Pair], rows: Collection[str]) -> None:
    """Refuse pairs that do not fit a table with these rows.

    Raises
    ------
    UsageError
        If a row is absent, is paired with itself, or a pair is given twice.
    """
    for number, pair in enumerate(pairs):
        absent = [name for name in pair if name not in rows]
        if absent:
            raise UsageError(f"fuse names '{absent[0]}', which is not a row of this table; rows are {', '.join(rows)}.")
        if pair[0] == pair[1]:
            raise UsageError(f"fuse pairs '{pair[0]}' with itself: name two rows.")
        if any(set(pair) == set(other) for other in pairs[:number]):
            raise UsageError(f"fuse names {fused_name(pair)} twice: leave one out.")


def with_fused(predictions: pd.DataFrame, pairs: Sequence[Pair], target: Target) -> pd.DataFrame:
    """Add a row for each pair to a table of predictions.

    If one of two methods was run with several seeds, each run is fused with the only run of the other method.

    Parameters
    ----------
    predictions : DataFrame
        One row per method and tested window, with its `fold` (`ProbeResult.predictions`), and `seed` if there are
        several.
    pairs : sequence of tuple of str
        Pairs of methods in it.
    target : Target
        The prediction target.

    Raises
    ------
    UsageError
        As in `check_pairs`.
    """
    check_pairs(pairs, list(dict.fromkeys(predictions["method"])))
    tables = [predictions]
    for pair in pairs:
        first, second = (_runs(predictions[predictions["method"] == name]) for name in pair)
        n_runs = max(len(first), len(second))
        if {len(first), len(second)} - {1, n_runs}:
            raise UsageError(
                f"{fused_name(pair)} cannot be fused: they were run with {len(first)} and {len(second)} seeds."
            )
        for one, other in zip(first * (n_runs // len(first)), second * (n_runs // len(second)), strict=True):
            seed_rows = one if len(first) == n_runs else other  # the seed is that of the method with several
            tables.append(seed_rows.assign(method=fused_name(pair), **_columns(one, other, target)))
    return pd.concat(tables, ignore_index=True)


def fusion_note(pairs: Sequence[Pair]) -> list[str]:
    """Note for a table with fused rows; empty without pairs."""
    if not pairs:
        return []
    return [
        f"{' and '.join(map(fused_name, pairs))}: means of two rows (of log-odds, each standardised over the windows "
        "that are tested in its fold; of numbers as they are). No label is used, but a window's score depends on the "
        "other windows tested with it."
    ]


def fuse(one: Floats, other: Floats, kind: Kind) -> Floats:
    """Fuse the predictions of one fold's test part by two methods.

    Parameters
    ----------
    one, other : ndarray, shape (n, K) or (n,)
        Probabilities of classes or labels; or numbers; or risks.
    kind : {"classes", "multilabel", "number", "survival"}

    Returns
    -------
    ndarray, shape (n, K) or (n,)
        For numbers the mean. For other kinds each column's log-odds (risks as they are) are standardised by their mean
        and deviation over the n, averaged, and scaled to the mean of both means and deviations; those of classes then
        sum to 1 again.
    """
    if kind == "number":
        return (one + other) / 2
    if kind == "survival":
        return _mean_of_standardised(one, other)
    log_odds = (logit(np.clip(scores, SMALLEST, 1 - SMALLEST)) for scores in (one, other))
    scores = expit(_mean_of_standardised(*log_odds))
    return scores / scores.sum(axis=1, keepdims=True) if kind == "classes" else scores


def _mean_of_standardised(one: Floats, other: Floats) -> Floats:
    means, deviations = (np.stack([measure(x, axis=0) for x in (one, other)]) for measure in (np.mean, np.std))
    scores = [  # constant scores carry no information and become 0
        np.divide(x - mean, deviation, out=np.zeros_like(x), where=deviation > FLAT)
        for x, mean, deviation in zip((one, other), means, deviations, strict=True)
    ]
    return np.mean(scores, axis=0) * deviations.mean(axis=0) + means.mean(axis=0)


def _runs(rows: pd.DataFrame) -> list[pd.DataFrame]:
    return [run for _, run in rows.groupby("seed", sort=False)] if "seed" in rows else [rows]


def _columns(one: pd.DataFrame, other: pd.DataFrame, target: Target) -> dict[str, Floats]:
    """Prediction columns of all folds, in the order of the rows of both."""
    from biosig.downstream.data.columns import prediction_columns, prediction_names

    names, folds = prediction_names(target), one["fold"].to_numpy()
    values = [run[names].to_numpy(np.float64) for run in (one, other)]
    together = np.empty_like(values[0])
    for fold in np.unique(folds):
        rows = folds == fold
        together[rows] = fuse(values[0][rows], values[1][rows], target.kind)
    return prediction_columns(together if target.class_names else together[:, 0], target)
