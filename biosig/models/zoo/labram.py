"""LaBraM-base, an encoder of EEG by Jiang et al. 2024 (arXiv:2405.18765): the network, its channels, and its keys.

Patches of a second of each channel become tokens by a convolution, with a learned vector for the electrode's name and
one for the second. Shape letters: B windows, C channels, N patches of a channel, P samples of a patch, D features.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from biosig.errors import UsageError
from biosig.layers.attention import Attention, PackedLengths
from biosig.layers.block import Block
from biosig.layers.config import BlockStyle
from biosig.layers.conv_stem import ConvStem

PATCH, EMBED_DIM, HEADS, MAX_PATCHES = 200, 200, 10, 16  # P, D, heads, the longest window in patches
EPS = 1e-6

_NAMES = """
    FP1 FPZ FP2 AF9 AF7 AF5 AF3 AF1 AFZ AF2 AF4 AF6 AF8 AF10 F9 F7 F5 F3 F1 FZ F2 F4 F6 F8 F10 FT9 FT7 FC5 FC3 FC1 FCZ
    FC2 FC4 FC6 FT8 FT10 T9 T7 C5 C3 C1 CZ C2 C4 C6 T8 T10 TP9 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 TP10 P9 P7 P5 P3 P1
    PZ P2 P4 P6 P8 P10 PO9 PO7 PO5 PO3 PO1 POZ PO2 PO4 PO6 PO8 PO10 O1 OZ O2 O9 CB1 CB2 IZ O10 T3 T5 T4 T6 M1 M2 A1 A2
    CFC1 CFC2 CFC3 CFC4 CFC5 CFC6 CFC7 CFC8 CCP1 CCP2 CCP3 CCP4 CCP5 CCP6 CCP7 CCP8 T1 T2 FTT9h TTP7h TPP9h FTT10h TPP8h
    TPP10h FP1-F7 F7-T7 T7-P7 P7-O1 FP2-F8 F8-T8 T8-P8 P8-O2
    """
CH_NAMES = tuple(_NAMES.split())
"""The names of rows 1 to 128 of the table of channels, as the makers list them; row 0 is the window's own token.

T3, T4, T5 and T6 have rows other than T7, T8, P7 and P8, and none stands for another.
"""

_BEYOND = ("FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2")
"""Names that the makers list after the last row of the table: they can be written and not looked up."""


def rows(ch_names: Sequence[str]) -> list[int]:
    """The row of each channel in the learned table; names are compared without regard to case.

    Raises
    ------
    UsageError
        Naming the channels that the table has no row for, or one that is there twice.
    """
    known = {name.upper(): number + 1 for number, name in enumerate(CH_NAMES)}
    unknown = [name for name in ch_names if name.upper() not in known]
    if unknown:
        beyond = [name for name in unknown if name in _BEYOND]
        why = f" ({', '.join(beyond)}: listed by its makers beyond the last row of their table)" if beyond else ""
        raise UsageError(
            f"LaBraM has learned no place for channel {', '.join(unknown)}{why}: leave it out, or give it the name in "
            "biosig.models.zoo.labram.CH_NAMES that it was recorded by."
        )
    found = [known[name.upper()] for name in ch_names]
    twice = [name for name, row in zip(ch_names, found, strict=True) if found.count(row) > 1]
    if twice:
        raise UsageError(f"Channel {' and '.join(twice)} is one channel of LaBraM: give it once.")
    return found


class _Style(BlockStyle):
    """LayerNorm with LaBraM's eps."""

    def make_norm(self, embed_dim: int) -> nn.Module:
        return nn.LayerNorm(embed_dim, eps=EPS)


