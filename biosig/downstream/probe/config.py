"""Configuration of a probe: the same configuration and data give the same table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from biosig.batches.input_contract import Align
from biosig.downstream.baseline import BASELINES, check_kind, check_minutes
from biosig.downstream.data.split_config import QuerySplit, SubjectKFold
from biosig.downstream.data.target_config import AnyTarget, WindowPlan
from biosig.downstream.data.task_config import TaskConfig
from biosig.errors import UsageError
from biosig.models.readouts import Pooling
from biosig.training.config import TrainingStage

if TYPE_CHECKING:
    from biosig.evaluate.metrics import Kind

Head = Literal["logistic", "ridge", "knn", "prototype", "cox", "attention"]
Shots = int | Literal["all"]

_SUITS: dict[Kind, tuple[Head, ...]] = {
    "classes": ("logistic", "ridge", "knn", "prototype", "attention"),
    "multilabel": ("logistic", "ridge", "knn", "prototype", "attention"),
    "number": ("ridge", "knn", "attention"),
    "survival": ("cox", "attention"),
}
"""Heads that can predict each kind of target; the first is the default."""


def resolve_head(head: Head | None, kind: Kind) -> Head:
    """The head, or the default of a kind of target: logistic, ridge for numbers, Cox's model for times.

    Raises
    ------
    UsageError
        If the head cannot predict such a target.
    """
    if head is not None and head not in _SUITS[kind]:
        raise UsageError(f"The head {head} does not predict a target of kind {kind}: choose {', '.join(_SUITS[kind])}.")
    return head or _SUITS[kind][0]


@dataclass(frozen=True)
class ProbeConfig(TaskConfig):
    """A probe: model, task, head and baselines.

    Fields of `TaskConfig` come first.

    Parameters
    ----------
    target : Target
        The prediction target.
    windows : WindowPlan
        Position of the windows, in seconds.
    channels : list of str
        Names of channels, or modalities, to use; none = all that the model reads.
    align : {"none", "subject", "first_minute"}, optional
        Alignment of EEG, for all methods (`biosig.batches.alignment`); None = as the weights name it.
    split : SubjectKFold or QuerySplit
        The subjects to fit on and to test. Methods that need no validation part are fitted on it too.
    head : {"logistic", "ridge", "knn", "prototype", "cox", "attention"}, optional
        Head on the frozen features; "attention" trains the pool query and a linear layer on all tokens. None = logistic
        regression, ridge regression of numbers, Cox regression of times.
    pooling : str, optional
        Pooling of a window's tokens: "mean", "mean+max+std", … (`biosig.models.readouts`); None = as the weights name
        it for each modality, else the model's own.
    layer : int, list of int or "validation", optional
        0 the embedding output, k after block k, -1 the model's output; the vectors of a list are put side by side;
        "validation" chooses by inner folds of the training subjects. None = those that the weights name with their
        readout, else the output.
    erase : str
        "subject", or a label such as "site": linear information on it is erased from the features
        (`biosig.downstream.probe.leace`), with the part of the target that it shares.
    shots : list of int or "all"
        Numbers of labels of each class for a few-shot curve of the model (`biosig.downstream.probe.few_shot`).
    calibration : {"none", "temperature", "isotonic"}
        Calibration of probabilities, fitted on inner folds of the training subjects; no effect on numbers and times.
    leakage : {"refuse", "flag"}
        Treatment of test recordings or subjects that pretraining saw: an error, or a note.
    baselines : list, optional
        Names of `biosig.downstream.baselines.BASELINES`; None = the defaults of the task.
    skip_baselines : list of str
        Baselines to leave out of these.
    draws : int
        Number of draws of random weights for "random_weights", whose score is the mean over draws.
    fuse : list of pairs of str
        Further rows "A + B": the mean of two rows' standardised scores (`biosig.downstream.results.fusion`), such as
        [[handmade, model], [handmade, random_weights]].
    attention, network : TrainingStage
        Training stages of the attention head, and of a supervised network from scratch.
    network_width : int
        Channels of xresnet's first stage, and S4's features.
    network_minutes : float
        Longest time of one fit of a network with a recipe of its own (ecg_network, ppg_network, eeg_network,
        features_network), in minutes of processor time over the threads. It sets the number of epochs by the number of
        windows, and ends a fit on a slower machine.
    cache_gb : float
        Prepared windows for the network, and tokens for the attention head, that may stay in memory, in gigabytes.
    """

    old_names: ClassVar[Mapping[str, str]] = {"without": "skip_baselines", "keep_gb": "cache_gb"}
    target: AnyTarget
    windows: WindowPlan
    channels: list[str] = field(default_factory=list)
    align: Align | None = None
    split: SubjectKFold | QuerySplit = field(default_factory=lambda: SubjectKFold(folds=5, validation=0.25))
    head: Head | None = None
    pooling: Pooling | None = None
    layer: int | list[int] | Literal["validation"] | None = None
    erase: str = ""
    shots: list[Shots] = field(default_factory=list)
    calibration: Literal["none", "temperature", "isotonic"] = "temperature"
    leakage: Literal["refuse", "flag"] = "flag"
    baselines: list[Annotated[str, BASELINES]] | None = None
    skip_baselines: list[Annotated[str, BASELINES]] = field(default_factory=list)
    draws: int = 1
    fuse: list[tuple[str, str]] = field(default_factory=list)
    attention: TrainingStage = field(default_factory=lambda: TrainingStage(lr=5e-3, epochs=20, patience=6, mixup=False))
    network: TrainingStage = field(default_factory=lambda: TrainingStage(lr=1e-3, epochs=30, patience=8, mixup=False))
    network_width: int = 64
    network_minutes: float = 5.0
    cache_gb: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        resolve_head(self.head, self.target.kind)
        check_kind(self.baselines or (), self.target.kind)
        check_minutes(self.network_minutes)
        if any(isinstance(number, int) and number < 1 for number in self.shots):
            raise UsageError(f"shots are {self.shots}: give whole numbers from 1, or all.")
        if self.draws < 1:
            raise UsageError(f"draws is {self.draws}: give a whole number from 1.")
        if self.target.label_interval:
            raise UsageError(
                "target.label_interval gives labels within windows, which a probe does not read: fine-tune instead."
            )
        if self.shots and self.erase:
            raise UsageError("A few labels are of too few groups to erase one from: give shots or erase, not both.")
        if self.head == "attention":
            for key in ("pooling", "erase", "shots"):
                if getattr(self, key):
                    raise UsageError(f"head=attention reads tokens, not pooled features: leave {key} out.")
            if isinstance(self.layer, str | list):
                raise UsageError("head=attention is trained on one layer: give its number, or -1 for the output.")
