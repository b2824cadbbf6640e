"""One probe, fitted: everything that is learned, from training subjects alone.

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
    """What comes before a head: medians for missing features, a standard scale, and perhaps an eraser."""

    median: Floats  # (F,)
    mean: Floats  # (F,)
    deviation: Floats  # (F,)
    eraser: LEACE | None

    @classmethod
    def fit(cls, X: NDArray[Any], erased: NDArray[Any] | None) -> FeatureScaler:
        """Fitted to features (N, F) and, where something is erased, to its value in each row (N,)."""
        missing = np.isnan(X).all(axis=0)
        median = np.zeros(X.shape[1])
        median[~missing] = np.nanmedian(X[:, ~missing].astype(np.float64), axis=0)
        filled = np.where(np.isnan(X), median, X)
        mean, deviation = filled.mean(axis=0), filled.std(axis=0)
        deviation[deviation <= 1e-12 * np.abs(mean).clip(min=1e-300)] = 1.0  # a constant stays one, at 0
        standard = (filled - mean) / deviation
        return cls(median, mean, deviation, None if erased is None else fit_eraser(standard, erased))

    def __call__(self, X: NDArray[Any]) -> Floats:
        """Features (N, F) as a head takes them."""
        standard = (np.where(np.isnan(X), self.median, X) - self.mean) / self.deviation
        return standard if self.eraser is None else self.eraser(standard)


@dataclass(frozen=True)
class ProbeSpec:
    """How a probe is fitted.

    Parameters
    ----------
    head : {"logistic", "ridge", "knn", "prototype", "cox"}
        What predicts.
    kind : {"classes", "multilabel", "number", "survival"}
        What is predicted.
    n_classes : int
        K; 0 for numbers and times.
    calibration : {"none", "temperature", "isotonic"}
        What makes probabilities mean what they say.
    settings : sequence of float
        Those of the head to choose from; none = all of `SETTINGS`.
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
    """What was learned from training rows.

    Parameters
    ----------
    layer : int
        Place of the layer among those that were given.
    layer_scores : tuple of float
        Of each layer in the inner folds; none where there was nothing to choose.
    settings : tuple of float
        Of the head; of several labels one each.
    preparation : FeatureScaler
        Scaler and eraser.
    predictors : tuple of callable
        The head; of several labels one each.
    calibration : Calibration
        Of the head's probabilities.
    notes : tuple of str
        What a reader must know about the fit.
    held_out : ndarray, shape (N, K) or (N,), optional
        Of each training row what the inner folds said that did not learn from it, before calibration; None where there
        were too few subjects for inner folds.
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
        """SHA-256 over every number that was learned: equal for equal fits, to the last bit."""
        digest = hashlib.sha256()
        for part in _parts((self.layer, self.settings, self.preparation, self.predictors, self.calibration)):
            digest.update(part)
        return digest.hexdigest()


def fit_probe(
    X: NDArray[Any], y: NDArray[Any], groups: NDArray[Any], recipe: ProbeSpec, erased: NDArray[Any] | None = None
) -> FittedProbe:
    """Choose the layer and the setting, calibrate, and fit.

    The layer is chosen by ridge regression (of times: Cox's model) whatever the head, which ranks layers alike in a
    thousandth of the time.

    Parameters
    ----------
    X : ndarray, shape (L, N, F)
        Features of training rows, by layer; NaN where one is missing.
    y : ndarray
        Their truth, as in `biosig.downstream.data.label_windows.LabelledWindows`.
    groups : ndarray of str, shape (N,)
        Subjects, or what is kept together in their place.
    recipe : ProbeSpec
        How.
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
    for setting, (known, truth, kind) in zip(settings, _columns(y, recipe), strict=True):
        (predictor,), well = converged(_fit(recipe.head, Z[known], truth[known], kind, (setting,), recipe))
        predictors.append(predictor)
        notes += () if well else ("The logistic regression did not converge in every fit.",)
    return FittedProbe(layer, layer_scores, settings, preparation, tuple(predictors), calibration, notes, held_out)


@dataclass(frozen=True)
class _Choice:
    settings: tuple[float, ...]  # of each label, or one
    scores: tuple[float, ...]  # of these in the inner folds
    held_out: Floats  # inner predictions at these settings, (N, K) or (N,)


def _choose(
    X: NDArray[Any], y: NDArray[Any], inner: Sequence[Fold], recipe: ProbeSpec, erased: NDArray[Any] | None
) -> _Choice:
    """The setting whose predictions of inner test subjects rank or explain best."""
    columns = list(_columns(y, recipe))
    found = [[_empty(truth, kind, recipe) for _ in recipe.candidates] for _, truth, kind in columns]
    for fold in inner:
        prepare = FeatureScaler.fit(X[fold.train], None if erased is None else erased[fold.train])
        Z, Z_test = prepare(X[fold.train]), prepare(X[fold.test])
        for (known, truth, kind), predictions in zip(columns, found, strict=True):
            there = known[fold.train]
            fit = _fit(recipe.head, Z[there], truth[fold.train][there], kind, recipe.candidates, recipe)
            for prediction, predictor in zip(predictions, converged(fit)[0], strict=True):
                prediction[fold.test] = predictor(Z_test)
    best, scores, held_out = [], [], []
    for (known, truth, kind), predictions in zip(columns, found, strict=True):
        each = [_score(kind, truth[known], prediction[known]) for prediction in predictions]
        first = int(np.argmax(each))
        best.append(recipe.candidates[first])
        scores.append(each[first])
        held_out.append(predictions[first])
    out_of_fold = np.stack([p[:, 1] for p in held_out], axis=1) if recipe.kind == "multilabel" else held_out[0]
    return _Choice(tuple(best), tuple(scores), out_of_fold)


def _score(kind: Kind, truth: NDArray[Any], prediction: Floats) -> float:
    if kind == "classes" and len(np.unique(truth)) < prediction.shape[1]:
        return 0.5  # a class that nobody has cannot be ranked, and one setting is as good as another
    return METRICS[ROLES[kind].selects_probe].value(truth, prediction)


def _columns(y: NDArray[Any], recipe: ProbeSpec) -> Iterator[tuple[NDArray[np.bool_], NDArray[Any], Kind]]:
    """The truth as heads fit it, and where it is known: of several labels each by itself, as two classes."""
    if recipe.kind != "multilabel":
        yield np.ones(len(y), bool), y, recipe.kind
        return
    for column in y.T:
        known = np.isfinite(column)
        yield known, np.where(known, column, 0).astype(np.int64), "classes"


def _fit(
    head: Head, Z: Floats, truth: NDArray[Any], kind: Kind, settings: Sequence[float], recipe: ProbeSpec
) -> Callable[[], list[Predictor]]:
    n_classes = 2 if recipe.kind == "multilabel" else recipe.n_classes
    return lambda: fit_path(head, Z, truth, kind, settings, n_classes)


def _empty(truth: NDArray[Any], kind: Kind, recipe: ProbeSpec) -> Floats:
    n_classes = 2 if recipe.kind == "multilabel" else recipe.n_classes
    return np.full((len(truth), n_classes) if kind == "classes" else len(truth), np.nan)


def inner_folds(groups: NDArray[Any], y: NDArray[Any], recipe: ProbeSpec) -> tuple[list[Fold], tuple[str, ...]]:
    """Folds over training subjects, by which settings are chosen; none, and a note, where they are too few.

    Parameters
    ----------
    groups, y, recipe
        As of `fit_probe`.
    """
    evenly = [stratification_labels(y, recipe.kind)]
    if recipe.kind == "multilabel":
        evenly.append(None)  # a label that one subject alone has cannot be spread, and is no hindrance to the others
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
    """A nested value as bytes, arrays with their shape."""
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
