"""Prediction of a teacher's latents at hidden tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from biosig.errors import UsageError
from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.pretrain.objectives.configs.decoder import DecoderConfig


@OBJECTIVES.register
@dataclass(frozen=True)
class LatentConfig(TermConfig):
    """Chooses `LatentPrediction`.

    Parameters
    ----------
    decoder : DecoderConfig
        Size of the decoder.
    layers : int
        Number of the teacher's last layers that are averaged; all blocks if it has fewer.
    beta : float
        Errors below it count squared, larger ones by their size.
    """

    name: ClassVar[str] = "latent"
    paper: ClassVar[str] = "after data2vec, arXiv:2202.03555, sections 3.3 and 3.4"
    implementation: ClassVar[str] = "biosig.pretrain.objectives.latent:LatentPrediction"
    needs: ClassVar[tuple[str, ...]] = ("times",)
    uses_teacher: ClassVar[bool] = True

    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    layers: int = 4
    beta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers < 1:
            raise UsageError(f"layers of the term {self.name} is {self.layers}; it must be at least 1.")
        if self.beta < 0:
            raise UsageError(f"beta of the term {self.name} is {self.beta:g}; it must be 0 or more.")

    @property
    def summary(self) -> str:  # type: ignore[override]
        """One sentence for the model card."""
        return (
            f"The normalised mean of the last {self.layers} layers of a moving average of the encoder, which sees "
            "everything, is predicted where the encoder itself sees nothing or only some channels."
        )
