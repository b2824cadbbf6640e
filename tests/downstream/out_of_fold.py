"""The default probe, and what knows nothing, fitted on each fold's training part and asked about its test part."""

from dataclasses import dataclass

import numpy as np

from biosig.downstream.baselines.models.simple import predict_prior
from biosig.downstream.probe.config import resolve_head
from biosig.downstream.probe.fit import ProbeSpec, fit_probe


@dataclass(frozen=True)
class OutOfFold:
    prediction: np.ndarray
    penalties: list[float]
    notes: list[str]


def cross_validated_predictions(X, y, subjects, folds, kind):
    """Predictions (N, K) or (N,) of rows (N, F) whose subject the probe had not seen."""
    recipe = ProbeSpec(resolve_head(None, kind), kind, int(y.max()) + 1 if kind == "classes" else 0)
    prediction, penalties, notes = _empty(y, kind), [], set()
    for fold in folds:
        fitted = fit_probe(X[None, fold.train], y[fold.train], subjects[fold.train], recipe)
        prediction[fold.test] = fitted(X[None, fold.test])
        penalties += fitted.settings
        notes.update(fitted.notes)
    return OutOfFold(prediction, penalties, sorted(notes))


def chance_predictions(y, folds, kind):
    """Predictions (N, K) or (N,) of `predict_prior`."""
    prediction = _empty(y, kind)
    for fold in folds:
        prediction[fold.test] = predict_prior(y[fold.train], len(fold.test), kind)
    return prediction


def _empty(y, kind):
    if kind == "classes":
        return np.full((len(y), int(y.max()) + 1), np.nan)
    return np.full(y.shape if kind == "multilabel" else len(y), np.nan)
