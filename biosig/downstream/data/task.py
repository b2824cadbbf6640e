"""Task of a test: labelled windows of known people, and the model under test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.batches.alignment import chosen_align
from biosig.downstream.data.columns import truth_columns
from biosig.downstream.data.label_windows import LabelledWindows, has_class, label_windows
from biosig.downstream.data.picked_channels import pick_channels
from biosig.downstream.data.splits import Contents, content_of
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.errors import DataError, UsageError
from biosig.evaluate.ledger import overlap_of
from biosig.evaluate.splits import check_subjects

if TYPE_CHECKING:
    from biosig.batches.input_contract import OnUnknown
    from biosig.batches.windows import Windows
    from biosig.downstream.data.task_config import TaskConfig
    from biosig.downstream.finetune.config import FineTuneConfig
    from biosig.downstream.probe.config import ProbeConfig
    from biosig.models.model import Model
    from biosig.shards.dataset import ShardDataset

Config = TypeVar("Config", bound="TaskConfig")
Aligned = TypeVar("Aligned", "FineTuneConfig", "ProbeConfig")


@dataclass(frozen=True)
class Task:
    """Labelled windows with their recordings and subjects.

    Parameters
    ----------
    labelled : LabelledWindows
        N windows and their labels.
    recordings, subjects, contents : ndarray of str, shape (N,)
        Id of each window's recording, pseudonym of its subject, content hash of its recording.
    shards_hash : str
        Hash of the recordings that the windows are drawn from.
    """

    labelled: LabelledWindows
    recordings: NDArray[Any]
    subjects: NDArray[Any]
    contents: NDArray[Any]
    shards_hash: str

    @cached_property
    def copies(self) -> Contents:
        """Copies among the recordings, and the people that they give."""
        return content_of(self.labelled.windows)

    @property
    def people(self) -> NDArray[np.str_]:
        """The person of each window (N,): folds keep a person together, and intervals draw a person as one."""
        return self.copies.people

    def only(self, chosen: NDArray[np.bool_]) -> Task:
        """The task with the chosen windows (N,) alone."""
        labelled = replace(self.labelled, windows=self.labelled.windows[chosen], y=self.labelled.y[chosen])
        columns = {name: getattr(self, name)[chosen] for name in ("recordings", "subjects", "contents")}
        return replace(self, labelled=labelled, **columns)

    def with_windows(self, windows: Windows) -> Task:
        """The task with other signals in its N windows."""
        return replace(self, labelled=replace(self.labelled, windows=windows))

    def cohort(self, tested: NDArray[np.int64] | None = None) -> dict[str, dict[str, int]]:
        """Count people, recordings and windows of each class, and of all, in the `tested` rows or in all."""
        target, y = self.labelled.target, self.labelled.y
        counted = np.isin(np.arange(len(y)), np.arange(len(y)) if tested is None else tested)
        groups = {name: has_class(y, target.kind, k) & counted for k, name in enumerate(target.class_names)}
        groups["all"] = counted
        return {
            name: {
                "n_subjects": len(np.unique(self.people[chosen])),
                "n_recordings": len(set(self.recordings[chosen])),
                "n_windows": int(chosen.sum()),
            }
            for name, chosen in groups.items()
        }

    def identifiers(self) -> pd.DataFrame:
        """One row per window: recording, subject, content (hash of the recording), person (`people`), onset (s)."""
        names = {"recording": self.recordings, "subject": self.subjects, "content": self.contents}
        names["person"] = self.people
        return pd.DataFrame({**names, "onset": self.labelled.windows.onset})

    def rows(self) -> pd.DataFrame:
        """`identifiers`, and the label of each window (`biosig.downstream.data.columns`)."""
        return self.identifiers().assign(**truth_columns(self.labelled.y, self.labelled.target))


def open_recordings(shards: str, query: str | None = None) -> ShardDataset:
    """Open shards and choose recordings, with distinct ids, in the order of their content.

    Raises
    ------
    UsageError
        If there are no shards, or the query does not suit them.
    DataError
        If two recordings have one id.
    """
    from biosig.shards.dataset import open_shards

    ds = open_shards(shards)
    if query:
        ds = ds.query(query, may_be_empty=False)
    ids = ds.to_pandas()["recording"]
    if ids.duplicated().any():
        raise DataError(
            f"Two recordings in {shards} have the id '{ids[ids.duplicated()].iloc[0]}', so their scores cannot "
            "be separated: ingest each source once."
        )
    return ds.by_content()


def open_task(shards: str, query: str | None, target: Target, plan: WindowPlan) -> Task:
    """Open shards, choose recordings and label their windows.

    Raises
    ------
    UsageError
        If the query or the plan does not suit the shards or the target.
    DataError
        If a recording has no subject, two have one id, or a class has no window.
    """
    ds = open_recordings(shards, query)
    return _task(ds, label_windows(ds, target, plan))


def open_windows(shards: str, query: str | None, length: float, stride: float | None = None) -> Task:
    """Cut the recordings of a query into windows side by side, as a task without labels: every y is 0.

    Parameters
    ----------
    shards, query : str
        As in `TaskConfig`.
    length, stride : float
        Seconds per window, and from one onset to the next; default `length`.

    Raises
    ------
    UsageError
        If there is no window.
    DataError
        If a recording has no subject, or two have one id.
    """
    from biosig.batches.windows import fixed_length_windows

    ds = open_recordings(shards, query)
    windows = fixed_length_windows(ds, length, stride)
    if not len(windows):
        raise UsageError(f"No recording of {shards} is as long as a window of {length:g} s: shorten it, or the query.")
    return _task(ds, LabelledWindows(windows, np.zeros(len(windows)), Target(label="subject"), []))


def _task(ds: ShardDataset, labelled: LabelledWindows) -> Task:
    index, rows = ds.to_pandas(), labelled.windows.recording
    recordings, contents = (index[name].to_numpy(object)[rows] for name in ("recording", "content_hash"))
    subjects = labelled.windows.subjects
    check_subjects(subjects, recordings)
    return Task(labelled, recordings, subjects.astype(str), contents, ds.hash)


def open_model(
    name: str, seed: int, device: str, on_unknown: OnUnknown | None = None, needs_encoder: str = ""
) -> Model:
    """Open the model under test, by a name that `named_model` knows, on a device; random weights are those of `seed`.

    Raises
    ------
    UsageError
        If `needs_encoder` names a task that a wrapped module cannot do, and the model is one.
    """
    from biosig.device import resolve_device
    from biosig.models.load import named_model

    model = named_model(name, seed)
    if needs_encoder and not model.has_patch_tokens:
        raise UsageError(
            f"Model '{model.name}' is a wrapped module, and {needs_encoder} needs a token for each patch: take a model "
            "of Biosig's own."
        )
    return model.with_unknown(on_unknown).to(resolve_device(device))


def model_of(config: Config, model: Model | None) -> tuple[Config, Model]:
    """The model under test, given or opened by its name, on the configuration's device; and its configuration."""
    from biosig.device import resolve_device

    if model is None:
        return config, open_model(config.model, config.seed, config.device, config.on_unknown)
    return replace(config, model=model.name), model.with_unknown(config.on_unknown).to(resolve_device(config.device))


