# ruff: noqa: E501
"""Deterministic weights and signals for the parity fixtures beside this file. NumPy only.

Every number comes from raw 64-bit outputs of PCG64 seeded by the SHA-256 of a name, so it is the same on every machine and for every
NumPy version. Signals are rounded to a grid that float32 holds exactly, so the last bit of sin or exp does not matter either.
"""

import hashlib
from math import gcd, prod

import numpy as np


def uniform(name: str, count: int) -> np.ndarray:
    """`count` float64 numbers in [0, 1) that depend on `name` only."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest(), "little")
    return (np.random.PCG64(seed).random_raw(count) >> np.uint64(11)) * 2.0**-53


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers with mean 0 and standard deviation 1, float64."""
    return ((uniform(name, prod(shape)) - 0.5) * 12**0.5).reshape(shape)


# ---- weights ---------------------------------------------------------------------------------------------------------------------


def role(key: str, shape: tuple[int, ...]) -> str:
    """What a tensor does, read from the last part of its key and the number of its dimensions."""
    last = key.rsplit(".", 1)[-1]
    if last in ("num_batches_tracked", "running_mean", "running_var"):
        return last
    if last.startswith("gamma_"):
        return "layer_scale"
    if last.endswith("bias"):
        return "bias"
    if last.endswith("weight"):
        return "weight" if len(shape) > 1 else "norm"
    return "table"  # positions, tokens, mask vectors


def tensor(key: str, shape: tuple[int, ...], seed: int = 0, factor: float = 1.0) -> np.ndarray:
    """The tensor for `key`, float32 (int64 for num_batches_tracked); `factor` multiplies it (the "quiet" nets, see QUIET)."""
    kind, name = role(key, shape), f"{seed}/{key}"
    if kind == "num_batches_tracked":
        return np.ones(shape, np.int64)
    if kind == "running_var":
        value = 0.5 + 1.5 * uniform(name, prod(shape)).reshape(shape)
    elif kind == "layer_scale":
        value = 0.1 + 0.4 * uniform(name, prod(shape)).reshape(shape)
    elif kind == "norm":
        value = 1.0 + 0.2 * noise(name, shape)
    elif (
        kind == "weight"
    ):  # a convolution's shape[1] counts the channels of one group, so this holds for grouped ones too
        value = noise(name, shape) / prod(shape[1:]) ** 0.5
    else:
        value = {"bias": 0.1, "running_mean": 0.1, "table": 0.3}[kind] * noise(name, shape)
    return (factor * value).astype(np.float32)


# Quiet nets: these tensors are scaled down so that the first normalisation sees a variance near its eps; a wrong eps then shows.
QUIET = {
    "kim": {"W_P.weight": 0.01, "W_P.bias": 0.01, "pos_embed": 0.005},
    "ecgfounder": {},
    "papagei": {"first_block_bn.running_var": 1e-5, "final_bn.running_var": 1e-5},
    "labram": {
        "patch_embed.norm3.weight": 0.01,
        "patch_embed.norm3.bias": 0.01,
        "patch_embed.conv1.weight": 0.01,
        "patch_embed.conv1.bias": 0.01,
        "pos_embed": 0.01,
        "time_embed": 0.01,
        "cls_token": 0.01,
        "attn.qkv.weight": 0.01,
    },
    "cbramod": {
        "proj_in.0.weight": 0.01,
        "proj_in.0.bias": 0.01,
        "proj_in.7.weight": 0.01,
        "proj_in.7.bias": 0.01,
        "spectral_proj.0.weight": 0.01,
        "spectral_proj.0.bias": 0.01,
        "positional_encoding.0.bias": 0.01,
    },
}


