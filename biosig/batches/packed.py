"""PackedBatch: all tokens of all windows in one row. No padding, no "one channel list per batch".

A 12-lead ECG, a wrist PPG and a 64-channel EEG share a batch; `seqlens` keeps them apart in attention.

Shape letters: B windows, N tokens, N_m tokens of modality m, P_m samples per patch of modality m.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from biosig.batches.contract import InputContract, Prepared
from biosig.errors import DataError

MODALITY_IDS = {"ecg": 0, "ppg": 1, "eeg": 2, "text": 3}
"""The index of each modality's embedding; stored weights rely on the order."""


@dataclass(frozen=True)
class PackedBatch:
    """Tokens of many windows, window after window; within a window stream by stream, channel-major (c · H + h)."""

    patches: dict[str, Tensor]  # {modality: (N_m, P_m)} float32, 0 where a sample is not valid
    sample_valid: dict[str, Tensor]  # {modality: (N_m, P_m)} bool
    modality: Tensor  # (N,) int64, MODALITY_IDS
    position: Tensor  # (N, 4) float32: x, y, z in metres, t = the patch's centre in seconds from the window's start
    reference: Tensor  # (N, 3) float32, NaN = unknown or none
    channel: Tensor  # (N,) int64 vocabulary id or -1
    log_scale: Tensor  # (N,) float32
    text_ids: Tensor  # (N_text,) int64
    valid: Tensor  # (N,) bool: every sample of the token is a real value
    seqlens: Tensor  # (B,) int64 tokens per window
    window: Tensor  # (N,) int64: which window the token is of
    channel_index: Tensor  # (N,) int64: which channel of its window and modality
    patch_index: Tensor  # (N,) int64: which patch of its channel

    @property
    def n_tokens(self) -> int:
        """Number of tokens, valid or not."""
        return int(self.valid.shape[0])

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return int(self.seqlens.shape[0])

    def to(self, device: torch.device | str) -> PackedBatch:
        """The same batch with all tensors on `device`."""
        columns: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            by_modality = isinstance(value, dict)
            columns[field.name] = {m: x.to(device) for m, x in value.items()} if by_modality else value.to(device)
        return PackedBatch(**columns)


