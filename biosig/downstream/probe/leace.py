"""LEACE: erase linear information on groups of training rows, such as subjects or sites, from features.

Shape letters: N rows, F features, G groups, r directions that are erased (at most G - 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.evaluate.metrics import Floats

_SMALLEST = 1e-10  # share of the largest eigenvalue below which a direction has no variance


@dataclass(frozen=True)
class LEACE:
    """Eraser x ↦ x - (x - mean) · read · write.

    Parameters
    ----------
    mean : ndarray, shape (F,)
        Mean of the rows that it was fitted on.
    read : ndarray, shape (F, r)
        Projection to the directions that separate the groups.
    write : ndarray, shape (r, F)
        Map of these directions back to features.
    """

    mean: Floats
    read: Floats
    write: Floats

    def __call__(self, X: Floats) -> Floats:
        """Erase the directions that separate the groups from features (N, F), for rows of any groups."""
        return X - (X - self.mean) @ self.read @ self.write


def fit_eraser(X: Floats, groups: NDArray[Any]) -> LEACE:
    """Least-squares concept erasure (LEACE; Belrose 2023, arXiv:2306.03819, theorem 4.3).

    It is the affine map with the smallest change of the features after which the groups' means agree, so that no linear
    model can separate the groups.

    Parameters
    ----------
    X : ndarray, shape (N, F)
        Features of training rows.
    groups : ndarray, shape (N,)
        The subject or site of each.

    Raises
    ------
    UsageError
        If the groups' means span all features, so that nothing would remain.
    """
    names, group = np.unique(groups, return_inverse=True)
    mean = X.mean(axis=0)
    centred = X - mean
    variance, axes = np.linalg.eigh(centred.T @ centred / len(X))
    kept = variance > _SMALLEST * max(float(variance[-1]), np.finfo(np.float64).tiny)
    deviation, axes = np.sqrt(variance[kept]), axes[:, kept]  # (f,), (F, f)
    member = np.eye(len(names))[group]  # (N, G)
    across = (axes.T @ (centred.T @ (member - member.mean(axis=0)) / len(X))) / deviation[:, None]  # (f, G), whitened
    directions, strength, _ = np.linalg.svd(across, full_matrices=False)
    directions = directions[:, strength > np.sqrt(_SMALLEST) * max(float(strength.max(initial=0)), 1e-300)]  # (f, r)
    if directions.shape[1] >= len(deviation):
        raise UsageError(
            f"The means of {len(names)} groups span all {len(deviation)} directions of the features, so erasing them "
            "would leave nothing: erase a label with fewer values, or leave erase out."
        )
    return LEACE(mean, (axes / deviation) @ directions, directions.T @ (axes * deviation).T)
