"""What is audited: a task and a model, in the words of a probe's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from biosig import config as configuration
from biosig.downstream.heads import Head
from biosig.downstream.parts import FoldSplit, QuerySplit
from biosig.downstream.probe_config import ProbeConfig
from biosig.downstream.settings import FineTuneConfig
from biosig.downstream.targets import Target, WindowPlan
from biosig.errors import UsageError
from biosig.models.readouts import Pooling

Check = Literal["leakage", "identity", "permutation", "acquisition", "spectrum", "robustness"]


@dataclass(frozen=True)
class AuditConfig:
    """An audit, complete: the same configuration and data give the same findings.

    Parameters
    ----------
    model : str
        A checkpoint folder, or a preset's name for random weights.
    shards : str
        Folder of shards.
    target : Target
        What is predicted.
    windows : WindowPlan
        Where windows lie, in seconds.
    query : str, optional
        Which recordings take part: a pandas expression over the index and the labels.
    channels, head, pooling, layer
        What is fitted on what of the model, as in `biosig.downstream.probe_config.ProbeConfig`.
    split : FoldSplit or QuerySplit
        Who is tested by a probe that was fitted on whom.
    seed : int
        Of the folds, the draws and the bootstrap.
    n_bootstrap : int
        Resamples of subjects behind each interval.
    device : str
        Where to embed; "auto" = CUDA where there is one.
    checks : list
        What to look at; leave one out by naming the others.
    site : str
        The label that says where or with what a recording was made; "" = not known.
    n_permutations : int
        How often labels are given to others.
    most_windows : int
        Windows that are looked at; of more, so many are drawn, evenly over subjects and classes.
    out : Path, optional
        Folder for `audit.json`; None = nothing is written.
    """

    model: str
    shards: str
    target: Target
    windows: WindowPlan
    query: str | None = None
    split: FoldSplit | QuerySplit = field(default_factory=lambda: FoldSplit(folds=5, validation=0.25))
    channels: list[str] = field(default_factory=list)
    head: Head | None = None
    pooling: Pooling | None = None
    layer: int | Literal["validation"] = -1
    seed: int = 0
    n_bootstrap: int = 1000
    device: str = "auto"
    checks: list[Check] = field(
        default_factory=lambda: ["leakage", "identity", "permutation", "acquisition", "spectrum", "robustness"]
    )
    site: str = ""
    n_permutations: int = 500
    most_windows: int = 2000
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.n_bootstrap < 100 or self.n_permutations < 20:
            raise UsageError(
                f"n_bootstrap is {self.n_bootstrap} and n_permutations {self.n_permutations}: give 100 or more of the "
                "first, 20 or more of the second."
            )


_OTHERS: dict[type, set[str]] = {ProbeConfig: {"out"}, FineTuneConfig: {"out", "pooling"}}
"""Whose configurations are read, and which of an audit's keys mean something else there."""


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
        If there is no configuration, or it is none of the three.
    """
    path = source / "config.yaml" if source.is_dir() else source
    values = _audits_keys(path)
    if source.is_dir():
        values["out"] = str(source)
    return configuration.load(AuditConfig, values, overrides)


def _audits_keys(path: Path) -> dict[str, Any]:
    """What a configuration says of an audit, whichever of the three it is."""
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
