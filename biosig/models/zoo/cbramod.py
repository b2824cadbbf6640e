"""CBraMod, an encoder of EEG by Wang et al. 2024 (arXiv:2412.07236): the network, and the keys of its weights.

Patches of a second of each channel lie on a grid. Half of a token's features attend along time, half across channels,
and a channel is known by its place in the grid, through a convolution over nine neighbours on either side.
Shape letters: B windows, C channels, N patches of a channel, P samples of a patch, D features of a token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from biosig.errors import UsageError
from biosig.layers.attention import Attention, PackedLengths
from biosig.layers.block import MLP
from biosig.layers.conv_stem import ConvStem

PATCH, EMBED_DIM, HEADS = 200, 200, 4  # P, D, heads of each half


class Stem(nn.Module):
    """A token of each patch: convolutions of its samples, plus its spectrum, plus a code of its place in the grid."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvStem(25, 5, kernel=49, stride=25)
        self.spectrum = nn.Linear(PATCH // 2 + 1, EMBED_DIM)
        self.place = nn.Conv2d(EMBED_DIM, EMBED_DIM, (19, 7), padding=(9, 3), groups=EMBED_DIM)

    def forward(self, patches: Tensor) -> Tensor:
        """patches (B, C, N, P) → tokens (B, C, N, D)."""
        grid = patches.shape[:3]
        steps = self.conv(patches.flatten(1, 2))  # (B, filters, C · N, steps)
        tokens = steps.transpose(1, 2).reshape(*grid, EMBED_DIM)
        tokens = tokens + self.spectrum(torch.fft.rfft(patches, norm="forward").abs())
        return tokens + self.place(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class GridBlock(nn.Module):
    """x + attention(norm(x)), the first half of D across channels, the second along time; then x + MLP(norm(x))."""

    def __init__(self) -> None:
        super().__init__()
        half = EMBED_DIM // 2
        self.attention_norm = nn.LayerNorm(EMBED_DIM)
        self.across = nn.ModuleDict({"attention": Attention(half, HEADS, half // HEADS, bias=True, qkv_bias=True)})
        self.along = nn.ModuleDict({"attention": Attention(half, HEADS, half // HEADS, bias=True, qkv_bias=True)})
        self.mlp_norm = nn.LayerNorm(EMBED_DIM)
        self.mlp = MLP(EMBED_DIM, 4 * EMBED_DIM)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, N, D) → (B, C, N, D)."""
        across, along = self.attention_norm(x).chunk(2, dim=-1)
        across = _rows(self.across["attention"], across.transpose(1, 2)).transpose(1, 2)
        x = x + torch.cat([across, _rows(self.along["attention"], along)], dim=-1)
        return x + self.mlp(self.mlp_norm(x))


class CBraMod(nn.Module):
    """The grid of tokens, and what a window's vector is made of it.

    Parameters
    ----------
    n_blocks : int
        12 in the published weights.
    readout : {"mean", "tokens"}
        "mean": the mean over channels and patches. "tokens": all of them, channel after channel, which the makers'
        classifiers flatten.
    """

    def __init__(self, n_blocks: int = 12, readout: Literal["mean", "tokens"] = "mean") -> None:
        super().__init__()
        if readout not in ("mean", "tokens"):
            raise UsageError(f"CBraMod has no readout {readout!r}; give mean or tokens.")
        self.readout = readout
        self.stem = Stem()
        self.blocks = nn.Sequential(*(GridBlock() for _ in range(n_blocks)))

    def forward(self, signal: Tensor) -> Tensor:
        """uV / 100 (B, C, T) at 200 Hz, T a multiple of 200 → vectors (B, D) or tokens (B, C · N, D)."""
        tokens = self.blocks(self.stem(signal.unflatten(-1, (-1, PATCH)))).flatten(1, 2)
        return tokens if self.readout == "tokens" else tokens.mean(1)


def _rows(attention: nn.Module, x: Tensor) -> Tensor:
    """Attention within each row of L tokens: x (B, R, L, D) → (B, R, L, D)."""
    B, R, L, _ = x.shape
    return attention(x.flatten(0, 2), PackedLengths((L,) * (B * R))).view_as(x)


_LAYER = "encoder.layers."
_LEFT_OUT = {
    "proj_out.0.weight": "the head of pretraining",
    "proj_out.0.bias": "the head of pretraining",
    "patch_embedding.mask_encoding": "the mask of pretraining",
}
_STEM = {
    "patch_embedding.proj_in.0": "stem.conv.0.0",
    "patch_embedding.proj_in.1": "stem.conv.0.1",
    "patch_embedding.proj_in.3": "stem.conv.1.0",
    "patch_embedding.proj_in.4": "stem.conv.1.1",
    "patch_embedding.proj_in.6": "stem.conv.2.0",
    "patch_embedding.proj_in.7": "stem.conv.2.1",
    "patch_embedding.spectral_proj.0": "stem.spectrum",
    "patch_embedding.positional_encoding.0": "stem.place",
}
_BLOCK = {
    "norm1": "attention_norm",
    "self_attn_s.out_proj": "across.attention.out",
    "self_attn_t.out_proj": "along.attention.out",
    "norm2": "mlp_norm",
    "linear1": "mlp.expand",
    "linear2": "mlp.contract",
}


def recognises(state: Mapping[str, Tensor]) -> bool:
    """Whether the tensors' names are CBraMod's."""
    return {"patch_embedding.spectral_proj.0.weight", "encoder.layers.0.self_attn_s.in_proj_weight"} <= state.keys()


def depth(state: Mapping[str, Tensor]) -> int:
    """Number of blocks."""
    return 1 + max(int(key.split(".")[2]) for key in state if re.match(rf"{_LAYER}\d+\.", key))


def names(n_blocks: int) -> dict[str, str]:
    """Their key → ours, of every tensor that a vector depends on."""
    parts, found = dict(_STEM), {}
    for i in range(n_blocks):
        parts |= {f"{_LAYER}{i}.{theirs}": f"blocks.{i}.{ours}" for theirs, ours in _BLOCK.items()}
        for letter, ours in (("s", "across"), ("t", "along")):
            for end in ("weight", "bias"):
                found[f"{_LAYER}{i}.self_attn_{letter}.in_proj_{end}"] = f"blocks.{i}.{ours}.attention.qkv.{end}"
    return found | {f"{theirs}.{end}": f"{ours}.{end}" for theirs, ours in parts.items() for end in ("weight", "bias")}


def left_out(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Their key → why it has no place in the encoder."""
    return {key: why for key, why in _LEFT_OUT.items() if key in state}
