"""A head on pooled tokens: a neck, one linear layer, and the units of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from biosig.models.heads import HEADS, HeadConfig


@HEADS.register
@dataclass(frozen=True)
class PooledHeadConfig(HeadConfig):
    """Chooses `PooledHead`.

    Parameters
    ----------
    width : int
        Of the neck.
    link : {"linear", "logistic"}
        Whether numbers are brought to their units, or to 0 … 1.
    """

    name: ClassVar[str] = "pooled"
    implementation: ClassVar[str] = "biosig.models.pooled_head:PooledHead"

    width: int = 128
    link: Literal["linear", "logistic"] = "linear"
