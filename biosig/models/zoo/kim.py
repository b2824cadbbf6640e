"""ECG-JEPA of Kim (arXiv:2410.13867; code read: see `About`): eight leads, a token for 0.2 s of each.

A token attends to those of its own lead and of its own time; positions are added before every block. Norms and
feed-forward are our blocks', so the published tensors go into them by name.

Shape letters: B windows, C leads, T samples, N tokens, D width, H heads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.batches.stepped import SteppedContract
from biosig.batches.steps.resample import Resample
from biosig.batches.steps.window import Window
from biosig.errors import DataError, UsageError
from biosig.layers.block import MLP
from biosig.models.zoo import ENCODERS, About, Encoder, Keys, Network, shape_of

LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

_PATCH, _N_PATCHES, _HEAD = 50, 50, 48  # samples, patches of a lead, width of a head

_BLOCK = {
    "norm1.weight": "attention_norm.weight",
    "norm1.bias": "attention_norm.bias",
    "attn.qkv.weight": "attention.qkv.weight",
    "attn.proj.weight": "attention.out.weight",
    "attn.proj.bias": "attention.out.bias",
    "norm2.weight": "mlp_norm.weight",
    "norm2.bias": "mlp_norm.bias",
    "mlp.fc1.weight": "mlp.expand.weight",
    "mlp.fc1.bias": "mlp.expand.bias",
    "mlp.fc2.weight": "mlp.contract.weight",
    "mlp.fc2.bias": "mlp.contract.bias",
}


@ENCODERS.register
@dataclass(frozen=True)
class KimJEPA(Encoder):
    """Sizes of the encoder.

    Parameters
    ----------
    embed_dim, depth : int
        Width of a token, and blocks.
    """

    name: ClassVar[str] = "ecg-jepa-kim"
    about: ClassVar[About] = About(
        title="ECG-JEPA (Kim)",
        code="github.com/sehunfromdaegu/ECG_JEPA at d937ad2 (MIT)",
        licence="MIT",
        where="Google Drive, from the README of the code: multiblock_epoch100.pth, random_epoch100.pth",
        trained_on=("chapman", "ningbo", "code15", "chagas"),  # recordings of CODE-15 are among the Chagas ones
        cannot="no III, aVR, aVL, aVF and no subset of its leads; no window of another length than 10 s",
    )
    embed_dim: int = 768
    depth: int = 12

    @property
    def model_name(self) -> str:
        """The family's name: there is one size."""
        return self.name

    @classmethod
    def published(cls) -> Mapping[str, KimJEPA]:
        """Two trainings of one size; the makers recommend the first."""
        return {"multiblock_epoch100.pth": cls()}

    @classmethod
    def recognises(cls, state: Mapping[str, Tensor]) -> bool:
        """By the patch projection, or the blocks."""
        return "W_P.weight" in state or any(key.startswith("encoder_blocks.blocks.") for key in state)

    @classmethod
    def of(cls, state: Mapping[str, Tensor], where: str) -> KimJEPA:
        """Sizes from the patch projection and the blocks' numbers."""
        width, patch = shape_of(state, "W_P.weight", 2, where)
        if patch != _PATCH or width % _HEAD:
            raise DataError(f"{where} has patches of {patch} and width {width}; ECG-JEPA has {_PATCH} and heads of 48.")
        blocks = (re.match(r"encoder_blocks\.blocks\.(\d+)\.", key) for key in state)
        return cls(width, 1 + max((int(block[1]) for block in blocks if block), default=0))

    def keys(self, state: Mapping[str, Tensor]) -> Keys:  # noqa: ARG002 - nothing hangs on it
        """Every tensor is taken; the table of positions too, which is never computed here."""
        names = {key: key for key in ("W_P.weight", "W_P.bias", "pos_embed", "norm.weight", "norm.bias")}
        for i in range(self.depth):
            names |= {f"encoder_blocks.blocks.{i}.{theirs}": f"blocks.{i}.{ours}" for theirs, ours in _BLOCK.items()}
        return Keys(names)

    def build(self) -> KimNet:
        """The encoder with random weights."""
        return KimNet(self)

    def contract(self) -> dict[str, SteppedContract]:
        """10 s in millivolts as recorded, at 250 Hz by Fourier's method; no filter and no scale."""
        steps = (Window(), Resample(250.0, "fourier"))
        return {"ecg": SteppedContract(250.0, 10.0, 10.0, "mV", window_seconds=10.0, ch_names=LEADS, steps=steps)}


class KimNet(Network):
    """Patches of each lead, projected; blocks; a norm."""

    def __init__(self, sizes: KimJEPA) -> None:
        super().__init__()
        dim = sizes.embed_dim
        self.W_P = nn.Linear(_PATCH, dim)
        self.pos_embed = nn.Parameter(torch.randn(len(LEADS) * _N_PATCHES, dim) * 0.02)  # row = lead · 50 + patch
        self.blocks = nn.ModuleList(_Block(dim) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(dim)

    def stages(self, x: Tensor, channels: Sequence[int]) -> Iterator[tuple[str, Tensor]]:
        """Projected patches, first and last block, normed tokens, their mean.

        Raises
        ------
        UsageError
            If the windows have another length than 2500 samples.
        """
        if x.shape[-1] != _PATCH * _N_PATCHES:
            raise UsageError(f"ECG-JEPA reads {_PATCH * _N_PATCHES} samples, not {x.shape[-1]}: cut windows of 10 s.")
        tokens = self.W_P(x.unflatten(-1, (_N_PATCHES, _PATCH)).flatten(1, 2))  # (B, N, D), lead by lead
        yield "stem", tokens
        table = self.pos_embed.unflatten(0, (len(LEADS), _N_PATCHES))[list(channels)].flatten(0, 1)  # (N, D)
        lead, patch = (
            index.flatten() for index in torch.meshgrid(*map(torch.arange, (len(channels), _N_PATCHES)), indexing="ij")
        )
        seen = (lead[:, None] == lead) | (patch[:, None] == patch)  # (N, N)
        for number, block in enumerate(self.blocks):
            tokens = block(tokens + table, seen.to(x.device))
            if number == 0:
                yield "first", tokens
        yield "last", tokens
        tokens = self.norm(tokens)
        yield "tokens", tokens
        yield "vector", tokens.mean(1)


class _Attention(nn.Module):
    """Attention to the tokens that a mask lets a token see."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """x (B, N, D), seen (N, N) → (B, N, D)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, -1, _HEAD)).movedim(2, 0).transpose(2, 3)  # each (B, H, N, 48)
        found: Tensor = self.out(F.scaled_dot_product_attention(q, k, v, seen).transpose(1, 2).flatten(2))
        return found


class _Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention, self.mlp = _Attention(dim), MLP(dim, 4 * dim)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """x (B, N, D), seen (N, N) → (B, N, D)."""
        x = x + self.attention(self.attention_norm(x), seen)
        found: Tensor = x + self.mlp(self.mlp_norm(x))
        return found
