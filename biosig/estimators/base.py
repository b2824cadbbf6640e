"""Base classes of estimators over signals: the parameters that describe an array, and the model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from biosig.batches.alignment import aligned, chosen_align
from biosig.batches.input_contract import Align, InputContract, OnUnknown
from biosig.device import resolve_device
from biosig.errors import UsageError
from biosig.estimators.inputs import SignalRows, describes_itself, signal_rows
from biosig.models.listing import list_models
from biosig.models.load import named_model
from biosig.models.model import Model


class SignalEstimator(BaseEstimator):
    """An estimator whose X is signals.

    X is an array (rows, channels, samples), described by `ch_names` and `sfreq`; or MNE Epochs, a list of recordings, a
    ShardDataset or Windows, which hold names and rates themselves: one epoch, recording or window is one row.

    Parameters
    ----------
    ch_names : sequence of str, optional
        Of an array's channels.
    sfreq : float, optional
        Of an array, in Hz.
    kind : str or sequence of str, optional
        "ecg", "ppg" or "eeg", for all channels of an array or one each; default the only one that is read.
    units : str or sequence of str, optional
        Of an array; default uV for EEG and mV for ECG.
    """

    window: float | None = None
    align: Align | None = None

    def __init__(
        self,
        *,
        ch_names: Sequence[str] | None = None,
        sfreq: float | None = None,
        kind: str | Sequence[str] | None = None,
        units: str | Sequence[str] | None = None,
    ) -> None:
        self.ch_names = ch_names
        self.sfreq = sfreq
        self.kind = kind
        self.units = units

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        tags.input_tags.allow_nan = True  # a sample that is missing
        return tags

    def _rows(self, X: Any, modalities: Collection[str] | Mapping[str, InputContract], reset: bool) -> SignalRows:
        """X as windows, aligned by `align`, or as a contract that is given for `modalities` names it.

        An array's number of channels is `n_features_in_`: set where `reset`, compared elsewhere.
        """
        first = X[0] if isinstance(X, list | tuple) and X else X
        if isinstance(first, str | Path):
            raise UsageError(f"X is the path {str(first)!r}: open it with biosig.read or biosig.open_shards first.")
        if not describes_itself(X):
            X = validate_data(self, X, reset=reset, allow_nd=True, ensure_all_finite=False)
        rows = signal_rows(X, modalities, self.window, self.ch_names, self.sfreq, self.kind, self.units)
        contract = modalities if isinstance(modalities, Mapping) else {}
        return replace(rows, windows=aligned(rows.windows, chosen_align(self.align, contract, rows.windows)))


class ModelEstimator(SignalEstimator):
    """An estimator of signals that has a model.

    Parameters
    ----------
    model : str, Path or Model
        A checkpoint folder, else weights that ship, else a preset (random weights), by name; or a model, which is moved
        to the device and otherwise left as it is.
    ch_names, sfreq, kind, units
        As in `SignalEstimator`.
    window : float, optional
        Cut each row into windows of so many seconds, and average their results; a remainder at the row's end is not
        used. None = take each row whole.
    on_unknown : {"keep", "skip", "raise"}, optional
        Treatment of channels without a known place on the body; None = as the model's contract says: EEG without a
        known electrode gives no token, ECG and PPG do.
    align : {"none", "subject", "first_minute"}, optional
        Reference that EEG is aligned to before it is read (`biosig.batches.alignment`): the recordings that the rows of
        this X lie in, which need a subject each, or 10 s of their own. None = as the model's contract names it.
    device : str
        "auto" = CUDA where there is one.
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
        on_unknown: OnUnknown | None = None,
        align: Align | None = None,
        device: str = "auto",
    ) -> None:
        super().__init__(ch_names=ch_names, sfreq=sfreq, kind=kind, units=units)
        self.align = align
        self.model = model
        self.window = window
        self.on_unknown = on_unknown
        self.device = device

    def _opened(self) -> Model:
        """The model, on the device."""
        if self.model is None:
            raise UsageError(
                f"{type(self).__name__} has no model: give a checkpoint folder, a name "
                f"({', '.join(one.name for one in list_models())}), or a model of biosig.load_model."
            )
        model = self.model if isinstance(self.model, Model) else named_model(self.model)
        return model.with_unknown(self.on_unknown).to(resolve_device(self.device))
