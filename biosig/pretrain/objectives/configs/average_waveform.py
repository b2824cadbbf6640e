"""Keys of the term that predicts average waveforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.errors import UsageError
from biosig.pretrain.objectives import OBJECTIVES, TermConfig


@OBJECTIVES.register
@dataclass(frozen=True)
class AverageWaveformConfig(TermConfig):
    """Chooses `AverageWaveform`.

    Parameters
    ----------
    shape : float
        Weight of the beat over its own size beside the beat in mV, which recordings of unknown unit do not have; 0 =
        not at all.
    width : int
        Of the layer between pooled tokens and predictions.
    """

    name: ClassVar[str] = "average_waveform"
    paper: ClassVar[str] = ""
    implementation: ClassVar[str] = "biosig.pretrain.objectives.average_waveform:AverageWaveform"
    targets: ClassVar[tuple[str, ...]] = ("median_beat", "mean_pulse")
    teaches: ClassVar[tuple[str, ...]] = ("ecg", "ppg")
    mixes_windows: ClassVar[bool] = True  # the averages of the neck take the batch in

    shape: float = 1.0
    width: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shape < 0:
            raise UsageError(f"shape is {self.shape:g}; it is a weight: 0 or more.")
        if self.width < 1:
            raise UsageError(f"width is {self.width}; it must be at least 1.")

    @property
    def summary(self) -> str:  # type: ignore[override]
        """One sentence for the model card."""
        return (
            "The median beat of twelve leads in mV and, with weight "
            f"{self.shape:g}, over its own size, and the mean pulse of a PPG, measured in the whole window, are "
            "predicted from its pooled tokens."
        )
