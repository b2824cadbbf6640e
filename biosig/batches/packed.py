"""PackedBatch: all tokens of all windows in one row. No padding, no "one channel list per batch".

A 12-lead ECG, a wrist PPG and a 64-channel EEG share a batch; `seqlens` keeps them apart in attention.

Shape letters: B windows, N tokens, N_m tokens of modality m, P_m samples per patch of modality m.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from biosig.batches.buffer_pool import recycled
from biosig.batches.channel_layout import ChannelLayout
from biosig.batches.contract import PreparedStream
from biosig.batches.input_contract import MODALITY_IDS, InputContract
from biosig.errors import DataError


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
    text_ids: Tensor  # (N_text,) int64 word ids, in the order of the text's tokens
    valid: Tensor  # (N,) bool: every sample of the token is a real value
    seqlens: Tensor  # (B,) int64 tokens per window
    window: Tensor  # (N,) int64: which window the token is of
    channel_index: Tensor  # (N,) int64: which channel of its window and modality
    patch_index: Tensor  # (N,) int64: which patch of its channel
    extras: dict[str, Tensor] = field(default_factory=dict)  # {name: (B, …)} what an objective asks for beside tokens

    @property
    def n_tokens(self) -> int:
        """Number of tokens, valid or not."""
        return int(self.valid.shape[0])

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return int(self.seqlens.shape[0])

    def ends(self, contract: Mapping[str, InputContract]) -> Tensor:
        """End of each token's last sample, in tenths of a millisecond from the window's start, shape (N,) int64.

        Words of a text have no time and come before all signals.
        """
        half = self.position.new_zeros(len(MODALITY_IDS))
        for modality, wanted in contract.items():
            half[MODALITY_IDS[modality]] = wanted.patch_seconds / 2
        ends = (1e4 * (self.position[:, 3] + half[self.modality])).round().long()
        return torch.where(self.modality == MODALITY_IDS["text"], torch.iinfo(torch.int64).min, ends)

    def to(self, device: torch.device | str) -> PackedBatch:
        """The same batch with all tensors on `device`."""
        columns: dict[str, Any] = {}
        for column in fields(self):
            value = getattr(self, column.name)
            by_name = isinstance(value, dict)
            columns[column.name] = {m: x.to(device) for m, x in value.items()} if by_name else value.to(device)
        return PackedBatch(**columns)


def pack(
    windows: Sequence[Sequence[PreparedStream]],
    contract: Mapping[str, InputContract],
    text: Sequence[Sequence[int]] | None = None,
) -> PackedBatch:
    """Cut prepared windows into patches and lay all tokens in one row.

    Parameters
    ----------
    windows : sequence of sequence of PreparedStream
        One entry per window: its streams, as `prepare` gives them.
    contract : mapping of modality to InputContract
        The patch length and stride of each modality.
    text : sequence of sequence of int, optional
        Word ids of each window's text, none where it has no text; they follow its signals.

    Raises
    ------
    DataError
        If a window has no valid token: it is shorter than a patch, or every patch misses a sample.
    """
    n_tokens = dict.fromkeys((prepared.modality for window in windows for prepared in window), 0)
    for prepared in (prepared for window in windows for prepared in window):
        n_chans, n_times = prepared.values.shape
        n_tokens[prepared.modality] += n_chans * contract[prepared.modality].n_patches(n_times)
    packer = Packer(contract, n_tokens)
    for i, window in enumerate(windows):
        if not packer.add(window, text[i] if text else ()):
            raise DataError(_no_token(i, window, contract))
    return packer.batch()


class Packer:
    """Takes prepared windows one after the other, while their samples are still in the processor's cache.

    Parameters
    ----------
    contract : mapping of modality to InputContract
        The patch length and stride of each modality.
    n_tokens : mapping of str to int
        Tokens of each modality that will come, at most.
    """

    def __init__(self, contract: Mapping[str, InputContract], n_tokens: Mapping[str, int]) -> None:
        self._contract = contract
        shapes = {modality: (n, contract[modality].patch_size) for modality, n in n_tokens.items()}
        self._patches = {modality: recycled(shape) for modality, shape in shapes.items()}
        self._shapes = shapes
        self._sample_valid: dict[str, NDArray[np.bool_]] = {}  # of modalities with a sample that is not a real value
        self._filled: dict[str, int] = {}  # rows of the arrays that hold tokens
        self._given: dict[str, int] = {}  # and those that `room` gave away for the window to come
        self._text: list[int] = []  # word ids
        self._seqlens: list[int] = []
        self._columns: list[dict[str, NDArray[Any]]] = []  # of each stream of each window, in order
        self._streams: list[tuple[int, float, float, int]] = []  # and their tokens, log scale, onset and window
        self._shared: dict[tuple[Any, ...], tuple[Any, dict[str, NDArray[Any]]]] = {}  # by ids, so with what has them

    def room(self, modality: str, n_chans: int, n_times: int) -> NDArray[np.float32]:
        """Array for the values (C, T) of the next window: in the batch itself, if its patches are cut end to end."""
        contract = self._contract[modality]
        start = self._given.get(modality, 0)
        stop = self._given[modality] = start + n_chans * contract.n_patches(n_times)
        if contract.stride != contract.patch_size or n_times % contract.patch_size:
            return np.empty((n_chans, n_times), np.float32)
        return self._patches[modality][start:stop].reshape(n_chans, n_times)

    def add(self, window: Sequence[PreparedStream], text: Sequence[int] = ()) -> bool:
        """Take one window with the word ids of its text.

        False, and nothing taken, if there is no text and none of its patches consists of real values alone.
        """
        columns: list[dict[str, NDArray[Any]]] = []
        whole: list[bool] = []
        seen: dict[str, int] = {}  # channels of each modality, which may come in streams of several rates
        for prepared in window:
            first = seen.get(prepared.modality, 0)
            seen[prepared.modality] = first + len(prepared.channel)
            shared = self._token_columns(prepared.modality, prepared.values.shape[1], prepared, first)
            whole.append(_is_whole(prepared.valid))
            columns.append(shared if whole[-1] else {**shared, "valid": self._valid_patches(prepared)})
        seen_any = any(len(c["valid"]) if real else c["valid"].any() for c, real in zip(columns, whole, strict=True))
        if not (seen_any or len(text)):
            self._given = self._filled.copy()
            return False
        for prepared, column, real in zip(window, columns, whole, strict=True):
            self._columns.append(column)
            self._streams.append((len(column["valid"]), prepared.log_scale, prepared.onset, len(self._seqlens)))
            part = self._write(prepared.modality, prepared.values)
            if not real:
                self._write_valid(prepared, part)
        if len(text):
            columns.append(_text_columns(len(text)))
            self._columns.append(columns[-1])
            self._streams.append((len(text), 0.0, 0.0, len(self._seqlens)))
            self._text.extend(text)
        self._seqlens.append(sum(len(column["valid"]) for column in columns))
        self._given = self._filled.copy()
        return True

    def add_whole(
        self,
        modality: str,
        values: NDArray[np.float32],
        members: ChannelLayout,
        scale: Sequence[float],
        onset: Sequence[float],
    ) -> None:
        """Take B windows at once (or none), each one stream of the same channels and length, every sample real.

        Parameters
        ----------
        modality : str
            Of all of them.
        values : ndarray of float32, shape (B · C, T)
            Normalised, window after window; in place if they were written to `room`.
        members : ChannelLayout
            The channels of each.
        scale, onset : sequence of float, B long
            Divisor, and seconds from the window's start to the first sample.
        """
        if scale:
            columns = self._token_columns(modality, values.shape[1], members, 0)
            n_tokens, first = len(columns["valid"]), len(self._seqlens)
            self._columns += [columns] * len(scale)
            self._seqlens += [n_tokens] * len(scale)
            for number, (divisor, start) in enumerate(zip(scale, onset, strict=True), first):
                self._streams.append((n_tokens, math.log(divisor), start, number))
            self._write(modality, values)
        self._given = self._filled.copy()

    def batch(self) -> PackedBatch:
        """All windows so far as one batch."""
        columns = {name: np.concatenate([part[name] for part in self._columns]) for name in _COLUMNS}
        n_tokens, log_scale, onset, window = zip(*self._streams, strict=True)
        columns["position"][:, 3] += np.repeat(np.array(onset, np.float32), n_tokens)
        columns["log_scale"] = np.repeat(np.array(log_scale, np.float32), n_tokens)
        columns["window"] = np.repeat(np.array(window), n_tokens)
        return PackedBatch(
            patches={m: torch.from_numpy(self._patches[m][:n]) for m, n in self._filled.items()},
            sample_valid={m: self._real(m, n) for m, n in self._filled.items()},
            text_ids=torch.tensor(self._text, dtype=torch.int64),
            seqlens=torch.tensor(self._seqlens),
            extras={},
            **{name: torch.from_numpy(column) for name, column in columns.items()},
        )

    def _real(self, modality: str, n_tokens: int) -> Tensor:
        """Mask of samples that are real values, (N_m, P_m); where all are, one True that stands for them."""
        if modality in self._sample_valid:
            return torch.from_numpy(self._sample_valid[modality][:n_tokens])
        return torch.ones(1, dtype=torch.bool).expand(n_tokens, self._contract[modality].patch_size)

    def _token_columns(
        self, modality: str, n_times: int, members: PreparedStream | ChannelLayout, first_channel: int
    ) -> dict[str, NDArray[Any]]:
        """Columns that are the same for all windows with these channels and this length, made once a batch."""
        arrays = (members.position, members.reference, members.channel)
        key = (modality, n_times, first_channel, *map(id, arrays))
        known = self._shared.get(key)
        if known is None:
            contract = self._contract[modality]
            n_chans, n_patches = len(members.channel), contract.n_patches(n_times)
            position = np.empty((n_chans, n_patches, 4), np.float32)
            position[:, :, :3] = members.position[:, None]
            position[:, :, 3] = (np.arange(n_patches) * contract.stride + contract.patch_size / 2) / contract.sfreq
            columns = {
                "modality": np.full(n_chans * n_patches, MODALITY_IDS[modality]),
                "position": position.reshape(-1, 4),
                "reference": np.repeat(members.reference, n_patches, axis=0),
                "channel": np.repeat(members.channel, n_patches),
                "valid": np.ones(n_chans * n_patches, bool),
                "channel_index": np.repeat(np.arange(first_channel, first_channel + n_chans), n_patches),
                "patch_index": np.tile(np.arange(n_patches), n_chans),
            }
            known = self._shared[key] = arrays, columns
        return known[1]

    def _valid_patches(self, prepared: PreparedStream) -> NDArray[np.bool_]:
        """Mask of patches that consist of real values alone, shape (C · H,)."""
        contract = self._contract[prepared.modality]
        n_patches = contract.n_patches(prepared.valid.shape[1])
        if n_patches == 0:
            return np.empty(0, bool)
        return _patches(prepared.valid, contract).all(axis=2).ravel()

    def _write(self, modality: str, values: NDArray[np.float32]) -> slice:
        """Keep values (C, T), unless they were written to `room`; gives the rows that hold their patches."""
        contract, n_chans = self._contract[modality], len(values)
        start = self._filled.get(modality, 0)
        stop = self._filled[modality] = start + n_chans * contract.n_patches(values.shape[1])
        out = self._patches[modality][start:stop]
        if start < stop and not np.may_share_memory(values, out):
            out.reshape(n_chans, -1, contract.patch_size)[...] = _patches(values, contract)
        return slice(start, stop)

    def _write_valid(self, prepared: PreparedStream, part: slice) -> None:
        modality, contract = prepared.modality, self._contract[prepared.modality]
        if part.start < part.stop:
            if modality not in self._sample_valid:
                self._sample_valid[modality] = recycled(self._shapes[modality], bool)
                self._sample_valid[modality].fill(True)
            real = self._sample_valid[modality][part]
            real.reshape(len(prepared.valid), -1, contract.patch_size)[...] = _patches(prepared.valid, contract)


def _text_columns(n_tokens: int) -> dict[str, NDArray[Any]]:
    """The columns of one window's text: nowhere, at no time, its `patch_index` the place in the text."""
    position = np.full((n_tokens, 4), np.nan, np.float32)
    position[:, 3] = 0
    return {
        "modality": np.full(n_tokens, MODALITY_IDS["text"]),
        "position": position,
        "reference": np.full((n_tokens, 3), np.nan, np.float32),
        "channel": np.full(n_tokens, -1),
        "valid": np.ones(n_tokens, bool),
        "channel_index": np.zeros(n_tokens, np.int64),
        "patch_index": np.arange(n_tokens),
    }


def _is_whole(valid: NDArray[np.bool_]) -> bool:
    """True if all are True; one value that stands for all is looked at once."""
    return bool(valid[:1, :1].all() if valid.strides == (0, 0) else valid.all())


_COLUMNS = ("modality", "position", "reference", "channel", "valid", "channel_index", "patch_index")


def _patches(samples: NDArray[Any], contract: InputContract) -> NDArray[Any]:
    """Samples (C, T) of at least one patch as a view of patches, shape (C, H, P)."""
    return sliding_window_view(samples, contract.patch_size, axis=1)[:, :: contract.stride]


def _no_token(number: int, window: Sequence[PreparedStream], contract: Mapping[str, InputContract]) -> str:
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
