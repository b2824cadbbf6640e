"""Prediction of latents ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.errors import UsageError
from biosig.pretrain.objectives import OBJECTIVES, TermConfig


@OBJECTIVES.register
@dataclass(frozen=True)
class NextLatentConfig(TermConfig):
    """Chooses `NextLatent`.

    Parameters
    ----------
    horizon : int
        Number of tokens ahead.
    embed_dim, hidden_dim : int
        Widths of the projection, in which latents are compared: of its output, and between its two matrices.
    sigreg : float
        Weight of the distance of the projected latents of a window from an isotropic Gaussian.
    directions : int
        Along which that is tested, drawn anew each step.
    """

    name: ClassVar[str] = "next_latent"
    paper: ClassVar[str] = "after LeNEPA, arXiv:2607.00958; SIGReg: LeJEPA, arXiv:2511.08544, section 4"
    implementation: ClassVar[str] = "biosig.pretrain.objectives.next_latent:NextLatent"
    needs: ClassVar[tuple[str, ...]] = ("times",)

    horizon: int = 3
    embed_dim: int = 64
    hidden_dim: int = 512
    sigreg: float = 20.0
    directions: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("horizon", "embed_dim", "hidden_dim", "directions"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} of the term {self.name} is {getattr(self, name)}; it must be at least 1.")
        if self.sigreg <= 0:
            raise UsageError(f"sigreg of the term {self.name} is {self.sigreg:g}; without it latents become one point.")

    @property
    def summary(self) -> str:  # type: ignore[override]
        """One sentence for the model card."""
        return (
            f"A causal pass predicts the embedding of the token {self.horizon} ahead, in a projection to "
            f"{self.embed_dim} numbers whose distribution is held at an isotropic Gaussian with weight {self.sigreg:g}."
        )
