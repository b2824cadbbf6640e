"""Resampling by the method that a network's makers used: their anti-alias filters leave other numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import signal as scipy_signal

from biosig.batches.steps import STEPS, Signal, Step
from biosig.signal.resample import ratio, resample_valid


@STEPS.register
@dataclass(frozen=True)
class Resample(Step):
    """The signal at another rate; one that has the rate already is left as it is.

    Parameters
    ----------
    sfreq : float
        Hz after the step.
    method : {"fourier", "mne", "polyphase", "linear", "nearest"}
        "fourier": `scipy.signal.resample`, whose window's ends see each other. "mne": `mne.filter.resample`, the same
        with mirrored ends. "polyphase": `scipy.signal.resample_poly`. "linear": between the first and the last sample,
        both of which stay. "nearest": the sample at or before each moment.
    """

    name: ClassVar[str] = "resample"
    sfreq: float
    method: Literal["fourier", "mne", "polyphase", "linear", "nearest"] = "fourier"

    def __call__(self, signal: Signal) -> Signal:
        """The signal at the rate, round(T · new / old) samples of it; of "polyphase" ceil(T · new / old)."""
        if signal.sfreq == self.sfreq:
            return signal
        up, down = ratio(signal.sfreq, self.sfreq, signal.values.shape[-1])
        values = self._resampled(signal.values, up, down)
        valid = resample_valid(signal.valid, signal.sfreq, self.sfreq)
        if values.shape[-1] > valid.shape[-1]:  # scipy's polyphase rounds a length up
            valid = np.concatenate([valid, valid[:, -1:]], axis=-1)
        n_times = min(values.shape[-1], valid.shape[-1])
        return replace(signal, values=values[:, :n_times], valid=valid[:, :n_times], sfreq=self.sfreq)

    def _resampled(self, x: NDArray[np.float64], up: int, down: int) -> NDArray[np.float64]:
        n_times = x.shape[-1]
        n_new = round(n_times * up / down)
        if self.method == "mne":
            from mne.filter import resample

            return np.asarray(resample(x, up, down, npad="auto", verbose="error"))
        if self.method == "fourier":
            return np.asarray(scipy_signal.resample(x, n_new, axis=-1))
        if self.method == "polyphase":
            return np.asarray(scipy_signal.resample_poly(x, up, down, axis=-1))
        if self.method == "nearest":
            return x[:, np.minimum(np.arange(n_new) * down // up, n_times - 1)]
        at = np.linspace(0, n_times - 1, n_new)
        return np.stack([np.interp(at, np.arange(n_times), row) for row in x]) if len(x) else x[:, :n_new]

    def describe(self) -> str:
        """The phrase."""
        how = {"fourier": "Fourier", "mne": "Fourier of MNE"}.get(self.method, self.method)
        return f"resample to {self.sfreq:g} Hz ({how})"
