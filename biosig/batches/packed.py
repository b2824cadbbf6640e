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
    pieces = [[_cut(prepared, contract[prepared.modality]) for prepared in window] for window in windows]
    for i, window in enumerate(pieces):
        if not any(piece["valid"].any() for piece in window):
            raise DataError(_no_token(i, windows[i], contract))
        n_chans = Counter[str]()
        for prepared, piece in zip(windows[i], window, strict=True):
            piece["channel_index"] += n_chans[prepared.modality]  # a modality may come in streams of several rates
            n_chans[prepared.modality] += len(prepared.ch_names)
    flat = [piece for window in pieces for piece in window]
    seqlens = [sum(len(piece["valid"]) for piece in window) for window in pieces]
    columns = {key: torch.from_numpy(np.concatenate([piece[key] for piece in flat])) for key in _COLUMNS}
    by_modality: dict[str, list[dict[str, Any]]] = {}
    for prepared, piece in zip((p for window in windows for p in window), flat, strict=True):
        by_modality.setdefault(prepared.modality, []).append(piece)
    return PackedBatch(
        patches={m: torch.from_numpy(np.concatenate([p["patches"] for p in ps])) for m, ps in by_modality.items()},
        sample_valid={m: torch.from_numpy(np.concatenate([p["samples"] for p in ps])) for m, ps in by_modality.items()},
        text_ids=torch.empty(0, dtype=torch.int64),
        seqlens=torch.tensor(seqlens),
        window=torch.repeat_interleave(torch.arange(len(seqlens)), torch.tensor(seqlens)),
        **columns,
    )


_COLUMNS = ("modality", "position", "reference", "channel", "log_scale", "valid", "channel_index", "patch_index")


def _cut(prepared: Prepared, contract: InputContract) -> dict[str, Any]:
    n_chans, n_times = prepared.values.shape
    n_patches, size, stride = contract.n_patches(n_times), contract.patch_size, contract.stride
    n_tokens = n_chans * n_patches

    def patches(samples: np.ndarray) -> np.ndarray:  # (C, T) → (C · H, P)
        if n_patches == 0:
            return np.empty((0, size), samples.dtype)
        view = np.lib.stride_tricks.sliding_window_view(samples, size, axis=1)[:, ::stride][:, :n_patches]
        return np.ascontiguousarray(view).reshape(n_tokens, size)

    samples = patches(prepared.valid)
    centre = prepared.onset + (np.arange(n_patches) * stride + size / 2) / contract.sfreq  # (H,) seconds
    position = np.empty((n_chans, n_patches, 4), np.float32)
    position[:, :, :3] = prepared.position[:, None]
    position[:, :, 3] = centre
    return {
        "patches": patches(prepared.values),
        "samples": samples,
        "valid": np.all(samples, axis=1),
        "modality": np.full(n_tokens, MODALITY_IDS[prepared.modality]),
        "position": position.reshape(n_tokens, 4),
        "reference": np.repeat(prepared.reference, n_patches, axis=0),
        "channel": np.repeat(prepared.channel, n_patches),
        "log_scale": np.full(n_tokens, prepared.log_scale, np.float32),
        "channel_index": np.repeat(np.arange(n_chans), n_patches),
        "patch_index": np.tile(np.arange(n_patches), n_chans),
    }


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
