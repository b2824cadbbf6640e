"""Attention within windows that lie packed in one row, behind one function and several backends.

Shape letters: N tokens of the packed row, B windows, L tokens of one window, H heads, K head dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.errors import UsageError

SELF_LOGIT = 20.0
"""A token's attention logit with itself at the start: at 20 reconstruction began within 300 steps, at 6 not in 500."""

SHORT = 256
"""Tokens of a window whose scores may be written out, heads · L² of them."""

TILE = 256
"""Queries of a longer window whose scores are written out at a time."""

END = torch.iinfo(torch.int64).max
"""Later than any token."""

BACKENDS = ("auto", "sdpa", "xformers", "matmul")


@dataclass(frozen=True)
class PackedLengths:
    """Number of tokens of each window, and the runs of neighbouring windows of equal length.

    Sort windows by length first, and every length is one run: one attention call each.

    Parameters
    ----------
    seqlens : tuple of int
        Tokens of each window; they sum to N.
    ends : Tensor of int64, shape (N,), optional
        End of each token. A token then sees those that end no later than itself; None = all of its window.
    """

    seqlens: tuple[int, ...]
    ends: Tensor | None = field(default=None, repr=False, compare=False)
    runs: tuple[tuple[int, int], ...] = field(init=False)  # (number of windows, tokens of each)
    _xformers_mask: list[Any] = field(init=False, default_factory=list, repr=False, compare=False)
    _parts: dict[int, list[PackedLengths]] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        runs: list[list[int]] = []
        for length in self.seqlens:
            if runs and runs[-1][1] == length:
                runs[-1][0] += 1
            elif length > 0:
                runs.append([1, length])
        object.__setattr__(self, "runs", tuple((count, length) for count, length in runs))

    @classmethod
    def of(cls, seqlens: Sequence[int] | Tensor) -> PackedLengths:
        """From a tensor or a sequence of lengths."""
        return cls(tuple(seqlens.tolist() if isinstance(seqlens, Tensor) else seqlens))

    def parts(self, n_tokens: int) -> list[PackedLengths]:
        """Runs of windows of at most `n_tokens` together, or one window that has more."""
        if n_tokens not in self._parts:
            groups: list[list[int]] = [[]]
            for length in self.seqlens:
                if groups[-1] and sum(groups[-1]) + length > n_tokens:
                    groups.append([])
                groups[-1].append(length)
            self._parts[n_tokens] = [PackedLengths.of(group) for group in groups]
        return self._parts[n_tokens]

    def xformers_mask(self, device: torch.device) -> Any:
        """xformers' `BlockDiagonalMask` for these lengths, made once per batch and shared by all blocks."""
        if not self._xformers_mask:
            from xformers.ops.fmha.attn_bias import BlockDiagonalMask

            self._xformers_mask.append(
                BlockDiagonalMask.from_seqlens([n for n in self.seqlens if n > 0], device=device)
            )
        return self._xformers_mask[0]


def packed_attention(q: Tensor, k: Tensor, v: Tensor, lengths: PackedLengths, backend: str = "auto") -> Tensor:
    """Softmax attention in which each token sees the tokens of its own window, and no others.

    Parameters
    ----------
    q, k, v : Tensor, shape (N, H, K)
        The packed row, window after window.
    lengths : PackedLengths
        Tokens per window; they sum to N.
    backend : {"auto", "sdpa", "xformers", "matmul"}
        "auto": xformers for half precision on CUDA where it is installed, else SDPA: for float32 xformers has kernels
        up to compute capability 9.0 only. "matmul" writes softmax(q kᵀ / √K) v out; the tests compare with it.

    Returns
    -------
    Tensor, shape (N, H, K)
    """
    if lengths.ends is not None:
        return _by_run(F.scaled_dot_product_attention, q, k, v, lengths)
    if backend == "auto":
        half = q.dtype in (torch.bfloat16, torch.float16)
        backend = "xformers" if q.is_cuda and half and _has_xformers() else "sdpa"
    if backend == "xformers":
        return _xformers(q, k, v, lengths)
    if backend == "sdpa":
        if not q.is_cuda and q.dtype == torch.bfloat16:
            return _by_run(_bfloat16_on_cpu, q, k, v, lengths)
        return _by_run(F.scaled_dot_product_attention, q, k, v, lengths)
    if backend == "matmul":
        return _by_run(_matmul, q, k, v, lengths)
    raise UsageError(f"There is no attention backend '{backend}'; choose one of {', '.join(BACKENDS)}.")


def _has_xformers() -> bool:
    from importlib.util import find_spec

    return find_spec("xformers") is not None


