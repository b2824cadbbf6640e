"""Calibration of probabilities: scaling fitted on people apart from the test set, and reliability tables.

A calibrated probability of 0.8 is right in 80 of 100 such cases. Scores here are probabilities: (N, K) that sum to one
for "classes", (N, K) each by itself for "multilabel". Shape letters: N rows, K classes or labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from biosig.errors import DataError, UsageError
from biosig.evaluate.metrics import Floats, Kind
from biosig.evaluate.probabilities import N_BINS, equal_mass_bins

Method = Literal["none", "temperature", "isotonic"]
Knots = tuple[tuple[float, ...], tuple[float, ...]]

_SMALLEST = 1e-12  # a probability whose logarithm is still a number
_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Calibration:
    """A map from probabilities to calibrated ones.

    Parameters
    ----------
    method : {"none", "temperature", "isotonic"}
        "none" changes nothing.
    kind : str
        Kind of the labels: "classes" and "multilabel" can be calibrated.
    temperatures : tuple of float
        One for "classes", one per label for "multilabel"; logits are divided by it.
    knots : tuple
        Of each column the scores and the probabilities that they become, linear between them; empty = as they are.
    unfitted : tuple of int
        Columns that stay as they are because all rows to fit on have the class, or none has it.
    """

    method: Method
    kind: Kind
    temperatures: tuple[float, ...] = ()
    knots: tuple[Knots, ...] = ()
    unfitted: tuple[int, ...] = ()

    def __call__(self, scores: Floats) -> Floats:
        """Calibrated probabilities, in the shape of `scores` (N, K).

        Temperature keeps the order of the rows of a label and the class that a row is given. Isotonic fits may make
        scores level, and give a row another class; a row to which they leave no class keeps its scores.
        """
        if self.method == "temperature" and self.kind == "classes":
            return softmax(_logs(scores) / self.temperatures[0], axis=1)
        if self.method == "temperature":
            return expit((_logs(scores) - _logs(1 - scores)) / np.array(self.temperatures))
        if self.method == "none":
            return scores
        mapped = np.stack([_mapped(scores[:, k], knots) for k, knots in enumerate(self.knots)], axis=1)
        if self.kind == "multilabel":
            return mapped
        total = mapped.sum(axis=1, keepdims=True)
        return np.divide(mapped, total, out=scores.astype(np.float64), where=total > 0)

    def caveats(self, names: Sequence[str]) -> list[str]:
        """Remarks for the reader, with the columns called `names`; empty when there are none."""
        return [
            f"'{names[k]}' could not be calibrated: the rows to fit on are all with it or all without it."
            for k in self.unfitted
        ]

    def to_dict(self) -> dict[str, Any]:
        """The calibration as plain values, which JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        """Read the values of `to_dict`, also when they went through JSON.

        Raises
        ------
        DataError
            If the values are not those of a calibration.
        """
        try:
            knots = tuple((tuple(x), tuple(y)) for x, y in values["knots"])
            tuples = {name: tuple(values[name]) for name in ("temperatures", "unfitted")}
            found = cls(values["method"], values["kind"], knots=knots, **tuples)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"These values are not a calibration ({error!r}): give those of `Calibration.to_dict`."
            ) from error
        _check_method(found.method)
        return found


def fit_calibration(method: Method, kind: Kind, y: NDArray[Any], scores: Floats) -> Calibration:
    """Fit a calibration, on rows that neither trained the model nor test it.

    "temperature" is one number for all classes (Guo et al., ICML 2017, arXiv:1706.04599, section 4.2), or one per
    label, that makes the log loss least. Labels are smoothed by one row with an unknown label, as by Platt (Advances in
    Large Margin Classifiers, 1999, section 2.2), so that few rows, perfectly separated, do not give infinite
    confidence. "isotonic" is a monotone step function for each class against the rest, brought back to a sum of one
    (Zadrozny & Elkan, KDD 2002); it needs a thousand rows or more.

    Parameters
    ----------
    method : {"none", "temperature", "isotonic"}
        Method of calibration.
    kind : str
        Kind of the labels; anything but "classes" and "multilabel" gives a calibration that changes nothing.
    y : ndarray
        Labels as in `biosig.evaluate.metrics.Kind`: class numbers (N,), or (N, K) of 0, 1 or NaN.
    scores : ndarray, shape (N, K)
        Probabilities.

    Raises
    ------
    UsageError
        If there is no such method, or a score is not a probability.
    """
    _check_method(method)
    if method == "none" or kind not in ("classes", "multilabel"):
        return Calibration("none", kind)
    columns = list(_columns(y, scores))
    unfitted = tuple(k for k, (yes, _) in enumerate(columns) if yes.all() or not yes.any())
    if method == "isotonic":
        return Calibration(
            method,
            kind,
            knots=tuple(((), ()) if k in unfitted else _isotonic(*columns[k]) for k in range(len(columns))),
            unfitted=unfitted,
        )
    if kind == "classes":
        return Calibration(method, kind, (_temperature(y, scores),))
    each = (
        1.0 if k in unfitted else _temperature(yes.astype(np.int64), np.stack((1 - p, p), axis=1))
        for k, (yes, p) in enumerate(columns)
    )
    return Calibration(method, kind, tuple(each), unfitted=unfitted)


