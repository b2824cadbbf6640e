"""PaPaGei, encoders of PPG by Pillai et al. 2024 (arXiv:2410.20542): the network of -S and -P, and their keys.

A residual tower of convolutions. -S was trained with expert heads beside it, which no vector comes from: the two differ
in their weights alone. Shape letters: B windows, T samples, W channels of a layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from biosig.errors import UsageError
from biosig.layers.same_padding import SameConv1d, shortcut

WIDTH, DOUBLED, EMBED_DIM = 32, 4, 512  # W of the first blocks, after how many blocks it doubles, numbers of a vector


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
        self.norm1 = batch_norm(self.n_in) if number else None
        self.conv1 = SameConv1d(self.n_in, self.n_out, 3, stride=2 if self.halve else 1)
        self.norm2 = batch_norm(self.n_out)
        self.conv2 = SameConv1d(self.n_out, self.n_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, W, T) → (B, W', T or ceil(T / 2))."""
        out = x if self.norm1 is None else F.relu(self.norm1(x))
        out = self.conv2(F.relu(self.norm2(self.conv1(out))))
        return out + shortcut(x, self.n_out, self.halve)


class PaPaGei(nn.Module):
    """The tower, and the matrix that its makers read the vector from.

    Parameters
    ----------
    n_blocks : int
        18 in the published weights.
    readout : {"dense", "pooled"}
        "dense": the matrix applied to the mean over time, which the makers' probes use. "pooled": that mean.
    """

    def __init__(self, n_blocks: int = 18, readout: Literal["dense", "pooled"] = "dense") -> None:
        super().__init__()
        if readout not in ("dense", "pooled"):
            raise UsageError(f"PaPaGei has no readout {readout!r}; give dense or pooled.")
        self.readout = readout
        self.stem = nn.Sequential(SameConv1d(1, WIDTH, 3), batch_norm(WIDTH), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(number) for number in range(n_blocks)))
        self.norm = batch_norm(width(n_blocks - 1))
        self.dense = nn.Linear(width(n_blocks - 1), EMBED_DIM)

    def forward(self, signal: Tensor) -> Tensor:
        """Z-scores (B, 1, T) at 125 Hz → vectors (B, 512); T may be any length from 1."""
        pooled = F.relu(self.norm(self.blocks(self.stem(signal)))).mean(-1)
        return pooled if self.readout == "pooled" else self.dense(pooled)


def batch_norm(n_chans: int) -> nn.BatchNorm1d:
    """A norm without the counter of its training steps, which only a momentum of None would read."""
    norm = nn.BatchNorm1d(n_chans)
    norm.num_batches_tracked = None
    return norm


def width(number: int) -> int:
    """W of the output of a block; of number -1, which is the stem."""
    return int(WIDTH * 2 ** (max(number, 0) // DOUBLED))


_MARK = "basicblock_list."
_LEFT_OUT = {
    "expert_layers_1.": "an expert of pretraining",
    "expert_layers_2.": "an expert of pretraining",
    "gating_network_1.": "the choice between experts of pretraining",
    "gating_network_2.": "the choice between experts of pretraining",
    "basicblock_list.0.bn1.": "a norm that never runs",
}
_COUNTER = "num_batches_tracked"


def recognises(state: Mapping[str, Tensor]) -> bool:
    """Whether the tensors' names are PaPaGei's."""
    return {"first_block_bn.weight", "basicblock_list.0.conv2.conv.weight"} <= state.keys()


def depth(state: Mapping[str, Tensor]) -> int:
    """Number of blocks."""
    return 1 + max(int(key.split(".")[1]) for key in state if key.startswith(_MARK))


def names(n_blocks: int) -> dict[str, str]:
    """Their key → ours, of every tensor that a vector depends on."""
    parts = {"first_block_conv.conv": "stem.0", "dense": "dense"}
    norms = {"first_block_bn": "stem.1", "final_bn": "norm"}
    for i in range(n_blocks):
        theirs, ours = f"{_MARK}{i}", f"blocks.{i}"
        parts |= {f"{theirs}.conv{k}.conv": f"{ours}.conv{k}" for k in (1, 2)}
        norms |= {f"{theirs}.bn{k}": f"{ours}.norm{k}" for k in ((1, 2) if i else (2,))}
    found = {f"{theirs}.{end}": f"{ours}.{end}" for theirs, ours in parts.items() for end in ("weight", "bias")}
    ends = ("weight", "bias", "running_mean", "running_var")
    return found | {f"{theirs}.{end}": f"{ours}.{end}" for theirs, ours in norms.items() for end in ends}


def left_out(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Their key → why it has no place in the encoder."""
    found = {key: why for key in state for start, why in _LEFT_OUT.items() if key.startswith(start)}
    return {key: "a counter of training steps" for key in state if key.endswith("." + _COUNTER)} | found
