"""Masked reconstruction, the objective of the `biosig-*` presets, and the common keys of all terms that rebuild."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.pretrain.objectives.configs.decoder import DecoderConfig


@dataclass(frozen=True)
class RebuildingConfig(TermConfig):
    """A term that rebuilds hidden patches and words, from the visible tokens and from the pooled token.

    Parameters
    ----------
    decoder : DecoderConfig
        Size of the decoder.
    global_weight : float
        Weight of the reconstruction from the pooled token, which trains the pooling.
    text_weight : float
        Weight of the cross-entropy of hidden words, in nats, beside the error of the patches.
    """

    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    global_weight: float = 0.1
    text_weight: float = 0.1


@OBJECTIVES.register
@dataclass(frozen=True)
class ReconstructionConfig(RebuildingConfig):
    """Chooses `MaskedReconstruction`."""

    name: ClassVar[str] = "reconstruction"
    paper: ClassVar[str] = "after REVE, arXiv:2510.21585, section 3.3"
    implementation: ClassVar[str] = "biosig.pretrain.objectives.reconstruction:MaskedReconstruction"
    needs: ClassVar[tuple[str, ...]] = ("times", "pooling")

    @property
    def summary(self) -> str:  # type: ignore[override]
        """One sentence for the model card."""
        return (
            "Hidden patches, and hidden words where a window has a report, are rebuilt by a decoder of the visible "
            f"tokens and, with weight {self.global_weight:g}, from the pooled token; the error of a sample is absolute."
        )
