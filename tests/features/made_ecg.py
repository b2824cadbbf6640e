"""Made ECGs with known waves: raised-cosine pulses of a heart vector, seen by twelve leads."""

from __future__ import annotations

import numpy as np

from biosig.recording import Channel, Recording, Stream

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

DOWER = np.array([
    [0.632, -0.235, 0.059], [0.235, 1.066, -0.132],
    [-0.515, 0.157, -0.917], [0.044, 0.164, -1.387], [0.882, 0.098, -1.277],
    [1.213, 0.127, -0.601], [1.125, 0.127, -0.086], [0.831, 0.076, 0.230],
])  # fmt: skip
"""I, II, V1 to V6 of X (left), Y (feet), Z (back): Dower, Machado & Osborne, Clin Cardiol 1980; 3:87."""

SINUS = {
    "P": (-0.17, 0.10, (0.10, 0.12, 0.02)),
    "Q": (-0.028, 0.03, (-0.12, -0.05, -0.15)),
    "R": (0.0, 0.05, (1.0, 0.9, 0.2)),
    "S": (0.030, 0.04, (-0.10, -0.05, 0.45)),
    "T": (0.28, 0.18, (0.25, 0.22, -0.15)),
}
"""Wave → centre and width in seconds, and X, Y, Z in mV."""


def heart(times, waves=SINUS, seconds=10.0, sfreq=500.0, others=None):
    """X, Y, Z (3, T) of beats at `times`; `others` gives single beats other waves."""
    t = np.arange(round(seconds * sfreq)) / sfreq
    out = np.zeros((3, len(t)))
    for i, beat in enumerate(times):
        for centre, width, vector in (others or {}).get(i, waves).values():
            phase = (t - beat - centre) / width
            pulse = np.where(np.abs(phase) < 0.5, 0.5 + 0.5 * np.cos(2 * np.pi * phase), 0.0)
            out += np.outer(vector, pulse)
    return out


def twelve(xyz):
    """The twelve leads of a heart vector."""
    one, two, *chest = DOWER @ xyz
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack([*limb, *chest])


def recording(x, sfreq=500.0, names=LEADS, unit="mV", **kwargs):
    """An ECG recording of samples (C, T)."""
    channels = tuple(Channel(name, name, "ecg", unit) for name in names)
    stream = Stream(sfreq, channels, np.ascontiguousarray(x, np.float32), np.ones(len(names)), np.zeros(len(names)))
    return Recording(id="made", streams=[stream], **kwargs)


def regular(rr=0.8, seconds=10.0, first=0.5):
    """Times of beats that follow each other in `rr` seconds."""
    return np.arange(first, seconds - 0.05, rr)


def made(waves=SINUS, times=None, noise=0.005, seconds=10.0, sfreq=500.0, seed=0, others=None, **kwargs):
    """A twelve-lead recording with a little noise in each electrode."""
    times = regular(seconds=seconds) if times is None else times
    x = twelve(heart(times, waves, seconds, sfreq, others))
    rng = np.random.default_rng(seed)
    one, two, *chest = rng.normal(0, noise, (8, x.shape[1]))
    x = x + np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2, *chest])
    return recording(x, sfreq, **kwargs)


def changed(**waves):
    """`SINUS` with some waves replaced, or left out where None."""
    return {name: wave for name, wave in {**SINUS, **waves}.items() if wave is not None}
