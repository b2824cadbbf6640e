"""`FeatureTransformer`: signals in, physiological features per row out.

Shape letters: R rows of X, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from biosig.batches.input_contract import Align
from biosig.errors import DataError
from biosig.estimators.base import SignalEstimator
from biosig.estimators.inputs import SignalRows
from biosig.features.registry import check_kinds
from biosig.features.row import measure


class FeatureTransformer(TransformerMixin, SignalEstimator):
    """Measure the features of each row of X (`biosig.features`); a row is taken whole.

    `fit` learns only the columns that the rows of X have: a row's values do not depend on other rows. A value that
    cannot be measured is NaN, so the next step of a pipeline is trees that take NaN, or an imputer.

    Parameters
    ----------
    ch_names, sfreq, kind, units
        As in `SignalEstimator`.
    kinds : sequence of str, optional
        "ecg", "ppg", "eeg": kinds of signal to measure; default all.
    align : {"none", "subject", "first_minute"}
        As in `ModelEstimator`.

    Attributes
    ----------
    columns_ : list of str
        Columns with a value in at least one row seen by `fit`: "ecg.rate", "ecg.r_amplitude[V1]".
    unmeasured_ : list of str
        Columns without a value in any row seen by `fit`; they are left out, since trees cannot split on them.
    n_features_in_ : int
        Channels, where X was an array.

    Examples
    --------
    >>> pipeline = make_pipeline(FeatureTransformer(), HistGradientBoostingClassifier())
    >>> cross_val_score(pipeline, recordings, y, groups=subjects, cv=GroupKFold(5))
    """

    def __init__(
        self,
        *,
        ch_names: Sequence[str] | None = None,
        sfreq: float | None = None,
        kind: str | Sequence[str] | None = None,
        units: str | Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        align: Align = "none",
    ) -> None:
        super().__init__(ch_names=ch_names, sfreq=sfreq, kind=kind, units=units)
        self.align = align
        self.kinds = kinds

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # features are float64
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the columns that the rows of X have.

        Raises
        ------
        UsageError
            If X is not what `SignalEstimator` takes, or a kind has no features.
        DataError
            If no row has a channel of these kinds.
        """
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> NDArray[np.float64]:  # noqa: ARG002
        """As `fit`, then `transform`, measuring once."""
        measured = self._measured(self._rows(X, check_kinds(self.kinds), reset=True))
        seen = dict.fromkeys(name for values in measured for name in values)
        found = {name for values in measured for name, value in values.items() if np.isfinite(value)}
        self.columns_ = [name for name in seen if name in found]
        self.unmeasured_ = [name for name in seen if name not in found]
        if not self.columns_:
            raise DataError(
                f"No row of X has a value of kind {', '.join(check_kinds(self.kinds))}: choose other channels, or "
                "other kinds."
            )
        return self._table(measured)

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Features of the rows of X, shape (R, F); NaN where a value cannot be measured.

        Raises
        ------
        DataError
            If a row has a channel or a kind that no row had in `fit`.
        """
        check_is_fitted(self)
        return self._table(self._measured(self._rows(X, check_kinds(self.kinds), reset=False)))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002
        """The columns, shape (F,)."""
        check_is_fitted(self)
        return np.array(self.columns_, object)

    def _measured(self, rows: SignalRows) -> list[dict[str, float]]:
        windows, kinds = rows.windows, check_kinds(self.kinds)
        return [measure(windows.read(row), kinds)[0] for row in range(len(windows))]

    def _table(self, measured: Sequence[dict[str, float]]) -> NDArray[np.float64]:
        place = {name: column for column, name in enumerate(self.columns_)}
        known = place.keys() | set(self.unmeasured_)
        table = np.full((len(measured), len(place)), np.nan)
        for row, values in enumerate(measured):
            further = [name for name in values if name not in known]
            if further:
                raise DataError(
                    f"Row {row} of X has {len(further)} columns that no row had in fit, the first is '{further[0]}': "
                    f"fit {type(self).__name__} to rows with the same channels, or leave those channels out."
                )
            columns = {place[name]: value for name, value in values.items() if name in place}
            table[row, list(columns)] = list(columns.values())
        return table
