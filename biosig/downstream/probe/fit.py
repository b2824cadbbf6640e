"""Fit of one probe: scaler, layer, head and calibration, from training subjects alone.

The layer, the setting of the head and the calibration are chosen by inner folds over the training subjects; then all of
them fit the scaler, the eraser and the head. Shape letters: N rows, L layers, F features, K classes or labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.data.label_windows import stratification_labels
from biosig.downstream.probe.config import Head
from biosig.downstream.probe.heads import DEFAULTS, SETTINGS, Predictor, converged, fit_path
from biosig.downstream.probe.leace import LEACE, fit_eraser
from biosig.errors import UsageError
from biosig.evaluate.calibration import Calibration, Method, fit_calibration
from biosig.evaluate.metrics import METRICS, ROLES, Floats, Kind
from biosig.evaluate.splits import Fold, group_folds

INNER_FOLDS = 3


@dataclass(frozen=True)
class FeatureScaler:
    """Preparation of features for a head: medians for missing ones, a standard scale, and an optional eraser."""

    median: Floats  # (F,)
    mean: Floats  # (F,)
    deviation: Floats  # (F,)
    eraser: LEACE | None

    @classmethod
    def fit(cls, X: NDArray[Any], erased: NDArray[Any] | None) -> FeatureScaler:
        """Fit to features (N, F) and, if something is erased, to its value in each row (N,)."""
        missing = np.isnan(X).all(axis=0)
        median = np.zeros(X.shape[1])
        median[~missing] = np.nanmedian(X[:, ~missing].astype(np.float64), axis=0)
        filled = np.where(np.isnan(X), median, X)
        mean, deviation = filled.mean(axis=0), filled.std(axis=0)
        deviation[deviation <= 1e-12 * np.abs(mean).clip(min=1e-300)] = 1.0  # a constant stays one, at 0
        standard = (filled - mean) / deviation
        return cls(median, mean, deviation, None if erased is None else fit_eraser(standard, erased))

    def __call__(self, X: NDArray[Any]) -> Floats:
        """Scale features (N, F) for a head."""
        standard = (np.where(np.isnan(X), self.median, X) - self.mean) / self.deviation
        return standard if self.eraser is None else self.eraser(standard)


@dataclass(frozen=True)
class ProbeSpec:
    """Settings of a probe's fit.

    Parameters
    ----------
    head : {"logistic", "ridge", "knn", "prototype", "cox"}
        The head.
    kind : {"classes", "multilabel", "number", "survival"}
        Kind of the labels.
    n_classes : int
        K; 0 for numbers and times.
    calibration : {"none", "temperature", "isotonic"}
        Calibration of probabilities.
    settings : sequence of float
        Settings of the head to choose from; none = all of `SETTINGS`.
    """

    head: Head
    kind: Kind
    n_classes: int = 0
    calibration: Method = "none"
    settings: tuple[float, ...] = ()

    @property
    def candidates(self) -> tuple[float, ...]:
        """The settings to choose from."""
        return self.settings or SETTINGS[self.head]


@dataclass(frozen=True)
class FittedProbe:
    """A probe fitted to training rows.

    Parameters
    ----------
    layer : int
        Index of the layer among the given ones.
    layer_scores : tuple of float
        Score of each layer in the inner folds; none if there was nothing to choose.
    settings : tuple of float
        Setting of the head; for several labels one each.
    preparation : FeatureScaler
        Scaler and eraser.
    predictors : tuple of callable
        The head; for several labels one each.
    calibration : Calibration
        Calibration of the head's probabilities.
    notes : tuple of str
        Remarks on the fit for the reader.
    held_out : ndarray, shape (N, K) or (N,), optional
        Inner-fold prediction of each training row, by a fit without it, before calibration; None if there were too few
        subjects for inner folds.
    """

    layer: int
    layer_scores: tuple[float, ...]
    settings: tuple[float, ...]
    preparation: FeatureScaler
    predictors: tuple[Predictor, ...]
    calibration: Calibration
    notes: tuple[str, ...]
    held_out: Floats | None = None

    def __call__(self, X: NDArray[Any]) -> Floats:
        """Calibrated probabilities (N, K), values or log hazards (N,), from the features of all layers (L, N, F)."""
        Z = self.preparation(X[self.layer])
        several = self.calibration.kind == "multilabel"
        raw = np.stack([p(Z)[:, 1] for p in self.predictors], axis=1) if several else self.predictors[0](Z)
        return self.calibration(raw)

    def digest(self) -> str:
        """SHA-256 over every fitted number: equal for equal fits, to the last bit."""
        digest = hashlib.sha256()
        for part in _parts((self.layer, self.settings, self.preparation, self.predictors, self.calibration)):
            digest.update(part)
        return digest.hexdigest()


def fit_probe(
    X: NDArray[Any], y: NDArray[Any], groups: NDArray[Any], recipe: ProbeSpec, erased: NDArray[Any] | None = None
) -> FittedProbe:
    """Choose the layer and the setting, calibrate, and fit.

    Ridge regression (Cox's model for times) chooses the layer for every head, because it ranks layers alike in a
    thousandth of the time.

    Parameters
    ----------
    X : ndarray, shape (L, N, F)
        Features of training rows, by layer; NaN where one is missing.
    y : ndarray
        Their labels, as in `biosig.downstream.data.label_windows.LabelledWindows`.
    groups : ndarray of str, shape (N,)
        Subjects, or other groups to keep together.
    recipe : ProbeSpec
        Settings of the fit.
    erased : ndarray, shape (N,), optional
        The subject or site of each row, to be erased.
    """
    inner, notes = inner_folds(groups, y, recipe)
    layer = len(X) - 1
    layer_scores: tuple[float, ...] = ()
    if len(X) > 1 and inner:
        ranking = ProbeSpec("cox" if recipe.kind == "survival" else "ridge", recipe.kind, recipe.n_classes)
        layer_scores = tuple(float(np.mean(_choose(one, y, inner, ranking, erased).scores)) for one in X)
        layer = int(np.argmax(layer_scores))
    chosen = _choose(X[layer], y, inner, recipe, erased) if inner else None
    settings = chosen.settings if chosen else (DEFAULTS[recipe.head],) * len(list(_columns(y, recipe)))
    method = recipe.calibration if chosen else "none"
    held_out = chosen.held_out if chosen else None
    calibration = fit_calibration(method, recipe.kind, y, np.empty(0) if held_out is None else held_out)
    preparation = FeatureScaler.fit(X[layer], erased)
    Z = preparation(X[layer])
    predictors = []
    for setting, (known, labels, kind) in zip(settings, _columns(y, recipe), strict=True):
        (predictor,), all_converged = converged(_fit(recipe.head, Z[known], labels[known], kind, (setting,), recipe))
        predictors.append(predictor)
        notes += () if all_converged else ("The logistic regression did not converge in every fit.",)
    return FittedProbe(layer, layer_scores, settings, preparation, tuple(predictors), calibration, notes, held_out)


@dataclass(frozen=True)
class _Choice:
    settings: tuple[float, ...]  # of each label, or one
    scores: tuple[float, ...]  # of these in the inner folds
    held_out: Floats  # inner predictions at these settings, (N, K) or (N,)


def _choose(
    X: NDArray[Any], y: NDArray[Any], inner: Sequence[Fold], recipe: ProbeSpec, erased: NDArray[Any] | None
) -> _Choice:
    """Choose the setting with the best predictions of inner test subjects."""
    columns = list(_columns(y, recipe))
    found = [[_empty(labels, kind, recipe) for _ in recipe.candidates] for _, labels, kind in columns]
    for fold in inner:
        prepare = FeatureScaler.fit(X[fold.train], None if erased is None else erased[fold.train])
        Z, Z_test = prepare(X[fold.train]), prepare(X[fold.test])
        for (known, labels, kind), predictions in zip(columns, found, strict=True):
            known_train = known[fold.train]
            fit = _fit(recipe.head, Z[known_train], labels[fold.train][known_train], kind, recipe.candidates, recipe)
            for prediction, predictor in zip(predictions, converged(fit)[0], strict=True):
                prediction[fold.test] = predictor(Z_test)
    best, scores, held_out = [], [], []
    for (known, labels, kind), predictions in zip(columns, found, strict=True):
        each = [_score(kind, labels[known], prediction[known]) for prediction in predictions]
        first = int(np.argmax(each))
        best.append(recipe.candidates[first])
        scores.append(each[first])
        held_out.append(predictions[first])
    out_of_fold = np.stack([p[:, 1] for p in held_out], axis=1) if recipe.kind == "multilabel" else held_out[0]
    return _Choice(tuple(best), tuple(scores), out_of_fold)


def _score(kind: Kind, labels: NDArray[Any], prediction: Floats) -> float:
    if kind == "classes" and len(np.unique(labels)) < prediction.shape[1]:
        return 0.5  # a class without rows cannot be ranked, and all settings are equal
    return METRICS[ROLES[kind].selects_probe].value(labels, prediction)


def _columns(y: NDArray[Any], recipe: ProbeSpec) -> Iterator[tuple[NDArray[np.bool_], NDArray[Any], Kind]]:
    """Known rows, labels and kind of each column that a head is fitted to: several labels are two classes each."""
    if recipe.kind != "multilabel":
        yield np.ones(len(y), bool), y, recipe.kind
        return
    for column in y.T:
        known = np.isfinite(column)
        yield known, np.where(known, column, 0).astype(np.int64), "classes"


def _fit(
    head: Head, Z: Floats, labels: NDArray[Any], kind: Kind, settings: Sequence[float], recipe: ProbeSpec
) -> Callable[[], list[Predictor]]:
    n_classes = 2 if recipe.kind == "multilabel" else recipe.n_classes
    return lambda: fit_path(head, Z, labels, kind, settings, n_classes)


def _empty(labels: NDArray[Any], kind: Kind, recipe: ProbeSpec) -> Floats:
    n_classes = 2 if recipe.kind == "multilabel" else recipe.n_classes
    return np.full((len(labels), n_classes) if kind == "classes" else len(labels), np.nan)


def inner_folds(groups: NDArray[Any], y: NDArray[Any], recipe: ProbeSpec) -> tuple[list[Fold], tuple[str, ...]]:
    """Folds over training subjects, to choose settings on; no folds, and a note, if there are too few subjects.

    Parameters
    ----------
    groups, y, recipe
        As in `fit_probe`.
    """
    evenly = [stratification_labels(y, recipe.kind)]
    if recipe.kind == "multilabel":
        evenly.append(None)  # a label of one subject cannot be spread, and must not prevent folds for the others
    for spread in evenly:
        try:
            return group_folds(groups, INNER_FOLDS, seed=0, y=spread), ()
        except UsageError:
            continue
    return [], (
        f"A training part has too few subjects to choose by inner folds: the setting of the head ({recipe.head}) is "
        f"{DEFAULTS[recipe.head]:g}, the layer the output, and nothing is calibrated.",
    )


def _parts(value: Any) -> Iterator[bytes]:
    """Turn a nested value into bytes, arrays with their shape."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif is_dataclass(value):
        for part in fields(value):
            yield part.name.encode()
            yield from _parts(getattr(value, part.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _parts(item)
    else:
        yield repr(value).encode()
