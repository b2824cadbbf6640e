"""Configuration of a bench: the model, its tasks, a file each, and the rows of the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from biosig import config as configuration
from biosig.batches.input_contract import Align
from biosig.downstream.baseline import BASELINES, check_kind
from biosig.downstream.data.split_config import SubjectKFold
from biosig.downstream.data.target_config import AnyTarget, WindowPlan
from biosig.errors import UnreadableError, UsageError
from biosig.evaluate.metrics import METRICS, ROLES
from biosig.models.readouts import Pooling
from biosig.text_files import read_yaml

Group = Literal["frozen", "features", "handmade-0.1", "features_network", "public", "network", "finetuned"]
"""Group of rows that one run makes: the model and its random twin; features and rules; …; networks from scratch; the
tuned model."""

GROUPS: tuple[Group, ...] = (
    "frozen",
    "features",
    "handmade-0.1",
    "features_network",
    "public",
    "network",
    "finetuned",
)
"""All groups in the order of their runs, the cheap ones first."""

BENCH_FILE = "bench.yaml"


@dataclass(frozen=True)
class OtherSet:
    """Recordings of another database, as the test set of models trained on the task's own recordings.

    Parameters
    ----------
    shards : str
        Folder below the bench's `shards`.
    target : Target
        The same labels, in the form of that database.
    windows : WindowPlan
        Position of its windows.
    query : str, optional
        Selection of the recordings.
    channels : list of str
        Names or kinds of the channels to use; none = all.
    """

    shards: str
    target: AnyTarget
    windows: WindowPlan
    query: str | None = None
    channels: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Condition:
    """A harder setting of a task, for the frozen rows and the features; everything else is as in the task.

    Parameters
    ----------
    channels : list of str
        Channels to keep, in training and in test; none = those of the task.
    align : {"none", "subject", "first_minute"}, optional
        Another alignment than the task's; None = the same.
    degrade : str
        Name of a degradation of the test recordings (`biosig.downstream.data.degradations`).
    known : int, optional
        Number of training recordings or people; three draws of them, whose scores are averaged.
    known_by : {"recording", "subject"}
        Unit of `known`.
    tested_on : OtherSet, optional
        Another database to test on.
    """

    channels: list[str] = field(default_factory=list)
    align: Align | None = None
    degrade: str = ""
    known: int | None = None
    known_by: Literal["recording", "subject"] = "recording"
    tested_on: OtherSet | None = None


@dataclass(frozen=True)
class BenchTask:
    """One task: its target, its recordings, and the rows beside the model.

    Parameters
    ----------
    title : str
        Title in the table.
    shards : str
        Folder below the bench's `shards`.
    target : Target
        The prediction target.
    windows : WindowPlan
        Position of the windows.
    query : str, optional
        Selection of the recordings.
    channels : list of str
        Names or kinds of the channels to use; none = all.
    split : SubjectKFold
        Folds over subjects.
    align : {"none", "subject", "first_minute"}
        Euclidean Alignment of the EEG, for every row.
    networks : list of str
        Baselines that are networks from scratch.
    rules : list of str
        Further baselines that cost little, such as a rule for heart rates.
    metric : str, optional
        The metric of the task; None = the leading one of its kind of target.
    per_person : bool
        True to compute the metric for each person and average it over people, instead of over all windows together;
        people without one of the classes are left out, and counted.
    primary : bool
        True if it is one of the endpoints that decisions are based on (docs/evidence.md).
    decided_on : str, optional
        The recordings whose scores decide a primary endpoint, as an expression over index and labels; None = all.
    unit : str
        Unit of a predicted number and its error, such as "years".
    remark : str
        Remark for a reader of its scores.
    conditions : dict
        Name → condition.
    """

    title: str
    shards: str
    target: AnyTarget
    windows: WindowPlan
    query: str | None = None
    channels: list[str] = field(default_factory=list)
    split: SubjectKFold = field(default_factory=lambda: SubjectKFold(folds=5, validation=0.25))
    align: Align = "none"
    networks: list[Annotated[str, BASELINES]] = field(default_factory=list)
    rules: list[Annotated[str, BASELINES]] = field(default_factory=list)
    metric: Annotated[str, METRICS] | None = None
    per_person: bool = False
    primary: bool = False
    decided_on: str | None = None
    unit: str = ""
    remark: str = ""
    conditions: dict[str, Condition] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_kind([*self.networks, *self.rules], self.target.kind)
        if METRICS[self.judged_by].kind != self.target.kind:
            raise UsageError(
                f"metric={self.metric} does not score a target of kind {self.target.kind}: choose another."
            )

    @property
    def judged_by(self) -> str:
        """The name of the task's metric."""
        return self.metric or ROLES[self.target.kind].leads


