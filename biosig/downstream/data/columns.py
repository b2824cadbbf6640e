"""Columns of labels and predictions in a table, and reading them back.

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
    """Columns of labels, from y as in `LabelledWindows`."""
    if target.kind == "classes":
        return {"y": np.asarray(target.class_names, object)[y]}
    if target.kind == "multilabel":
        return {f"y_{name}": y[:, k] for k, name in enumerate(target.class_names)}
    return {"time": y[:, 0], "event": y[:, 1]} if target.kind == "survival" else {"y": y}


def prediction_columns(prediction: Floats, target: Target) -> dict[str, NDArray[Any]]:
    """Columns of a method's predictions: probabilities (N, K), or values (N,)."""
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
    """Labels, people (N,) and predictions of the scored rows: windows, or recordings with the mean prediction.

    Parameters
    ----------
    rows : DataFrame
        One row per window, of one method and seed.
    target : Target
        The prediction target.
    """
    label_columns = truth_names(target)
    predictions = prediction_names(target)
    if target.unit == "recording":
        firsts = dict.fromkeys(("person", *label_columns), "first")
        windows = rows.assign(person=people(rows)).groupby("recording", sort=False)
        rows = windows.agg({**firsts, **dict.fromkeys(predictions, "mean")})
        subjects = rows["person"].to_numpy(str)
    else:
        subjects = people(rows)
    values = rows[predictions].to_numpy(np.float64)
    if target.kind == "classes":
        return pd.Index(target.class_names).get_indexer(rows["y"]), subjects, values
    labels = rows[label_columns].to_numpy(np.float64)
    if target.kind == "multilabel":
        return labels, subjects, values
    return labels if target.kind == "survival" else labels[:, 0], subjects, values[:, 0]


def truth_names(target: Target) -> list[str]:
    """The columns that hold labels."""
    if target.kind == "multilabel":
        return [f"y_{name}" for name in target.class_names]
    return ["time", "event"] if target.kind == "survival" else ["y"]
