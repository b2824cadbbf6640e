"""Keys of the term that predicts hand-made features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from biosig.errors import UsageError
from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.recording import MODALITIES


@OBJECTIVES.register
@dataclass(frozen=True)
class FeaturesConfig(TermConfig):
    """Chooses `Features`.

    Parameters
    ----------
    huber : float
        Deviations from which an error counts as it is, and no longer squared.
    relative : float
        Weight of the same features relative to the person's own mean, in deviations from one of the person's windows
        to the next; 0 = not at all.
    amplitudes : bool
        False to leave out columns that depend on gains: shares, shapes and times remain.
    per_source : tuple of str
        Kinds of signals ("eeg") whose features are taught in deviations from the median of their own source, where
        amplifier, cap or alignment set sources apart by more than people differ; the person's own mean is then that of
        the same source. They give no head in own units.
    width : int
        Of the layer between pooled tokens and predictions.
    """

    name: ClassVar[str] = "features"
    paper: ClassVar[str] = ""
    implementation: ClassVar[str] = "biosig.pretrain.objectives.features:Features"
    targets: ClassVar[tuple[str, ...]] = ("features",)
    mixes_windows: ClassVar[bool] = True  # the averages of the neck take the batch in

    huber: float = 1.0
    relative: float = 0.0
    amplitudes: bool = True
    per_source: tuple[str, ...] = ()
    width: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.huber > 0:
            raise UsageError(f"huber is {self.huber:g}; it is a number of deviations above 0, such as 1.")
        if self.relative < 0:
            raise UsageError(f"relative is {self.relative:g}; it is a weight: 0 or more.")
        unknown = [kind for kind in self.per_source if kind not in MODALITIES]
        if unknown:
            raise UsageError(f"per_source names {', '.join(unknown)}; features are of {', '.join(MODALITIES)}.")

    @property
    def extras(self) -> tuple[str, ...]:  # type: ignore[override]
        """The mean and spread of the person's windows, and the number of the source, where one is asked for."""
        return (*(("features_usual",) if self.relative else ()), *(("source",) if self.per_source else ()))

    @property
    def summary(self) -> str:  # type: ignore[override]
        """One sentence for the model card."""
        also = f", and with weight {self.relative:g} relative to the person's own mean" if self.relative else ""
        left = "" if self.amplitudes else " that no gain changes"
        own = f"; those of {', '.join(self.per_source)} in deviations within their source" if self.per_source else ""
        return (
            f"Features of biosig.features{left} that were measured in the whole window are predicted from its pooled "
            f"tokens{also}{own}; families of features weigh alike."
        )
