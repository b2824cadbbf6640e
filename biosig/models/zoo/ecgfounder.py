"""ECGFounder of twelve leads and of one (Li et al. 2025, NEJM AI; code read: see `About`).

A tower of grouped convolutions with squeeze-and-excitation, without norms: those in its files never run. Sizes are
those of its constructor; the fixtures of `tests/models/zoo` were recorded from it.

Shape letters: B windows, C channels, T samples, D width of a stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.batches.stepped import SteppedContract
from biosig.batches.steps.baseline import Baseline
from biosig.batches.steps.filter import Filter
from biosig.batches.steps.notch import Notch
from biosig.batches.steps.repair import Repair
from biosig.batches.steps.resample import Resample
from biosig.batches.steps.scale import Scale
from biosig.batches.steps.window import Window
from biosig.errors import DataError
from biosig.layers.tower import SameConv, halved, widened
from biosig.models.zoo import ENCODERS, About, Encoder, Keys, Network, shape_of

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

_KERNEL, _GROUP, _N_LABELS = 16, 16, 150

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_UNTOUCHED = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0.0}


@ENCODERS.register
@dataclass(frozen=True)
class ECGFounder(Encoder):
    """Sizes of the tower.

    Parameters
    ----------
    n_chans : int
        Leads: 12, or 1, which is lead I.
    widths, blocks : tuple of int
        Channels and blocks of each stage.
    """

    name: ClassVar[str] = "ecgfounder"
    about: ClassVar[About] = About(
        title="ECGFounder",
        code="github.com/PKUDigitalHealth/ECGFounder at 04edac7 (MIT)",
        licence="MIT",
        where="huggingface.co/PKUDigitalHealth/ECGFounder: 12_lead_ECGFounder.pth, 1_lead_ECGFounder.pth",
        trained_on=("heedb",),
        cannot="no subset of its leads: each has weights of its own in the first convolution",
    )
    n_chans: int = 12
    widths: tuple[int, ...] = (64, 160, 160, 400, 400, 1024, 1024)
    blocks: tuple[int, ...] = (2, 2, 2, 3, 3, 4, 4)

    @property
    def model_name(self) -> str:
        """The family's name with the number of leads."""
        return f"ecgfounder-{self.n_chans}"

    @classmethod
    def published(cls) -> Mapping[str, ECGFounder]:
        """Both files of the hub."""
        return {"12_lead_ECGFounder.pth": cls(), "1_lead_ECGFounder.pth": cls(n_chans=1)}

    @classmethod
    def recognises(cls, state: Mapping[str, Tensor]) -> bool:
        """By the first convolution and a squeeze-and-excitation of the first block."""
        return "first_conv.conv.weight" in state and any(key.startswith("stage_list.0.block_list.0.") for key in state)

    @classmethod
    def of(cls, state: Mapping[str, Tensor], where: str) -> ECGFounder:
        """Sizes from the first convolution, and from the pointwise one of each block."""
        _, n_chans, kernel = shape_of(state, "first_conv.conv.weight", 3, where)
        if n_chans not in (1, 12) or kernel != _KERNEL:
            raise DataError(
                f"{where} reads {n_chans} leads by {kernel} samples; ECGFounder reads 12 or 1 by {_KERNEL}."
            )
        found = {tuple(map(int, key.split(".")[1:4:2])) for key in state if key.startswith("stage_list.")}
        n_stages = 1 + max(stage for stage, _ in found)
        blocks = [
            1 + max((block for stage, block in found if stage == number), default=-1) for number in range(n_stages)
        ]
        first = (f"stage_list.{number}.block_list.0.conv1.conv.weight" for number in range(n_stages))
        return cls(n_chans, tuple(shape_of(state, key, 3, where)[0] for key in first), tuple(blocks))

    def keys(self, state: Mapping[str, Tensor]) -> Keys:
        """All parameters by their own names; the norms are dropped, and the card says when they are not fresh ones."""
        norms = ["first_bn"]
        for stage, n_blocks in enumerate(self.blocks):
            norms += [f"stage_list.{stage}.block_list.{b}.bn{i}" for b in range(n_blocks) for i in (1, 2, 3)]
        dropped = {f"{norm}.{part}": "norms that the network never runs" for norm in norms for part in _NORM}
        used = [k for k in dropped if k in state and not bool((state[k] == _UNTOUCHED[k.rpartition(".")[2]]).all())]
        notes = [f"{len(used)} of the tensors of norms that never run hold what no fresh norm does."] if used else []
        return Keys({key: key for key in self.build().state_dict()}, dropped, notes=tuple(notes))

    def build(self) -> ECGFounderNet:
        """The tower with random weights."""
        return ECGFounderNet(self)

    def contract(self) -> dict[str, SteppedContract]:
        """10 s at 500 Hz, cleaned as the makers' README says that results need, then one z-score for all leads.

        Another rate is brought to 500 Hz by straight lines, the only way that their code does.
        """
        steps = (
            Window(),
            Repair(),
            Resample(500.0, "linear"),
            Notch(50.0, quality=30.0),
            Filter("butterworth", 0.67, 40.0, order=4),
            Baseline(0.4),
            Scale("zscore", over="joint", eps=1e-8),
        )
        names = LEADS if self.n_chans == len(LEADS) else ("I",)
        return {"ecg": SteppedContract(500.0, 10.0, 10.0, "mV", window_seconds=10.0, ch_names=names, steps=steps)}


