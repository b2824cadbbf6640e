"""The part of a page about an ECG's features that lists the diagnostic criteria that fire."""

from __future__ import annotations

import numpy as np
import pandas as pd

from biosig.features.ecg_scores import CRITERIA, NOTCH_BAND
from biosig.features.registry import columns
from biosig.features.window import Window
from biosig.plots.report import Report

FIRES = 0.5
"""The score at a criterion's published threshold."""

FAMILIES = {
    "normal": "Normal ECG",
    "lvh": "Left ventricular hypertrophy", "strain": "Left ventricular hypertrophy",
    "rvh": "Right ventricular hypertrophy", "rv_strain": "Right ventricular hypertrophy",
    "la_": "Left atrium", "ra_": "Right atrium", "low_voltage": "Low voltage",
    "qrs_1": "QRS duration", "ivcd": "QRS duration",
    "rbbb": "Right bundle branch", "rsr": "Right bundle branch",
    "lbbb": "Left bundle branch", "r_peak": "Left bundle branch",
    "left_axis": "QRS axis", "right_axis": "QRS axis", "extreme_axis": "QRS axis",
    "lafb": "Fascicles", "lpfb": "Fascicles", "bifascicular": "Fascicles",
    "av_block": "PR interval", "pr_": "PR interval", "preexcitation": "PR interval",
    "q_": "Q and R waves, infarction", "qs_": "Q and R waves, infarction", "mi_": "Q and R waves, infarction",
    "poor_r": "Q and R waves, infarction", "reversed_r": "Q and R waves, infarction",
    "fragmented": "Q and R waves, infarction",
    "ste_": "ST elevation", "early_repolarisation": "ST elevation", "brugada": "ST elevation",
    "std_": "ST depression", "t_": "T wave", "wide_angle": "T wave", "qtc": "QT interval",
    "sinus": "Rhythm", "tachycardia": "Rhythm", "bradycardia": "Rhythm", "no_p": "Rhythm", "irregular": "Rhythm",
    "atrial_fibrillation": "Rhythm", "premature": "Rhythm", "ectopic": "Rhythm", "pause": "Rhythm",
    "supraventricular": "Rhythm", "ventricular": "Rhythm", "junctional": "Rhythm",
}  # fmt: skip
"""First letters of a criterion's name → the finding that it is a criterion of."""

OF_SEX = {"_men": "male", "_women": "female"}

ABBREVIATIONS = frozenset((
    "av", "ivcd", "la", "lafb", "lbbb", "lpfb", "lvh", "mi", "p", "pr", "q", "qrs", "qs", "qtc", "r", "ra", "rbbb",
    "rv", "rvh", "s", "st", "std", "ste", "t",
))  # fmt: skip

PEOPLE = ("sokolow", "cornell", "peguero", "lewis", "gubner", "estes", "brugada")


def family(name: str) -> str:
    """The finding that a criterion, by its name, is one of several criteria of."""
    return next(finding for letters, finding in FAMILIES.items() if name.startswith(letters))


def title(name: str) -> str:
    """A criterion's name in words; one for one sex says so."""
    of_sex = _suffix(name)
    words = name.removesuffix(of_sex).split("_")
    text = " ".join(_word(word) for word in words)
    return f"{text} (if {OF_SEX[of_sex]})" if of_sex else text


def _word(word: str) -> str:
    if word in ABBREVIATIONS or word[:-1] == "v":
        return word.upper()
    return "aVL" if word == "avl" else word.capitalize() if word in PEOPLE else word


def _suffix(name: str) -> str:
    return next((suffix for suffix in OF_SEX if name.endswith(suffix)), "")


def add_criteria(report: Report, window: Window, values: dict[str, float], sex: str | None) -> None:
    """Criteria whose score reaches `FIRES`, by finding, the highest first.

    Those for the other sex are left out. Where the sex is not known, those for one sex are listed and not counted.
    """
    names = [c.name.removeprefix("score_") for c in columns("ecg") if c.name.startswith("score_")]
    known = sex in OF_SEX.values()
    names = [name for name in names if not (known and OF_SEX.get(_suffix(name), sex) != sex)]
    score = {name: values[f"score_{name}"] for name in names}
    listed = [name for name in names if score[name] >= FIRES]
    certain = [name for name in listed if known or not _suffix(name)]
    n_counted = len([name for name in names if known or not _suffix(name)])
    findings = dict.fromkeys(family(name) for name in sorted(listed, key=lambda name: -score[name]))
    report.add_text(
        f"### Diagnostic criteria that fire\n{len(certain)} of {n_counted} criteria reach a score of 0.5, which is "
        "their published threshold; 1 is far beyond it. Criteria of one finding stand together: they measure nearly "
        "the same and are not independent evidence. A criterion is a rule on measured values, not a diagnosis: "
        "several fire in healthy people."
        + (f" Criteria for {'men' if sex == 'female' else 'women'} are left out." if known else "")
        + (" The sex is not known: what holds for one sex alone is not counted." if len(certain) < len(listed) else "")
    )
    rows = []
    for finding in findings:
        members = sorted((name for name in listed if family(name) == finding), key=lambda name: -score[name])
        for place, name in enumerate(members):
            of = CRITERIA[f"score_{name}"]
            rows.append((finding if place == 0 else "", title(name), score[name], of.formula, of.source))
    if rows:
        report.add_table(pd.DataFrame(rows, columns=["finding", "criterion", "score", "rule", "source"]), digits=2)
    _add_undecided(report, window, [name for name in names if not np.isfinite(score[name])])


def _add_undecided(report: Report, window: Window, undecided: list[str]) -> None:
    too_fine = [] if window.highest_frequency >= NOTCH_BAND else [n for n in undecided if CRITERIA[f"score_{n}"].fine]
    if too_fine:
        report.add_text(
            f"> This recording reaches {window.highest_frequency:.3g} Hz ({window.sfreq:g} samples a second), and "
            f"notches of the QRS need {NOTCH_BAND:g} Hz: {', '.join(map(title, too_fine))} "
            f"{'are' if len(too_fine) > 1 else 'is'} not decided."
        )
    others = [name for name in undecided if name not in too_fine]
    if others:
        report.add_text(
            f"{len(others)} criteria could not be decided, since a lead, a wave or the amplitude that they need is "
            f"missing: {', '.join(map(title, others))}."
        )
