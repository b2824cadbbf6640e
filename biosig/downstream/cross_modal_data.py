"""What tests of waveforms and of retrieval start from: windows of known people, in parts that share nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from biosig.batches.windows import Windows, grid
from biosig.downstream.parts import FoldSplit, Parts, QuerySplit, make_parts
from biosig.downstream.targets import LabelledWindows, Target
from biosig.downstream.task import what_pretraining_saw
from biosig.errors import DataError, UsageError
from biosig.evaluate.splits import check_subjects, manifest
from biosig.shards.dataset import open_shards

if TYPE_CHECKING:
    from biosig.models.model import Model


def open_windows(shards: str, query: str | None, length: float, stride: float | None = None) -> Windows:
    """Windows side by side over the recordings of a query.

    Raises
    ------
    UsageError
        If there is none.
    DataError
        If a recording has no subject, or two have one id.
    """
    ds = open_shards(shards)
    windows = grid(ds.query(query, may_be_empty=False) if query else ds, length, stride)
    if not len(windows):
        raise UsageError(f"No recording of {shards} is as long as a window of {length:g} s: shorten it, or the query.")
    rows = rows_of(windows)
    ids = windows.ds.to_pandas()["recording"]
    if ids.duplicated().any():
        raise DataError(
            f"Two recordings in {shards} have the id '{ids[ids.duplicated()].iloc[0]}', so their scores cannot be told "
            "apart: ingest each source once."
        )
    check_subjects(rows["subject"].to_list(), rows["recording"].to_list())
    return windows


def rows_of(windows: Windows) -> pd.DataFrame:
    """One row per window: recording, subject, onset (s)."""
    ids = np.asarray(windows.ds.to_pandas()["recording"], object)
    return pd.DataFrame({"recording": ids[windows.recording], "subject": windows.subjects, "onset": windows.onset})


def parts_of(split: FoldSplit | QuerySplit, windows: Windows, seed: int) -> tuple[list[Parts], list[str]]:
    """The parts of each fold, and what to say about them; there are no classes to spread evenly."""
    return make_parts(split, LabelledWindows(windows, np.zeros(len(windows)), Target(label="subject"), []), seed)


def splits_of(windows: Windows, parts: list[Parts]) -> dict[str, Any]:
    """The subjects of every part of each fold."""
    return manifest(windows.subjects.astype(str), parts)


def facts_of(model: Model, windows: Windows, scores: pd.DataFrame) -> dict[str, Any]:
    """Which weights, which recordings, how many people."""
    tested = scores[scores["method"] == scores["method"].iloc[0]].drop_duplicates(["recording", "onset"])
    return {
        "model": model.name,
        "model_revision": model.revision,
        "model_trained": model.trained,
        "shards_hash": windows.ds.hash,  # type: ignore[attr-defined]
        "cohort": {
            "n_subjects": int(tested["subject"].nunique()),
            "n_recordings": int(tested["recording"].nunique()),
            "n_windows": len(tested),
        },
    }


def start_note(model: Model, windows: Windows) -> str:
    """What the weights had seen before the task."""
    if model.trained:
        return what_pretraining_saw(windows, model)
    return f"The encoder, {model.name}, started from random weights: this is no evidence for pretraining."
