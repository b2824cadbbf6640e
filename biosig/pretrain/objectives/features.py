"""Hand-made features as targets: to predict them from a few leads or seconds, a network has to read their waves.

Shape letters: W windows that have a modality, F columns, E width of the neck.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from biosig.models.pooled_head import PooledHead
from biosig.pretrain.objectives.columns import Columns, ColumnTerm
from biosig.pretrain.objectives.configs.features import FeaturesConfig
from biosig.pretrain.targets import Targets
from biosig.pretrain.targets.by_person import ByPerson, usual_of
from biosig.pretrain.targets.features import TargetColumn

LARGEST = 4.0
"""Deviations at which a target is clipped."""

SMALLEST_SPREAD = 0.1
"""Deviations that are added to a person's own spread, so that a column that hardly varies does not become large."""


class FeatureColumns(Columns):
    """The features of one modality in deviations from their median over the training windows, or those of each source.

    Parameters
    ----------
    embed_dim, picked
        As for `Columns`.
    targets : Targets
        Of the training windows, of the picked columns.
    config : FeaturesConfig
        The term's keys.
    per_source : bool
        True for a median and a scale of each source's own windows.
    """

    centre: Tensor  # (F,), or (sources, F)
    scale: Tensor  # (F,), or (sources, F)

    def __init__(
        self, embed_dim: int, picked: NDArray[np.int64], targets: Targets, config: FeaturesConfig, per_source: bool
    ) -> None:
        super().__init__(embed_dim, config.width, targets.columns["features"], picked)
        self.config, self.per_source = config, per_source
        values, source = targets.values["features"], targets.source
        if per_source and source is not None:
            known = [standards(values[source == number]) for number in range(int(source.max()) + 1)]
            centre, scale = (np.stack(part) for part in zip(*known, strict=True))
        else:
            self.per_source, (centre, scale) = False, standards(values)
        self.register_buffer("centre", torch.from_numpy(centre))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.absolute = nn.Linear(config.width, len(picked))
        self.relative = nn.Linear(config.width, len(picked)) if config.relative else None
        for head in (self.absolute, self.relative):
            if head is not None:
                nn.init.normal_(head.weight, std=0.01)  # near the median, where a gradient reaches the encoder

    def made_head(self, kind: str) -> PooledHead | None:
        """The features in their own units; None if they are taught in deviations within each source."""
        if self.per_source:
            return None
        head = self.head(kind, self.absolute, "linear")
        head.centre.copy_(self.centre)
        head.scale.copy_(self.scale)
        return head

    def errors(self, z: Tensor, target: Tensor, holds: Tensor, extras: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Huber's loss of the features and, where it is asked for, of their deviation from the person's mean (W,)."""
        centre, scale = self.centre, self.scale
        if self.per_source:
            centre, scale = centre[extras["source"]], scale[extras["source"]]  # (W, F)
            holds = holds & (scale > 0)
        wanted = ((target - centre) / scale).nan_to_num().clamp(-LARGEST, LARGEST)  # (W, F)
        errors = {"loss": self.of_windows(self._huber(self.absolute(z), wanted), holds)}
        if self.relative is not None:
            mean, spread = extras["features_usual"][:, :, self.picked].unbind(1)  # (W, F)
            deviation = (target - mean) / (spread + SMALLEST_SPREAD * scale)
            known = holds & deviation.isfinite()
            deviation = deviation.nan_to_num().clamp(-LARGEST, LARGEST)
            errors["relative"] = self.of_windows(self._huber(self.relative(z), deviation), known)
            errors["loss"] = errors["loss"] + self.config.relative * errors["relative"]
        return errors

    def _huber(self, predicted: Tensor, wanted: Tensor) -> Tensor:
        return F.huber_loss(predicted.float(), wanted, reduction="none", delta=self.config.huber)


class Features(ColumnTerm):
    """Predicts features; criteria among the columns are left to a term of their own."""

    def wants(self, column: TargetColumn) -> bool:
        """True for a column that is not a criterion, and whose dependence on gains is asked for."""
        return not column.column.name.startswith("score_") and (self.config.amplitudes or not column.column.amplitude)

    def make(self, kind: str, embed_dim: int, picked: NDArray[np.int64], targets: Targets) -> FeatureColumns:
        """The features of a modality."""
        return FeatureColumns(embed_dim, picked, targets, self.config, kind in self.config.per_source)

    def by_person(self, targets: Targets, person: NDArray[np.int64]) -> Mapping[str, ByPerson]:
        """Mean and deviation of the features of each person, where they are taught relative to these."""
        if not self.config.relative:
            return {}
        if self.config.per_source and targets.source is not None:
            person = np.unique(np.column_stack((targets.source, person)), axis=0, return_inverse=True)[1]
        return {"features_usual": usual_of(targets.values["features"], person)}


def standards(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Median and scale (F,) of columns (n, F); NaN where nothing is measured.

    The scale is (90 % quantile − 10 % quantile) / 2.56, the deviation of a normal distribution whatever lies in its
    tails; where both are one, as of columns that are mostly absent, it is the standard deviation.
    """
    centre, scale = np.empty((2, values.shape[1]), np.float32)
    for column, numbers in enumerate(values.T):
        known = numbers[np.isfinite(numbers)].astype(np.float64)
        if not len(known):
            centre[column] = scale[column] = np.nan
            continue
        low, centre[column], high = np.quantile(known, [0.1, 0.5, 0.9])
        scale[column] = (high - low) / 2.56 if high > low else known.std()
    return centre, scale
