"""CSFM's objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.pretrain.objectives import OBJECTIVES
from biosig.pretrain.objectives.configs.reconstruction import RebuildingConfig


@OBJECTIVES.register
@dataclass(frozen=True)
class CsfmConfig(RebuildingConfig):
    """Chooses `CsfmReconstruction`, for encoders of learned leads with a token per window."""

    name: ClassVar[str] = "csfm"
    paper: ClassVar[str] = "CSFM, arXiv:2507.01045"
    implementation: ClassVar[str] = "biosig.pretrain.objectives.csfm:CsfmReconstruction"
    masking: ClassVar[str] = "csfm"
    needs: ClassVar[tuple[str, ...]] = ("channels", "times", "window token", "leads")

    @property
    def summary(self) -> str:  # type: ignore[override]
        """One sentence for the model card."""
        return (
            "Hidden patches are rebuilt with a head per lead, and hidden words where a window has a report, by a "
            f"decoder of the visible tokens and, with weight {self.global_weight:g}, from the window's own token; the "
            "error of a sample is squared."
        )
