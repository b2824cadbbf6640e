"""Random draws that the three simulators share: generators by seed, options, and coloured noise.

Shape letters: N rows, T samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from biosig.errors import UsageError

O = TypeVar("O")  # noqa: E741 - options

_STREAMS = {"ecg": 1, "ppg": 2, "eeg": 3}


def generator(seed: int, kind: str) -> np.random.Generator:
    """The random numbers of one simulated recording: another kind with the same seed has others.

    Raises
    ------
    UsageError
        If the seed is negative or no whole number.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise UsageError(f"The seed of a simulated {kind.upper()} is {seed!r}: give a whole number of 0 or more.")
    return np.random.default_rng([_STREAMS[kind], int(seed)])


def choose(options: O, changes: Mapping[str, Any]) -> O:
    """Options with some of them changed.

    Parameters
    ----------
    options : dataclass
    changes : mapping
        Field → value.

    Raises
    ------
    UsageError
        If one is not a field.
    """
    known = [field.name for field in fields(options)]  # type: ignore[arg-type]
    for name in changes:
        if name not in known:
            raise UsageError(f"A simulation has no option '{name}'; it has {', '.join(known)}.")
    return replace(options, **changes)  # type: ignore[type-var]


def check_range(name: str, value: float | None, low: float, high: float) -> None:
    """Raise a `UsageError` where an option that is given lies outside its range."""
    if value is not None and not low <= value <= high:
        raise UsageError(f"{name} is {value:g}: a simulation takes {low:g} to {high:g}.")


def bounded(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """A normal draw, drawn again until it lies between `low` and `high`."""
    while not low <= (value := rng.normal(mean, sd)) <= high:
        pass
    return float(value)


def coloured_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    sfreq: float,
    exponent: float = 0.0,
    band: tuple[float, float] = (0.0, np.inf),
) -> NDArray[np.float64]:
    """Gaussian noise of power 1 / f ** `exponent` inside a band and none outside.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        (N, T).
    sfreq : float
        Sampling rate in Hz.
    exponent : float
        0 white, 1 pink, 2 brown.
    band : tuple of float
        Hz; the power below the first is 0, and the spectrum is flat below 0.1 Hz.

    Returns
    -------
    ndarray, shape (N, T)
        Each row of standard deviation 1 over the whole of a longer stretch; 0 where no frequency lies in the band.
    """
    n_rows, n_times = shape
    length = next_fast_len(max(n_times, 2), real=True)
    freqs = np.fft.rfftfreq(length, 1 / sfreq)
    gain = np.maximum(freqs, 0.1) ** (-exponent / 2) * ((freqs >= band[0]) & (freqs <= band[1]))
    gain[0] = 0.0
    size = np.sqrt(2 * (gain**2).sum() / length)
    white = rng.standard_normal((n_rows, len(freqs), 2)).view(np.complex128)[..., 0] * np.sqrt(length / 2)
    noise = np.fft.irfft(white * gain, length)[:, :n_times]
    return noise / size if size > 0 else np.zeros(shape)
