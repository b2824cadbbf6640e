"""Diagnostic criteria as soft scores: a threshold with a width, and the logic between several.

A score is 0.5 at the published threshold and a logistic curve about it; its width is about the error of the measure.
"And" multiplies, "or" takes the largest; what is not known makes "and" unknown and is left out of "or".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from biosig.features.ecg_axes import degrees, frontal, vector
from biosig.features.ecg_intervals import beat_intervals
from biosig.features.ecg_leads import leads
from biosig.features.ecg_measures import measures
from biosig.features.ecg_rhythm import ectopy, rate, rr_variability
from biosig.features.registry import Column, Values, feature, timing_names
from biosig.features.window import Window, shared

QRS_WIDTH, PR_WIDTH, QT_WIDTH = 5.0, 8.0, 12.0
"""ms: half of the error against cardiologists' marks that ``benchmarks/delineation.py`` finds."""

OURS, COMMON = "threshold of ours", "in common use"
"""Sources of criteria whose threshold no publication that we know gives, or many without one that is the first."""

AXIS_WIDTH = 8.0
NOTCH_BAND = 100.0
"""Hz that a recording must reach for notches of the QRS to count: Das et al., Circulation 2006; 113:2495 read tracings
filtered at 0.15 to 100 Hz, and a signal that is sampled too slowly rings beside steep slopes."""

VOLTAGE_WIDTH = 0.08
"""Share of the threshold. From one week to the next sums of voltages vary by 10 to 14 % in the same person (van den
Hoogen et al., Eur Heart J 1992; 13:1606)."""

INFERIOR, HIGH_LATERAL, LATERAL = ("II", "III", "aVF"), ("I", "aVL"), ("I", "aVL", "V5", "V6")
SEPTAL, ANTERIOR, LOW_LATERAL = ("V1", "V2"), ("V2", "V3", "V4"), ("V4", "V5", "V6")


def at_least(value: float, threshold: float, width: float) -> float:
    """0.5 at the threshold, towards 1 above; NaN for NaN, and where the width is that of a lead that does not move."""
    steps = (value - threshold) / width if width > 0 else math.nan
    if not math.isfinite(steps):
        return math.nan
    return 1 / (1 + math.exp(-min(max(steps, -30.0), 30.0)))


def at_most(value: float, threshold: float, width: float) -> float:
    """0.5 at the threshold, towards 1 below; NaN for NaN."""
    return at_least(-value, -threshold, width)


def all_of(*scores: float) -> float:
    """Product; NaN where one is NaN."""
    return math.prod(scores)


def any_of(*scores: float) -> float:
    """The largest that is known; NaN where none is."""
    known = [score for score in scores if math.isfinite(score)]
    return max(known) if known else np.nan


def two_of(scores: Iterable[float]) -> float:
    """The second largest that is known: the criterion in two leads of a group."""
    known = sorted(score for score in scores if math.isfinite(score))
    return known[-2] if len(known) > 1 else np.nan


def largest(values: Iterable[float]) -> float:
    """The largest; NaN where one is NaN, since a missing lead could have had a larger one."""
    return float(np.max(list(values)))


def not_(score: float) -> float:
    """1 − score."""
    return 1 - score


class Evidence:
    """Measures that criteria are made of, by name: intervals in ms, per-lead measures in mV and ms, rate and rhythm.

    ``e.qrs`` and the other columns of rate, rhythm and intervals are attributes; ``e("r", "V1")`` is one lead's
    measure (`biosig.features.ecg_measures.Measures`), ``e.share("t", "V1")`` that over the lead's QRS swing. Unknown
    ones are NaN.
    """

    def __init__(self, window: Window) -> None:
        self.window, self.found = window, measures(window)
        self._rows = {name: row for row, name in enumerate(leads(window).names)}
        self._measures = {part.name: getattr(self.found, part.name).tolist() for part in fields(self.found)}
        self.values: dict[str, float] = {}
        for function in (rate, rr_variability, ectopy, beat_intervals):
            self.values |= function(window)  # type: ignore[arg-type]
        self.axis = degrees(*frontal(window, self.found.qrs_area))
        self.t_axis = degrees(*frontal(window, self.found.t_area))
        self.qrs_vector, self.t_vector = vector(window, self.found.qrs_area), vector(window, self.found.t_area)

    def __getattr__(self, name: str) -> float:
        if name.startswith("_") or name == "values":
            raise AttributeError(name)
        return self.values.get(name, np.nan)

    def __call__(self, measure: str, lead: str) -> float:
        """One measure of one lead."""
        row = self._rows.get(lead)
        return math.nan if row is None else self._measures[measure][row]

    def notched(self, lead: str) -> float:
        """Score of a notch in one lead's QRS, 0 to 1; unknown where the recording does not reach `NOTCH_BAND`."""
        return at_least(self("notches", lead), 0.5, 0.3) if self.fine else math.nan

    @property
    def fine(self) -> bool:
        """True if the recording reaches `NOTCH_BAND`."""
        return self.window.highest_frequency >= NOTCH_BAND

    def share(self, measure: str, lead: str) -> float:
        """One measure of one lead over its QRS's swing."""
        return self(measure, lead) / self("swing", lead) if self("swing", lead) > 0 else np.nan

    def tall(self, lead: str) -> float:
        """The larger of R and R'."""
        return max(self("r", lead), self("r2", lead))

    def ratio(self, lead: str) -> float:
        """R / (R + S), 0 to 1: 0.5 is R / S of 1."""
        total = self.tall(lead) + self("s", lead)
        return self.tall(lead) / total if total > 0 else np.nan


@shared
def evidence(window: Window) -> Evidence:
    """The window's evidence."""
    return Evidence(window)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A diagnostic criterion.

    Parameters
    ----------
    name : str
    formula : str
        The published thresholds.
    source : str
    score : callable
        0 to 1 of `Evidence`, 0.5 at the threshold.
    amplitude : bool
        True if it needs millivolts or compares leads.
    fine : bool
        True if it needs a recording that reaches `NOTCH_BAND`; others give NaN.
    """

    name: str
    formula: str
    source: str
    score: Callable[[Evidence], float]
    amplitude: bool = True
    fine: bool = False

    @property
    def timing(self) -> bool:
        """True where only rate, rhythm and intervals enter (`Column.timing`): found by trying."""
        try:
            self.score(_TimesAlone())
        except _LooksAtLeadsError:
            return False
        return True


class _LooksAtLeadsError(Exception):
    """A criterion asks for more than times."""


class _TimesAlone(Evidence):
    """Evidence that has nothing but times, none of them known."""

    def __init__(self) -> None:
        self.values = dict.fromkeys(timing_names("ecg"), math.nan)

    def __getattr__(self, name: str) -> float:
        if name not in self.values:
            raise _LooksAtLeadsError(name)
        return self.values[name]

    def __call__(self, measure: str, lead: str) -> float:
        raise _LooksAtLeadsError(f"{measure} of {lead}")


CRITERIA: dict[str, Criterion] = {}
"""Registered criteria by the names of their columns."""


def register(criteria: Sequence[Criterion]) -> None:
    """Register criteria as columns, "score" in front of their names."""
    CRITERIA.update({f"score_{c.name}": c for c in criteria})
    columns = [Column(f"score_{c.name}", "1", c.formula, c.source, "", c.amplitude, c.timing) for c in criteria]

    def scores(window: Window) -> Values:
        found = evidence(window)
        return {
            column.name: c.score(found) if found.fine or not c.fine else math.nan
            for column, c in zip(columns, criteria, strict=True)
        }

    feature("ecg", *columns)(scores)
