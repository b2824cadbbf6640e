"""Linear models and trees on features of the signal, or on age and sex; of a time to an event, Cox models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biosig.downstream.baselines import BASELINES, Baseline
from biosig.downstream.baselines.context import FoldPredictions

if TYPE_CHECKING:
    from biosig.batches.windows import RecordingSet
    from biosig.downstream.baselines.context import BaselineContext, FitJob
    from biosig.downstream.targets import Target
    from biosig.evaluate.metrics import Floats, Kind

PENALTIES = {"logistic": (1e4, 1e3, 1e2, 1e1)}
"""L2 penalties to choose from on a thousand features, those that ``benchmarks/feature_quality.py`` tries."""

CLIP = (0.5, 99.5)
"""Percentiles of the training part."""


@BASELINES.register
class Handmade(Baseline):
    """A linear model or trees on the features of `biosig.features`, whichever ranks the validation part better.

    Of several labels each has its own choice. The linear model's penalty is chosen by inner folds over the training
    subjects, and it is fitted to the training and the validation part together, as a probe of a model is; trees keep
    the validation part, which says when to stop. Times to an event have Cox's model.
    """

    name = "handmade"
    title = "hand-made features"
    seedless = True
    rank = 30

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """Always."""
        return True

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit the features of windows as they were stored."""
        from biosig.downstream.parts import Parts
        from biosig.evaluate.baselines.boosting import MANY_FEATURES

        X, parts, kind = context.features[0], job.parts, context.target.kind
        known = np.union1d(parts.train, parts.validation)
        whole = _linear(context, replace(job, parts=Parts(known, parts.validation, parts.test)), X)
        if kind == "survival":
            return FoldPredictions(None, whole.test)
        linear = FoldPredictions(_linear(context, job, X).validation, whole.test)
        trees = _trees(context, job, X, MANY_FEATURES)
        return better_of(linear, trees, context.y[parts.validation], kind)

    def remarks(self, context: BaselineContext) -> list[str]:
        """How many windows could not be measured."""
        return [f"{self.name}: {remark}" for remark in context.features[1]]


@BASELINES.register
class HandmadeOf01(Baseline):
    """Trees on the features of version 0.1.0 (`biosig.evaluate.baselines.features`), with its numbers to the bit."""

    name = "handmade-0.1"
    title = "hand-made features of 0.1.0"
    seedless = True
    rank = 29
    seed_id = 7

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit the features of windows as they were stored."""
        return _from_features(context, job, context.features_0_1[0])

    def remarks(self, context: BaselineContext) -> list[str]:
        """How many windows could not be measured."""
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
        """Where they are known and not the target."""
        return demographics

    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit age and sex of the windows' subjects."""
        windows = context.windows.windows
        return _from_features(context, job, demographic_features(windows.ds, context.target)[windows.recording])


def demographic_features(ds: RecordingSet, target: Target) -> NDArray[np.float64]:
    """Age in years and sex (0 female, 1 male), shape (n_recordings, 0 to 2); NaN where not known.

    What is the target, or the same for everybody, is left out.
    """
    index = ds.to_pandas()
    sex = index["sex"].astype(object).map({"female": 0.0, "male": 1.0}).to_numpy(np.float64)
    columns = {"age": index["age"].to_numpy(np.float64), "sex": sex}
    varying = [
        values
        for name, values in columns.items()
        if name != target.label and len(np.unique(values[np.isfinite(values)])) > 1
    ]
    return np.stack(varying, axis=1) if varying else np.empty((len(index), 0))


def better_of(linear: FoldPredictions, trees: FoldPredictions, y: NDArray[Any], kind: Kind) -> FoldPredictions:
    """Of two predictions those that rank or explain the validation part's labels better, of several labels each.

    A tie, or a label of which the validation part lacks a class, goes to the linear model.

    Parameters
    ----------
    linear, trees : FoldPredictions
        Both with predictions of the validation part.
    y : ndarray, shape (n, ...)
        Labels of the validation part.
    kind : {"classes", "multilabel", "number"}
    """
    from biosig.evaluate.metrics import METRICS, ROLES

    assert linear.validation is not None
    assert trees.validation is not None
    if kind != "multilabel":
        if kind == "classes" and len(np.unique(y)) < linear.validation.shape[1]:
            return linear
        score = METRICS[ROLES[kind].selects_probe].value
        return trees if score(y, trees.validation) > score(y, linear.validation) else linear
    score = METRICS[ROLES["classes"].selects_probe].value
    validation, test = linear.validation.copy(), linear.test.copy()
    for k, label in enumerate(y.T):
        known = np.isfinite(label)
        truth = label[known].astype(np.int64)
        if len(np.unique(truth)) < 2:
            continue
        first, second = (
            score(truth, np.stack((1 - p[known, k], p[known, k]), axis=1))
            for p in (linear.validation, trees.validation)
        )
        if second > first:
            validation[:, k], test[:, k] = trees.validation[:, k], trees.test[:, k]
    return FoldPredictions(validation, test)


def _linear(context: BaselineContext, job: FitJob, X: Floats) -> FoldPredictions:
    """A linear model, its penalty chosen by inner folds over the training subjects; outliers are clipped."""
    from biosig.downstream.fitting import Recipe, fit_probe
    from biosig.downstream.probe_config import resolve_head

    parts, target = job.parts, context.target
    Z = clipped(X, parts.train)[None]  # (1, N, F): one layer
    head = resolve_head(None, target.kind)
    recipe = Recipe(head, target.kind, len(target.class_names), settings=PENALTIES.get(head, ()))
    groups = context.groups[parts.train]
    fitted = fit_probe(Z[:, parts.train], context.y[parts.train], groups, recipe)
    return FoldPredictions(fitted(Z[:, parts.validation]), fitted(Z[:, parts.test]))


def clipped(X: Floats, train: NDArray[np.int64]) -> Floats:
    """Features (N, F) held inside the range of `CLIP` of their training values; NaN stays."""
    measured = np.isfinite(X[train]).any(axis=0)
    low, high = np.full(X.shape[1], -np.inf), np.full(X.shape[1], np.inf)
    low[measured], high[measured] = np.nanpercentile(X[train][:, measured], CLIP, axis=0)
    return np.clip(X, low, high)


def _from_features(context: BaselineContext, job: FitJob, X: Floats) -> FoldPredictions:
    """Trees; of a time to an event a Cox model at one penalty."""
    from biosig.downstream.linear import DEFAULT_PENALTY, fit_predict

    if context.target.kind == "survival":
        y, parts = context.y, job.parts
        hazards = fit_predict(X[parts.train], y[parts.train], X[parts.test], DEFAULT_PENALTY, "survival")
        return FoldPredictions(None, hazards)
    from biosig.evaluate.baselines.boosting import SETTINGS

    return _trees(context, job, X, SETTINGS)


def _trees(context: BaselineContext, job: FitJob, X: Floats, settings: Mapping[str, Any]) -> FoldPredictions:
    from biosig.evaluate.baselines.boosting import boosted_predictions

    y, parts, kind = context.y, job.parts, context.target.kind
    train, validation = ((X[rows], y[rows]) for rows in (parts.train, parts.validation))
    unseen = X[np.concatenate((parts.validation, parts.test))]
    scores = boosted_predictions(train, validation, unseen, kind, context.seed, settings)
    return FoldPredictions(scores[: len(parts.validation)], scores[len(parts.validation) :])
