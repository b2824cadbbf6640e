"""Keys of the term that predicts diagnostic criteria."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.pretrain.objectives import OBJECTIVES, TermConfig


@OBJECTIVES.register
@dataclass(frozen=True)
class CriteriaConfig(TermConfig):
    """Chooses `Criteria`.

    Parameters
    ----------
    width : int
        Of the layer between pooled tokens and predictions.
    """

    name: ClassVar[str] = "criteria"
    paper: ClassVar[str] = ""
    summary: ClassVar[str] = (
        "The soft scores of published ECG criteria, computed from the whole window, are predicted from its pooled "
        "tokens; the cross-entropy of each is divided by the entropy of its mean."
    )
    implementation: ClassVar[str] = "biosig.pretrain.objectives.criteria:Criteria"
    targets: ClassVar[tuple[str, ...]] = ("features",)
    teaches: ClassVar[tuple[str, ...]] = ("ecg",)
    mixes_windows: ClassVar[bool] = True  # the averages of the neck take the batch in

    width: int = 128
