"""Contrastive predictive coding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.errors import UsageError
from biosig.pretrain.objectives import OBJECTIVES, TermConfig


@OBJECTIVES.register
@dataclass(frozen=True)
class CpcConfig(TermConfig):
    """Chooses `ContrastivePrediction`.

    Parameters
    ----------
    horizons : tuple of float
        Seconds ahead; each is rounded to whole tokens, at least one.
    embed_dim : int
        Width in which context and future are compared.
    temperature : float
        Divisor of the cosines.
    apart : int
        Tokens of the same window this near the true one are not negatives: they are nearly the same.
    candidates : int
        Number of pairs of each modality that are compared with each other, drawn anew each step; all if there are
        fewer.
    """

    name: ClassVar[str] = "cpc"
    paper: ClassVar[str] = "after CPC, arXiv:1807.03748, sections 2.2 and 2.3"
    implementation: ClassVar[str] = "biosig.pretrain.objectives.cpc:ContrastivePrediction"
    needs: ClassVar[tuple[str, ...]] = ("times",)
    mixes_windows: ClassVar[bool] = True

    horizons: tuple[float, ...] = (0.5, 1.0, 1.5)
    embed_dim: int = 128
    temperature: float = 0.1
    apart: int = 3
    candidates: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.horizons or min(self.horizons) <= 0:
            raise UsageError(f"horizons of the term {self.name} are {list(self.horizons)}: give seconds above 0.")
        if self.temperature <= 0:
            raise UsageError(f"temperature of the term {self.name} is {self.temperature:g}; it must be above 0.")
        if self.apart < 0 or self.embed_dim < 1 or self.candidates < 2:
            raise UsageError(
                f"apart, embed_dim and candidates of the term {self.name} are {self.apart}, {self.embed_dim} and "
                f"{self.candidates}; they must be at least 0, 1 and 2."
            )

    @property
    def summary(self) -> str:  # type: ignore[override]
        """One sentence for the model card."""
        seconds = ", ".join(f"{horizon:g}" for horizon in self.horizons)
        return (
            f"From a causal pass the embedding of the token {seconds} s ahead is told from those of other times and "
            "other windows."
        )