def with_align(config: Aligned, task: Task, model: Model) -> Aligned:
    """Set the alignment of the windows: as the configuration says, else as the model's contract names it."""
    if config.align is not None:
        return config
    windows = pick_channels(task.labelled.windows, config.channels)
    return replace(config, align=chosen_align(None, model.contract, windows))


def model_facts(model: Model, shards_hash: str) -> dict[str, Any]:
    """Facts of every result: the model's name and revision, whether it was pretrained, the hash of the shards."""
    return {
        "model": model.name,
        "model_revision": model.revision,
        "model_trained": model.trained,
        "shards_hash": shards_hash,
    }


def pretraining_note(
    model: Model, windows: Windows, untrained: str | None = None, leakage: Literal["refuse", "flag"] = "flag"
) -> str:
    """A sentence on the overlap of the model's pretraining data with the test set, or on the absence of pretraining.

    Parameters
    ----------
    model : Model
        The model under test.
    windows : Windows
        The windows that are tested.
    untrained : str, optional
        The sentence for a model with random weights.
    leakage : {"refuse", "flag"}
        Treatment of an overlap: an error, or a sentence.

    Raises
    ------
    DataError
        If they overlap, and `leakage` is "refuse".
    """
    if not model.trained:
        weights = f"The model on trial, {model.name}, had random weights: this is no evidence for pretraining."
        return untrained or weights
    found = overlap_of(model.folder, windows) if model.folder else None
    if found is None:
        return model.no_ledger
    if leakage == "refuse":
        found.refuse()
    return found.sentence()
