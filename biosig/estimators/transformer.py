"""`EmbeddingTransformer`: signals in, one vector per row out.

Shape letters: R rows of X, W windows, M modalities, D numbers in the vector of a modality, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from biosig.batches.channel_layout import channels_read
from biosig.batches.input_contract import Align, InputContract, OnUnknown
from biosig.batches.packed import MODALITY_IDS
from biosig.batches.windows import Windows
from biosig.embedding import embed_windows, vectors_of
from biosig.errors import DataError
from biosig.estimators.base import ModelEstimator
from biosig.estimators.inputs import SignalRows
from biosig.models.model import Model
from biosig.models.reading import readings_of
from biosig.models.readouts import Pooling, check_pooling


class EmbeddingEstimator(ModelEstimator):
    """An estimator that embeds the rows of X.

    Parameters
    ----------
    model, ch_names, sfreq, kind, units, window, align, on_unknown, device
        As in `ModelEstimator`.
    pooling : str, optional
        Pooling of a window's tokens (`biosig.models.readouts`); None = as the weights name it, else the model's own.
    layer : int or sequence of int, optional
        0 the embedding output, k after block k, -1 the model's output; several are put side by side; None = those that
        the weights name with their readout, else the output.
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
        on_unknown: OnUnknown | None = None,
        device: str = "auto",
    ) -> None:
        shared: dict[str, Any] = {"ch_names": ch_names, "sfreq": sfreq, "kind": kind, "units": units, "window": window}
        super().__init__(model, **shared, align=align, on_unknown=on_unknown, device=device)
        self.pooling = pooling
        self.layer = layer

    def _learn(self, X: Any) -> SignalRows:
        """Open the model, and note the modalities of X."""
        model = self._opened()
        readings = readings_of(model.config, self.pooling, self.layer)
        for reading in readings.values():
            check_pooling(model.config, reading.pooling)
        rows = self._rows(X, model.contract, reset=True)
        self.modalities_ = modalities_of(rows.windows, model.contract)
        parts = [readings[modality] for modality in self.modalities_]
        if parts[0].one_per_window:
            parts = parts[:1]
        self._sizes = [reading.n_features(model.config) for reading in parts]
        self._n_features_out = sum(self._sizes)
        self.model_ = model
        return rows

    def _embedded(self, rows: SignalRows) -> NDArray[np.float64]:
        """One vector per row, shape (R, F)."""
        return rows.mean(self._vectors(rows.windows))

    def _vectors(self, windows: Windows) -> NDArray[np.float32]:
        """One vector per window, shape (W, F)."""
        further = sorted(set(modalities_of(windows, self.model_.contract)) - set(self.modalities_))
        if further:
            raise DataError(
                f"X has {', '.join(further)}, and {type(self).__name__} was fitted to {', '.join(self.modalities_)}: "
                f"fit it to the same modalities, or leave those channels out."
            )
        table = embed_windows(self.model_, windows, layer=self.layer, pooling=self.pooling)
        joint = len(self._sizes) == 1
        names = ["+".join(self.modalities_)] if joint else self.modalities_
        vectors = [np.full((len(windows), size), np.nan, np.float32) for size in self._sizes]  # M × (W, D)
        for modality, (rows, values) in vectors_of(table).items():
            vectors[0 if joint else names.index(modality)][rows] = values
        refuse_empty(windows, np.stack([~np.isnan(part[:, 0]) for part in vectors], axis=1), names)
        return np.concatenate(vectors, axis=1)


class EmbeddingTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, EmbeddingEstimator):
    """Embed each row of X with a pretrained model; parameters as in `EmbeddingEstimator`.

    `fit` learns only the modalities of X: a row's vector does not depend on other rows.

    Attributes
    ----------
    model_ : Model
        The model that embeds.
    modalities_ : list of str
        Modalities of X that the model reads. A vector has one part for each, or one part for all if a window's own
        token reads them all.
    n_features_in_ : int
        Channels, where X was an array.

    Examples
    --------
    >>> pipeline = make_pipeline(EmbeddingTransformer("checkpoint"), StandardScaler(), LogisticRegression())
    >>> cross_val_score(pipeline, epochs, y, groups=subjects, cv=GroupKFold(5))
    """

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # vectors are float32
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Open the model, and check that it can read X.

        Raises
        ------
        UsageError
            If there is no model, it has no such pooling or layer, or X is not what `ModelEstimator` takes.
        DataError
            If X has no channel that the model reads.
        """
        self._learn(X)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Vectors of the rows of X, shape (R, F), float32.

        Raises
        ------
        DataError
            If a window gives no valid token of a modality that `fit` has seen, or has another modality.
        """
        check_is_fitted(self)
        return self._embedded(self._rows(X, self.model_.contract, reset=False)).astype(np.float32)


def modalities_of(windows: Windows, contract: Mapping[str, InputContract]) -> list[str]:
    """The modalities of the windows' recordings that a contract contains."""
    recordings = [windows.ds[int(row)] for row in np.unique(windows.recording)]
    read = {modality for recording in recordings for modality in channels_read(recording.channels, contract)}
    if not read:
        channels = [channel for recording in recordings for channel in recording.channels]
        unknown = list(dict.fromkeys(c.source_name for c in channels if c.kind == "eeg" and "eeg" in contract))
        kinds = ", ".join(sorted({channel.kind for channel in channels})) or "none"
        reason = f"no electrode is known for {', '.join(unknown[:12])}: correct their names" if unknown else ""
        raise DataError(
            f"X has channels of kind {kinds}, and the model reads {', '.join(contract)}"
            f"{f', but {reason}' if unknown else ': choose other channels'}, or another model."
        )
    return [modality for modality in MODALITY_IDS if modality in read]


def refuse_empty(windows: Windows, usable: NDArray[np.bool_], names: Sequence[str]) -> None:
    """Refuse windows without a valid token, with `usable` (W, M) by modality, and name the first of them.

    Raises
    ------
    DataError
        If there is one.
    """
    if not usable.all():
        first = int(np.argmin(usable.all(axis=1)))
        missing = names[int(np.argmin(usable[first]))]
        raise DataError(
            f"{int((~usable).any(axis=1).sum())} of {len(usable)} windows lack a valid {missing} token; the first is "
            f"at {windows.onset[first]:g} s of recording '{windows.ds[int(windows.recording[first])].id}': leave those "
            f"rows of X out, or look at them with biosig inspect."
        )