@dataclass(frozen=True)
class BenchConfig:
    """A bench: the model under test, its tasks, and the rows beside it.

    Parameters
    ----------
    model : str or list of str
        As in `biosig.downstream.data.task_config.TaskConfig`. Two = two halves of a cross-fitting: the second
        scores the people whom the first has seen in pretraining.
    shards : str
        Folder that holds a folder of shards for each data set.
    out : Path
        Folder of the bench; runs that are done there are not repeated.
    tasks : dict
        Name → task; in a file each task may be the path of its own file, from the file's folder.
    only : list of str
        Names of the tasks to run; none = all.
    public : dict of str to str
        Public encoder, by its name in `biosig models` → its weights: a folder that `biosig convert` wrote, a file that
        it reads, or ``owner/name`` on the hub. Each has a row, frozen, beside the model.
    groups : list of str
        Groups of rows to make.
    conditions : bool
        True to run the conditions of the tasks too.
    layer, pooling
        As for a probe: the layer to read and the pooling of tokens, for models whose weights name neither. None = as
        the weights name it.
    draws : int
        Random twins, whose scores are averaged.
    finetune : dict
        Keys of `biosig.downstream.finetune.config.FineTuneConfig` that are not default.
    network_minutes : float
        Longest time of one fit of a network from scratch, in processor time over the threads.
    n_bootstrap : int
        Resamples of people behind each interval.
    seed : int
        Seed of the folds, of all draws, and of a preset's random weights.
    device : str
        "auto" = CUDA where there is one.
    processes : int
        Number of runs at a time, each in a process of one thread.
    """

    model: str | list[str]
    shards: str
    out: Path
    tasks: dict[str, BenchTask]
    only: list[str] = field(default_factory=list)
    public: dict[str, str] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=lambda: list(GROUPS))
    conditions: bool = True
    layer: int | Literal["validation"] | None = "validation"
    pooling: Pooling | None = None
    draws: int = 3
    finetune: dict[str, Any] = field(default_factory=dict)
    network_minutes: float = 5.0
    n_bootstrap: int = 10_000
    seed: int = 0
    device: str = "auto"
    processes: int = 1

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise UsageError(f"processes is {self.processes}: give 1 or more.")
        unknown = [name for name in self.only if name not in self.tasks]
        if unknown:
            raise UsageError(f"There is no task '{unknown[0]}': the bench has {', '.join(self.tasks)}.")
        if isinstance(self.model, list) and len(self.model) != 2:
            raise UsageError(f"model names {len(self.model)} models: give one, or the two halves of a cross-fitting.")

    @property
    def models(self) -> list[str]:
        """One model, or the two of a cross-fitting."""
        return [self.model] if isinstance(self.model, str) else self.model

    @property
    def chosen(self) -> dict[str, BenchTask]:
        """The tasks to run."""
        return {name: task for name, task in self.tasks.items() if not self.only or name in self.only}


def read_bench(path: str | Path, overrides: Iterable[str] = ()) -> BenchConfig:
    """Read a bench from a file, or from a folder with a `bench.yaml`, and its tasks from their own files.

    Raises
    ------
    UsageError
        If a file is absent or damaged, or a key of it is not known.
    """
    path = Path(path)
    path = path / BENCH_FILE if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"The configuration file {path} does not exist: check the path.")
    values = _read(path)
    tasks = values.get("tasks") or {}
    if not isinstance(tasks, dict):
        raise UsageError(f"tasks in {path} is a {type(tasks).__name__}: give name: file.yaml for each task.")
    values["tasks"] = {
        name: _read(path.parent / task) if isinstance(task, str) else task for name, task in tasks.items()
    }
    return configuration.load(BenchConfig, values, overrides)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = read_yaml(path)
    except UnreadableError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check the path.") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds a {type(values).__name__}, where keys with values were expected.")
    return values
