"""Context of the checks: a task, a model, the folds and the probe's score.

Shape letters: L layers, N windows, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.audit.config import AuditConfig
from biosig.audit.signal_measures import Measured, measure
from biosig.batches.alignment import aligned, chosen_align
from biosig.batches.windows import Windows
from biosig.downstream.data.columns import prediction_columns, scored
from biosig.downstream.data.picked_channels import pick_channels
from biosig.downstream.data.splits import groups_of, make_parts
from biosig.downstream.data.task import Task
from biosig.downstream.probe.config import resolve_head
from biosig.downstream.probe.fit import ProbeSpec, fit_probe
from biosig.downstream.probe.frozen_features import frozen_features
from biosig.evaluate.intervals import MEAN, BootstrapInterval, bootstrap
from biosig.evaluate.metrics import METRICS, ROLES, Floats, Kind
from biosig.evaluate.splits import Fold
from biosig.models.model import Model
from biosig.models.reading import Layer
from biosig.progress import Progress


class AuditContext:
    """A task and a model under audit.

    Parameters
    ----------
    config : AuditConfig
        The configuration of the audit.
    task : Task
        N labelled windows; of more than `config.most_windows`, some are drawn.
    model : Model
        The model that gives the embeddings.
    progress : callable, optional
        Called with stage, number done and total.

    Raises
    ------
    UsageError
        If the split does not suit the task.
    """

    def __init__(self, config: AuditConfig, task: Task, model: Model, progress: Progress | None = None) -> None:
        self.config, self.model, self.progress = config, model, progress
        self.task, self.notes = _drawn(task, config)
        windows = pick_channels(self.task.labelled.windows, config.channels)
        self.windows = aligned(windows, chosen_align(config.align, model.contract, windows))
        parts, unused = make_parts(config.split, self.task.labelled, config.seed, self.task.copies)
        self.folds = [Fold(np.union1d(part.train, part.validation), part.test) for part in parts]
        self.notes += unused
        head = None if config.head == "attention" else config.head
        if head is not config.head:
            self.notes.append("Attention pooling is audited by a linear probe on pooled vectors.")
        n_classes = len(self.task.labelled.target.class_names)
        self.recipe = ProbeSpec(resolve_head(head, self.kind), self.kind, n_classes)
        self.metric = METRICS[ROLES[self.kind].selects_probe]
        self.metric_title = self.metric.title
        assert self.metric.chance is not None
        self.chance = self.metric.chance

    @property
    def kind(self) -> Kind:
        """Kind of the labels."""
        return self.task.labelled.target.kind

    @property
    def title(self) -> str:
        """Name of the target, for sentences."""
        return self.task.labelled.target.title

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Embeddings of the windows as they are, by layer (L, N, F)."""
        return self.embed("windows")

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Embeddings of the last of these layers, (N, F)."""
        return self.features[-1]

    @cached_property
    def score(self) -> BootstrapInterval:
        """The probe's score, which is under audit."""
        return self.probe(self.features)

    @cached_property
    def measured(self) -> Measured:
        """Measures of each window that need no model."""
        return measure(self.windows, self.model.contract, self.progress)

    def embed(self, stage: str, windows: Windows | None = None) -> NDArray[np.float32]:
        """Embeddings (L, N, F) of windows, by default the task's; NaN where a window lacks a modality."""
        windows = self.windows if windows is None else windows
        layer: Layer = "all" if self.config.layer == "validation" else self.config.layer
        together = np.zeros(len(windows), np.int64)
        pooling, stage = self.config.pooling, f"audit: {stage}"
        return frozen_features(self.model, windows, together, layer, pooling, self.progress, stage).values

    def probe(self, features: NDArray[Any]) -> BootstrapInterval:
        """Fit the probe on features (L, N, F) of each fold's training part, and score the test parts."""
        return self.probe_others(features, [features])[0]

    def probe_others(self, features: NDArray[Any], others: Sequence[NDArray[Any]]) -> list[BootstrapInterval]:
        """Fit the probe on features (L, N, F), and score the test parts by each of `others`, other features of them."""
        y, groups = self.task.labelled.y, groups_of(self.config.split, self.windows, self.task.copies)
        return [self.rate(found) for found in cross_val_predict(features, others, y, groups, self.folds, self.recipe)]

    def rate(self, prediction: Floats) -> BootstrapInterval:
        """The score of out-of-fold predictions (N, …); rows without one, which no fold tests, are left out."""
        tested = np.flatnonzero(np.isfinite(prediction).reshape(len(prediction), -1).all(axis=1))
        target = self.task.labelled.target
        rows = self.task.rows().iloc[tested].assign(**prediction_columns(prediction[tested], target))
        y, subjects, values = scored(rows, target)
        return bootstrap(self.metric, y, values, subjects, self.config.n_bootstrap, self.config.seed)

    def share(self, right: NDArray[np.bool_], subjects: NDArray[np.str_]) -> BootstrapInterval:
        """The share of rows that are `right`, with its interval over subjects."""
        values = right.astype(np.float64)
        return bootstrap(MEAN, values, values, subjects, self.config.n_bootstrap, self.config.seed)

    def say(self, interval: BootstrapInterval) -> str:
        """A score in words."""
        return f"{self.metric_title} {interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"

    @property
    def has_score(self) -> bool:
        """True if the score is above chance, so that a check can ask what it rests on."""
        return self.above_chance(self.score)

    def is_below(self, other: BootstrapInterval) -> bool:
        """True if another score is clearly below the score under audit."""
        return other.value < self.score.low and other.high < self.score.value

    def above_chance(self, interval: BootstrapInterval) -> bool:
        """True if the whole interval lies above chance."""
        return interval.low > self.chance


