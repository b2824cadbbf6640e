"""`FineTunedClassifier` and `FineTunedRegressor`: the encoder and a head trained on the rows of X.

The two stages are those of `biosig finetune`; the epoch is chosen on people that are kept out of training.

Shape letters: R rows of X, W windows, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from biosig.batches.input_contract import Align, InputContract, OnUnknown
from biosig.downstream.data.batch_sources import FrozenExamples, PackedExamples
from biosig.downstream.data.splits import Split
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.finetune.config import FineTuneStage, TrainingSpec
from biosig.downstream.finetune.fit import predict
from biosig.downstream.finetune.losses import TaskLoss
from biosig.downstream.finetune.stages import fine_tune
from biosig.errors import UsageError
from biosig.estimators.base import ModelEstimator
from biosig.estimators.inputs import SignalRows
from biosig.estimators.transformer import refuse_empty
from biosig.evaluate.splits import connected_groups, held_out_fold
from biosig.models.model import Model
from biosig.models.reading import tuned_pooling
from biosig.models.readouts import READOUTS, Pooling
from biosig.training.config import TrainingStage

HEAD_LR = 5e-3
KEEP_BYTES = 4e9
"""Prepared windows, and tokens of the frozen encoder, that may stay in memory while it is fitted."""


class FineTunedEstimator(ModelEstimator):
    """The stages of `biosig finetune`, on the rows of X.

    Parameters
    ----------
    model, ch_names, sfreq, kind, units, window, align, on_unknown, device
        As in `ModelEstimator`.
    method : {"probe", "last", "lora", "full"}
        Parameters that are trained after the head (`biosig.downstream.finetune.config.FineTuneStage`).
    pooling : {"attention", "cls", "mean", "flatten"}, optional
        Pooling of the tokens for the head; None = as the model does it.
    epochs : int
        Largest number for each of the two stages: the head on the frozen encoder, then the encoder too.
    lr : float
        Peak learning rate of the second stage.
    batch_size : int
        Windows per step.
    patience : int
        Epochs without a better validation score after which a stage ends.
    validation : float
        Share of the groups that choose the epoch and are not trained on; at most a half.
    random_state : int, RandomState or None
        Seeds the validation groups, the head and the order of the windows.
    """

    def __init__(
        self,
        model: str | Path | Model | None = None,
        *,
        ch_names: Sequence[str] | None = None,
        sfreq: float | None = None,
        kind: str | Sequence[str] | None = None,
        units: str | Sequence[str] | None = None,
        window: float | None = None,
        align: Align | None = None,
        method: Literal["probe", "last", "lora", "full"] = "lora",
        pooling: Pooling | None = None,
        epochs: int = 20,
        lr: float = 1e-4,
        batch_size: int = 32,
        patience: int = 10,
        validation: float = 0.2,
        random_state: int | np.random.RandomState | None = None,
        on_unknown: OnUnknown | None = None,
        device: str = "auto",
    ) -> None:
        shared: dict[str, Any] = {"ch_names": ch_names, "sfreq": sfreq, "kind": kind, "units": units, "window": window}
        super().__init__(model, **shared, align=align, on_unknown=on_unknown, device=device)
        self.method = method
        self.pooling = pooling
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.patience = patience
        self.validation = validation
        self.random_state = random_state

    def _fit(self, X: Any, y: NDArray[Any], names: Sequence[str], groups: ArrayLike | None) -> None:
        """Train on rows X with labels y (R,): numbers of the classes `names`, or without names values."""
        check_consistent_length(X, y, groups)
        self._check_choices()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        model = self._opened()
        rows = self._rows(X, model.contract, reset=True)
        windows = _surveyed(rows, model.contract)
        content, copies = rows.contents()  # (R,)
        given = [] if groups is None else [_numbered(groups).astype(str)]
        person = connected_groups(content, copies, *given)
        labels = y[rows.row]  # (W,)
        order = np.argsort(content[rows.row], kind="stable")  # of windows, whatever the order of the rows is
        parts = self._parts(person[rows.row], labels if names else None, seed, order)
        known = labels[parts.train]
        if names:
            objective = TaskLoss("classes", tuple(names))
        else:
            objective = TaskLoss("number", ("y",), float(known.mean()), float(known.std()) or 1.0)
        stage = TrainingStage(HEAD_LR, self.epochs, patience=self.patience, batch_size=self.batch_size, mixup=False)
        tune = FineTuneStage(**{**asdict(stage), "lr": self.lr}, method=self.method)
        training = TrainingSpec(stage, tune, self.pooling or tuned_pooling(model.config))
        frozen = FrozenExamples(windows, model.encoder, model.device, KEEP_BYTES)
        self.network_ = fine_tune(model.encoder, frozen, labels, objective, parts, training, [seed])

    def _check_choices(self) -> None:
        methods = ("probe", "last", "lora", "full")
        for name, choices in (("method", methods), ("pooling", (None, *READOUTS))):
            if getattr(self, name) not in choices:
                raise UsageError(
                    f"There is no {name} {getattr(self, name)!r}: choose {', '.join(str(one) for one in choices)}."
                )
        if not self.lr > 0:
            raise UsageError(f"lr is {self.lr:g}; a learning rate must be positive.")

    def _parts(
        self, person: NDArray[np.str_], classes: NDArray[np.int64] | None, seed: int, order: NDArray[np.int64]
    ) -> Split:
        """Split windows into those to train on and, of other groups, those that choose the epoch, in this order."""
        n_groups = len(np.unique(person))
        if not 0 < self.validation <= 0.5 or round(1 / self.validation) > n_groups:
            raise UsageError(
                f"validation is {self.validation:g}, and there are {n_groups} groups (n_samples = {len(person)}): "
                f"give a share that is one group or more, and at most 0.5."
            )
        n_folds = round(1 / self.validation)
        if classes is not None and np.bincount(classes).max() < n_folds:
            raise UsageError(
                f"validation is {self.validation:g}, one row in {n_folds}, and no class has {n_folds} rows: "
                f"give a larger share, at most 0.5, or more rows."
            )
        fold = held_out_fold(person[order], self.validation, seed, None if classes is None else classes[order])
        return Split(order[fold.train], order[fold.test], np.empty(0, np.int64))

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (R, K) or values (R,)."""
        check_is_fitted(self)
        network = self.network_
        contract = network.encoder.config.contract
        rows = self._rows(X, contract, reset=False)
        examples = PackedExamples(_surveyed(rows, contract), next(network.parameters()).device)
        numbers = np.arange(len(rows.windows))
        return rows.mean(predict(network, examples, network.objective, numbers, self.batch_size))


