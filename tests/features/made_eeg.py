"""EEGs whose spectra are known."""

from __future__ import annotations

import numpy as np

from biosig.electrodes import make_channel
from biosig.recording import Recording, Stream

TEN_TWENTY = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2"
)  # fmt: skip


def sine(freq, amplitude=10.0, seconds=60.0, sfreq=250.0, phase=0.3):
    """A sine (T,)."""
    return amplitude * np.sin(2 * np.pi * freq * np.arange(round(seconds * sfreq)) / sfreq + phase)


def coloured(exponent, density=1.0, seconds=60.0, sfreq=250.0, seed=0, n=1):
    """Gaussian noise (n, T) of one-sided density `density` / f ** `exponent`, flat below 0.5 Hz."""
    rng, n_times = np.random.default_rng(seed), round(seconds * sfreq)
    freqs = np.maximum(np.fft.rfftfreq(n_times, 1 / sfreq), 0.5)
    white = np.fft.rfft(rng.standard_normal((n, n_times)) * np.sqrt(sfreq / 2), axis=1)
    return np.fft.irfft(white * np.sqrt(density / freqs**exponent), n_times, axis=1)


def recording(x, sfreq=250.0, names=TEN_TWENTY, unit="uV", **kwargs):
    """An EEG recording of samples (C, T); one row is for all names."""
    x = np.atleast_2d(x)
    x = np.broadcast_to(x, (len(names), x.shape[1]))
    channels = tuple(make_channel(name, unit, "eeg") for name in names)
    stream = Stream(sfreq, channels, np.ascontiguousarray(x, np.float32), np.ones(len(x)), np.zeros(len(x)))
    return Recording(id="made", streams=[stream], **kwargs)
