"""Configuration of a fused encoder's parts; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from biosig.errors import UsageError


@dataclass(frozen=True)
class FusedConfig:
    """The parts of a fused encoder.

    Parameters
    ----------
    convs : int
        Number of the encoder's first blocks that are pairs of convolutions; the others attend.
    stem_dim : int
        Width of the stems' first convolution.
    """

    convs: int = 2
    stem_dim: int = 96

    def __post_init__(self) -> None:
        if self.convs < 0 or self.stem_dim < 1:
            raise UsageError(
                f"fused.convs is {self.convs} and fused.stem_dim {self.stem_dim}: they must be at least 0 and 1."
            )
