"""Losses by kind of target: the outputs that a network needs, their loss, and their meaning.

Shape letters: B windows, K classes or labels, W outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from biosig.downstream.data.sequences import UNLABELLED
from biosig.downstream.probe.cox import cox_loss
from biosig.evaluate.metrics import Kind

if TYPE_CHECKING:
    from biosig.downstream.data.target_config import Target
    from biosig.downstream.finetune.config import LossConfig

# The asymmetric loss's own choice (Ridnik 2021, arXiv:2009.14119, section 4).
FOCUS_ABSENT, FOCUS_PRESENT, MARGIN = 4.0, 1.0, 0.05


@dataclass(frozen=True)
class TaskLoss:
    """A loss, fitted to a training part, and the meaning of outputs.

    Parameters
    ----------
    kind : {"classes", "multilabel", "number", "survival", "answers"}
        Kind of the labels.
    names : tuple of str
        Names of the W outputs.
    centre, scale : float
        Mean and deviation of a number in the training part: a network predicts (value - centre) / scale.
    weights : tuple of float
        K weights, or none: of each class, or of each label's presence.
    asymmetric : bool
        See `LossConfig`.
    n_spans : int
        Number of spans in a window, each with outputs of its own (`biosig.downstream.data.sequences`).
    every : float
        Seconds per span, if there are several.
    """

    kind: Kind
    names: tuple[str, ...]
    centre: float = 0.0
    scale: float = 1.0
    weights: tuple[float, ...] = ()
    asymmetric: bool = False
    n_spans: int = 1
    every: float = 0.0

    @classmethod
    def fitted(cls, target: Target, y: NDArray[Any], loss: LossConfig) -> TaskLoss:
        """Fit the loss of a target to the labels of its training part: y as in `LabelledWindows`."""
        names = target.output_names
        weights: tuple[float, ...] = ()
        if loss.balanced and target.kind == "classes":
            weights = tuple((len(y) / len(names) / np.bincount(y, minlength=len(names))).tolist())
        elif loss.balanced:
            weights = tuple(((y == 0).sum(axis=0) / (y == 1).sum(axis=0)).tolist())
        if target.kind != "number":
            return cls(target.kind, names, weights=weights, asymmetric=loss.asymmetric)
        return cls("number", names, float(y.mean()), float(y.std()) or 1.0)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean loss, a scalar, of outputs (B, W) for labels as in `LabelledWindows`.

        Windows with S spans have outputs (B · S, W) and class numbers (B, S), in which -1 is not known.
        """
        if self.kind == "classes":
            weight = outputs.new_tensor(self.weights) if self.weights else None
            return F.cross_entropy(outputs, y.reshape(-1), weight=weight, ignore_index=UNLABELLED)
        y = y.to(outputs.dtype)
        if self.kind == "number":
            return F.smooth_l1_loss(outputs[:, 0], (y - self.centre) / self.scale)
        if self.kind == "survival":
            return cox_loss(outputs[:, 0], y[:, 0], y[:, 1])
        known = torch.isfinite(y)
        weights = outputs.new_tensor(self.weights).expand_as(outputs)[known] if self.weights else None
        if self.asymmetric:
            return asymmetric_loss(outputs[known], y[known], weights)
        return F.binary_cross_entropy_with_logits(outputs[known], y[known], pos_weight=weights)

    def predict(self, outputs: Tensor) -> Tensor:
        """Predictions of outputs (B, W): probabilities (B, K), values (B,) in the target's unit, log hazards (B,)."""
        if self.kind == "classes":
            return F.softmax(outputs, dim=1)
        if self.kind in ("multilabel", "answers"):
            return torch.sigmoid(outputs)
        return outputs[:, 0] * self.scale + self.centre


def asymmetric_loss(logits: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy with small weights for easy absences (Ridnik 2021, equation 6).

    Parameters
    ----------
    logits, y : Tensor, shape (M,)
        Logit of each known label, and its presence (1) or absence (0).
    weights : Tensor, shape (M,), optional
        Weights of presences.
    """
    present = torch.sigmoid(logits)
    absent = (1 - present + MARGIN).clamp(max=1)
    present_loss = y * (1 - present) ** FOCUS_PRESENT * F.logsigmoid(logits)
    absent_loss = (1 - y) * (1 - absent) ** FOCUS_ABSENT * torch.log(absent)
    return -((present_loss if weights is None else present_loss * weights) + absent_loss).mean()
