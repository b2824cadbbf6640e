"""Batch sources, from window numbers to a network's input: packed tokens, cached tokens, or a dense array.

Shape letters: B windows, C channels, T samples, N tokens, D embed_dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from biosig.batches.packed import pack
from biosig.device import autocast
from biosig.downstream.data.channel_subsets import ChannelSubset
from biosig.downstream.data.mixup import MixupDraw, draw, mixed
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.errors import DataError
from biosig.models.encoder import Encoder
from biosig.models.tokens import Tokens


class BatchSource(Protocol):
    """Source of batches for the training loop."""

    def batch(self, rows: Sequence[int], mix: MixupDraw | None = None) -> Any:
        """The windows of these numbers, mixed if `mix` is given, on the device."""

    def draw_mix(self, rows: Sequence[int], rng: np.random.Generator) -> MixupDraw:
        """A random mix of these windows."""


class PackedExamples:
    """Packed batches, for a classifier whose encoder is trained.

    Parameters
    ----------
    windows : PreparedWindows or ChannelSubset
        All windows of the task, surveyed.
    device : torch.device
        Device of the batches.
    """

    def __init__(self, windows: PreparedWindows | ChannelSubset, device: torch.device) -> None:
        self.windows, self.device = windows, device

    def batch(self, rows: Sequence[int], mix: MixupDraw | None = None) -> Any:
        """A `PackedBatch` of these windows."""
        chosen = [self.windows[row] for row in rows]
        return pack(mixed(chosen, mix) if mix else chosen, self.windows.contract).to(self.device)

    def draw_mix(self, rows: Sequence[int], rng: np.random.Generator) -> MixupDraw:
        """Draw partners of one layout without missing samples: two windows with gaps may have no token in common."""
        return draw([self.windows.layouts[row] if self.windows.whole[row] else None for row in rows], rng)


class FrozenExamples(PackedExamples):
    """`PackedExamples` whose unmixed windows come as tokens, which are computed once and kept.

    Parameters
    ----------
    windows : PreparedWindows
        All windows of the task.
    encoder : Encoder
        The frozen encoder, which must not change while these are in use.
    device : torch.device
        Device of the batches.
    keep_bytes : float
        Tokens that may stay in memory.
    """

    def __init__(self, windows: PreparedWindows, encoder: Encoder, device: torch.device, keep_bytes: float) -> None:
        super().__init__(windows, device)
        self.prepared, self.encoder = windows, encoder
        self._room = keep_bytes
        self._kept: dict[int, Tokens] = {}

    def batch(self, rows: Sequence[int], mix: MixupDraw | None = None) -> Any:
        """`Tokens` of these windows, or a `PackedBatch` of mixed ones."""
        if mix:
            return super().batch(rows, mix)
        return Tokens.joined([self._kept.get(row) or self._encoded(row) for row in rows])

    def _encoded(self, row: int) -> Tokens:
        """Encode one window per batch, so that batch composition cannot change the numbers."""
        packed = super().batch([row])
        with torch.no_grad(), autocast(self.device, "auto"):
            tokens = Tokens.of(self.encoder, packed)
        own = None if tokens.own is None else tokens.own.float()
        tokens = replace(tokens, values=tokens.values.float(), own=own)
        if tokens.values.nbytes <= self._room:
            self._room -= tokens.values.nbytes
            self._kept[row] = tokens
        return tokens


class DenseExamples:
    """Arrays (B, C, T) of one montage and rate, for networks that identify channels by their row.

    Parameters
    ----------
    windows : PreparedWindows
        All windows of the task; of one layout (`check_one_layout`).
    device : torch.device
        Device of the batches.
    """

    def __init__(self, windows: PreparedWindows, device: torch.device) -> None:
        self.windows, self.device = windows, device

    def batch(self, rows: Sequence[int], mix: MixupDraw | None = None) -> Any:
        """A Tensor (B, C, T); missing samples are zeros."""
        chosen = [self.windows[row] for row in rows]
        windows = mixed(chosen, mix) if mix else chosen
        values = np.stack([np.concatenate([stream.values for stream in window]) for window in windows])
        return torch.from_numpy(values).to(self.device)

    def draw_mix(self, rows: Sequence[int], rng: np.random.Generator) -> MixupDraw:
        """Partners among all windows."""
        return draw([0] * len(rows), rng)


class TableExamples:
    """Rows of a table of numbers, such as features of each window.

    Parameters
    ----------
    table : ndarray of float32, shape (N, F)
        A row for each window.
    device : torch.device
        Device of the batches.
    """

    def __init__(self, table: NDArray[np.float32], device: torch.device) -> None:
        self.table = torch.from_numpy(table).to(device)

    def batch(self, rows: Sequence[int], mix: MixupDraw | None = None) -> Any:
        """A Tensor (B, F)."""
        x = self.table[[*rows]]
        return x if mix is None else mix.weight * x + (1 - mix.weight) * x[mix.partner]

    def draw_mix(self, rows: Sequence[int], rng: np.random.Generator) -> MixupDraw:
        """Partners among all windows."""
        return draw([0] * len(rows), rng)


def check_one_layout(windows: PreparedWindows, consumer: str, one_rate: bool = False) -> None:
    """Refuse windows of differing channels or lengths.

    Parameters
    ----------
    windows : PreparedWindows
        All windows of the task, surveyed.
    consumer : str
        Name of the method or setting that needs them equal, for the message.
    one_rate : bool
        True if all channels must also have one number of samples.

    Raises
    ------
    DataError
        With the first recording that differs, and the difference.
    """
    one = windows.windows.ds[int(windows.windows.recording[0])].id
    first = windows.layouts[0]
    if one_rate and len({n_times for _, n_times, _ in first}) > 1:
        raise DataError(
            f"Recording '{one}' has {_words(first)}, and {consumer} takes channels of one rate: leave {consumer} out."
        )
    for row, layout in enumerate(windows.layouts):
        if layout != first:
            other = windows.windows.ds[int(windows.windows.recording[row])].id
            raise DataError(
                f"Recording '{other}' gives windows of {_words(layout)}, '{one}' of {_words(first)}, and {consumer} "
                f"needs the same channels and length in all: choose recordings with a query, or leave {consumer} out."
            )


def _words(layout: Sequence[tuple[str, int, tuple[str, ...]]]) -> str:
    return " and ".join(f"{len(names)} {m} channels × {n} samples ({names[0]} …)" for m, n, names in layout)
