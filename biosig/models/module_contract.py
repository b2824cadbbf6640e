"""`ModuleContract`: windows that a wrapped torch module takes, their rate, channels, unit and normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from biosig.batches.ordered import OrderedContract
from biosig.errors import UsageError

_FRACTIONS = range(10, 0, -1)  # of a second, of which windows of any length are made


@dataclass(frozen=True)
class ModuleContract:
    """Windows (B, C, T) that a module takes: rate, channels, unit, length and normalisation.

    Parameters
    ----------
    modality : {"ecg", "ppg", "eeg"}
        Kind of all channels.
    sfreq : float
        Sampling rate in Hz; other rates are resampled.
    ch_names : sequence of str
        The C channels in order. Each is looked for by the name that a file writes, then by its canonical name.
    unit : str or None
        Unit of the values before normalisation: "uV", "mV"; None = as recorded, which a module of ECG or EEG may have
        only where a normalisation takes the unit out.
    seconds : float, optional
        Length of a window; others are refused. None = any whole number of the tenths of a second (or of the largest
        fraction of one that is a whole number of samples).
    band : tuple of (float or None), optional
        Pass band in Hz (low, high), zero-phase; None = as recorded.
    normalisation : {"none", "constant", "window", "zscore", "robust"}
        "none": values in `unit`. "constant": over `divisor`. "window": each channel less its mean in the window, over
        its deviation there. "zscore": the same by mean and deviation in the recording. "robust": each channel less its
        mean in the window, over one robust scale of the recording (`biosig.signal.robust_scale`).
    divisor : float
        In `unit`, for "constant": 100 for microvolts over 100.
    clip : float
        Values after normalisation are limited to ± this.
    missing : {"refuse", "zeros"}
        "refuse": a recording without one of the channels is an error, and a window that misses a sample, or in which a
        channel does not move, gives no vector. "zeros": such samples are 0 after normalisation.

    Raises
    ------
    UsageError
        If the parts contradict each other.
    """

    modality: Literal["ecg", "ppg", "eeg"]
    sfreq: float
    ch_names: Sequence[str]
    unit: str | None
    seconds: float | None = None
    band: tuple[float | None, float | None] | None = None
    normalisation: Literal["none", "constant", "window", "zscore", "robust"] = "none"
    divisor: float = 1.0
    clip: float = math.inf
    missing: Literal["refuse", "zeros"] = "refuse"

    def __post_init__(self) -> None:
        choices = {
            "modality": ("ecg", "ppg", "eeg"),
            "normalisation": ("none", "constant", "window", "zscore", "robust"),
            "missing": ("refuse", "zeros"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} is {getattr(self, name)!r}; give {', '.join(allowed)}.")
        for name in ("sfreq", "clip", *(["seconds"] if self.seconds is not None else [])):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name)!r}; it must be positive.")
        names = self.ch_names
        if isinstance(names, str) or not names or len(set(names)) < len(names):
            raise UsageError(f"ch_names is {names!r}: give a list with one name for each channel, none twice.")
        object.__setattr__(self, "ch_names", tuple(names))  # so that the contract cannot change, and can be a key
        if self.divisor != 1.0 and self.normalisation != "constant":
            raise UsageError(f"divisor={self.divisor:g} has no effect with normalisation={self.normalisation}.")
        if self.unit is None and self.modality != "ppg" and self.normalisation in ("none", "constant"):
            raise UsageError(
                f"unit is None, and with normalisation={self.normalisation} the module sees the unit of each "
                f"recording: give the unit, such as 'uV', or a normalisation that takes it out."
            )

    def to_input(self) -> OrderedContract:
        """The contract of the modality, as windows are prepared by."""
        step = self.seconds
        if step is None and self.sfreq % 1:
            raise UsageError(f"A rate of {self.sfreq:g} Hz has no whole number of samples a second: give seconds.")
        if step is None:
            step = 1 / next(k for k in _FRACTIONS if self.sfreq % k == 0)
        if round(step * self.sfreq) < 1:
            raise UsageError(f"seconds is {step:g}, which is less than a sample at {self.sfreq:g} Hz: give more.")
        return OrderedContract(
            sfreq=float(self.sfreq),
            patch_seconds=step,
            stride_seconds=step,
            unit=self.unit,
            band=self.band,
            normalisation="constant" if self.normalisation == "none" else self.normalisation,
            divisor=self.divisor,
            clip=self.clip,
            window_seconds=math.inf if self.seconds is None else self.seconds,
            ch_names=tuple(self.ch_names),
            missing=self.missing,
            any_length=self.seconds is None,
        )
