"""StableAdamW: AdamW whose step on a tensor shrinks where its second moment lags behind the gradient.

Own file instead of the package pytorch-optimizer, which keeps the step count in the parameter groups and not in the
state: a core recipe would need an extra, and a run that was killed could not go on exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class StableAdamW(torch.optim.Optimizer):
    """AdamW with update clipping, per tensor (Wortsman 2023, arXiv:2304.13013, algorithm 2).

    Rate and decay are divided by max(1, √mean(g² / max(v, eps²))): where a gradient g grows suddenly, Adam's second
    moment v is still small, and an unclipped step would be far too long.

    Parameters
    ----------
    params : iterable
        Parameters or parameter groups.
    lr : float
        Learning rate.
    betas : tuple of 2 float
        Decay of the first and the second moment.
    eps : float
        Added to √v.
    weight_decay : float
        Decoupled, as in AdamW.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-9,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step on all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)  # a tensor, as torch's own optimisers keep it
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        # Decays that are corrected for the start make the moments unbiased from the first step on.
        beta1, beta2 = (_debiased(beta, int(state["step"])) for beta in group["betas"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        excess = (gradient.square() / square.clamp(min=group["eps"] ** 2)).mean().sqrt().clamp(min=1)
        rate = group["lr"] / excess
        parameter.mul_(1 - rate * group["weight_decay"])
        parameter.sub_(rate * mean / (square.sqrt() + group["eps"]))


def _debiased(beta: float, step: int) -> float:
    return beta * (1 - beta ** (step - 1)) / (1 - beta**step)