class LaBraM(nn.Module):
    """The network for a fixed list of channels.

    Parameters
    ----------
    ch_names : sequence of str
        The C channels in the order of the signal, all of `CH_NAMES`.
    n_blocks : int
        12 in the published weights.
    readout : {"norm", "mean", "own", "tokens"}
        "norm": the mean of the patches' tokens, then a norm, which the makers' classifiers start from; weight 1 and
        bias 0 where no fine-tuning has learned them. "mean": before that norm. "own": the window's own token, of which
        no loss ever asked anything. "tokens": the patches', channel after channel.

    Raises
    ------
    UsageError
        If a channel has no learned place, or there is no such readout.
    """

    rows: Tensor

    def __init__(
        self,
        ch_names: Sequence[str],
        n_blocks: int = 12,
        readout: Literal["norm", "mean", "own", "tokens"] = "norm",
    ) -> None:
        super().__init__()
        if readout not in ("norm", "mean", "own", "tokens"):
            raise UsageError(f"LaBraM has no readout {readout!r}; give norm, mean, own or tokens.")
        self.readout = readout
        self.register_buffer("rows", torch.tensor(rows(ch_names)), persistent=False)
        self.stem = ConvStem(8, 4, kernel=15, stride=8)
        self.own = nn.Parameter(torch.zeros(EMBED_DIM))
        self.place = nn.Parameter(nn.init.trunc_normal_(torch.empty(len(CH_NAMES) + 1, EMBED_DIM), std=0.02))
        self.time = nn.Parameter(nn.init.trunc_normal_(torch.empty(MAX_PATCHES, EMBED_DIM), std=0.02))
        style = _Style(norm="layer", mlp="gelu")
        self.blocks = nn.ModuleList(Block(EMBED_DIM, HEADS, EMBED_DIM // HEADS, 4, style) for _ in range(n_blocks))
        for block in self.blocks:
            block.attention = Attention(EMBED_DIM, HEADS, EMBED_DIM // HEADS, bias=True, qk_norm=EPS)
        self.norm = nn.LayerNorm(EMBED_DIM, eps=EPS)

    def forward(self, signal: Tensor) -> Tensor:
        """uV / 100 (B, C, T) at 200 Hz, T a multiple of 200 up to 3200 → vectors (B, D) or tokens (B, C · N, D)."""
        B, C, T = signal.shape
        N = T // PATCH
        if T % PATCH or not 0 < N <= MAX_PATCHES or len(self.rows) != C:
            raise UsageError(
                f"LaBraM was given {C} channels of {T} samples, and takes {len(self.rows)} of whole seconds at "
                f"{PATCH} Hz, {MAX_PATCHES} at most: cut windows of that length."
            )
        steps = self.stem(signal.reshape(B, C * N, PATCH))  # (B, filters, C · N, steps)
        tokens = steps.permute(0, 2, 3, 1).reshape(B, C, N, EMBED_DIM)  # of each step its filters
        tokens = tokens + self.place[self.rows][:, None] + self.time[:N]
        own = (self.own + self.place[0]).expand(B, 1, EMBED_DIM)
        x = torch.cat([own, tokens.flatten(1, 2)], dim=1).flatten(0, 1)  # (B · (1 + C · N), D)
        lengths = PackedLengths((1 + C * N,) * B)
        for block in self.blocks:
            x = block(x, lengths)
        x = x.view(B, -1, EMBED_DIM)
        if self.readout in ("own", "tokens"):
            return x[:, 0] if self.readout == "own" else x[:, 1:]
        mean = x[:, 1:].mean(1)
        return mean if self.readout == "mean" else self.norm(mean)


_PREFIX = "student."
_STEM = {f"patch_embed.{kind}{k + 1}": f"stem.{k}.{i}" for k in range(3) for i, kind in enumerate(("conv", "norm"))}
_TABLES = {"cls_token": "own", "pos_embed": "place", "time_embed": "time"}
_BLOCK = {
    "norm1": "attention_norm",
    "attn.q_norm": "attention.qk_norm.0",
    "attn.k_norm": "attention.qk_norm.1",
    "attn.proj": "attention.out",
    "norm2": "mlp_norm",
    "mlp.fc1": "mlp.expand",
    "mlp.fc2": "mlp.contract",
}
_SCALES = {"gamma_1": "attn.proj", "gamma_2": "mlp.fc2"}  # of a block → what it scales
_LEFT_OUT = {
    "student.mask_token": "the mask of pretraining",
    "student.norm.": "the norm before the head of pretraining",
    "student.lm_head.": "the head of pretraining",
    "lm_head.": "the head of pretraining",
    "projection_head.": "the head of pretraining",
    "head.": "a classifier",
}


def recognises(state: Mapping[str, Tensor]) -> bool:
    """Whether the tensors' names are LaBraM's."""
    mark = ("time_embed", "patch_embed.conv1.weight", "blocks.0.gamma_1")
    return any({prefix + key for key in mark} <= state.keys() for prefix in (_PREFIX, ""))


def depth(state: Mapping[str, Tensor]) -> int:
    """Number of blocks."""
    found = (re.match(rf"(?:{_PREFIX})?blocks\.(\d+)\.", key) for key in state)
    return 1 + max(int(match[1]) for match in found if match)


def names(n_blocks: int, prefix: str = _PREFIX) -> dict[str, str]:
    """Their key → ours, of every tensor that a vector depends on; the layers' scales are folded beforehand.

    Parameters
    ----------
    n_blocks : int
        Number of blocks.
    prefix : str
        "student." in a file of pretraining, "" in a fine-tuned one, which has a norm of its own.
    """
    parts = dict(_STEM) if prefix else _STEM | {"fc_norm": "norm"}
    found = dict(_TABLES)
    for i in range(n_blocks):
        parts |= {f"blocks.{i}.{theirs}": f"blocks.{i}.{ours}" for theirs, ours in _BLOCK.items()}
        found[f"blocks.{i}.attn.qkv.weight"] = f"blocks.{i}.attention.qkv.weight"
    found |= {f"{theirs}.{end}": f"{ours}.{end}" for theirs, ours in parts.items() for end in ("weight", "bias")}
    return {prefix + theirs: ours for theirs, ours in found.items()}


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with each layer's scale multiplied into the matrix and the bias before it, which is the same."""
    out = dict(state)
    for key in state:
        start, _, end = key.rpartition(".")
        if end in _SCALES:
            scale = out.pop(key)
            for part in ("weight", "bias"):
                scaled = f"{start}.{_SCALES[end]}.{part}"
                if scaled in out:
                    out[scaled] = out[scaled] * (scale[:, None] if part == "weight" else scale)
    return out


def left_out(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Their key → why it has no place in the encoder."""
    return {key: why for key in state for start, why in _LEFT_OUT.items() if key.startswith(start)}