def _drawn(task: Task, config: AuditConfig) -> tuple[Task, list[str]]:
    """The task with at most `most_windows` windows, drawn evenly over subjects and their classes, and notes on it."""
    n, strata = len(task.subjects), task.labelled.stratification_labels
    if n <= config.most_windows:
        return task, []
    people = pd.DataFrame({"subject": task.subjects, "stratum": 0 if strata is None else strata})
    shuffled = people.iloc[np.random.default_rng(config.seed).permutation(n)]
    turn = shuffled.groupby(["subject", "stratum"]).cumcount()  # everybody's first window, then everybody's second
    chosen = np.zeros(n, bool)
    chosen[turn.sort_values(kind="stable").index[: config.most_windows]] = True
    return task.only(chosen), [f"{config.most_windows} of {n} windows were looked at, drawn evenly over subjects."]


def cross_val_predict(
    features: NDArray[Any],
    others: Sequence[NDArray[Any]],
    y: NDArray[Any],
    groups: NDArray[Any],
    folds: Sequence[Fold],
    recipe: ProbeSpec,
) -> list[Floats]:
    """Fit a probe on features of each fold's training part, and predict its test part from others.

    Parameters
    ----------
    features, others : ndarray, shape (L, N, F), and a sequence of such
        Features to fit on, and features to predict from; NaN where one is missing.
    y : ndarray
        Labels, as in `biosig.downstream.data.label_windows.LabelledWindows`.
    groups : ndarray of str, shape (N,)
        Groups that stay together where layer and penalty are chosen.
    folds : sequence of Fold
        Rows to fit on and rows to test.
    recipe : ProbeSpec
        The probe.

    Returns
    -------
    list of ndarray, shape (N, K) or (N,)
        Predictions from each of the others; NaN where no fold tests a row.
    """
    predictions = [np.full((len(y), recipe.n_classes) if recipe.n_classes else len(y), np.nan) for _ in others]
    for fold in folds:
        fitted = fit_probe(features[:, fold.train], y[fold.train], groups[fold.train], recipe)
        for prediction, other in zip(predictions, others, strict=True):
            prediction[fold.test] = fitted(other[:, fold.test])
    return predictions