class ECGFounderNet(Network):
    """The tower: a convolution of stride 2, then stages of which the first block halves the rate."""

    def __init__(self, sizes: ECGFounder) -> None:
        super().__init__()
        self.first_conv = _Convolution(SameConv(sizes.n_chans, sizes.widths[0], _KERNEL, stride=2))
        widths = (sizes.widths[0], *sizes.widths)
        pairs = zip(pairwise(widths), sizes.blocks, strict=True)
        self.stage_list = nn.ModuleList(
            _Stage(before, width, n_blocks, first=number == 0)
            for number, ((before, width), n_blocks) in enumerate(pairs)
        )
        self.dense = nn.Linear(widths[-1], _N_LABELS)

    def stages(self, x: Tensor, channels: Sequence[int]) -> Iterator[tuple[str, Tensor]]:  # noqa: ARG002 - by place
        """Stem, first block, first stage, last block; tokens of half a second, their mean, logits of the 150 labels."""
        x = F.silu(self.first_conv(x))
        yield "stem", x
        for number, stage in enumerate(self.stage_list):
            for block_number, block in enumerate(cast(_Stage, stage).block_list):
                x = block(x)
                if number == block_number == 0:
                    yield "first", x
            if number == 0:
                yield "stage", x
        yield "last", x
        yield "tokens", x.mT
        vector = x.mean(-1)
        yield "vector", vector
        yield "logits", self.dense(vector)

    def parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """The blocks of all stages; the layer after them, for the labels, is not in the vector."""
        return [block for stage in self.stage_list for block in cast(_Stage, stage).block_list], []


class _Convolution(nn.Module):
    """A convolution under the name that its makers' wrapper gives it."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x)
        return found


class _Stage(nn.Module):
    """Blocks of one width, the first of which halves the rate."""

    def __init__(self, before: int, width: int, n_blocks: int, first: bool) -> None:
        super().__init__()
        widths = (before, *[width] * n_blocks)
        self.block_list = nn.ModuleList(
            _Block(a, b, halves=number == 0, bare=first and number == 0)
            for number, (a, b) in enumerate(pairwise(widths))
        )


class _Block(nn.Module):
    """Pointwise, grouped and pointwise convolution, squeeze-and-excitation, and the input beside.

    Parameters
    ----------
    before, width : int
        Channels that come in and go out.
    halves : bool
        Whether the grouped convolution has stride 2.
    bare : bool
        Whether nothing bends before the first convolution, as in the first block of all.
    """

    def __init__(self, before: int, width: int, halves: bool, bare: bool) -> None:
        super().__init__()
        self.halves, self.bare = halves, bare
        self.conv1 = _Convolution(SameConv(before, width, 1))
        grouped = SameConv(width, width, _KERNEL, stride=2 if halves else 1, groups=width // _GROUP)
        self.conv2 = _Convolution(grouped)
        self.conv3 = _Convolution(SameConv(width, width, 1))
        self.se_fc1, self.se_fc2 = nn.Linear(width, width // 2), nn.Linear(width // 2, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, before, T) → (B, width, T or ⌈T / 2⌉)."""
        y = self.conv1(x if self.bare else F.silu(x))
        y = self.conv3(F.silu(self.conv2(F.silu(y))))
        share = torch.sigmoid(self.se_fc2(F.silu(self.se_fc1(y.mean(-1)))))  # (B, width)
        return y * share[..., None] + widened(halved(x) if self.halves else x, y.shape[1])
