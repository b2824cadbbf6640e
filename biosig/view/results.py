"""A result folder: scores with their intervals, and the worst errors first, one person's together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.data.columns import prediction_names, truth_names
from biosig.downstream.results.result_folder import SavedResult, open_result
from biosig.evaluate.splits import people

MOST = 500


class Errors:
    """The files of a probe or a fine-tuning.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UsageError
        If the folder is not a result.
    """

    def __init__(self, folder: Path) -> None:
        self._saved: SavedResult = open_result(folder)

    def summary(self) -> dict[str, Any]:
        """Title, scores as they are in metrics.json, notes, and methods with predictions."""
        saved = self._saved
        return {
            "title": saved.target.title,
            "model": saved.metrics.get("model"),
            "trained": saved.metrics.get("model_trained"),
            "scores": saved.metrics["scores"],
            "notes": saved.metrics.get("notes", []),
            "methods": list(dict.fromkeys(saved.predictions["method"])),
            "shards": str(saved.config.get("shards", "")),
            "loss": self._words(),
        }

    def worst(self, method: str, n: int = 50) -> dict[str, Any]:
        """The worst predicted windows of a method, by loss; of ties the first in the file.

        Returns
        -------
        dict
            `errors`: recording, subject, onset, loss, truth and prediction in words, with `person_errors`, how many of
            the windows of that person are among those listed; `n_windows`, of how many.
        """
        saved = self._saved
        rows = saved.predictions[saved.predictions["method"] == method]
        loss = self._loss(rows)
        order = np.argsort(-np.nan_to_num(loss, nan=-np.inf), kind="stable")[: min(max(n, 1), MOST)]
        who = people(rows)[order]
        length = (saved.config.get("windows") or {}).get("length")
        listed = []
        for at, person in zip(order.tolist(), who, strict=True):
            row = rows.iloc[at].to_dict()
            listed.append(
                {
                    "recording": str(row["recording"]),
                    "subject": str(person),
                    "onset": float(row["onset"]),
                    "duration": float(row["duration"]) if "duration" in row else length,
                    "loss": float(loss[at]),
                    "truth": {name: row[name] for name in truth_names(saved.target)},
                    "prediction": {name: row[name] for name in prediction_names(saved.target)},
                    "person_errors": int((who == person).sum()),
                }
            )
        return {"errors": listed, "n_windows": len(rows), "n_people": len(set(who)), "loss": self._words()}

    def _words(self) -> str:
        kind = self._saved.target.kind
        if kind == "classes":
            return "−log of the probability that was given to the true class"
        if kind == "multilabel":
            return "mean over labels of −log of the probability that was given to what is true"
        if kind == "survival":
            return "none: a risk is right or wrong only beside others, so windows are in the file's order"
        return "absolute difference of prediction and truth"

    def _loss(self, rows: Any) -> NDArray[np.float64]:
        target = self._saved.target
        predicted = rows[prediction_names(target)].to_numpy(np.float64)
        if target.kind == "classes":
            truth = np.array([target.class_names.index(y) for y in rows["y"]], np.int64)
            return -np.log(np.clip(predicted[np.arange(len(rows)), truth], 1e-12, None))
        truth = rows[truth_names(target)].to_numpy(np.float64)
        if target.kind == "multilabel":
            given = np.where(truth > 0.5, predicted, 1 - predicted)
            return np.nanmean(np.where(np.isnan(truth), np.nan, -np.log(np.clip(given, 1e-12, None))), axis=1)
        if target.kind == "survival":
            return np.zeros(len(rows))
        return np.abs(predicted[:, 0] - truth[:, 0])
