"""PhysioNet/CinC challenge score (2020 and 2021): partial credit between diagnoses.

Weights give the credit of an output for each diagnosis of a recording (Alday 2020, doi 10.1088/1361-6579/abc960; Reyna
2021, doi 10.23919/CinC53138.2021.9662687). The score is the summed credit of all outputs, on a scale where the constant
answer "sinus rhythm" is 0 and the labels themselves are 1. The challenge's matrix is weights.csv of
github.com/physionetchallenges/evaluation-2021; codes that it treats as one share one name, with a bar between them.

Shape letters: N recordings, K diagnoses.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError, UsageError
from biosig.evaluate.metrics import Floats, Metric

SINUS_RHYTHM = "426783006"
"""SNOMED CT code of the answer that scores 0."""

NAME, TITLE = "challenge", "challenge score (CinC)"


def read_weights(path: str | Path) -> tuple[tuple[str, ...], Floats]:
    """The diagnoses and the matrix (K, K) of a file in the challenge's format.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file is not a square table with the same names on both sides.
    """
    if not Path(path).is_file():
        raise UsageError(
            f"There is no file {path}: the challenge's weights are weights.csv of "
            f"github.com/physionetchallenges/evaluation-2021."
        )
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    names = tuple(rows[0][1:]) if rows else ()
    try:
        weights = np.array([row[1:] for row in rows[1:]], np.float64)
    except ValueError as error:
        raise DataError(f"{path} holds weights that are not numbers ({error}): give the challenge's file.") from error
    if not names or tuple(row[0] for row in rows[1:]) != names or weights.shape != (len(names), len(names)):
        raise DataError(f"{path} is not a square table of weights with the same codes on both sides: give such a file.")
    return names, weights


def challenge_score(
    y: NDArray[np.bool_], output: NDArray[np.bool_], names: Sequence[str], weights: Floats, normal: str = SINUS_RHYTHM
) -> float:
    """The score of outputs.

    Parameters
    ----------
    y, output : ndarray of bool, shape (N, K)
        Diagnoses that recordings have, and that they are given; recordings without any do not count.
    names : sequence of str
        Of the K diagnoses.
    weights : ndarray, shape (K, K)
        Credit of an output (column) for a diagnosis (row).
    normal : str
        The diagnosis that scores 0 when it is given to all.

    Raises
    ------
    UsageError
        If `normal` is not one of the diagnoses.
    DataError
        If the labels score no more than `normal` for all.
    """
    perfect, given, inactive = (float(credit.sum()) for credit in _credits(y, output, names, weights, normal))
    if perfect <= inactive:
        raise DataError(
            f"Answering '{normal}' for all {len(y)} recordings scores as high as the labels: add other recordings."
        )
    return (given - inactive) / (perfect - inactive)


def challenge_metric(names: Sequence[str], weights: Floats, normal: str = SINUS_RHYTHM) -> Metric:
    """The score of probabilities, answered with yes above 0.5, as a metric (`biosig.evaluate.intervals`).

    Its labels are (N, K) of 0 and 1, known everywhere. Parameters and errors as of `challenge_score`.
    """

    def value(y: Floats, scores: Floats) -> float:
        return challenge_score(y > 0, scores > 0.5, names, weights, normal)

    def resampled(y: Floats, scores: Floats, multiplicity: Floats) -> Floats:
        recording_credits = _credits(y > 0, scores > 0.5, names, weights, normal)
        perfect, given, inactive = (multiplicity @ credit for credit in recording_credits)  # (R,) each
        scale = np.where(perfect > inactive, perfect - inactive, np.nan)
        return (given - inactive) / scale

    return Metric(NAME, "multilabel", value, resampled, title=TITLE, bounds=(-math.inf, 1.0))


def _credits(
    y: NDArray[np.bool_], output: NDArray[np.bool_], names: Sequence[str], weights: Floats, normal: str
) -> tuple[Floats, Floats, Floats]:
    """Credit of the labels, of the outputs, and of `normal` for all in each recording, (N,) each."""
    if normal not in names:
        raise UsageError(f"'{normal}' is not one of the {len(names)} diagnoses: name the one that scores 0.")
    always_normal = np.broadcast_to(np.array(names) == normal, y.shape)
    return _credit(y, y, weights), _credit(y, output, weights), _credit(y, always_normal, weights)


def _credit(y: NDArray[np.bool_], output: NDArray[np.bool_], weights: Floats) -> Floats:
    # Each recording has one unit of credit, shared by all diagnoses that it has or is given.
    share = 1 / np.maximum((y | output).sum(axis=1), 1)  # (N,)
    return share * ((y @ weights) * output).sum(axis=1)
