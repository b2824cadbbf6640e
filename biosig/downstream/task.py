"""What every test of a model starts from: labelled windows of known people, and the model on trial."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.columns import truth_columns
from biosig.downstream.targets import LabelledWindows, Target, WindowPlan, has_class, label_windows
from biosig.errors import DataError
from biosig.evaluate.ledger import overlap
from biosig.evaluate.splits import check_subjects

if TYPE_CHECKING:
    from biosig.batches.windows import Windows
    from biosig.models.model import Model


@dataclass(frozen=True)
class Task:
    """Labelled windows, and who they are of.

    Parameters
    ----------
    labelled : LabelledWindows
        N windows and their truth.
    recordings, subjects : ndarray of str, shape (N,)
        Id of each window's recording, pseudonym of its subject.
    shards_hash : str
        Of the recordings that the windows are drawn from.
    """

    labelled: LabelledWindows
    recordings: NDArray[Any]
    subjects: NDArray[Any]
    shards_hash: str

    def only(self, chosen: NDArray[np.bool_]) -> Task:
        """The task with the chosen windows (N,) alone."""
        labelled = replace(self.labelled, windows=self.labelled.windows[chosen], y=self.labelled.y[chosen])
        return replace(self, labelled=labelled, recordings=self.recordings[chosen], subjects=self.subjects[chosen])

    def cohort(self, tested: NDArray[np.int64] | None = None) -> dict[str, dict[str, int]]:
        """How many subjects, recordings and windows stand behind each class, and behind all, in rows or in all."""
        task = self if tested is None else self.only(np.isin(np.arange(len(self.subjects)), tested))
        target, y = task.labelled.target, task.labelled.y
        groups = {name: has_class(y, target.kind, k) for k, name in enumerate(target.class_names)}
        groups["all"] = np.ones(len(y), bool)
        return {
            name: {
                "n_subjects": len(np.unique(task.subjects[chosen])),
                "n_recordings": len(set(task.recordings[chosen])),
                "n_windows": int(chosen.sum()),
            }
            for name, chosen in groups.items()
        }

    def rows(self) -> pd.DataFrame:
        """One row per window: recording, subject, onset (s), and its truth (`biosig.downstream.columns`)."""
        return pd.DataFrame(
            {
                "recording": self.recordings,
                "subject": self.subjects,
                "onset": self.labelled.windows.onset,
                **truth_columns(self.labelled.y, self.labelled.target),
            }
        )


def open_task(shards: str, query: str | None, target: Target, plan: WindowPlan) -> Task:
    """Open shards, choose recordings and label their windows.

    Raises
    ------
    UsageError
        If the query or the plan does not suit the shards or the target.
    DataError
        If a recording has no subject, two have one id, or a class has no window.
    """
    from biosig.shards.dataset import open_shards

    ds = open_shards(shards)
    if query:
        ds = ds.query(query, may_be_empty=False)
    labelled = label_windows(ds, target, plan)
    ids = ds.to_pandas()["recording"]
    if ids.duplicated().any():
        raise DataError(
            f"Two recordings in {shards} have the id '{ids[ids.duplicated()].iloc[0]}', so their scores cannot "
            "be told apart: ingest each source once."
        )
    recordings = np.asarray(ids, object)[labelled.windows.recording]
    subjects = labelled.windows.subjects
    check_subjects(subjects, recordings)
    return Task(labelled, recordings, subjects.astype(str), ds.hash)


def open_model(name: str, seed: int, device: str) -> Model:
    """The model on trial: a preset with random weights from `seed`, or what `biosig.load_model` gives, on a device."""
    from biosig.device import resolve_device
    from biosig.models.model import build_model, list_models, load_model

    model = build_model(name, seed) if name in list_models() else load_model(name)
    return model.to(resolve_device(device))


def what_pretraining_saw(windows: Windows, model: Model, leakage: Literal["refuse", "flag"] = "flag") -> str:
    """A sentence on how far the model's pretraining data and these windows overlap.

    Raises
    ------
    DataError
        If they do, and leakage is refused.
    """
    rows = [windows.ds[int(row)] for row in np.unique(windows.recording)]
    subjects = [str(subject) for subject in windows.subjects]
    hashes, names = [r.content_hash for r in rows], [r.id for r in rows]
    found = overlap(model.folder, hashes, subjects, names) if model.folder else None
    if found is None:
        return "The model has no ledger of what it has seen."
    if leakage == "refuse":
        found.refuse()
    return found.sentence()
