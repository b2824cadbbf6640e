"""Band filters without delay: Butterworth, Chebyshev II, and MNE's FIR."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import signal as scipy_signal

from biosig.batches.steps import STEPS, Signal, Step
from biosig.errors import UsageError


@STEPS.register
@dataclass(frozen=True)
class Filter(Step):
    """A band-pass, high-pass or low-pass, zero-phase, at the rate at which the signal arrives.

    Parameters
    ----------
    family : {"butterworth", "chebyshev2", "fir"}
        "fir": `mne.filter.filter_data` with its own design. The others run forwards and backwards as second-order
        sections, their ends padded as `scipy.signal.filtfilt` pads them.
    low, high : float or None
        Edges in Hz; None leaves a side open.
    order : int
        Of the design, for each edge; run both ways it is twice that.
    attenuation : float
        dB of the stop band, for "chebyshev2".
    """

    name: ClassVar[str] = "filter"
    family: Literal["butterworth", "chebyshev2", "fir"] = "butterworth"
    low: float | None = None
    high: float | None = None
    order: int = 4
    attenuation: float = 20.0

    def __call__(self, signal: Signal) -> Signal:
        """The filtered signal.

        Raises
        ------
        UsageError
            If an edge is not below half the rate.
        """
        edges = [edge for edge in (self.low, self.high) if edge is not None]
        if not edges or edges[-1] >= signal.sfreq / 2:
            raise UsageError(
                f"The model's filter of {self._band()} needs more than {2 * max(edges, default=0):g} Hz, and the "
                f"recording has {signal.sfreq:g} Hz: leave it out, or choose another model."
            )
        if self.family == "fir":
            from mne.filter import filter_data

            values = filter_data(signal.values, signal.sfreq, self.low, self.high, verbose="error")
            return replace(signal, values=values)
        sos, n_pad = _sections(self, signal.sfreq)
        return replace(signal, values=zero_phase(signal.values, sos, n_pad))

    def _band(self) -> str:
        if self.low is None or self.high is None:
            return f"low-pass {self.high:g} Hz" if self.low is None else f"high-pass {self.low:g} Hz"
        return f"{self.low:g}–{self.high:g} Hz"

    def told(self) -> str:
        """The phrase."""
        kind = {"butterworth": "Butterworth", "chebyshev2": "Chebyshev II", "fir": "FIR of MNE"}[self.family]
        return f"{kind}{'' if self.family == 'fir' else f' {self.order}'} {self._band()}"


def zero_phase(values: NDArray[np.float64], sos: NDArray[np.float64], n_pad: int) -> NDArray[np.float64]:
    """Sections run both ways over (C, T), with at most T - 1 samples of padding."""
    return np.asarray(scipy_signal.sosfiltfilt(sos, values, padlen=min(n_pad, max(values.shape[-1] - 1, 0))))


@lru_cache(maxsize=64)
def _sections(step: Filter, sfreq: float) -> tuple[NDArray[np.float64], int]:
    """Second-order sections, and how many samples `filtfilt` pads for the same filter as two polynomials."""
    form = "bandpass" if step.low and step.high else "highpass" if step.low else "lowpass"
    edges: Any = [step.low, step.high] if form == "bandpass" else step.low or step.high
    if step.family == "butterworth":
        sos = scipy_signal.butter(step.order, edges, form, fs=sfreq, output="sos")
    else:
        sos = scipy_signal.cheby2(step.order, step.attenuation, edges, form, fs=sfreq, output="sos")
    n_coefficients = (2 if form == "bandpass" else 1) * step.order + 1
    return sos, 3 * n_coefficients
