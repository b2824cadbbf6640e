"""Input signature of tuned weights: the windows and channels that they were tuned on, and their outputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biosig.batches.input_contract import Align
from biosig.downstream.data.splits import Split
from biosig.downstream.data.target_config import AnyTarget, WindowPlan
from biosig.downstream.data.window_dataset import PreparedWindows

if TYPE_CHECKING:
    from biosig.downstream.finetune.config import FineTuneConfig


@dataclass(frozen=True)
class InputSignature:
    """Inputs and output of tuned weights.

    Parameters
    ----------
    target : Target
        The prediction target.
    windows : WindowPlan
        Position of the training windows, in seconds.
    align : {"none", "subject", "first_minute"}
        Alignment of EEG.
    channels : list of str
        All channels of training windows; others are not read.
    montages : list of list of str
        Sufficient sets of channels: those that every training window had, and those of them in each further input that
        the model was tested with.
    """

    target: AnyTarget
    windows: WindowPlan
    align: Align
    channels: list[str]
    montages: list[list[str]]

    @property
    def seconds(self) -> float:
        """Length of a window in seconds."""
        plan = self.windows
        return plan.length if plan.length is not None else (plan.before or 0.0) + (plan.after or 0.0)

    def missing(self, ch_names: Collection[str]) -> list[str]:
        """Channels missing from `ch_names` for the first of `montages`; none if one of these is complete."""
        lacking = [[name for name in montage if name not in ch_names] for montage in self.montages]
        return [] if not all(lacking) else lacking[0]


def use_of(config: FineTuneConfig, windows: PreparedWindows, parts: Split) -> InputSignature:
    """Input signature of a model that was tuned on the training part of these windows, which are surveyed."""
    layouts = dict.fromkeys(windows.layouts[row] for row in parts.train.tolist())
    each = [[(m, name) for m, _, names in layout for name in names] for layout in layouts]
    always = [pair for pair in each[0] if all(pair in pairs for pairs in each)]
    montages = [[name for _, name in always]]
    for keep in config.inputs.values():
        montages.append([name for modality, name in always if modality in keep or name in keep])
    return InputSignature(config.target, config.windows, config.align or "none", _names(each), montages)


def _names(layouts: Sequence[Sequence[tuple[str, str]]]) -> list[str]:
    return list(dict.fromkeys(name for layout in layouts for _, name in layout))
