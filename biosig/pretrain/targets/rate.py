"""Pulse rate as a target, where three rules agree on it: it teaches to find a pulse in noise."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig import __version__
from biosig.features.ppg_pulses import pulses
from biosig.features.ppg_rate import rate
from biosig.features.ppg_signals import signals
from biosig.features.window import Window, window_of
from biosig.pretrain.targets import TARGETS, TargetMaker
from biosig.recording import Recording

AGREE = 0.05
"""Largest deviation of a rule from the median of all, as a share of it."""

SLOWEST, FASTEST = 33.0, 216.0
"""Beats per minute between which the spectrum is searched."""


def spectral_rate(x: NDArray[np.floating], sfreq: float) -> float:
    """Beats per minute at which the amplitude, and half of that at the second harmonic, is largest; of x (T,)."""
    size = 1 << int(np.ceil(np.log2(max(len(x), 128 * sfreq))))  # 1/128 Hz apart, or finer
    amplitude = np.abs(np.fft.rfft((x - x.mean()) * np.hanning(len(x)), size))
    each = np.arange(int(np.ceil(SLOWEST / 60 * size / sfreq)), int(FASTEST / 60 * size / sfreq) + 1)
    each = each[2 * each < len(amplitude)]
    return float(60 * each[(amplitude[each] + 0.5 * amplitude[2 * each]).argmax()] * sfreq / size)


def agreed_rate(window: Window) -> float:
    """Median of the rates by intervals, autocorrelation and spectrum, NaN where one is not within `AGREE` of it."""
    values = rate(window)
    if "rate" not in values:
        return float("nan")
    ppg = signals(window)
    found = np.array(
        [values["rate"], values["rate_autocorrelation"], spectral_rate(ppg.pulse[pulses(window).signal], ppg.sfreq)]
    )
    middle = np.median(found)
    return float(middle) if (np.abs(found / middle - 1) <= AGREE).all() else float("nan")


@TARGETS.register
class RateTargets(TargetMaker):
    """Beats per minute of the PPG."""

    name: ClassVar[str] = "rate"
    kinds: ClassVar[tuple[str, ...]] = ("ppg",)
    shape: ClassVar[tuple[int, ...] | None] = (1,)
    columns: ClassVar[tuple[str, ...]] = ("ppg.rate",)

    @property
    def version(self) -> str:
        """The version of this package, and the rules' constants."""
        return f"{__version__} {AGREE} {SLOWEST} {FASTEST}"

    def __call__(self, recording: Recording) -> NDArray[np.floating] | None:
        """The rate (1,), None where there is no PPG or the rules do not agree."""
        window = window_of(recording, "ppg")
        found = agreed_rate(window) if window is not None else float("nan")
        return np.array([found]) if np.isfinite(found) else None
