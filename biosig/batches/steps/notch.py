"""Notch filters against mains hum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from scipy import signal as scipy_signal

from biosig.batches.steps import STEPS, Signal, Step
from biosig.batches.steps.filter import zero_phase


@STEPS.register
@dataclass(frozen=True)
class Notch(Step):
    """A narrow stop band at one frequency, zero-phase; nothing is done where half the rate does not reach it.

    Parameters
    ----------
    freq : float
        Centre in Hz.
    family : {"iir", "fir"}
        "iir": `scipy.signal.iirnotch`, forwards and backwards. "fir": `mne.filter.notch_filter` with its own design.
    quality : float
        Centre over −3-dB width, for "iir".
    """

    name: ClassVar[str] = "notch"
    freq: float
    family: Literal["iir", "fir"] = "iir"
    quality: float = 30.0

    def __call__(self, signal: Signal) -> Signal:
        """The signal without that frequency."""
        if self.freq >= signal.sfreq / 2:
            return signal
        if self.family == "fir":
            from mne.filter import notch_filter

            return replace(signal, values=notch_filter(signal.values, signal.sfreq, self.freq, verbose="error"))
        sos = scipy_signal.tf2sos(*scipy_signal.iirnotch(self.freq, self.quality, fs=signal.sfreq))
        return replace(signal, values=zero_phase(signal.values, sos, 9))  # filtfilt: thrice its 3 coefficients

    def describe(self) -> str:
        """The phrase."""
        return f"notch {self.freq:g} Hz" + (f" Q {self.quality:g}" if self.family == "iir" else " (FIR of MNE)")
