"""Tokens of windows as an encoder gives them: the input of readouts, probes and classifiers.

Shape letters: B windows, N tokens, D embed_dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from biosig.batches.packed import PackedBatch


@dataclass(frozen=True)
class Tokens:
    """Encoded tokens of some windows, window after window."""

    values: Tensor  # (N, D), zeros where not valid
    valid: Tensor  # (N,) bool
    window: Tensor  # (N,) int64, non-decreasing
    n_windows: int
    own: Tensor | None  # (B, D) the token that is the window's own, of models that have one
    time: Tensor  # (N,) the patch's centre in seconds from the window's start, NaN = unknown
    modality: Tensor  # (N,) int64, MODALITY_IDS

    @classmethod
    def of(cls, encoder: TokenEncoder, batch: PackedBatch) -> Tokens:
        """The encoder's output for a batch."""
        return encoder.read(batch)

    @classmethod
    def laid(cls, values: Tensor, own: Tensor | None, batch: PackedBatch) -> Tokens:
        """Values (N, D) of a batch's own tokens, and the windows' own (B, D)."""
        batch = batch.to(values.device)
        return cls(values, batch.valid, batch.window, batch.n_windows, own, batch.position[:, 3], batch.modality)

    @classmethod
    def joined(cls, windows: Sequence[Tokens]) -> Tokens:
        """Tokens of single windows as those of one batch."""
        device = windows[0].values.device
        lengths = torch.tensor([len(tokens.valid) for tokens in windows], device=device)
        own = [tokens.own for tokens in windows if tokens.own is not None]
        return cls(
            torch.cat([tokens.values for tokens in windows]),
            torch.cat([tokens.valid for tokens in windows]),
            torch.repeat_interleave(torch.arange(len(windows), device=device), lengths),
            len(windows),
            torch.cat(own) if own else None,
            torch.cat([tokens.time for tokens in windows]),
            torch.cat([tokens.modality for tokens in windows]),
        )


class TokenEncoder(Protocol):
    """Interface of a network for probes and classifiers: tokens of packed windows, of its output."""

    def read(self, batch: PackedBatch, layer: int = -1) -> Tokens:
        """Tokens of a layer: 0 the embedding output, k after block k, -1 the output."""
