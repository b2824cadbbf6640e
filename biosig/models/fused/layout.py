"""Windows of equal layout side by side: the facts on their tokens that blocks need.

Shape letters: N tokens, M valid tokens, b windows of a run, L tokens of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from biosig.batches.packed import PackedBatch
from biosig.models.encoder import VisibleTokens


@dataclass(frozen=True)
class Run:
    """Windows whose tokens are of the same modalities at the same times."""

    n_windows: int
    spans: tuple[int, ...]  # tokens of each modality, which sum to L
    time: Tensor  # (L,) centres in seconds
    end: Tensor  # (L,) s, when each token's last sample ends
    valid: Tensor | None  # (b, L) bool; None = all are

    @property
    def n_tokens(self) -> int:
        """L."""
        return sum(self.spans)


@dataclass(frozen=True)
class Layout:
    """Runs one after the other."""

    runs: tuple[Run, ...]
    causal: bool = False


@dataclass(frozen=True)
class FusedTokens(VisibleTokens):
    """The tokens that go through a fused encoder's blocks; `rows` are the valid ones, run after run."""

    lengths: Layout  # type: ignore[assignment]  # which is what its blocks take in place of lengths
    laid: Tensor  # (N,) all rows of the token batch, run after run
    seats: Tensor | None  # (M,) places of `rows` in `laid`; None = all of them

    @classmethod
    def laid_out(cls, tokens: PackedBatch, half: Tensor, causal: bool = False) -> FusedTokens:
        """All tokens of a token batch; `half` has half a token's seconds by modality."""
        of_window: dict[tuple[tuple[int, int, int], ...], list[int]] = {}
        for window, key in enumerate(_keys(tokens)):
            of_window.setdefault(key, []).append(window)
        first = tokens.seqlens.cumsum(0) - tokens.seqlens  # (B,)
        ends = tokens.position[:, 3] + half[tokens.modality]  # (N,)
        device, runs, laid, order = first.device, [], [], []
        for key, members in of_window.items():
            n = sum(length for _, _, length in key)
            windows = torch.tensor(members, device=device)
            order.append(windows)
            if not n:
                continue
            rows = first[windows][:, None] + torch.arange(n, device=device)  # (b, L)
            valid = tokens.valid[rows]
            spans = tuple(length for _, _, length in key)
            whole = None if valid.all() else valid
            runs.append(Run(len(members), spans, tokens.position[rows[0], 3], ends[rows[0]], whole))
            laid.append(rows.flatten())
        everything = torch.cat(laid)
        seats = None if all(run.valid is None for run in runs) else tokens.valid[everything].nonzero().squeeze(1)
        rows = everything if seats is None else everything[seats]
        return cls(rows, Layout(tuple(runs), causal), torch.cat(order), laid=everything, seats=seats)


def _keys(tokens: PackedBatch) -> list[tuple[tuple[int, int, int], ...]]:
    """Of each window its modalities, each with its first time in tenths of a millisecond and its number of tokens."""
    new = tokens.patch_index == 0
    starts = new.nonzero().squeeze(1)
    lengths = torch.diff(starts, append=starts.new_full((1,), tokens.n_tokens))
    time = (1e4 * tokens.position[starts, 3]).round().long()
    keys: list[list[tuple[int, int, int]]] = [[] for _ in range(tokens.n_windows)]
    columns = (tokens.window[starts], tokens.modality[starts], time, lengths)
    for window, *key in zip(*(column.tolist() for column in columns), strict=True):
        keys[window].append(tuple(key))
    return [tuple(key) for key in keys]
