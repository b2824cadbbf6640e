"""`EmbeddingClassifier` and `EmbeddingRegressor`: a linear model on embeddings, of signals or as they are.

Shape letters: R rows of X, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from biosig.batches.input_contract import Align, OnUnknown
from biosig.estimators.transformer import EmbeddingEstimator
from biosig.models.model import Model
from biosig.models.readouts import Pooling

_MAX_ITER = 2000


class LinearOnEmbeddings(EmbeddingEstimator):
    """Embed the rows if a model is given, standardise, and apply a linear model."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        signals = self.model is not None
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = not signals, signals
        tags.input_tags.allow_nan = signals
        return tags

    def _fit(self, linear: Any, X: Any, y: Any, sample_weight: ArrayLike | None) -> None:
        numbers = isinstance(linear, Ridge)
        if self.model is None:
            Z, y = validate_data(self, X, y, dtype=np.float64, y_numeric=numbers)
        else:
            y = validate_data(self, y=y, y_numeric=numbers)
            check_consistent_length(X, y, sample_weight)
            Z = self._embedded(self._learn(X))
        self.scaler_ = StandardScaler().fit(Z, sample_weight=sample_weight)
        self.linear_ = linear.fit(self.scaler_.transform(Z), y, sample_weight=sample_weight)

    def _features(self, X: Any) -> NDArray[np.float64]:
        """Standardised features (R, F)."""
        check_is_fitted(self)
        if self.model is None:
            Z = validate_data(self, X, dtype=np.float64, reset=False)
        else:
            Z = self._embedded(self._rows(X, self.model_.contract, reset=False))
        return self.scaler_.transform(Z)


class EmbeddingClassifier(ClassifierMixin, LinearOnEmbeddings):
    """Logistic regression on standardised embeddings.

    Parameters
    ----------
    model : str, Path or Model, optional
        The model that embeds the signals in X; None = X is embeddings already, shape (R, F).
    ch_names, sfreq, kind, units, window, align, pooling, layer, on_unknown, device
        As in `EmbeddingEstimator`.
    C : float
        Inverse of the L2 penalty; choose it by a grid search over groups.
    class_weight : "balanced", dict or None
        As in `sklearn.linear_model.LogisticRegression`.

    Attributes
    ----------
    classes_ : ndarray, shape (K,)
        The classes of y.
    scaler_ : StandardScaler
        Mean and deviation of each feature in the training rows.
    linear_ : LogisticRegression
        The fitted regression.
    model_ : Model
        The model that embeds, if one is given.
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
        pooling: Pooling | None = None,
        layer: int | Sequence[int] | None = None,
        C: float = 0.01,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        on_unknown: OnUnknown | None = None,
        device: str = "auto",
    ) -> None:
        shared: dict[str, Any] = {"ch_names": ch_names, "sfreq": sfreq, "kind": kind, "units": units, "window": window}
        super().__init__(
            model, **shared, align=align, pooling=pooling, layer=layer, on_unknown=on_unknown, device=device
        )
        self.C = C
        self.class_weight = class_weight

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to classes y (R,), each row counting `sample_weight` (R,) times."""
        linear = LogisticRegression(C=self.C, class_weight=self.class_weight, max_iter=_MAX_ITER)
        self._fit(linear, X, y, sample_weight)
        self.classes_ = self.linear_.classes_
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores (R,) of the second of two classes, or (R, K)."""
        Z = self._features(X)
        return self.linear_.decision_function(Z)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (R, K)."""
        Z = self._features(X)
        return self.linear_.predict_proba(Z)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row (R,)."""
        Z = self._features(X)
        return self.linear_.predict(Z)


class EmbeddingRegressor(RegressorMixin, LinearOnEmbeddings):
    """Ridge regression on standardised embeddings.

    Parameters
    ----------
    model : str, Path or Model, optional
        The model that embeds the signals in X; None = X is embeddings already, shape (R, F).
    ch_names, sfreq, kind, units, window, align, pooling, layer, on_unknown, device
        As in `EmbeddingEstimator`.
    alpha : float
        L2 penalty; choose it by a grid search over groups.

    Attributes
    ----------
    scaler_ : StandardScaler
        Mean and deviation of each feature in the training rows.
    linear_ : Ridge
        The fitted regression.
    model_ : Model
        The model that embeds, if one is given.
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
        pooling: Pooling | None = None,
        layer: int | Sequence[int] | None = None,
        alpha: float = 100.0,
        on_unknown: OnUnknown | None = None,
        device: str = "auto",
    ) -> None:
        shared: dict[str, Any] = {"ch_names": ch_names, "sfreq": sfreq, "kind": kind, "units": units, "window": window}
        super().__init__(
            model, **shared, align=align, pooling=pooling, layer=layer, on_unknown=on_unknown, device=device
        )
        self.alpha = alpha

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to numbers y (R,), each row counting `sample_weight` (R,) times."""
        self._fit(Ridge(alpha=self.alpha), X, y, sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Values (R,)."""
        Z = self._features(X)
        return self.linear_.predict(Z)