def _xformers(q: Tensor, k: Tensor, v: Tensor, lengths: PackedLengths) -> Tensor:
    # Imported here because the import takes seconds, and warns on machines without CUDA.
    from xformers.ops import memory_efficient_attention

    mask = lengths.xformers_mask(q.device)
    return memory_efficient_attention(q[None], k[None], v[None], attn_bias=mask)[0]  # (N, H, K)


def _by_run(attend: Any, q: Tensor, k: Tensor, v: Tensor, lengths: PackedLengths) -> Tensor:
    out, start = [], 0
    for count, length in lengths.runs:
        stop = start + count * length
        heads = [x[start:stop].unflatten(0, (count, length)).transpose(1, 2) for x in (q, k, v)]  # (B, H, L, K)
        if lengths.ends is not None:
            ends = lengths.ends[start:stop].view(count, 1, length)
            heads.append(ends[..., None, :] <= ends[..., :, None])  # (B, 1, L, L) which keys a query sees
        out.append(attend(*heads).transpose(1, 2).flatten(0, 1))  # (B · L, H, K)
        start = stop
    return out[0] if len(out) == 1 else torch.cat(out) if out else torch.empty_like(q)


def _bfloat16_on_cpu(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention on a CPU, the quickest way: torch's kernel takes half as long again or more, and twice as long back."""
    if q.shape[2] <= SHORT:
        return _matmul(q.contiguous(), k.contiguous(), v.contiguous())
    if torch.is_grad_enabled() and q.requires_grad:  # which would keep all scores
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(q.dtype)
    return _tiled(q, k, v)


def _tiled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`_matmul` with the scores of a few queries at a time, which stay in cache; for inference."""
    length = q.shape[2]
    rows = math.ceil(length / math.ceil(length / TILE))
    keys, v = (k * k.shape[-1] ** -0.5).transpose(-2, -1).contiguous(), v.contiguous()  # (B, H, K, L), (B, H, L, K)
    out, scores = torch.empty_like(v), v.new_empty(*v.shape[:2], rows, length)
    weights = torch.empty_like(scores)
    for start in range(0, length, rows):
        tile = slice(min(start, length - rows), min(start + rows, length))  # the last begins within the one before
        torch.matmul(q[:, :, tile], keys, out=scores)
        torch.softmax(scores, dim=-1, out=weights)
        out[:, :, tile] = weights @ v
    return out


def _matmul(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = q @ (k * k.shape[-1] ** -0.5).transpose(-2, -1)  # (B, H, L, L)
    return scores.softmax(dim=-1) @ v


class Attention(nn.Module):
    """Multi-head self-attention over a packed row.

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    num_heads : int
        Number of heads.
    head_dim : int
        Width of a head.
    bias : bool
        True if the output has one.
    qkv_bias : bool
        True if queries, keys and values have one; no model of our own has.
    qk_norm : float, optional
        Eps of a LayerNorm of each head's queries and of its keys (Dehghani 2023, arXiv:2302.05442, section 2); None =
        no norm.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        head_dim: int,
        bias: bool = False,
        qkv_bias: bool = False,
        qk_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * num_heads * head_dim, bias=qkv_bias)
        self.qk_norm = nn.ModuleList([nn.LayerNorm(head_dim, eps=qk_norm) for _ in range(2)] if qk_norm else [])
        self.out = nn.Linear(num_heads * head_dim, embed_dim, bias=bias)
        self.backend = "auto"
        self.initialise()

    def initialise(self) -> None:
        """Start with equal query and key projections: at first a token attends to those that are like it.

        "Like" is mostly "near in time and place", since the position code is a large part of a token. A model of
        signals has to find that out first, and from independent projections that takes many hundreds of steps (after
        Trockman & Kolter 2023, "Mimetic initialization of self-attention layers", arXiv:2305.09828).
        """
        query, key, value = self.qkv.weight.chunk(3)
        head_dim = len(query) // self.num_heads
        # With x normed, a token's logit with itself is in_features · variance · √head_dim.
        variance = SELF_LOGIT / (self.qkv.in_features * head_dim**0.5)
        with torch.no_grad():
            nn.init.normal_(query, std=variance**0.5)
            key.copy_(query)
            nn.init.trunc_normal_(value, std=0.02)
        nn.init.trunc_normal_(self.out.weight, std=0.02)
        for linear in (self.qkv, self.out):
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, lengths: PackedLengths) -> Tensor:
        """x (N, D) → (N, D)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).unbind(1)  # each (N, H, K)
        if len(self.qk_norm):
            q, k = (norm(heads) for norm, heads in zip(self.qk_norm, (q, k), strict=True))
        return self.out(packed_attention(q, k, v, lengths, self.backend).flatten(1))
