"""Hand-made features as targets: all columns of `biosig.features` that say something about the person recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from biosig import __version__
from biosig.features.registry import KINDS, Column, features
from biosig.features.row import measure
from biosig.pretrain.targets import TARGETS, TargetMaker
from biosig.recording import Recording

OF_THE_RECORDING = ("ecg_quality", "ppg_quality", "eeg_artefacts")
"""Families of columns about the recording's quality, which augmentations alter while targets stay as they are."""


@dataclass(frozen=True)
class TargetColumn:
    """A column of features that is taught.

    Parameters
    ----------
    kind, family : str
        "ecg", and the module that measures it: "ecg_rhythm".
    column : Column
        Its entry in the registry.
    """

    kind: str
    family: str
    column: Column


@cache
def taught_columns() -> dict[str, TargetColumn]:
    """Columns that are taught, by the name before the index: "ecg.rate".

    Columns per electrode of an EEG are left out: a montage has them or not, and those of regions say the same.
    """
    return {
        f"{kind}.{column.name}": TargetColumn(kind, entry.family, column)
        for kind in KINDS
        for entry in features(kind)
        for column in entry.columns
        if entry.family not in OF_THE_RECORDING and not (kind == "eeg" and column.index == "channel")
    }


def column_of(name: str) -> TargetColumn:
    """Description of a column of a table: "ecg.r_amplitude[V1]"."""
    return taught_columns()[name.partition("[")[0]]


@TARGETS.register
class FeatureTargets(TargetMaker):
    """Features and criteria of all kinds."""

    name: ClassVar[str] = "features"

    @property
    def version(self) -> str:
        """The columns with their formulae, and the version of this package."""
        formulae = [(name, taught.column.unit, taught.column.formula) for name, taught in taught_columns().items()]
        return f"{__version__} {hashlib.sha256(repr(formulae).encode()).hexdigest()[:12]}"

    def __call__(self, recording: Recording) -> Mapping[str, float]:
        """Numbers by column; NaN where the recording cannot carry one, as amplitudes of an unknown unit."""
        values, _ = measure(recording, KINDS)
        return {name: value for name, value in values.items() if name.partition("[")[0] in taught_columns()}
