"""Frozen probes: the rows of a probe's table on pooled embeddings, of the model and of random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from biosig.downstream.baseline import MODEL
from biosig.downstream.data.splits import Split, groups_of, recording_values
from biosig.downstream.data.task import Task
from biosig.downstream.probe.config import Head
from biosig.downstream.probe.few_shot import few_shot_table
from biosig.downstream.probe.fit import FittedProbe, ProbeSpec, fit_probe
from biosig.downstream.probe.fit_facts import FitFacts, read_fit, write_fit
from biosig.downstream.probe.frozen_features import FrozenFeatures, frozen_features
from biosig.evaluate.metrics import Floats
from biosig.evaluate.splits import Fold, Rows
from biosig.file_sums import checked, guarded
from biosig.models.model import Model
from biosig.models.reading import Layer
from biosig.progress import Progress

if TYPE_CHECKING:
    from biosig.downstream.probe.config import ProbeConfig


class FrozenProbes:
    """Heads on a frozen model's features, one per method and fold.

    Parameters
    ----------
    config : ProbeConfig
        Configuration of the probe.
    task : Task
        N windows, each in some part, with the chosen channels.
    model : Model
        The model under test.
    parts : sequence of Split
        One per fold. Training and validation part are fitted on together: inner folds make all choices.
    head : {"logistic", "ridge", "knn", "prototype", "cox"}
        The head to fit.
    progress : callable, optional
        Called with stage, number done and total.
    work : Path, optional
        Existing folder for features, fits and scores, which a killed run reads again.
    vectors : Path, optional
        Folder for the features instead of `work`, for runs on the same windows with the same people tested together;
        the training people may differ.
    """

    def __init__(
        self,
        config: ProbeConfig,
        task: Task,
        model: Model,
        parts: Sequence[Split],
        head: Head,
        progress: Progress | None = None,
        work: Path | None = None,
        vectors: Path | None = None,
    ) -> None:
        self._work, self._vectors = work, vectors
        self._config, self._task, self._model, self._progress = config, task, model, progress
        self._folds = [Fold(np.union1d(part.train, part.validation), part.test) for part in parts]
        windows, target = task.labelled.windows, config.target
        self._recipe = ProbeSpec(head, target.kind, len(target.class_names), config.calibration)
        self._groups = groups_of(config.split, windows, task.copies)
        self._erased = None
        if config.erase:
            self._erased = task.people if config.erase == "subject" else recording_values(windows, config.erase)
        self.facts: list[dict[str, Any]] = []
        """Choices and fits, one entry per method and fold."""
        self.notes: list[str] = []
        """Remarks on the fits for the reader."""
        self.tables: dict[str, pd.DataFrame] = {}
        """Scores by layer and by number of labels, if the configuration asks for them."""

    def predictions(self, method: str, draw: int = 0) -> list[Floats]:
        """Predictions (n, K) or (n,) of each fold's test part, by the model or by its encoder with random weights.

        Parameters
        ----------
        method : str
            "model", or the name of a row with random weights.
        draw : int
            Number of the draw of random weights.
        """
        work = self._work and self._work / (f"{method}-{draw}" if draw else method)
        if work is not None:
            work.mkdir(parents=True, exist_ok=True)
        found = self._features(method, draw, self._vectors or work)
        numbers = range(len(self._folds))
        fits = [self._fold(found, number, work and work / f"fit-{number}.safetensors") for number in numbers]
        self._add_facts(method, draw, found, [facts for _, facts in fits])
        if method == MODEL and self._config.shots:
            self.tables["shots"] = self._few_shots(found, work and work / "shots.parquet")
        return [prediction for prediction, _ in fits]

    def _fold(self, found: FrozenFeatures, number: int, kept: Path | None) -> tuple[Floats, FitFacts]:
        """Predictions of the test part of one fold, and the facts of its fit."""
        if kept is not None and kept.exists():
            return read_fit(kept)
        fold = self._folds[number]
        fitted = self._fit(found, fold.train, self._recipe)
        prediction, facts = fitted(found.values[:, fold.test]), FitFacts.of(fitted)
        if kept is not None:
            write_fit(prediction, facts, kept)
        return prediction, facts

    def _few_shots(self, found: FrozenFeatures, kept: Path | None) -> pd.DataFrame:
        if kept is not None and kept.exists():
            with checked(kept):
                return pd.read_parquet(kept)
        few = ProbeSpec(self._recipe.head, self._recipe.kind, self._recipe.n_classes)
        table = few_shot_table(
            self._task,
            self._folds,
            self._config.shots,
            lambda rows: self._fit(found, rows, few),
            lambda fitted, rows: fitted(found.values[:, rows]),
            self._config,
        )
        if kept is not None:
            with guarded(kept) as temporary:
                table.to_parquet(temporary, index=False)
        return table

    def seed_of(self, method: str, draw: int) -> int:
        """Seed of a draw of random weights, different from that of `build_model(seed)`; the probe's for the model."""
        return self._config.seed + (0 if method == MODEL else 1 + draw)

    def _features(self, method: str, draw: int, work: Path | None) -> FrozenFeatures:
        model = self._model
        if method != MODEL:
            model = model.with_random_weights(self.seed_of(method, draw))
        fold_number = np.full(len(self._task.subjects), -1)
        for number, fold in enumerate(self._folds):
            fold_number[fold.test] = number
        # 0, 1, … also if several draws test the same people, so that the same windows are embedded together.
        tested_in = np.unique(fold_number, return_inverse=True)[1]
        config, windows = self._config, self._task.labelled.windows
        layer: Layer = "all" if config.layer == "validation" else config.layer
        stage = f"{method}, draw {draw}" if draw else method
        if self._vectors is not None:
            work = self._vectors / f"{method}-{draw}"
            work.mkdir(parents=True, exist_ok=True)
        return frozen_features(model, windows, tested_in, layer, config.pooling, self._progress, stage, work)

    def _fit(self, found: FrozenFeatures, rows: Rows, recipe: ProbeSpec) -> FittedProbe:
        erased = None if self._erased is None else self._erased[rows]
        return fit_probe(found.values[:, rows], self._task.labelled.y[rows], self._groups[rows], recipe, erased)

    def _add_facts(self, method: str, draw: int, found: FrozenFeatures, fits: Sequence[FitFacts]) -> None:
        new = [f"{method}: {note}" for note in [*found.notes, *(note for fitted in fits for note in fitted.notes)]]
        self.notes += dict.fromkeys(note for note in new if note not in self.notes)  # all draws lack the same windows
        for number, fitted in enumerate(fits):
            self.facts.append(
                {
                    "method": method,
                    "fold": number,
                    **({"seed": self.seed_of(method, draw)} if self._config.draws > 1 else {}),
                    "layer": found.layers[fitted.layer],
                    "settings": list(fitted.settings),
                    "calibration": fitted.calibration,
                    "sha256": fitted.sha256,
                }
            )
        if method == MODEL and any(fitted.layer_scores for fitted in fits):
            chosen = ", ".join(str(found.layers[fitted.layer]) for fitted in fits if fitted.layer_scores)
            self.notes.append(f"model: the layer was chosen by inner folds of the training subjects: {chosen}.")
            self.tables["layers"] = pd.DataFrame(
                {"fold": number, "layer": layer, "inner_score": score}
                for number, fitted in enumerate(fits)
                if fitted.layer_scores
                for layer, score in zip(found.layers, fitted.layer_scores, strict=True)
            )
