"""Readouts of a fused encoder's EEG stem before any learned weight: band powers, and lines that sites share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biosig.models.readouts import READOUTS, Readout, Segments
from biosig.models.readouts.mean import MeanAndDeviation

if TYPE_CHECKING:
    from torch import Tensor


@READOUTS.register
class Spectrum(Readout):
    """Mean and standard deviation over time of the EEG's log powers in narrow bands (`fused.spectrum.BandPowers`)."""

    name = "spectrum"
    reads = "spectrum"

    def n_features(self, embed_dim: int, n_tokens: int = 0) -> int:  # noqa: ARG002
        """Twice the powers of a token."""
        return 2 * embed_dim

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, 2 · D), D being the powers of a token."""
        return MeanAndDeviation()(tokens)


@READOUTS.register
class Coherence(Readout):
    """Coherence of the EEG's sites at each frequency, against its neighbours (`fused.lines.coherence`)."""

    name = "coherence"
    reads = "coherence"
    one_per_window = True

    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, D), D being the frequencies."""
        return tokens.vector()
