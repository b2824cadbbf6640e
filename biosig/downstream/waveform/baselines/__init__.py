"""Waveform baselines by name: fitted on the training part, they predict in the targets' units.

To add one, put one file into this folder, or publish a package with an entry point in the group
``biosig.waveform_baselines``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from biosig.registry import Registry

if TYPE_CHECKING:
    from biosig.batches.contract import InputContract
    from biosig.downstream.waveform.dataset import Floats, WaveformQuery, WaveformWindows

WAVEFORM_BASELINES = Registry["type[WaveformBaseline]"]("waveform baseline", "biosig.waveform_baselines", __name__)


class WaveformBaseline(ABC):
    """A method that predicts absent channels from present ones.

    Parameters
    ----------
    contract : mapping of str to InputContract
        The model's input contract.

    Attributes
    ----------
    name : str
        Its name in configurations and result tables.
    rank : int, optional
        Place among the defaults; None = not a default.
    """

    name: ClassVar[str]
    rank: ClassVar[int | None] = None

    def __init__(self, contract: Mapping[str, InputContract]) -> None:
        self.contract = contract

    @abstractmethod
    def fit(self, windows: WaveformWindows, rows: Iterable[int]) -> None:
        """Fit to the training part."""

    @abstractmethod
    def predict(self, question: WaveformQuery) -> list[Floats]:
        """Predict each wanted target (T,), in its units."""


def default_waveform_baselines() -> list[str]:
    """The names of the default baselines, by rank."""
    ranked = [(member.rank, name) for name, member in WAVEFORM_BASELINES.items() if member.rank is not None]
    return [name for _, name in sorted(ranked)]