def pack(windows: Sequence[Sequence[Prepared]], contract: Mapping[str, InputContract]) -> PackedBatch:
    """Cut prepared windows into patches and lay all tokens in one row.

    Parameters
    ----------
    windows : sequence of sequence of Prepared
        One entry per window: its streams, as `prepare` gives them.
    contract : mapping of modality to InputContract
        The patch length and stride of each modality.

    Raises
    ------
    DataError
        If a window has no valid token: it is shorter than a patch, or every patch misses a sample.
    """
    for i, window in enumerate(windows):
        if not any(valid_patches(prepared, contract[prepared.modality]).any() for prepared in window):
            raise DataError(_no_token(i, window, contract))
    parts = [prepared for window in windows for prepared in window]
    by_modality: dict[str, list[int]] = {}
    for k, prepared in enumerate(parts):
        by_modality.setdefault(prepared.modality, []).append(k)
    # Three levels: K parts (a stream of a window), their channels one after the other, the tokens of those.
    wanted = [contract[prepared.modality] for prepared in parts]
    n_patches = np.array([c.n_patches(p.values.shape[1]) for p, c in zip(parts, wanted, strict=True)], np.int64)
    n_chans = np.array([len(prepared.values) for prepared in parts], np.int64)
    n_tokens = n_chans * n_patches  # (K,)
    part = np.repeat(np.arange(len(parts)), n_chans)  # which part a channel is of
    row = np.repeat(np.arange(len(part)), n_patches[part])  # (N,) which channel a token is of
    first = np.cumsum(n_patches[part]) - n_patches[part]
    patch = np.arange(len(row)) - first[row]  # (N,) number of the patch in its channel
    window_of = np.repeat(np.arange(len(windows)), [len(window) for window in windows])  # (K,)

    def per_part(values: Sequence[Any] | NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
        return np.repeat(np.asarray(values, dtype), n_tokens)

    half = [p.onset + c.patch_size / 2 / c.sfreq for p, c in zip(parts, wanted, strict=True)]
    step = [c.stride / c.sfreq for c in wanted]
    position = np.empty((len(row), 4), np.float32)
    position[:, :3] = np.concatenate([prepared.position for prepared in parts])[row]
    position[:, 3] = per_part(half, np.float64) + patch * per_part(step, np.float64)
    stops = np.cumsum(n_tokens)
    valid = np.empty(len(row), bool)
    patches: dict[str, Tensor] = {}
    sample_valid: dict[str, Tensor] = {}
    for modality, members in by_modality.items():
        shape = (int(n_tokens[members].sum()), contract[modality].patch_size)
        values, real, stop = np.empty(shape, np.float32), np.empty(shape, bool), 0
        for k in members:
            start, stop = stop, stop + int(n_tokens[k])
            _cut(parts[k].values, contract[modality], out=values[start:stop])
            _cut(parts[k].valid, contract[modality], out=real[start:stop])
            valid[stops[k] - n_tokens[k] : stops[k]] = valid_patches(parts[k], contract[modality]).ravel()
        patches[modality], sample_valid[modality] = torch.from_numpy(values), torch.from_numpy(real)
    columns = {
        "modality": per_part([MODALITY_IDS[prepared.modality] for prepared in parts], np.int64),
        "position": position,
        "reference": np.concatenate([prepared.reference for prepared in parts])[row],
        "channel": np.concatenate([prepared.channel for prepared in parts])[row],
        "log_scale": per_part([prepared.log_scale for prepared in parts], np.float32),
        "valid": valid,
        "seqlens": np.bincount(window_of, n_tokens, len(windows)).astype(np.int64),
        "window": per_part(window_of, np.int64),
        "channel_index": _channel_index(parts, window_of)[row],
        "patch_index": patch,
    }
    return PackedBatch(
        patches=patches,
        sample_valid=sample_valid,
        text_ids=torch.empty(0, dtype=torch.int64),
        **{name: torch.from_numpy(values) for name, values in columns.items()},
    )


def valid_patches(prepared: Prepared, contract: InputContract) -> NDArray[np.bool_]:
    """Which patches consist of real values alone, shape (C, H)."""
    n_chans, n_times = prepared.valid.shape
    n_patches, size, stride = contract.n_patches(n_times), contract.patch_size, contract.stride
    if n_patches == 0 or prepared.valid.all():
        return np.ones((n_chans, n_patches), bool)
    windows = sliding_window_view(prepared.valid, size, axis=1)[:, ::stride]
    return np.asarray(windows.all(axis=2))


def _cut(samples: NDArray[Any], contract: InputContract, out: NDArray[Any]) -> None:
    """Write the patches of samples (C, T), channel after channel, to `out` (C · H, P)."""
    n_chans, n_times = samples.shape
    n_patches, size, stride = contract.n_patches(n_times), contract.patch_size, contract.stride
    if n_patches and stride == size:
        out.reshape(n_chans, -1)[...] = samples[:, : n_patches * size]
    elif n_patches:
        out.reshape(n_chans, n_patches, size)[...] = sliding_window_view(samples, size, axis=1)[:, ::stride]


def _channel_index(parts: Sequence[Prepared], window: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each channel's number in its window and modality, which may come in streams of several rates."""
    numbers, seen = [np.empty(0, np.int64)], Counter[tuple[int, str]]()
    for prepared, w in zip(parts, window.tolist(), strict=True):
        first = seen[w, prepared.modality]
        seen[w, prepared.modality] = first + len(prepared.ch_names)
        numbers.append(np.arange(first, seen[w, prepared.modality]))
    return np.concatenate(numbers)


def _no_token(number: int, window: Sequence[Prepared], contract: Mapping[str, InputContract]) -> str:
    name = f"Window number {number}"
    if not window:
        return (
            f"{name} has no channel of a modality that the model knows ({', '.join(contract)}): "
            f"give the channels' kind, or leave the window out."
        )
    longest = max(p.values.shape[1] / contract[p.modality].sfreq for p in window)
    shortest = min(contract[p.modality].patch_seconds for p in window)
    if longest < shortest:
        return f"{name} lasts {longest:g} s, shorter than one patch of {shortest:g} s: use a longer window."
    share = float(np.mean([p.valid.mean() for p in window]))
    return (
        f"{name} has no valid token: {share:.0%} of its samples are real values and none of its patches is "
        f"whole (channels {', '.join(window[0].ch_names[:12])}): leave the window out."
    )
