"""Cox's partial likelihood, as a loss for networks with one risk per window, and as a linear model.

It is a dozen lines of torch: scikit-survival is GPL and cannot train networks, and torchsurv depends on torchmetrics.
Shape letters: B windows, N rows, F features.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from biosig.errors import DataError

Floats = NDArray[np.float64]


def cox_loss(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    """Negative log partial likelihood per event (Cox 1972; ties as Breslow 1974).

    Each event is compared with everyone who was still under observation at its time, those of the same time included.
    The loss treats the batch as the whole cohort, so small batches with few events train slowly.

    Parameters
    ----------
    risk : Tensor, shape (B,)
        Log of the relative hazard; a constant added to all of them changes nothing.
    time : Tensor, shape (B,)
        Time to the event or to the end of observation, in any unit.
    event : Tensor, shape (B,)
        True or 1 where the event happened, False or 0 where observation ended before it.

    Returns
    -------
    Tensor
        A scalar; 0, with gradients of 0, if no window has an event.
    """
    order = torch.argsort(time, descending=True)
    later = torch.logcumsumexp(risk[order], dim=0)  # (B,) log of the summed hazards of place i and all before it
    n_at_risk = torch.searchsorted(-time[order], -time, right=True)  # (B,) number with this time or a later one
    happened = event.bool()
    likelihood = (risk - later[n_at_risk - 1])[happened]
    return -likelihood.sum() / happened.sum().clamp(min=1)


def cox_regression(X: Floats, time: Floats, event: Floats, penalty: float = 1e-3) -> Floats:
    """Coefficients of a linear Cox model, found by L-BFGS.

    Parameters
    ----------
    X : ndarray, shape (N, F)
        Features; standardise them, since all have the same penalty.
    time : ndarray, shape (N,)
        Time to the event or to the end of observation.
    event : ndarray, shape (N,)
        1 where the event happened.
    penalty : float
        Weight of half the squared coefficients beside the mean over events of the negative log partial likelihood.

    Returns
    -------
    ndarray, shape (F,)
        Log hazard ratio per unit of each feature.

    Raises
    ------
    DataError
        If no row has an event.
    """
    if not np.any(event):
        raise DataError(f"None of {len(time)} rows has an event: a Cox model needs some, so observe for longer.")
    features, times, events = (torch.from_numpy(np.asarray(a, np.float64)) for a in (X, time, event))
    weights = torch.zeros(X.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = cox_loss(features @ weights, times, events) + penalty / 2 * (weights**2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weights.detach().numpy()
