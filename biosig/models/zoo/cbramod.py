"""CBraMod, an encoder of EEG by Wang et al. 2024 (arXiv:2412.07236): the network, and the keys of its weights.

Patches of a second of each channel lie on a grid. Half of a token's features attend along time, half across channels,
and a channel is known by its place in the grid, through a convolution over nine neighbours on either side.
Shape letters: B windows, C channels, N patches of a channel, P samples of a patch, D features of a token.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from biosig.batches.stepped import SteppedContract
from biosig.batches.steps.filter import Filter
from biosig.batches.steps.notch import Notch
from biosig.batches.steps.reject import Reject
from biosig.batches.steps.resample import Resample
from biosig.batches.steps.scale import Scale
from biosig.batches.steps.window import Window
from biosig.layers.attention import Attention, PackedLengths
from biosig.layers.block import MLP
from biosig.layers.conv_stem import ConvStem
from biosig.models.zoo import ENCODERS, About, Encoder, Keys, Network, shape_of

PATCH, EMBED_DIM, HEADS = 200, 200, 4  # P, D, heads of each half


class Stem(nn.Module):
    """A token of each patch: convolutions of its samples, plus its spectrum, plus a code of its place in the grid."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = ConvStem(25, 5, kernel=49, stride=25)
        self.spectrum = nn.Linear(PATCH // 2 + 1, EMBED_DIM)
        self.place = nn.Conv2d(EMBED_DIM, EMBED_DIM, (19, 7), padding=(9, 3), groups=EMBED_DIM)

    def stages(self, patches: Tensor) -> Iterator[tuple[str, Tensor]]:
        """patches (B, C, N, P) → "conv" (B, filters, C · N, steps), "spectral" and "stem" (B, C, N, D)."""
        steps = self.conv(patches.flatten(1, 2))
        yield "conv", steps
        spectral = self.spectrum(torch.fft.rfft(patches, norm="forward").abs())
        yield "spectral", spectral
        tokens = steps.transpose(1, 2).reshape(spectral.shape) + spectral
        yield "stem", tokens + self.place(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


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


class Grid(Network):
    """Stem and blocks.

    Parameters
    ----------
    n_layer : int
        Number of blocks.
    """

    def __init__(self, n_layer: int) -> None:
        super().__init__()
        self.stem = Stem()
        self.blocks = nn.ModuleList(GridBlock() for _ in range(n_layer))

    def stages(self, x: Tensor, channels: Sequence[int]) -> Iterator[tuple[str, Tensor]]:  # noqa: ARG002
        """uV / 100 (B, C, T) at 200 Hz, T whole seconds; tokens lie channel after channel, the vector is their mean."""
        for name, value in self.stem.stages(x.unflatten(-1, (-1, PATCH))):
            yield name, value
        x = value
        for number, block in enumerate(self.blocks):
            x = block(x)
            if not number:
                yield "first", x
        yield "last", x
        yield "tokens", x.flatten(1, 2)
        yield "vector", x.mean((1, 2))


def _rows(attention: nn.Module, x: Tensor) -> Tensor:
    """Attention within each row of L tokens: x (B, R, L, D) → (B, R, L, D)."""
    B, R, L, _ = x.shape
    return attention(x.flatten(0, 2), PackedLengths((L,) * (B * R))).view_as(x)


_LAYER = "encoder.layers."
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


_CH_NAMES = "FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 FZ CZ PZ"


@ENCODERS.register
@dataclass(frozen=True)
class CBraMod(Encoder):
    """Sizes of a CBraMod.

    Parameters
    ----------
    n_layer : int
        Number of blocks.
    largest : float
        Of a window in which a value (uV) reaches this no vector is made, as no such window was in pretraining. inf =
        read all windows, which the makers' fine-tuning does.
    """

    name: ClassVar[str] = "cbramod"
    about: ClassVar[About] = About(
        title="CBraMod",
        code="wjq-learning/CBraMod b9e9610",
        licence="MIT (the card on the hub says Apache-2.0)",
        where="huggingface.co/weighting666/CBraMod: pretrained_weights.pth",
        trained_on=("tueg", "tuab", "tuar", "tuep", "tuev", "tusl", "tusz"),
        cannot="no other montage than its 19 electrodes in their order; no window in which a value reaches 100 uV",
    )
    n_layer: int = 12
    largest: float = 100.0

    @property
    def model_name(self) -> str:
        """The one that there is."""
        return "cbramod"

    @classmethod
    def published(cls) -> dict[str, CBraMod]:
        """The one that there is."""
        return {"pretrained_weights.pth": cls()}

    @classmethod
    def recognises(cls, state: Mapping[str, Tensor]) -> bool:
        """True if the tensors' names are CBraMod's."""
        return any(map(_number, state)) and any(key.startswith("patch_embedding.spectral_proj.") for key in state)

    @classmethod
    def of(cls, state: Mapping[str, Tensor], where: str) -> CBraMod:
        """Number of blocks by the keys; all widths are the published ones."""
        shape_of(state, "patch_embedding.spectral_proj.0.weight", 2, where)
        return cls(1 + max(int(match[1]) for match in map(_number, state) if match))

    def keys(self, state: Mapping[str, Tensor]) -> Keys:  # noqa: ARG002
        """All but the head of pretraining and its mask."""
        parts, names = dict(_STEM), {}
        for i in range(self.n_layer):
            theirs, ours = f"{_LAYER}{i}", f"blocks.{i}"
            parts |= {f"{theirs}.{their}": f"{ours}.{our}" for their, our in _BLOCK.items()}
            for half, our in (("self_attn_s", "across"), ("self_attn_t", "along")):
                for end in ("weight", "bias"):
                    names[f"{theirs}.{half}.in_proj_{end}"] = f"{ours}.{our}.attention.qkv.{end}"
        names |= {f"{theirs}.{end}": f"{ours}.{end}" for theirs, ours in parts.items() for end in ("weight", "bias")}
        dropped = {f"proj_out.0.{end}": "the head of pretraining" for end in ("weight", "bias")}
        return Keys(names, dropped | {"patch_embedding.mask_encoding": "the mask of pretraining"})

    def build(self) -> Grid:
        """The network."""
        return Grid(self.n_layer)

    def contract(self) -> dict[str, SteppedContract]:
        """As the makers prepared the Temple University corpus: 19 channels by place, windows of seconds up to 30."""
        steps = (
            Resample(200.0, "mne"),
            Filter("fir", 0.3, 75.0),
            Notch(60.0, "fir"),
            Window(context=30.0),
            *([Reject(self.largest)] if math.isfinite(self.largest) else []),
            Scale("divisor", by=100.0),
        )
        wanted = SteppedContract(
            sfreq=200.0,
            patch_seconds=1.0,
            stride_seconds=1.0,
            unit="uV",
            window_seconds=30.0,
            ch_names=tuple(_CH_NAMES.split()),
            any_length=True,
            coupled=True,
            longest=30.0,
            steps=steps,
        )
        return {"eeg": wanted}


def _number(key: str) -> re.Match[str] | None:
    """The number of the block that a key belongs to."""
    return re.match(r"encoder\.layers\.(\d+)\.", key)