def sincos(leads: int, patches: int, dim: int) -> np.ndarray:
    """Fixed table of Kim's model, (leads * patches, dim): first half the patch number, second half the lead number, sines before cosines."""

    def code(position: np.ndarray) -> np.ndarray:
        angle = position[:, None] / 10000.0 ** (np.arange(dim // 4) / (dim / 4))
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)

    return np.concatenate(
        [code(np.tile(np.arange(patches), leads)), code(np.repeat(np.arange(leads), patches))], axis=1
    ).astype(np.float32)


def separable(leads: int, patches: int, dim: int, seed: int = 0) -> np.ndarray:
    """A table with the structure of `sincos` but seeded rows: [time row of the patch, lead row]."""
    time, lead = tensor("pos_embed.time", (patches, dim // 2), seed), tensor("pos_embed.lead", (leads, dim // 2), seed)
    return np.concatenate([np.tile(time, (leads, 1)), np.repeat(lead, patches, axis=0)], axis=1)


def state_dict(shapes: dict, seed: int = 0, quiet: str = "", table: str = "seeded") -> dict[str, np.ndarray]:
    """All tensors of a file whose keys and shapes are given. `table`: what "pos_embed" of Kim's model holds (sincos, separable, seeded)."""
    factors = QUIET.get(quiet, {})
    out = {}
    for key, shape in shapes.items():
        factor = next((f for end, f in factors.items() if key.endswith(end)), 1.0)
        if key == "pos_embed" and table != "seeded":
            leads = shape[0] // 50
            rows = sincos(leads, 50, shape[1]) if table == "sincos" else separable(leads, 50, shape[1], seed)
            out[key] = (np.float32(factor) * rows).astype(np.float32)
        else:
            out[key] = tensor(key, tuple(shape), seed, factor)
    return out


# ---- signals ---------------------------------------------------------------------------------------------------------------------


def _grid(x: np.ndarray, step: float) -> np.ndarray:
    return (np.round(x / step) * step).astype(np.float32)


def _smooth(x: np.ndarray, width: int) -> np.ndarray:
    return np.stack([np.convolve(row, np.ones(width) / width**0.5, mode="same") for row in x]) if width > 1 else x


def ecg(name: str, channels: int, samples: int, rate: float = 500.0, mains: float = 0.02) -> np.ndarray:
    """ECG-like mV on a grid of 2**-10: beats, drift, mains at 50 Hz, noise. Of 4 channels or more, number 1 is loud, number 3 nearly constant."""
    t = np.arange(samples) / rate
    gain, offset = noise(name + "/gain", (channels, 3)), 0.2 * noise(name + "/offset", (channels, 1))
    beat = (t * 1.15 + 0.3 * uniform(name + "/phase", 1)) % 1.0
    waves = [
        np.exp(-0.5 * ((beat - centre) / width) ** 2) for centre, width in ((0.25, 0.025), (0.4, 0.010), (0.7, 0.05))
    ]
    x = offset + sum(g[:, None] * a * w for g, a, w in zip(gain.T, (0.12, 0.9, 0.25), waves, strict=True))
    x = (
        x
        + 0.15 * np.sin(2 * np.pi * 0.25 * t + gain[:, :1])
        + mains * np.sin(2 * np.pi * 50 * t)
        + 0.02 * noise(name + "/noise", (channels, samples))
    )
    if channels >= 4:
        x[1] *= 6.0
        x[3] = 0.125 + 2.0**-10 * (uniform(name + "/flat", samples) < 0.02)
    return _grid(x, 2.0**-10)


def eeg(
    name: str, channels: int, samples: int, rate: float = 200.0, mains: float = 5.0, loud: float = 8.0
) -> np.ndarray:
    """EEG-like uV on a grid of 2**-6: slow noise, 10 Hz, mains at 50 Hz. Of 4 channels or more, number 1 is loud, number 3 nearly constant."""
    t = np.arange(samples) / rate
    gain = 1.0 + 0.3 * noise(name + "/gain", (channels, 2))
    x = 12.0 * gain[:, :1] * _smooth(noise(name + "/slow", (channels, samples)), int(rate // 8)) + 3.0 * noise(
        name + "/noise", (channels, samples)
    )
    x = (
        x
        + 8.0 * gain[:, 1:] * np.sin(2 * np.pi * 10 * t + 3 * gain[:, :1])
        + mains * np.sin(2 * np.pi * 50 * t)
        + 4.0 * noise(name + "/offset", (channels, 1))
    )
    if channels >= 4:
        x[1] *= loud
        x[3] = 3.0 + 2.0**-6 * (uniform(name + "/flat", samples) < 0.02)
    return _grid(x, 2.0**-6)


def ppg(name: str, channels: int, samples: int, rate: float = 125.0) -> np.ndarray:
    """Pulse-like arbitrary units (about -2 to 2) on a grid of 2**-8."""
    t = np.arange(samples) / rate
    phase = 2 * np.pi * (1.1 * t + 0.02 * np.sin(2 * np.pi * 0.25 * t)) + 6 * uniform(name + "/phase", 1)
    x = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.8) + 0.1 * np.sin(3 * phase) + 0.3 * np.sin(2 * np.pi * 0.2 * t)
    return _grid(
        x * (1 + 0.2 * noise(name + "/gain", (channels, 1))) + 0.05 * noise(name + "/noise", (channels, samples)),
        2.0**-8,
    )


def flat(name: str, channels: int, samples: int, level: float = 0.25, step: float = 2.0**-10) -> np.ndarray:
    """Nearly constant: a level of its own for every channel (multiples of `step` around `level`), and single steps on 2 % of the samples."""
    start = level * (1.0 + np.round(8 * uniform(name + "/level", channels)) / 8)
    return _grid(
        start[:, None] + step * (uniform(name + "/step", channels * samples).reshape(channels, samples) < 0.02), step
    )


def signal(kind: str, name: str, batch: int, channels: int, samples: int, **options) -> np.ndarray:
    """(batch, channels, samples) float32; row b of the batch is the signal called "name#b", so it can be had alone."""
    make = {"ecg": ecg, "eeg": eeg, "ppg": ppg, "flat": flat}[kind]
    return np.stack([make(f"{name}#{b}", channels, samples, **options) for b in range(batch)])


# ---- comparing -------------------------------------------------------------------------------------------------------------------


def pick(array: np.ndarray, limit: int = 1500) -> np.ndarray:
    """Sub-sample kept of a large array: flat, every step-th value; step = least number that leaves <= limit and shares no factor with size."""
    array = np.asarray(array).reshape(-1)
    if array.size <= limit:
        return array
    step = -(-array.size // limit)
    while gcd(step, array.size) != 1:
        step += 1
    return array[::step]


def digest(array: np.ndarray) -> np.ndarray:
    """SHA-256 of the bytes of a C-ordered little-endian float32 array, as 32 small integers."""
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(array, "<f4").tobytes()).digest(), np.uint8)
