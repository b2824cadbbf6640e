"""Configuration of a fine-tuning run: the same settings and data give the same table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from biosig.batches.input_contract import Align
from biosig.downstream.baseline import BASELINES, check_kind, check_minutes
from biosig.downstream.data.split_config import QuerySplit, SubjectKFold
from biosig.downstream.data.target_config import AnyTarget, WindowPlan
from biosig.downstream.data.task_config import TaskConfig
from biosig.errors import UsageError
from biosig.models.readouts import READOUTS, Pooling
from biosig.training.config import TrainingStage


@dataclass(frozen=True)
class FineTuneStage(TrainingStage):
    """The stage in which the encoder is trained too.

    Parameters
    ----------
    method : {"probe", "last", "lora", "full"}
        Trained weights: only the head, so that the stage is left out; the last blocks and the norm after them; low-rank
        changes of the attention's projections (`biosig.downstream.finetune.lora`); or every weight.
    blocks : int
        Number of last blocks.
    rank : int
        Rank of the changes.
    alpha : float
        The changes are scaled by alpha / rank.
    """

    method: Literal["probe", "last", "lora", "full"] = "lora"
    blocks: int = 2
    rank: int = 16
    alpha: float = 16.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blocks < 1 or self.rank < 1:
            raise UsageError(f"tune.blocks is {self.blocks} and tune.rank {self.rank}: give 1 or more of each.")

    @property
    def left_out(self) -> bool:
        """True if only the head is trained."""
        return self.method == "probe" or not self.epochs


@dataclass(frozen=True)
class TrainingSpec:
    """Head and training stages of a classifier on an encoder.

    Parameters
    ----------
    probe : TrainingStage
        First: the head and the pool query, with the encoder frozen.
    tune : FineTuneStage
        Then: the encoder too.
    pooling : {"attention", "cls", "mean", "flatten"}
        Pooling of the tokens for the head.
    optimizer : {"adamw", "stable_adamw"}
        Optimizer of both stages.
    soup : int
        Number of second stages that are averaged.
    """

    probe: TrainingStage
    tune: FineTuneStage
    pooling: Pooling = "attention"
    optimizer: Literal["adamw", "stable_adamw"] = "adamw"
    soup: int = 1


@dataclass(frozen=True)
class LossConfig:
    """Weights of errors in the loss.

    Parameters
    ----------
    balanced : bool
        True if classes have equal weight, whatever their size in the training part (of labels: presence and absence).
    asymmetric : bool
        For labels: the asymmetric loss, which nearly ignores easy absences (Ridnik 2021, arXiv:2009.14119).
    """

    balanced: bool = False
    asymmetric: bool = False


@dataclass(frozen=True)
class FineTuneConfig(TaskConfig):
    """A fine-tuning: model, task, training and baselines.

    Fields of `TaskConfig` come first.

    Parameters
    ----------
    target : Target
        The prediction target.
    windows : WindowPlan
        Position of the windows, in seconds.
    split : SubjectKFold or QuerySplit
        The subjects that are trained on, that choose the epoch, and that are tested.
    channels : list of str
        Names of channels, or modalities, to use; none = all that the model reads.
    amplitude_divisor : float, optional
        Feed the model its unit over this number, as REVE's downstream recipes do; None = the model's own normalisation.
    align : {"none", "subject", "first_minute"}, optional
        Alignment of EEG, for all methods (`biosig.batches.alignment`); None = as the weights name it.
    pooling : {"attention", "cls", "mean", "flatten"}
        Input of the head: the pool query's vector; the window's own token, of models that have one instead of the
        query; the mean of the tokens; or the vector and all tokens side by side, which ties it to one montage and
        length.
    inputs : dict
        Name → channels or modalities: further inputs that the tuned model is tested with, such as {6 leads: [I, II,
        III, aVR, aVL, aVF], PPG: [ppg]}; each is a row "model, NAME" of the table.
    loss : LossConfig
        Weights of errors.
    probe : TrainingStage
        First: the head and the pool query, with the encoder frozen.
    tune : FineTuneStage
        Then: the encoder too. It starts from the best epoch of the first stage, and ends with it if no epoch is better.
    scratch : TrainingStage, optional
        For the same encoder from random weights; None = as `tune`, with as many epochs as both stages together and a
        rate of 1e-3.
    network_stage : TrainingStage, optional
        For EEGNet, ShallowFBCSPNet, xresnet and S4; None = as `scratch`.
    network_width : int
        Channels of xresnet's first stage, and S4's features.
    network_minutes : float
        Longest time of one fit of a network with a recipe of its own (ecg_network, ppg_network, eeg_network,
        features_network). It sets the number of epochs by the number of windows, and ends a fit on a slower machine.
    optimizer : {"adamw", "stable_adamw"}
        With betas 0.92 and 0.999 and eps 1e-9 (REVE's released code).
    soup : int
        Number of second stages that are run from one first stage, and averaged (model soup, `biosig.training.weights`).
    seeds : list of int
        One complete run each: heads, order, dropout, mixup.
    baselines : list, optional
        Names of `biosig.downstream.baselines.BASELINES`; None = the defaults of the task.
    skip_baselines : list of str
        Baselines to leave out of these.
    fuse : list of pairs of str
        Further rows "A + B": the mean of two rows' standardised scores (`biosig.downstream.results.fusion`), such as
        [[handmade, model]].
    calibration : {"none", "temperature", "isotonic"}
        Calibration of each method's probabilities, fitted on the validation part; no effect on numbers and times.
    leakage : {"refuse", "flag"}
        Treatment of test recordings or subjects that pretraining saw: an error, or a note.
    cache_gb : float
        Prepared windows, and tokens of the frozen encoder, that may stay in memory, in gigabytes each; others are read
        or computed again in each epoch.
    keep_weights : bool
        True to write the tuned models to `out`, one per fold and seed.
    """

    old_names: ClassVar[Mapping[str, str]] = {
        "divisor": "amplitude_divisor",
        "convolutional": "network_stage",
        "without": "skip_baselines",
        "keep_gb": "cache_gb",
    }
    target: AnyTarget
    windows: WindowPlan
    split: SubjectKFold | QuerySplit
    channels: list[str] = field(default_factory=list)
    amplitude_divisor: float | None = None
    align: Align | None = None
    pooling: Pooling = "attention"
    inputs: dict[str, list[str]] = field(default_factory=dict)
    loss: LossConfig = field(default_factory=LossConfig)
    probe: TrainingStage = field(default_factory=lambda: TrainingStage(lr=5e-3, epochs=20))
    tune: FineTuneStage = field(default_factory=lambda: FineTuneStage(lr=1e-4, epochs=50, warmup=5))
    scratch: TrainingStage | None = None
    network_stage: TrainingStage | None = None
    network_width: int = 64
    network_minutes: float = 5.0
    optimizer: Literal["adamw", "stable_adamw"] = "adamw"
    soup: int = 1
    seeds: list[int] = field(default_factory=lambda: [0])
    baselines: list[Annotated[str, BASELINES]] | None = None
    skip_baselines: list[Annotated[str, BASELINES]] = field(default_factory=list)
    fuse: list[tuple[str, str]] = field(default_factory=list)
    calibration: Literal["none", "temperature", "isotonic"] = "temperature"
    leakage: Literal["refuse", "flag"] = "flag"
    cache_gb: float = 4.0
    keep_weights: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_kind()
        if self.soup < 1 or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UsageError(f"soup is {self.soup} and seeds are {self.seeds}: give 1 or more, and seeds that differ.")
        if self.soup > 1 and self.tune.left_out:
            raise UsageError(
                f"A soup of {self.soup} averages second stages: give tune.epochs and a method that has one, or soup=1."
            )

    @staticmethod
    def upgrade(values: dict[str, Any]) -> dict[str, Any]:
        """Keys of 0.1.0, which had one way to align."""
        return {**values, "align": "subject"} if values.get("align") == "euclidean" else values

    def _check_kind(self) -> None:
        kind = self.target.kind
        if self.loss.asymmetric and kind != "multilabel":
            raise UsageError(f"loss.asymmetric is for target.labels, and this target is of kind {kind}: leave it out.")
        if self.loss.balanced and kind not in ("classes", "multilabel"):
            raise UsageError(
                f"loss.balanced weighs classes or labels, and this target is of kind {kind}: leave it out."
            )
        check_kind(self.baselines or (), kind)
        check_minutes(self.network_minutes)
        mixed = any(stage.mixup for stage in (self.probe, self.tune, *self._own_stages()))
        if mixed and (kind == "survival" or self.target.label_interval):
            what = "time to an event" if kind == "survival" else f"label every {self.target.label_interval:g} s"
            raise UsageError(f"Mixed windows have no {what}: give mixup: false in each stage.")
        readout = READOUTS[self.pooling]
        if self.target.label_interval and (readout.needs == "own" or readout.one_layout):
            raise UsageError(
                f"A label every {self.target.label_interval:g} s is read from the tokens of these seconds, and "
                f"pooling={self.pooling} reads those of the window: give attention or mean."
            )

    def _own_stages(self) -> list[TrainingStage]:
        return [stage for stage in (self.scratch, self.network_stage) if stage is not None]

    @property
    def training(self) -> TrainingSpec:
        """Head and training stages of the classifier on the model's encoder."""
        return TrainingSpec(self.probe, self.tune, self.pooling, self.optimizer, self.soup)

    @property
    def scratch_stage(self) -> TrainingStage:
        """Training stage of the encoder from random weights."""
        if self.scratch is not None:
            return self.scratch
        t, epochs = self.tune, self.probe.epochs + self.tune.epochs
        return TrainingStage(
            1e-3, epochs, t.warmup, t.patience, t.dropout, t.batch_size, t.weight_decay, t.mixup, t.schedule, ema=t.ema
        )

    @property
    def supervised_stage(self) -> TrainingStage:
        """Training stage of a supervised network."""
        return self.network_stage or self.scratch_stage
