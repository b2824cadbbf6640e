"""Mean of a target over each person's windows, and its deviation.

Shape letters: P persons, F columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ByPerson:
    """Values of persons, looked up by window as an array of windows would be."""

    values: NDArray[np.float32]  # (P, …)
    person: NDArray[np.int64]  # (n_windows,)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.values[self.person[rows]]


def usual_of(values: NDArray[np.float32], person: NDArray[np.int64]) -> ByPerson:
    """Mean and standard deviation, shape (P, 2, F), of each person's windows; NaN where fewer than two are measured.

    Parameters
    ----------
    values : ndarray of float32, shape (n_windows, F)
        NaN = not measured.
    person : ndarray of int64, shape (n_windows,)
        Number of each window's person, from 0 to P − 1.
    """
    n = int(person.max(initial=-1)) + 1
    found = np.isfinite(values)
    count, total, squares = (np.zeros((n, values.shape[1])) for _ in range(3))
    np.add.at(count, person, found)
    np.add.at(total, person, np.where(found, values, 0))
    mean = total / np.maximum(count, 1)
    np.add.at(squares, person, np.where(found, (values - mean[person]) ** 2, 0))
    usual = np.stack((mean, np.sqrt(squares / np.maximum(count, 1))), axis=1)
    usual[np.broadcast_to(count[:, None] < 2, usual.shape)] = np.nan
    return ByPerson(usual.astype(np.float32), person)
