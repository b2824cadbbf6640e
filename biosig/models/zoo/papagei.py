"""PaPaGei, encoders of PPG by Pillai et al. 2024 (arXiv:2410.20542): the network of -S and -P, and their keys.

A residual tower of convolutions. -S was trained with expert heads beside it, which no vector comes from: the two differ
in their weights alone. Shape letters: B windows, T samples, W channels of a layer.
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
from biosig.batches.steps.filter import Filter
from biosig.batches.steps.resample import Resample
from biosig.batches.steps.scale import Scale
from biosig.batches.steps.smooth import Smooth
from biosig.batches.steps.window import Window
from biosig.layers.tower import SameConv, halved, widened
from biosig.models.zoo import ENCODERS, About, Encoder, Keys, Network, shape_of

WIDTH, DOUBLED, EMBED_DIM = 32, 4, 512  # W of the first blocks, after how many blocks it doubles, numbers of a vector


class FixedNorm(nn.Module):
    """Batch normalisation by the mean and variance of pretraining, in fine-tuning too.

    So a window's vector depends on no other window.

    Parameters
    ----------
    n_chans : int
        W.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_chans: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(n_chans)), nn.Parameter(torch.zeros(n_chans))
        self.register_buffer("running_mean", torch.zeros(n_chans))
        self.register_buffer("running_var", torch.ones(n_chans))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, W, T) → (B, W, T)."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class Block(nn.Module):
    """Two convolutions past a shortcut, each after norm and ReLU; every second block halves the rate.

    Parameters
    ----------
    number : int
        Place in the tower. The very first block has neither norm nor ReLU before its first convolution.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.n_in, self.n_out = width(number - 1), width(number)
        self.halve = number % 2 == 1
        self.norm1 = FixedNorm(self.n_in) if number else None
        self.conv1 = SameConv(self.n_in, self.n_out, 3, stride=2 if self.halve else 1)
        self.norm2 = FixedNorm(self.n_out)
        self.conv2 = SameConv(self.n_out, self.n_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, W, T) → (B, W', T or ceil(T / 2))."""
        out = x if self.norm1 is None else F.relu(self.norm1(x))
        out = self.conv2(F.relu(self.norm2(self.conv1(out))))
        return out + widened(halved(x) if self.halve else x, self.n_out)


class Tower(Network):
    """The blocks, and the matrix that its makers read the vector from.

    Parameters
    ----------
    n_block : int
        Number of blocks.
    """

    def __init__(self, n_block: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(1, WIDTH, 3), FixedNorm(WIDTH), nn.ReLU())
        self.blocks = nn.ModuleList(Block(number) for number in range(n_block))
        self.norm = FixedNorm(width(n_block - 1))
        self.dense = nn.Linear(width(n_block - 1), EMBED_DIM)

    def stages(self, x: Tensor, channels: Sequence[int]) -> Iterator[tuple[str, Tensor]]:  # noqa: ARG002
        """Z-scores (B, 1, T) at 125 Hz, of any length from 1; "pooled" is the mean of the tokens (B, W)."""
        x = self.stem(x)
        yield "stem", x
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number < 2:
                yield ("first", "second")[number], x
        yield "last", x
        tokens = F.relu(self.norm(x))  # (B, W, steps)
        yield "tokens", tokens.mT
        pooled = tokens.mean(-1)
        yield "vector", self.dense(pooled)
        yield "pooled", pooled


