"""REVE's objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.pretrain.objectives import OBJECTIVES
from biosig.pretrain.objectives.configs.reconstruction import RebuildingConfig


@OBJECTIVES.register
@dataclass(frozen=True)
class ReveConfig(RebuildingConfig):
    """Chooses `ReveReconstruction`. The published decoder has 4 blocks of width 512 with 8 heads."""

    name: ClassVar[str] = "reve"
    paper: ClassVar[str] = "REVE, arXiv:2510.21585, section 3.3"
    implementation: ClassVar[str] = "biosig.pretrain.objectives.reve:ReveReconstruction"
    masking: ClassVar[str] = "reve"
    needs: ClassVar[tuple[str, ...]] = ("channels", "times", "pooling")

    @property
    def summary(self) -> str:  # type: ignore[override]
        """One sentence for the model card."""
        return (
            "Hidden patches, and hidden words where a window has a report, are rebuilt by a decoder of the visible "
            f"tokens and, with weight {self.global_weight:g}, from a pooled token over all layers; the error of a "
            "sample is absolute."
        )
