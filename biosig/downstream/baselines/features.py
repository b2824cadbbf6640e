"""Linear models and trees on features of the signal, or on age and sex; Cox models for times to an event."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.baseline import BASELINES, Baseline
from biosig.downstream.baselines.context import FoldPredictions

if TYPE_CHECKING:
    from biosig.batches.windows import RecordingSet
    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.downstream.data.label_windows import Target
    from biosig.downstream.probe.fit import ProbeSpec
    from biosig.evaluate.metrics import Floats, Kind

PENALTIES = {"logistic": (1e4, 1e3, 1e2, 1e1)}
"""L2 penalties to choose from on a thousand features; ``benchmarks/feature_quality.py`` tries the same ones."""

CLIP = (0.5, 99.5)
"""Percentiles of the training part to which features are clipped."""


@BASELINES.register
class Handmade(Baseline):
    """A linear model or trees on the features of `biosig.features`; inner folds choose between them.

    The folds are over the subjects of the training and the validation part together, and choose the linear model's
    penalty too; then the chosen model is fitted to all of them, as a probe of a model is. Times to an event have Cox's
    model.
    """

    name = "handmade"
    title = "hand-made features"
    seedless = True
    rank = 30

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """True for every task."""
        return True

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit the features of stored windows; inner folds predict the validation part."""
        from biosig.downstream.baselines.models.forest import fit_forest
        from biosig.downstream.probe.fit import fit_probe, inner_folds

        X, parts, recipe = context.features[0], job.parts, _recipe(context)
        known = np.union1d(parts.train, parts.validation)
        y, groups, Z = context.y[known], context.groups[known], clipped(X, known)
        fitted = fit_probe(Z[None, known], y, groups, recipe)
        linear = FoldPredictions(fitted.held_out, fitted(Z[None, parts.test]))
        if recipe.kind == "survival" or fitted.held_out is None:
            return FoldPredictions(None, linear.test)

        def trees(rows: NDArray[np.int64], test: NDArray[np.int64]) -> Floats:
            return fit_forest(X[rows], context.y[rows], recipe.kind, recipe.n_classes, context.seed)(X[test])

        held_out = np.empty_like(fitted.held_out)
        for fold in inner_folds(groups, y, recipe)[0]:
            held_out[fold.test] = trees(known[fold.train], known[fold.test])
        chosen = linear
        if is_better(held_out, fitted.held_out, y, recipe.kind):
            chosen = FoldPredictions(held_out, trees(known, parts.test))
        assert chosen.validation is not None
        return FoldPredictions(chosen.validation[np.isin(known, parts.validation)], chosen.test)

    def remarks(self, context: BaselineContext) -> list[str]:
        """Remarks on windows that could not be measured."""
        return [f"{self.name}: {remark}" for remark in context.features[1]]


@BASELINES.register
class HandmadeOf01(Baseline):
    """Trees on the features of version 0.1.0 (`models.features`), with the same numbers to the bit."""

    name = "handmade-0.1"
    title = "hand-made features of 0.1.0"
    seedless = True
    rank = 29
    seed_id = 7

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit the features of stored windows."""
        return _from_features(context, job, context.features_0_1[0])

    def remarks(self, context: BaselineContext) -> list[str]:
        """Remarks on windows that could not be measured."""
        return [f"{self.name}: {remark}" for remark in context.features_0_1[1]]


@BASELINES.register
class Demographics(Baseline):
    """Age and sex, without the signal."""

    name = "demographics"
    title = "age and sex"
    seedless = True
    rank = 10
    seed_id = 10

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """True if age or sex is known and not the target."""
        return demographics

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit age and sex of the windows' subjects."""
        windows = context.windows.windows
        return _from_features(context, job, demographic_features(windows.ds, context.target)[windows.recording])


def demographic_features(ds: RecordingSet, target: Target) -> NDArray[np.float64]:
    """Age in years and sex (0 female, 1 male), shape (n_recordings, 0 to 2); NaN where not known.

    A column that is the target, or has one value, is left out.
    """
    index = ds.to_pandas()
    sex = index["sex"].astype(object).map({"female": 0.0, "male": 1.0}).to_numpy(np.float64)
    columns = {"age": index["age"].to_numpy(np.float64), "sex": sex}
    varying = [
        values
        for name, values in columns.items()
        if name != getattr(target, "label", "") and len(np.unique(values[np.isfinite(values)])) > 1
    ]
    return np.stack(varying, axis=1) if varying else np.empty((len(index), 0))


def is_better(trees: Floats, linear: Floats, y: NDArray[Any], kind: Kind) -> bool:
    """True if trees rank or explain labels better than a linear model; a tie goes to the linear model.

    Parameters
    ----------
    trees, linear : ndarray
        Predictions of rows that neither was fitted to: probabilities (N, K), or values (N,).
    y : ndarray, shape (N, ...)
        Their labels.
    kind : {"classes", "multilabel", "number"}
        Kind of the labels; for several labels the mean over those with both classes decides.
    """
    from biosig.evaluate.metrics import METRICS, ROLES

    if kind == "number":
        score = METRICS[ROLES[kind].selects_probe].value
        return score(y, trees) > score(y, linear)
    score = METRICS[ROLES["classes"].selects_probe].value
    if kind == "classes":
        return len(np.unique(y)) == linear.shape[1] and score(y, trees) > score(y, linear)
    gain = 0.0
    for k, label in enumerate(y.T):
        known = np.isfinite(label)
        y_known = label[known].astype(np.int64)
        if len(np.unique(y_known)) == 2:
            first, second = (score(y_known, np.stack((1 - p[known, k], p[known, k]), axis=1)) for p in (linear, trees))
            gain += second - first
    return gain > 0


def _recipe(context: BaselineContext) -> ProbeSpec:
    """Head, penalties and kind of target of the linear model."""
    from biosig.downstream.probe.config import resolve_head
    from biosig.downstream.probe.fit import ProbeSpec

    head = resolve_head(None, context.target.kind)
    return ProbeSpec(head, context.target.kind, len(context.target.class_names), settings=PENALTIES.get(head, ()))


def clipped(X: Floats, train: NDArray[np.int64]) -> Floats:
    """Features (N, F) held inside the range of `CLIP` of their training values; NaN stays."""
    measured = np.isfinite(X[train]).any(axis=0)
    low, high = np.full(X.shape[1], -np.inf), np.full(X.shape[1], np.inf)
    low[measured], high[measured] = np.nanpercentile(X[train][:, measured], CLIP, axis=0)
    return np.clip(X, low, high)


def _from_features(context: BaselineContext, job: FitJob, X: Floats) -> FoldPredictions:
    """Fit and predict with trees, or with a Cox model at one penalty for times to an event."""
    from biosig.downstream.baselines.models.simple import DEFAULT_PENALTY, fit_predict

    if context.target.kind == "survival":
        y, parts = context.y, job.parts
        hazards = fit_predict(X[parts.train], y[parts.train], X[parts.test], DEFAULT_PENALTY, "survival")
        return FoldPredictions(None, hazards)
    from biosig.downstream.baselines.models.boosting import boosted_predictions

    y, parts, kind = context.y, job.parts, context.target.kind
    train, validation = ((X[rows], y[rows]) for rows in (parts.train, parts.validation))
    unseen = X[np.concatenate((parts.validation, parts.test))]
    scores = boosted_predictions(train, validation, unseen, kind, context.seed)
    return FoldPredictions(scores[: len(parts.validation)], scores[len(parts.validation) :])