def width(number: int) -> int:
    """W of the output of a block; of number -1, which is the stem."""
    return int(WIDTH * 2 ** (max(number, 0) // DOUBLED))


_DEAD = "a norm that never runs"
_COUNTER = "a counter of training steps"
_EXPERT = "an expert of pretraining"
_GATE = "the choice between experts of pretraining"


@ENCODERS.register
@dataclass(frozen=True)
class PaPaGei(Encoder):
    """Sizes of a PaPaGei.

    Parameters
    ----------
    n_block : int
        Number of blocks.
    n_experts : int
        Heads of -S in pretraining, each of which has tensors in its file; 0 for -P.
    sections : bool
        Whether the filter runs as second-order sections at every rate, and not only above 500 Hz, where the makers'
        polynomials give no usable numbers (`biosig.batches.steps.filter`).
    """

    name: ClassVar[str] = "papagei"
    about: ClassVar[About] = About(
        title="PaPaGei",
        code="Nokia-Bell-Labs/papagei-foundation-model 0c537da",
        licence="BSD-3-Clause (the files' headers say BSD-3-Clause-Clear)",
        where="zenodo.org/records/13983110: papagei_s.pt, papagei_p.pt, papagei_s_svri.pt",
        trained_on=("vitaldb", "mimic-iii", "bidmc", "mesa"),  # BIDMC was cut from recordings of MIMIC
        cannot="nothing but one channel of PPG, the fingertip's in training; nothing above 12 Hz",
    )
    n_block: int = 18
    n_experts: int = 3
    sections: bool = False

    @property
    def model_name(self) -> str:
        """With experts -S, else -P."""
        return "papagei-s" if self.n_experts else "papagei-p"

    @classmethod
    def published(cls) -> dict[str, PaPaGei]:
        """-S, and two networks of one shape: -P, and -S trained without experts."""
        return {"papagei_s.pt": cls(), "papagei_p.pt": cls(n_experts=0), "papagei_s_svri.pt": cls(n_experts=0)}

    @classmethod
    def recognises(cls, state: Mapping[str, Tensor]) -> bool:
        """True if the tensors' names are PaPaGei's."""
        return any(key.startswith("first_block_bn.") for key in state) and any(map(_number, state))

    @classmethod
    def of(cls, state: Mapping[str, Tensor], where: str) -> PaPaGei:
        """Number of blocks and experts by the keys."""
        n_block = 1 + max(int(match[1]) for match in map(_number, state) if match)
        shape_of(state, "dense.weight", 2, where)
        experts = [int(key.split(".")[1]) for key in state if re.match(r"expert_layers_1\.\d+\.", key)]
        return cls(n_block, 1 + max(experts, default=-1))

    def keys(self, state: Mapping[str, Tensor]) -> Keys:  # noqa: ARG002
        """All tensors of the trunk; experts, counters and the first block's unused norm are left out."""
        parts = {"first_block_conv.conv": "stem.0", "dense": "dense"}
        norms = {"first_block_bn": "stem.1", "final_bn": "norm", "basicblock_list.0.bn1": ""}
        for i in range(self.n_block):
            theirs, ours = f"basicblock_list.{i}", f"blocks.{i}"
            parts |= {f"{theirs}.conv{k}.conv": f"{ours}.conv{k}" for k in (1, 2)}
            norms |= {f"{theirs}.bn{k}": f"{ours}.norm{k}" for k in ((1, 2) if i else (2,))}
        names = {f"{theirs}.{end}": f"{ours}.{end}" for theirs, ours in parts.items() for end in ("weight", "bias")}
        dropped = {f"{theirs}.num_batches_tracked": _COUNTER for theirs in norms}
        for theirs, ours in norms.items():
            for end in ("weight", "bias", "running_mean", "running_var"):
                if ours:
                    names[f"{theirs}.{end}"] = f"{ours}.{end}"
                else:
                    dropped[f"{theirs}.{end}"] = _DEAD
        heads = {f"gating_network_{k}.0": _GATE for k in (1, 2) if self.n_experts}
        for e in range(self.n_experts):
            heads |= {f"expert_layers_{k}.{e}.{layer}": _EXPERT for k, last in ((1, 2), (2, 3)) for layer in (0, last)}
        dropped |= {f"{theirs}.{end}": why for theirs, why in heads.items() for end in ("weight", "bias")}
        alike = "papagei_p.pt and papagei_s_svri.pt have the same keys: the file's name alone tells which this is."
        return Keys(names, dropped, notes=() if self.n_experts else (alike,))

    def build(self) -> Tower:
        """The tower."""
        return Tower(self.n_block)

    def contract(self) -> dict[str, SteppedContract]:
        """The order of the makers' extractor; their README has no z-score, their notebook has it before the filter."""
        steps = (
            Filter("chebyshev2", 0.5, 12.0, polynomials_up_to=0.0 if self.sections else 500.0),
            Smooth(0.05, slowest=75.0),
            Window(context=30.0),
            Scale("zscore", eps=1e-7),
            Resample(125.0, "polyphase"),
        )
        wanted = SteppedContract(
            sfreq=125.0, patch_seconds=10.0, stride_seconds=10.0, unit=None, ch_names=("finger",), steps=steps
        )
        return {"ppg": wanted}


def _number(key: str) -> re.Match[str] | None:
    """The number of the block that a key belongs to."""
    return re.match(r"basicblock_list\.(\d+)\.", key)
