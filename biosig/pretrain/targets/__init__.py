"""Target makers: measurements of each window, made once before a run, for terms to teach. A class a file.

A term's configuration names makers in `targets`; `biosig.pretrain.target_tables` measures what is missing and keeps it
beside the shards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Recording
from biosig.registry import Registry


class TargetMaker(ABC):
    """Maker of targets of a window: numbers by column, or one array.

    Attributes
    ----------
    name : str
        The maker in configurations, tables and `Views.extras`.
    shape : tuple of int or None
        Of the array of each window; None = numbers by column, which may be others in each window.
    columns : tuple of str
        Names along the first axis of the array.
    kinds : tuple of str
        Kinds of channels that it measures; recordings without any are not read.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ("ecg", "ppg", "eeg")
    shape: ClassVar[tuple[int, ...] | None] = None
    columns: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the measurement: values of another are measured anew."""

    @abstractmethod
    def __call__(self, recording: Recording) -> Mapping[str, float] | NDArray[np.floating] | None:
        """Measure one window, read as a recording.

        NaN, or None in place of an array, if it cannot be measured, or the recording cannot carry it.
        """


TARGETS: Registry[type[TargetMaker]] = Registry("target", "biosig.targets", __name__)
"""The makers by name; other packages add theirs through the entry-point group `biosig.targets`."""


@dataclass(frozen=True)
class Targets:
    """Targets of some windows, by the name of the maker.

    Parameters
    ----------
    columns : mapping of str to tuple of str
        Names of the numbers, or of the first axis of an array.
    values : mapping of str to ndarray of float32, shape (n_windows, …)
        NaN = not measured, or not carried by the recording.
    source : ndarray of int64, shape (n_windows,), optional
        Number of the run's source that each window is of; None = all are of one.
    """

    columns: Mapping[str, tuple[str, ...]]
    values: Mapping[str, NDArray[np.float32]]
    source: NDArray[np.int64] | None = None
