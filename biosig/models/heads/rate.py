"""A head that gives the pulse rate of an encoder's own distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.models.heads import HEADS, HeadConfig


@HEADS.register
@dataclass(frozen=True)
class RateHeadConfig(HeadConfig):
    """Chooses `RateHead`."""

    name: ClassVar[str] = "rate"
    implementation: ClassVar[str] = "biosig.models.rate_head:RateHead"

    modality: str = "ppg"
    columns: tuple[str, ...] = ("ppg.heart_rate",)
