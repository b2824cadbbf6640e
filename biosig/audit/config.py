"""Configuration of an audit: a task and a model, with the keys of a probe's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from biosig import config as configuration
from biosig.batches.input_contract import Align
from biosig.downstream.data.split_config import QuerySplit, SubjectKFold
from biosig.downstream.data.target_config import AnyTarget, WindowPlan
from biosig.downstream.data.task_config import TaskConfig
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.probe.config import Head, ProbeConfig
from biosig.errors import UsageError
from biosig.models.readouts import Pooling

Check = Literal["leakage", "identity", "permutation", "acquisition", "spectrum", "robustness"]


@dataclass(frozen=True)
class AuditConfig(TaskConfig):
    """An audit, complete: the same configuration and data give the same findings.

    Fields of `TaskConfig` come first.

    Parameters
    ----------
    target : Target
        The prediction target.
    windows : WindowPlan
        Position of the windows, in seconds.
    channels, align, head, pooling, layer
        The probe and the embeddings that it reads, as in `biosig.downstream.probe.config.ProbeConfig`.
    split : SubjectKFold or QuerySplit
        The subjects that the probe is fitted on and tested on.
    checks : list
        Checks to run; leave one out by naming the others.
    site : str
        The label that names the site or the device of a recording; "" = not known.
    n_permutations : int
        Number of permutations of the labels.
    most_windows : int
        Largest number of windows; of more, so many are drawn, evenly over subjects and classes.
    """

    target: AnyTarget
    windows: WindowPlan
    split: SubjectKFold | QuerySplit = field(default_factory=lambda: SubjectKFold(folds=5, validation=0.25))
    channels: list[str] = field(default_factory=list)
    align: Align | None = None
    head: Head | None = None
    pooling: Pooling | None = None
    layer: int | list[int] | Literal["validation"] | None = None
    checks: list[Check] = field(
        default_factory=lambda: ["leakage", "identity", "permutation", "acquisition", "spectrum", "robustness"]
    )
    site: str = ""
    n_permutations: int = 500
    most_windows: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_permutations < 20:
            raise UsageError(f"n_permutations is {self.n_permutations}: give 20 or more.")


_OTHERS: dict[type, set[str]] = {ProbeConfig: {"out"}, FineTuneConfig: {"out", "pooling"}}
"""Other configurations that are read, and the keys of an audit that mean something else in each."""


def read_config(source: Path, overrides: Sequence[str] = ()) -> AuditConfig:
    """The audit of a task: from a YAML file of an audit, a probe or a fine-tuning, or from the folder of a result.

    Keys of a probe or a fine-tuning that say nothing about an audit are passed over. The audit of a result folder is
    written to that folder.

    Parameters
    ----------
    source : Path
        The file, or a folder with a `config.yaml`.
    overrides : sequence of str
        key=value, of an audit's keys.

    Raises
    ------
    UsageError
        If there is no configuration, or it is not one of the three.
    """
    path = source / "config.yaml" if source.is_dir() else source
    values = _audits_keys(path)
    if source.is_dir():
        values["out"] = str(source)
    return configuration.load(AuditConfig, values, overrides)


def _audits_keys(path: Path) -> dict[str, Any]:
    """Read the keys of an audit from the configuration of an audit, a probe or a fine-tuning."""
    try:
        return configuration.to_dict(configuration.load(AuditConfig, path))
    except UsageError as as_audit:
        for other, means_another in _OTHERS.items():
            try:
                values = configuration.to_dict(configuration.load(other, path))
            except UsageError:
                continue
            shared = {part.name for part in fields(AuditConfig)} - means_another
            return {key: value for key, value in values.items() if key in shared}
        raise as_audit
