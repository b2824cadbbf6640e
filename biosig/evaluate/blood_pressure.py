"""Grades of a blood pressure estimate by three published standards, with the numbers of people that they require.

A grade from fewer people than the standard requires is not a validation: `Grade.conclusive` is False then.
Shape letters: N pairs of reference and estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.evaluate.agreement import differences
from biosig.evaluate.metrics import Floats

TOLERABLE_ERROR = 10.0
"""mmHg: greatest mean error of a subject that AAMI SP10 tolerates."""

TOLERABLE_SHARE = 0.85
"""Share of the population with a tolerable error in AAMI SP10, from which the second criterion's limits follow."""

_BHS = {"A": (0.60, 0.85, 0.95), "B": (0.50, 0.75, 0.90), "C": (0.40, 0.65, 0.85)}
_IEEE = {"A": 5.0, "B": 6.0, "C": 7.0}


@dataclass(frozen=True)
class Grade:
    """The grade of an estimate by one standard.

    Parameters
    ----------
    standard : str
        The standard's name.
    grade : str
        "pass" or "fail", or a letter from A to D.
    measured : dict
        Measures behind the grade: name → value, in mmHg or as a share.
    n_subjects, n_pairs : int
        People, and pairs of reference and estimate.
    subjects_wanted, pairs_wanted : int
        Smallest numbers that the standard accepts.
    """

    standard: str
    grade: str
    measured: dict[str, float]
    n_subjects: int
    n_pairs: int
    subjects_wanted: int
    pairs_wanted: int

    @property
    def conclusive(self) -> bool:
        """True if there are as many people and pairs as the standard requires."""
        return self.n_subjects >= self.subjects_wanted and self.n_pairs >= self.pairs_wanted

    def sentence(self) -> str:
        """The grade in words, with the numbers of pairs and subjects and those that the standard requires."""
        enough = "as the standard wants" if self.conclusive else "too few for a validation: the standard wants"
        return (
            f"{self.standard}: {self.grade}, from {self.n_pairs} pairs of {self.n_subjects} subjects "
            f"({enough} {self.pairs_wanted} pairs of {self.subjects_wanted})."
        )


def iso_81060_2(reference: NDArray[Any], estimate: NDArray[Any], subjects: Sequence[str] | NDArray[Any]) -> Grade:
    """AAMI/ESH/ISO 81060-2:2018: pass or fail by two criteria.

    Criterion 1: over all pairs the mean error is within 5 mmHg and its standard deviation at most 8. Criterion 2: the
    standard deviation of the subjects' mean errors is at most what `permitted_sd` gives for the mean error.

    Parameters
    ----------
    reference, estimate : ndarray, shape (N,)
        Pressures in mmHg: systolic and diastolic are graded apart.
    subjects : sequence of str, shape (N,)
        Subject of each pair.

    Raises
    ------
    UsageError
        If the lengths differ or a value is missing.
    DataError
        If there are fewer than two subjects.
    """
    error, names, row = _errors(reference, estimate, subjects)
    per_subject = np.bincount(row, error) / np.bincount(row)  # [n_subjects]
    mean, sd, sd_subjects = float(error.mean()), float(error.std(ddof=1)), float(per_subject.std(ddof=1))
    permitted = permitted_sd(float(per_subject.mean()))
    passes = abs(mean) <= 5 and sd <= 8 and sd_subjects <= permitted
    measured = {"mean_error": mean, "sd": sd, "sd_of_subjects": sd_subjects, "permitted_sd_of_subjects": permitted}
    return Grade("AAMI/ESH/ISO 81060-2:2018", "pass" if passes else "fail", measured, len(names), len(error), 85, 255)


def permitted_sd(mean_error: float) -> float:
    """Greatest standard deviation of subjects' mean errors that criterion 2 permits, in mmHg.

    The one with which a normal error of this mean is within 10 mmHg in 85 % of people, which is how the standard's
    table was made (ANSI/AAMI SP10): 6.95 at a mean error of 0, 4.81 at 5. NaN where no deviation is small enough.

    Parameters
    ----------
    mean_error : float
        In mmHg.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    if abs(mean_error) >= TOLERABLE_ERROR:
        return float("nan")

    def surplus(sd: float) -> float:
        share = norm.cdf(TOLERABLE_ERROR, mean_error, sd) - norm.cdf(-TOLERABLE_ERROR, mean_error, sd)
        return float(share - TOLERABLE_SHARE)

    return float(brentq(surplus, 1e-3, 2 * TOLERABLE_ERROR))


def bhs(reference: NDArray[Any], estimate: NDArray[Any], subjects: Sequence[str] | NDArray[Any]) -> Grade:
    """British Hypertension Society, revised protocol (O'Brien et al., J Hypertens 1993; 11 suppl 2:S43): A to D.

    By the shares of pairs within 5, 10 and 15 mmHg; a grade needs all three of its shares. Parameters and errors as
    for `iso_81060_2`.
    """
    error, names, _ = _errors(reference, estimate, subjects)
    shares = {f"within_{limit}": float((np.abs(error) <= limit).mean()) for limit in (5, 10, 15)}
    grades = (g for g, wanted in _BHS.items() if all(s >= w for s, w in zip(shares.values(), wanted, strict=True)))
    return Grade("BHS 1993", next(grades, "D"), shares, len(names), len(error), 85, 255)


def ieee_1708(reference: NDArray[Any], estimate: NDArray[Any], subjects: Sequence[str] | NDArray[Any]) -> Grade:
    """IEEE 1708-2014, cuffless devices: A to D by the mean absolute difference (5, 6 and 7 mmHg).

    Parameters and errors as for `iso_81060_2`.
    """
    error, names, _ = _errors(reference, estimate, subjects)
    mad = float(np.abs(error).mean())
    # 7 mmHg itself is D, where 5 and 6 are still A and B: cuffless devices from 7 on are not recommended.
    grade = next((g for g, limit in _IEEE.items() if mad <= limit and mad < _IEEE["C"]), "D")
    return Grade("IEEE 1708-2014", grade, {"mad": mad}, len(names), len(error), 45, 45)


STANDARDS = (iso_81060_2, bhs, ieee_1708)
"""All standards, each a function (reference, estimate, subjects) → `Grade`."""


def _errors(
    reference: NDArray[Any], estimate: NDArray[Any], subjects: Sequence[str] | NDArray[Any]
) -> tuple[Floats, NDArray[np.str_], NDArray[np.int64]]:
    """Estimate minus reference (N,), the subjects' names, and each pair's place among them (N,)."""
    error, names, row = differences(reference, estimate, subjects)
    if len(names) < 2:
        raise DataError(f"All pairs are of {len(names)} subject: a standard needs two subjects or more.")
    return error, names, row
