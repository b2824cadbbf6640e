"""Band filters without delay: Butterworth, Chebyshev II, and MNE's FIR."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
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
    polynomials_up_to : float
        Rate in Hz up to which the design runs as two polynomials, as its makers ran it, and not as sections. Rounding
        of a narrow band at a high rate then shows: 0.5–12 Hz is off by 3e-5 of the signal at 256 Hz, by 8e-3 at 500 Hz,
        and by more than the signal at 1000 Hz.
    """

    name: ClassVar[str] = "filter"
    family: Literal["butterworth", "chebyshev2", "fir"] = "butterworth"
    low: float | None = None
    high: float | None = None
    order: int = 4
    attenuation: float = 20.0
    polynomials_up_to: float = 0.0

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
        sections, polynomials, n_pad = _designs(self, signal.sfreq)
        if signal.sfreq > self.polynomials_up_to:
            return replace(signal, values=zero_phase(signal.values, sections, n_pad))
        n_pad = min(n_pad, max(signal.values.shape[-1] - 1, 0))
        return replace(signal, values=scipy_signal.filtfilt(*polynomials, signal.values, padlen=n_pad))

    def _band(self) -> str:
        if self.low is None or self.high is None:
            return f"low-pass {self.high:g} Hz" if self.low is None else f"high-pass {self.low:g} Hz"
        return f"{self.low:g}–{self.high:g} Hz"

    def describe(self) -> str:
        """The phrase."""
        kind = {"butterworth": "Butterworth", "chebyshev2": "Chebyshev II", "fir": "FIR of MNE"}[self.family]
        form = f" (polynomials up to {self.polynomials_up_to:g} Hz)" if self.polynomials_up_to else ""
        return f"{kind}{'' if self.family == 'fir' else f' {self.order}'} {self._band()}{form}"


def zero_phase(values: NDArray[np.float64], sos: NDArray[np.float64], n_pad: int) -> NDArray[np.float64]:
    """Sections run both ways over (C, T), with at most T - 1 samples of padding."""
    return np.asarray(scipy_signal.sosfiltfilt(sos, values, padlen=min(n_pad, max(values.shape[-1] - 1, 0))))


@lru_cache(maxsize=64)
def _designs(step: Filter, sfreq: float) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...], int]:
    """The filter as sections and as two polynomials, and how many samples `filtfilt` pads for the latter."""
    form = "bandpass" if step.low and step.high else "highpass" if step.low else "lowpass"
    edges: Any = [step.low, step.high] if form == "bandpass" else step.low or step.high
    design = partial(scipy_signal.butter, step.order)
    if step.family == "chebyshev2":
        design = partial(scipy_signal.cheby2, step.order, step.attenuation)
    polynomials = design(edges, form, fs=sfreq, output="ba")
    return design(edges, form, fs=sfreq, output="sos"), polynomials, 3 * len(polynomials[0])
