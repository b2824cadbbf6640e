"""LaBraM-base, an encoder of EEG by Jiang et al. 2024 (arXiv:2405.18765): the network, its channels, and its keys.

Patches of a second of each channel become tokens by a convolution, with a learned vector for the electrode's name and
one for the second. Shape letters: B windows, C channels, N patches of a channel, P samples of a patch, D features.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from biosig.batches.stepped import SteppedContract
from biosig.batches.steps.filter import Filter
from biosig.batches.steps.notch import Notch
from biosig.batches.steps.resample import Resample
from biosig.batches.steps.scale import Scale
from biosig.batches.steps.window import Window
from biosig.errors import UsageError
from biosig.layers.attention import Attention, PackedLengths
from biosig.layers.block import Block
from biosig.layers.config import BlockStyle
from biosig.layers.conv_stem import ConvStem
from biosig.models.zoo import ENCODERS, About, Encoder, Keys, Network, shape_of

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

T3, T4, T5 and T6 have rows other than T7, T8, P7 and P8, and none stands for another. Eight more names that the makers
list (FP1-F3 to P4-O2) lie beyond the table's last row, so they are none of these.
"""


class _Style(BlockStyle):
    """LayerNorm with LaBraM's eps."""

    def make_norm(self, embed_dim: int) -> nn.Module:
        return nn.LayerNorm(embed_dim, eps=EPS)


