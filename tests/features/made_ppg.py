"""PPGs whose pulses are known: two Gaussian waves a pulse, on a level."""

from __future__ import annotations

import numpy as np

from biosig.recording import Channel, Recording, Stream

SYSTOLE, DIASTOLE = (0.18, 0.07, 1.0), (0.45, 0.09, 0.35)
"""Centre and deviation in seconds after the foot, and height, of the two waves."""


def wave(t, waves=(SYSTOLE, DIASTOLE)):
    """One pulse at times after its foot."""
    return sum(height * np.exp(-0.5 * ((t - centre) / width) ** 2) for centre, width, height in waves)


def regular(rr=0.8, seconds=30.0, first=0.3):
    """Times of feet that follow each other in `rr` seconds."""
    return np.arange(first, seconds - 0.05, rr)


def pulses(feet, seconds=30.0, sfreq=125.0, heights=None, waves=(SYSTOLE, DIASTOLE)):
    """Pulses (T,) that begin at `feet`."""
    t = np.arange(round(seconds * sfreq)) / sfreq
    heights = np.ones(len(feet)) if heights is None else heights
    return sum((height * wave(t - foot, waves) for foot, height in zip(feet, heights, strict=True)), np.zeros(len(t)))


def recording(x, sfreq=125.0, names=("finger",), unit="NU", **kwargs):
    """A PPG recording of samples (C, T) or (T,)."""
    x = np.atleast_2d(x)
    channels = tuple(Channel(name, name, "ppg", unit) for name in names)
    stream = Stream(sfreq, channels, np.ascontiguousarray(x, np.float32), np.ones(len(x)), np.zeros(len(x)))
    return Recording(id="made", streams=[stream], **kwargs)


def made(feet=None, seconds=30.0, sfreq=125.0, noise=0.005, seed=0, heights=None, waves=(SYSTOLE, DIASTOLE), **kwargs):
    """A recording of pulses with a little noise."""
    feet = regular(seconds=seconds) if feet is None else feet
    x = pulses(feet, seconds, sfreq, heights, waves)
    return recording(x + np.random.default_rng(seed).normal(0, noise, len(x)), sfreq, **kwargs)
