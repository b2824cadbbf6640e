"""How truth and predictions stand in a table, and how they are read from it again.

Classes: y and prediction by name, one score_ column each. Labels: one y_ and one score_ column each. A number: y and
prediction. A time to an event: time, event and prediction. Shape letters: N rows, K classes or labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.data.target_config import Target
from biosig.evaluate.metrics import Floats
from biosig.evaluate.splits import people


def truth_columns(y: NDArray[Any], target: Target) -> dict[str, NDArray[Any]]:
    """Columns of truth, y as in `LabelledWindows`."""
    if target.kind == "classes":
        return {"y": np.asarray(target.class_names, object)[y]}
    if target.kind == "multilabel":
        return {f"y_{name}": y[:, k] for k, name in enumerate(target.class_names)}
    return {"time": y[:, 0], "event": y[:, 1]} if target.kind == "survival" else {"y": y}


def prediction_columns(prediction: Floats, target: Target) -> dict[str, NDArray[Any]]:
    """Columns of what a method predicts: probabilities (N, K), or values (N,)."""
    if not target.class_names:
        return {"prediction": prediction}
    scores = {f"score_{name}": prediction[:, k] for k, name in enumerate(target.class_names)}
    if target.kind == "multilabel":
        return scores
    return {**scores, "prediction": np.asarray(target.class_names, object)[prediction.argmax(1)]}


def prediction_names(target: Target) -> list[str]:
    """The columns that hold predictions: one of each class or label, or one."""
    return [f"score_{name}" for name in target.class_names] or ["prediction"]


def scored(rows: pd.DataFrame, target: Target) -> tuple[NDArray[Any], NDArray[np.str_], Floats]:
    """Truth, people (N,) and prediction of what has a truth: windows, or recordings with the mean prediction.

    Parameters
    ----------
    rows : DataFrame
        One row per window, of one method and seed.
    target : Target
        What was predicted.
    """
    truths = truth_names(target)
    predictions = prediction_names(target)
    if target.unit == "recording":
        firsts = dict.fromkeys(("person", *truths), "first")
        windows = rows.assign(person=people(rows)).groupby("recording", sort=False)
        rows = windows.agg({**firsts, **dict.fromkeys(predictions, "mean")})
        subjects = rows["person"].to_numpy(str)
    else:
        subjects = people(rows)
    values = rows[predictions].to_numpy(np.float64)
    if target.kind == "classes":
        return pd.Index(target.class_names).get_indexer(rows["y"]), subjects, values
    truth = rows[truths].to_numpy(np.float64)
    if target.kind == "multilabel":
        return truth, subjects, values
    return truth if target.kind == "survival" else truth[:, 0], subjects, values[:, 0]


def truth_names(target: Target) -> list[str]:
    """The columns that hold the truth."""
    if target.kind == "multilabel":
        return [f"y_{name}" for name in target.class_names]
    return ["time", "event"] if target.kind == "survival" else ["y"]
