"""Cohort of a result: one row per recording, the subgroups of the scores, and the table of a cohort."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from biosig.batches.mapped_recordings import original
from biosig.downstream.data.columns import truth_names
from biosig.downstream.data.target_config import Target
from biosig.recording import MODALITIES

if TYPE_CHECKING:
    from biosig.batches.windows import Windows
    from biosig.shards.dataset import ShardDataset
    from biosig.shards.stored_recording import StoredRecording

AGE_BANDS = {"under 18": 18.0, "18 to 39": 40.0, "40 to 64": 65.0, "65 and over": np.inf}
"""Name → the first age (years) of the next band."""

QUALITY_BANDS = {"under 95 % valid": 0.95, "95 to 100 % valid": 1.0, "all valid": np.inf}
"""Name → the first share of real samples of the next band."""


def recording_table(windows: Windows) -> pd.DataFrame:
    """Metadata of each recording that windows are drawn from; no sample is read.

    Parameters
    ----------
    windows : Windows
        Windows of a shard dataset.

    Returns
    -------
    DataFrame
        Columns recording, age (years), sex, site (the label of that name), n_leads (channels that a model can read) and
        quality (share of their samples that the source marks as real).
    """
    windows = original(windows)
    ds: ShardDataset = windows.ds  # type: ignore[assignment]
    rows = np.unique(windows.recording)
    index = ds[rows].to_pandas()
    measured = [_leads_and_quality(ds[int(row)]) for row in rows]
    return pd.DataFrame(
        {
            "recording": index["recording"].astype(str),
            "age": index["age"].astype(np.float64),
            "sex": index["sex"].astype(object),
            "site": [json.loads(text).get("site") for text in index["labels"]],
            "n_leads": [n for n, _ in measured],
            "quality": [share for _, share in measured],
        }
    )


def _leads_and_quality(recording: StoredRecording) -> tuple[int, float]:
    """Number of channels that a model can read, and the share of their samples that is real."""
    n_leads, n_samples, n_invalid = 0, 0, 0
    for stream in recording.read(lazy=True).streams:
        read = np.array([channel.kind in MODALITIES for channel in stream.channels])
        n_leads += int(read.sum())
        n_samples += int(read.sum()) * stream.n_times
        channel, start, stop = stream.invalid.T
        n_invalid += int((stop - start)[read[channel]].sum())
    return n_leads, 1 - n_invalid / n_samples if n_samples else np.nan


def groups(recordings: pd.DataFrame) -> pd.DataFrame:
    """The sex, age_band, site, n_leads and quality of each recording, as groups; columns with one value are left out.

    Parameters
    ----------
    recordings : DataFrame
        From `recording_table`.
    """
    table = pd.DataFrame(
        {
            "sex": recordings["sex"].to_numpy(object),
            "age_band": _banded(recordings["age"], AGE_BANDS),
            "site": recordings["site"].to_numpy(object),
            "n_leads": recordings["n_leads"].astype(str).to_numpy(object),
            "quality": _banded(recordings["quality"], QUALITY_BANDS),
        },
        index=pd.Index(recordings["recording"], name="recording"),
    )
    return table.loc[:, table.nunique() > 1]


def _banded(values: pd.Series, bands: dict[str, float]) -> pd.Categorical:
    """The name of each value's band, from the lowest to the highest; missing where there is no value."""
    place = np.searchsorted(list(bands.values()), values.to_numpy(np.float64), side="right")
    return pd.Categorical.from_codes(np.where(values.notna(), place, -1), list(bands), ordered=True)


def cohort_table(rows: pd.DataFrame, target: Target, recordings: pd.DataFrame | None) -> pd.DataFrame:
    """Count people, recordings and windows of each class and of all, with their age and share of women.

    Parameters
    ----------
    rows : DataFrame
        Scored windows, each once: recording, subject and labels (`biosig.downstream.data.columns`).
    target : Target
        The prediction target.
    recordings : DataFrame, optional
        From `recording_table`; None for a result that was saved without it.

    Returns
    -------
    DataFrame
        Columns class, subjects, recordings, windows; and age (median with quartiles, over recordings) and female (share
        of the recordings with known sex) where known.
    """
    if recordings is not None:
        rows = rows.merge(recordings[["recording", "age", "sex"]], on="recording", how="left")
    labels = rows[truth_names(target)]
    chosen = {name: labels["y"] == name for name in target.class_names} if target.kind == "classes" else {}
    if target.kind == "multilabel":
        chosen = {name: labels[f"y_{name}"] > 0 for name in target.class_names}
    return pd.DataFrame([_summary("all", rows), *(_summary(name, rows[which]) for name, which in chosen.items())])


def _summary(name: str, rows: pd.DataFrame) -> dict[str, str | int]:
    counts: dict[str, str | int] = {
        "class": name,
        "subjects": rows["subject"].nunique(),
        "recordings": rows["recording"].nunique(),
        "windows": len(rows),
    }
    if "age" not in rows:
        return counts
    firsts = rows.drop_duplicates("recording")
    age, sex = firsts["age"].dropna(), firsts["sex"].dropna()
    low, middle, high = age.quantile([0.25, 0.5, 0.75]) if len(age) else (0, 0, 0)
    known = {
        "age (median, quartiles)": f"{middle:.0f} ({low:.0f} to {high:.0f})" if len(age) else "not known",
        "female": f"{(sex == 'female').mean():.0%}" if len(sex) else "not known",
    }
    return counts | known
