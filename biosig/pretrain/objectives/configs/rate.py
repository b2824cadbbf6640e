"""Keys of the term that teaches pulse rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.errors import UsageError
from biosig.pretrain.objectives import OBJECTIVES, TermConfig


@OBJECTIVES.register
@dataclass(frozen=True)
class RateConfig(TermConfig):
    """Chooses `PulseRate`.

    Parameters
    ----------
    cross_entropy : float
        Weight of the encoder's distribution over rates.
    width : float
        Deviation of the distribution that is wanted, in steps of the grid of rates (1.8 %).
    huber : float
        Weight of the logarithm of the rate as the pooled tokens tell it, in units of `delta`.
    delta : float
        Error of the logarithm from which on it counts as it is, and no longer squared.
    """

    name: ClassVar[str] = "rate"
    implementation: ClassVar[str] = "biosig.pretrain.objectives.rate:PulseRate"
    needs: ClassVar[tuple[str, ...]] = ("rates",)
    targets: ClassVar[tuple[str, ...]] = ("rate",)
    teaches: ClassVar[tuple[str, ...]] = ("ppg",)
    mixes_windows: ClassVar[bool] = True  # the averages of the neck take the batch in
    summary: ClassVar[str] = (
        "The encoder's distribution over pulse rates, and the pooled tokens, tell the rate of a PPG on which three "
        "rules agree."
    )

    cross_entropy: float = 0.5
    width: float = 1.2
    huber: float = 2.0
    delta: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("cross_entropy", "width", "huber", "delta"):
            if not getattr(self, key) > 0:
                raise UsageError(f"{key} of the objective rate is {getattr(self, key):g}; it must be positive.")