def _numbered(groups: ArrayLike) -> NDArray[np.int64]:
    """Groups as numbers (R,). Missing groups are refused; they would otherwise form one group."""
    missing = pd.isna(np.asarray(groups))
    if missing.any():
        raise UsageError(
            f"{int(missing.sum())} of {len(missing)} rows have no group, the first is row {int(np.argmax(missing))}: "
            f"give each row a group, or leave these rows out."
        )
    return np.unique(np.asarray(groups), return_inverse=True)[1]


def _surveyed(rows: SignalRows, contract: Mapping[str, InputContract]) -> PreparedWindows:
    """Prepare the windows for the contract, and refuse those that give no token."""
    windows = PreparedWindows(rows.windows, contract, keep_bytes=KEEP_BYTES)
    refuse_empty(rows.windows, windows.survey()[:, None], [" or ".join(contract)])
    return windows


class FineTunedClassifier(ClassifierMixin, FineTunedEstimator):
    """A pretrained encoder fine-tuned to predict classes; parameters as in `FineTunedEstimator`.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The classes of y.
    network_ : biosig.downstream.finetune.classifier.Classifier
        The encoder and its head.

    Examples
    --------
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     tuned = FineTunedClassifier("checkpoint", method="lora").set_fit_request(groups=True)
    ...     cross_validate(tuned, epochs, y, cv=GroupKFold(5), params={"groups": subjects})
    """

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Train for classes y (R,).

        Parameters
        ----------
        X : signals
            As in `ModelEstimator`.
        y : array, shape (R,)
            Classes.
        groups : array, shape (R,), optional
            Subject of each row, so that no one is both trained on and in the part that chooses the epoch. None = rows
            are drawn one by one, which is right only if no two are of one person.

        Raises
        ------
        UsageError
            If y has one class only, or there are too few groups.
        """
        known = validate_data(self, y=y)
        check_classification_targets(known)
        self.classes_, codes = np.unique(known, return_inverse=True)
        if len(self.classes_) < 2:
            raise UsageError(f"y has {'one class only' if len(codes) else 'no row'}: give rows of two classes or more.")
        self._fit(X, codes, [str(name) for name in self.classes_], groups)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (R, K)."""
        return self._outputs(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row (R,)."""
        chosen = self._outputs(X).argmax(axis=1)
        return self.classes_[chosen]


class FineTunedRegressor(RegressorMixin, FineTunedEstimator):
    """A pretrained encoder fine-tuned to predict a number; parameters as in `FineTunedEstimator`.

    Attributes
    ----------
    network_ : biosig.downstream.finetune.classifier.Classifier
        The encoder and its head.
    """

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Train for numbers y (R,); `groups` as in `FineTunedClassifier.fit`."""
        self._fit(X, validate_data(self, y=y, y_numeric=True).astype(np.float64), (), groups)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Values (R,), in the unit of y."""
        return self._outputs(X)
