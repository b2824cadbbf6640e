"""Clinical facts for questions: codes, age and sex from a recording's labels, the heart axis from its signal."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.recording import Recording
from biosig.shards.dataset import ShardDataset

FINDINGS = {
    "1AVB": "first degree av block",
    "AFIB": "atrial fibrillation",
    "AMI": "myocardial infarction in anterior leads",
    "ASMI": "myocardial infarction in anteroseptal leads",
    "CLBBB": "complete left bundle branch block",
    "CRBBB": "complete right bundle branch block",
    "IMI": "myocardial infarction in inferior leads",
    "IRBBB": "incomplete right bundle branch block",
    "ISC_": "non-specific ischemic",
    "IVCD": "non-specific intraventricular conduction disturbance",
    "LAFB": "left anterior fascicular block",
    "LVH": "left ventricular hypertrophy",
    "LVOLT": "low qrs voltages",
    "NDT": "non-diagnostic t abnormalities",
    "PAC": "atrial premature complex",
    "PVC": "ventricular premature complex",
    "QWAVE": "q waves present",
    "SARRH": "sinus arrhythmia",
    "SBRAD": "sinus bradycardia",
    "SR": "sinus rhythm",
    "STACH": "sinus tachycardia",
    "STD_": "non-specific st depression",
    "VCLVH": "voltage criteria for left ventricular hypertrophy",
}
"""SCP code → its words in a question, after PTB-XL's `scp_statements.csv`."""

KINDS = {
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
    "MI": "myocardial infarction",
    "NORM": "normal ecg",
    "STTC": "st/t change",
}
"""Diagnostic superclass → its words in an answer."""

AXES = ("normal heart axis", "left axis deviation", "right axis deviation", "extreme axis deviation")

# Seconds around an R peak: the QRS complex, and the PR segment before it as its level.
_QRS, _LEVEL = (-0.05, 0.06), (-0.09, -0.06)


@dataclass(frozen=True)
class ClinicalFacts:
    """Facts of one recording.

    Parameters
    ----------
    recording, subject : str
        Its id, and its person: the smallest content hash of the person's recordings.
    codes, kinds : frozenset of str
        SCP codes, and diagnostic superclasses.
    age : float or None
        Years.
    sex : str or None
        "female" or "male".
    axis : str or None
        One of `AXES`; None if no beat was found.
    """

    recording: str
    subject: str
    codes: frozenset[str]
    kinds: frozenset[str]
    age: float | None
    sex: str | None
    axis: str | None


def facts_of(ds: ShardDataset, people: NDArray[np.str_]) -> list[ClinicalFacts]:
    """The facts of all recordings with codes.

    People are in the order of their content, and the recordings of each in that of their ids, which in PTB-XL is the
    order of time.

    Parameters
    ----------
    ds : ShardDataset
        N recordings.
    people : ndarray of str, shape (N,)
        Person of each (`biosig.evaluate.duplicates.Duplicates.people`).

    Raises
    ------
    DataError
        If no recording has the labels scp_codes and diagnostic_superclass.
    """
    table = ds.to_pandas().assign(subject=people)
    found = []
    for row, text in enumerate(ds.table["labels"].to_pylist()):
        labels = json.loads(text)
        if "scp_codes" in labels and "diagnostic_superclass" in labels:
            found.append(_facts(table.iloc[row].to_dict(), labels, ds[row].read()))
    if not found:
        raise DataError(
            "No recording has the labels scp_codes and diagnostic_superclass, which questions are made from: ingest "
            "PTB-XL with --labels ptbxl_database.csv --labels-spec configs/ingest/ptbxl-labels.yaml."
        )
    return sorted(found, key=lambda facts: (facts.subject, facts.recording))


def _facts(row: dict[str, Any], labels: dict[str, Any], recording: Recording) -> ClinicalFacts:
    degrees = heart_axis(recording)
    return ClinicalFacts(
        recording=recording.id,
        subject=str(row["subject"]),
        codes=frozenset(labels["scp_codes"]),
        kinds=frozenset(labels["diagnostic_superclass"]),
        age=None if row["age"] is None or math.isnan(row["age"]) else float(row["age"]),
        sex=row["sex"] if isinstance(row["sex"], str) else None,
        axis=None if math.isnan(degrees) else axis_class(degrees),
    )


def heart_axis(recording: Recording) -> float:
    """The frontal QRS axis in degrees, -180 to 180, from the net QRS area in I and aVF; NaN if no beat is found.

    An augmented lead is smaller than a bipolar one by √3/2, which is corrected (Surawicz & Knilans, Chou's
    Electrocardiography in Clinical Practice, chapter 1).
    """
    import neurokit2 as nk

    for stream in recording.of_kind("ecg"):
        names = [channel.name for channel in stream.channels]
        if "I" not in names or "aVF" not in names:
            continue
        leads = stream.physical().astype(np.float64)[[names.index("I"), names.index("aVF")]]  # [2, T]
        if not np.isfinite(leads).all():
            continue
        rate = round(stream.sfreq)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a noisy lead warns; NaN is the report
            try:
                cleaned = nk.ecg_clean(
                    leads[0] if np.ptp(leads[0]) > np.ptp(leads[1]) else leads[1], sampling_rate=rate
                )
                peaks = np.asarray(nk.ecg_peaks(cleaned, sampling_rate=rate)[1]["ECG_R_Peaks"], np.int64)
            except Exception:  # a foreign detector fails on noise in ways that it does not document
                return math.nan
        areas = _net_areas(leads, peaks, stream.sfreq)
        if areas is not None:
            return float(np.degrees(np.arctan2(areas[1] * 2 / math.sqrt(3), areas[0])))
    return math.nan


def axis_class(degrees: float) -> str:
    """One of `AXES`: normal from -30 to 90 degrees, left above it, right beyond, extreme opposite."""
    if -30 <= degrees <= 90:
        return AXES[0]
    return AXES[1] if -90 <= degrees < -30 else AXES[2] if degrees > 90 else AXES[3]


def _net_areas(leads: NDArray[np.float64], peaks: NDArray[np.int64], sfreq: float) -> NDArray[np.float64] | None:
    """The median over beats of the mean of each lead within the QRS, over its level before, (2,)."""
    qrs, level = (np.arange(round(a * sfreq), round(b * sfreq) + 1) for a, b in (_QRS, _LEVEL))
    whole = peaks[(peaks + level[0] >= 0) & (peaks + qrs[-1] < leads.shape[1])]
    if not len(whole):
        return None
    nets = leads[:, whole[:, None] + qrs].mean(axis=2) - leads[:, whole[:, None] + level].mean(axis=2)
    return np.median(nets, axis=1)