def reliability(y: NDArray[Any], scores: Floats, n_bins: int = N_BINS) -> pd.DataFrame:
    """Reliability table: mean probability and observed frequency, in bins of as many rows each.

    Parameters
    ----------
    y : ndarray
        Class numbers (N,), or (N, K) of 0, 1 or NaN.
    scores : ndarray, shape (N, K)
        Probabilities.
    n_bins : int
        Bins per column; rows of equal score share a bin, so there may be fewer.

    Returns
    -------
    DataFrame
        Columns column (0 … K − 1; of two classes only 1), n, score (mean of the bin) and share (that have the class).

    Raises
    ------
    UsageError
        If a score is not a probability.
    """
    records = []
    for k, (yes, p) in enumerate(_columns(y, scores)):
        if y.ndim == 1 and scores.shape[1] == 2 and k == 0:
            continue  # column 1 holds the same information
        frame = pd.DataFrame({"bin": equal_mass_bins(p, n_bins), "score": p, "share": yes.astype(np.float64)})
        bins = frame.groupby("bin").agg(n=("score", "size"), score=("score", "mean"), share=("share", "mean"))
        records.append(bins.reset_index(drop=True).assign(column=k))
    return pd.concat(records, ignore_index=True)[["column", "n", "score", "share"]]


def risk_coverage(y: NDArray[Any], scores: Floats) -> pd.DataFrame:
    """Risk–coverage curve: errors when only the surest decisions are taken (El-Yaniv & Wiener, JMLR 2010; 11:1605).

    A decision is the class with the largest score, sure by that score; or, with labels, each yes or no at 0.5.

    Parameters
    ----------
    y : ndarray
        Class numbers (N,), or (N, K) of 0, 1 or NaN.
    scores : ndarray, shape (N, K)
        Probabilities.

    Returns
    -------
    DataFrame
        At most a hundred rows: coverage (share of decisions taken), threshold (the least sureness among them) and risk
        (share of them that are wrong). Decisions of equal sureness are taken together.

    Raises
    ------
    UsageError
        If a score is not a probability.
    """
    if y.ndim == 1:
        _check_probabilities(scores)
        sureness, wrong = scores.max(axis=1), scores.argmax(axis=1) != y
    else:
        columns = list(_columns(y, scores))
        sureness = np.concatenate([np.maximum(p, 1 - p) for _, p in columns])
        wrong = np.concatenate([(p > 0.5) != yes for yes, p in columns])
    order = np.argsort(-sureness, kind="stable")
    level, n_wrong = sureness[order], np.cumsum(wrong[order])
    wanted = np.ceil(np.arange(1, 101) / 100 * len(level)).astype(np.int64)
    taken = np.unique(np.searchsorted(-level, -level[wanted - 1], side="right"))  # with all that are as sure
    return pd.DataFrame(
        {"coverage": taken / len(level), "threshold": level[taken - 1], "risk": n_wrong[taken - 1] / taken}
    )


def _columns(y: NDArray[Any], scores: Floats) -> Iterator[tuple[NDArray[np.bool_], Floats]]:
    """For each column, labels and scores of the rows in which the label is known."""
    _check_probabilities(scores)
    for k in range(scores.shape[1]):
        if y.ndim == 1:
            yield y == k, scores[:, k]
        else:
            known = np.isfinite(y[:, k])
            yield y[known, k] > 0, scores[known, k]


def _check_method(method: str) -> None:
    if method not in get_args(Method):
        raise UsageError(f"There is no calibration '{method}': choose one of {', '.join(get_args(Method))}.")


def _check_probabilities(scores: Floats) -> None:
    outside = ~((scores >= 0) & (scores <= 1))
    if outside.any():
        raise UsageError(
            f"{int(outside.sum())} of {scores.size} scores are not probabilities (the first is "
            f"{scores[outside][0]:g}): give values from 0 to 1."
        )


def _logs(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, _SMALLEST))


def _temperature(y: NDArray[np.int64], scores: Floats) -> float:
    """The temperature of class numbers (N,) and probabilities (N, K)."""
    logits, n_classes = _logs(scores), scores.shape[1]
    smoothed = (np.eye(n_classes)[y] * len(y) + 1 / n_classes) / (len(y) + 1)

    def log_loss(log_temperature: float) -> float:
        return -float((smoothed * log_softmax(logits / np.exp(log_temperature), axis=1)).sum())

    return float(np.exp(minimize_scalar(log_loss, bounds=np.log(_TEMPERATURES), method="bounded").x))


def _isotonic(yes: NDArray[np.bool_], score: Floats) -> Knots:
    from sklearn.isotonic import IsotonicRegression

    fit = IsotonicRegression(out_of_bounds="clip").fit(score, yes)
    return tuple(fit.X_thresholds_.tolist()), tuple(fit.y_thresholds_.tolist())


def _mapped(score: Floats, knots: Knots) -> Floats:
    return np.interp(score, *knots) if knots[0] else score