class ScaledBlock(Block):
    """Our block, in which queries and keys are normed, and a learned scale of each feature limits what a half adds."""

    def __init__(self) -> None:
        super().__init__(EMBED_DIM, HEADS, EMBED_DIM // HEADS, 4, _Style(norm="layer", mlp="gelu"))
        self.attention = Attention(EMBED_DIM, HEADS, EMBED_DIM // HEADS, bias=True, qk_norm=EPS)
        self.attention_scale = nn.Parameter(torch.full((EMBED_DIM,), 0.1))
        self.mlp_scale = nn.Parameter(torch.full((EMBED_DIM,), 0.1))

    def forward(self, x: Tensor, lengths: PackedLengths, rows: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """x (N, D) → (N, D)."""
        x = x + self.attention_scale * self.attention(self.attention_norm(x), lengths)
        return x + self.mlp_scale * self.mlp(self.mlp_norm(x))


class Transformer(Network):
    """Stem, tables of places and times, and blocks.

    Parameters
    ----------
    depth : int
        Number of blocks.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.stem = ConvStem(8, 4, kernel=15, stride=8)
        self.own = nn.Parameter(torch.zeros(1, 1, EMBED_DIM))
        self.place = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, len(CH_NAMES) + 1, EMBED_DIM), std=0.02))
        self.time = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, MAX_PATCHES, EMBED_DIM), std=0.02))
        self.blocks = nn.ModuleList(ScaledBlock() for _ in range(depth))
        self.norm = nn.LayerNorm(EMBED_DIM, eps=EPS)

    def stages(self, x: Tensor, channels: Sequence[int]) -> Iterator[tuple[str, Tensor]]:
        """uV / 100 (B, C, T) at 200 Hz, T up to 16 whole seconds.

        "first" and "last" have the window's own token before the patches', which lie channel after channel; "tokens"
        are the patches' alone, "mean" their mean, and "vector" that mean after a norm.

        Raises
        ------
        UsageError
            If the windows are longer.
        """
        B, C, T = x.shape
        N = T // PATCH
        if N > MAX_PATCHES:
            raise UsageError(f"LaBraM has learned {MAX_PATCHES} s, and the window has {N}: cut shorter windows.")
        steps = self.stem(x.reshape(B, C * N, PATCH))  # (B, filters, C · N, steps)
        tokens = steps.permute(0, 2, 3, 1).flatten(2)  # of each step its filters
        yield "stem", tokens
        place = self.place[0, [number + 1 for number in channels]]  # (C, D)
        tokens = tokens.unflatten(1, (C, N)) + place[:, None] + self.time[0, :N]
        own = (self.own + self.place[:, :1]).expand(B, 1, EMBED_DIM)
        x = torch.cat([own, tokens.flatten(1, 2)], dim=1)
        lengths = PackedLengths((1 + C * N,) * B)
        for number, block in enumerate(self.blocks):
            x = block(x.flatten(0, 1), lengths).view_as(x)
            if not number:
                yield "first", x
        yield "last", x
        yield "tokens", x[:, 1:]
        mean = x[:, 1:].mean(1)
        yield "vector", self.norm(mean)
        yield "mean", mean


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
_MATRICES = {"attn.qkv.weight": "attention.qkv.weight", "gamma_1": "attention_scale", "gamma_2": "mlp_scale"}
_HEADS = [f"{of}.{end}" for of in ("student.lm_head", "lm_head", "projection_head.0") for end in ("weight", "bias")]

_TRAINED_ON = """
    bci-competition-iv-1 emobrain grasp-and-lift inria-bci-challenge eegmmidb raw-eeg-data resting-state-eeg seed
    seed-iv seed-ger seed-fra siena spis target-versus-non-target tuar tuep tusz tusl
    """
"""The public ones of the paper's list of pretraining data; recordings of the makers' own were beside them."""


@ENCODERS.register
@dataclass(frozen=True)
class LaBraM(Encoder):
    """Sizes of a LaBraM, all but the depth those of -base.

    Parameters
    ----------
    depth : int
        Number of blocks.
    """

    name: ClassVar[str] = "labram"
    about: ClassVar[About] = About(
        title="LaBraM",
        code="935963004/LaBraM c431221",
        licence="MIT",
        where="github.com/935963004/LaBraM: checkpoints/labram-base.pth; huggingface.co/braindecode/labram-pretrained",
        trained_on=tuple(_TRAINED_ON.split()),
        cannot="no electrode outside its table of 128 names, no window over 16 s",
    )
    depth: int = 12

    @property
    def model_name(self) -> str:
        """Its makers published -base alone."""
        return "labram-base"

    @classmethod
    def published(cls) -> dict[str, LaBraM]:
        """The one that is public."""
        return {"labram-base.pth": cls()}

    @classmethod
    def recognises(cls, state: Mapping[str, Tensor]) -> bool:
        """True if the tensors' names are LaBraM's."""
        return any(map(_number, state)) and any(key.endswith("patch_embed.conv1.weight") for key in state)

    @classmethod
    def of(cls, state: Mapping[str, Tensor], where: str) -> LaBraM:
        """Number of blocks by the keys; all widths are those of -base."""
        shape_of(state, _prefix(state) + "time_embed", 3, where)
        return cls(1 + max(int(match[2]) for match in map(_number, state) if match))

    def keys(self, state: Mapping[str, Tensor]) -> Keys:
        """All but mask, last norm and heads of pretraining; of a fine-tuned file all but its classifier."""
        prefix = _prefix(state)
        parts, names = _STEM | {"fc_norm": "norm"}, dict(_TABLES)
        for i in range(self.depth):
            parts |= {f"blocks.{i}.{theirs}": f"blocks.{i}.{ours}" for theirs, ours in _BLOCK.items()}
            names |= {f"blocks.{i}.{theirs}": f"blocks.{i}.{ours}" for theirs, ours in _MATRICES.items()}
        names |= {f"{theirs}.{end}": f"{ours}.{end}" for theirs, ours in parts.items() for end in ("weight", "bias")}
        names = {prefix + theirs: ours for theirs, ours in names.items()}
        if not prefix:
            return Keys(names, {f"head.{end}": "a classifier" for end in ("weight", "bias")})
        dropped = {"student.mask_token": "the mask of pretraining"} | dict.fromkeys(_HEADS, "a head of pretraining")
        dropped |= {f"student.norm.{end}": "the norm before the heads of pretraining" for end in ("weight", "bias")}
        new = "the norm after the mean is new in fine-tuning; before it the"
        return Keys(names, dropped, {"norm.weight": f"{new} weight is 1", "norm.bias": f"{new} bias is 0"})

    def build(self) -> Transformer:
        """The network."""
        return Transformer(self.depth)

    def contract(self) -> dict[str, SteppedContract]:
        """Any of the electrodes by their own names, windows of seconds up to 16."""
        steps = (
            Filter("fir", 0.1, 75.0),
            Notch(50.0, "fir"),
            Resample(200.0, "mne"),
            Window(context=30.0),
            Scale("divisor", by=100.0),
        )
        wanted = SteppedContract(
            sfreq=200.0,
            patch_seconds=1.0,
            stride_seconds=1.0,
            unit="uV",
            window_seconds=16.0,
            ch_names=CH_NAMES,
            missing="subset",
            any_length=True,
            coupled=True,
            longest=16.0,
            aliases=False,
            steps=steps,
        )
        return {"eeg": wanted}


def _number(key: str) -> re.Match[str] | None:
    """The number of the block that a layer's scale belongs to, which no other family has."""
    return re.match(r"(student\.)?blocks\.(\d+)\.gamma_[12]$", key)


def _prefix(state: Mapping[str, Tensor]) -> str:
    """Prefix of the encoder's keys in a file of pretraining; empty in a fine-tuned one."""
    return "student." if any(key.startswith("student.") for key in state) else ""
