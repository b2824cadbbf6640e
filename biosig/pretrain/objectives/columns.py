"""Base of terms that predict columns of features: choice of columns, masks, weights of windows and families.

Shape letters: B windows, W windows that have a modality, F columns of that modality, G families of columns, D
embed_dim.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biosig.errors import UsageError
from biosig.models.encoder import Encoder
from biosig.models.heads.pooled import PooledHeadConfig
from biosig.models.pooled_head import PooledHead
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.neck import Neck, pooled_tokens
from biosig.pretrain.objectives.views import Views
from biosig.pretrain.targets import Targets
from biosig.pretrain.targets.features import TargetColumn, column_of

logger = logging.getLogger(__name__)

FEWEST = 0.02
"""Share of the windows with a modality that a column must be measured in."""


class Columns(nn.Module):
    """The columns of one modality, and the neck that their heads read.

    Parameters
    ----------
    embed_dim, width : int
        Of tokens and neck.
    names : sequence of str
        The columns of the targets.
    picked : ndarray of int64, shape (F,)
        Numbers of the columns that are predicted.
    """

    picked: Tensor
    amplitude: Tensor  # (F,) bool: hangs on the size of the signals
    ratio: Tensor  # (F,) bool: of these, hangs on the channels' sizes relative to each other alone
    leads: Tensor  # (F,) bool: hangs on which lead is which
    family: Tensor  # (F, G) one where a column is of a family

    def __init__(self, embed_dim: int, width: int, names: tuple[str, ...], picked: NDArray[np.int64]) -> None:
        super().__init__()
        self.names = tuple(names[column] for column in picked)
        known = [column_of(name) for name in self.names]
        families = sorted({column.family for column in known})
        self.neck = Neck(embed_dim, width)
        for name, values in (
            ("picked", torch.from_numpy(picked)),
            ("amplitude", torch.tensor([c.column.amplitude for c in known])),
            ("ratio", torch.tensor([c.column.ratio for c in known])),
            ("leads", torch.tensor([c.kind == "ecg" and not c.column.timing for c in known])),
            ("family", torch.tensor([[float(c.family == family) for family in families] for c in known])),
        ):
            self.register_buffer(name, values, persistent=False)

    def holds(self, target: Tensor, changed: Tensor | None) -> Tensor:
        """Mask of targets (W, F) that are measured, and still hold of windows after the changes in `changed` (W, 3)."""
        known = target.isfinite()
        if changed is None:
            return known
        amplitude, leads, balance = changed.bool().unbind(1)  # (W,)
        size = torch.where(self.ratio, balance[:, None], amplitude[:, None]) & self.amplitude  # (W, F)
        return known & ~size & ~(leads[:, None] & self.leads)

    def of_windows(self, error: Tensor, holds: Tensor) -> Tensor:
        """The error of each window (W,): the mean over its families of the mean over their columns that hold."""
        with torch.autocast(error.device.type, enabled=False):  # which would sum in bfloat16
            found = holds.float() @ self.family  # (W, G)
            total = torch.where(holds, error.float(), 0.0) @ self.family
        return (total / found.clamp(min=1)).sum(1) / (found > 0).sum(1).clamp(min=1)

    def head(self, kind: str, linear: nn.Linear, link: Literal["linear", "logistic"]) -> PooledHead:
        """A copy of neck and linear layer as a head of a modality."""
        config = PooledHeadConfig(kind, self.names, linear.in_features, link)
        head: PooledHead = config.make(self.neck.linear.in_features // 3)
        head.neck.load_state_dict(self.neck.state_dict())
        head.linear.load_state_dict(linear.state_dict())
        return head.eval()

    def made_head(self, kind: str) -> PooledHead | None:
        """The head that is kept with the weights, if there is one."""
        raise NotImplementedError

    def errors(self, z: Tensor, target: Tensor, holds: Tensor, extras: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss (W,) of vectors (W, E) of the neck as "loss", and its summands; `extras` are the windows'."""
        raise NotImplementedError


class ColumnTerm(Term):
    """A term that predicts columns of features from pooled tokens, a neck for each modality.

    Each window weighs the same, and in it each modality with a column that holds.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training, for its sizes.
    config : TermConfig
        With `width`.
    targets : Targets
        Of the training windows.

    Raises
    ------
    UsageError
        If no column can be taught.
    """

    parts: Mapping[str, Columns]

    def __init__(self, encoder: Encoder, config: Any, targets: Targets) -> None:
        super().__init__(encoder, config)
        names, values = targets.columns["features"], targets.values["features"]
        self.parts = nn.ModuleDict()  # type: ignore[assignment]
        for kind in encoder.config.contract:

            def is_wanted(column: TargetColumn, kind: str = kind) -> bool:
                return column.kind == kind and self.wants(column)

            picked = pick(names, values, is_wanted)
            if len(picked):
                mine = replace(targets, values={"features": values[:, picked]})
                self.parts[kind] = self.make(kind, encoder.config.embed_dim, picked, mine)  # type: ignore[index]
        if not self.parts:
            raise UsageError(
                f"The objective {config.name} finds nothing to teach: no column is measured in {FEWEST:.0%} of the "
                f"windows and differs between them. Windows may be too short, or of kinds that the model does not read."
            )

    def wants(self, column: TargetColumn) -> bool:
        """True for a column that the term predicts."""
        raise NotImplementedError

    def make(self, kind: str, embed_dim: int, picked: NDArray[np.int64], targets: Targets) -> Columns:
        """The columns of a modality, numbered `picked` (F,); the features of `targets` are theirs (n_windows, F)."""
        raise NotImplementedError

    def named_heads(self) -> list[nn.Module]:
        """A head of each modality whose columns are taught in units of their own."""
        heads = [part.made_head(kind) for kind, part in self.parts.items()]
        return [head for head in heads if head is not None]

    def forward(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss of the windows that have a column that holds, and that of each modality."""
        states, extras, values = views.full(), views.extras, views.extras["features"]
        total, count = values.new_zeros(2, len(values))
        logged: dict[str, Tensor] = {}
        for kind, part in self.parts.items():
            windows, pooled = pooled_tokens(views, states, kind)
            if not len(windows):
                continue
            own = {name: extra[windows] for name, extra in extras.items()}
            target = own["features"][:, part.picked]  # (W, F)
            holds = part.holds(target, own.get("changed"))
            some = holds.any(1).to(values.dtype)
            errors = part.errors(part.neck(pooled), target.nan_to_num(), holds, own)
            total = total.index_add(0, windows, errors["loss"])
            count = count.index_add(0, windows, some)
            logged |= {f"{name}_{kind}": (e.sum() / some.sum().clamp(min=1)).detach() for name, e in errors.items()}
        loss = (total / count.clamp(min=1)).sum() / (count > 0).sum().clamp(min=1)
        if not loss.requires_grad and torch.is_grad_enabled():  # no window of these modalities
            loss = loss + 0 * sum(parameter.sum() for parameter in self.parameters())
        return loss, logged


def pick(
    names: tuple[str, ...], values: NDArray[np.float32], wanted: Callable[[TargetColumn], bool]
) -> NDArray[np.int64]:
    """Choose columns (F,) that are wanted, measured in windows enough, and not constant; the others are logged."""
    rows = np.array([row for row, name in enumerate(names) if wanted(column_of(name))], np.int64)
    if not len(rows):
        return rows
    found = np.isfinite(values[:, rows])
    share = found.sum(0) / max(int(found.any(1).sum()), 1)
    least = np.where(found, values[:, rows], np.inf).min(0, initial=np.inf)
    most = np.where(found, values[:, rows], -np.inf).max(0, initial=-np.inf)
    few, constant = share < FEWEST, least == most
    for reason, which in ((f"measured in less than {FEWEST:.0%} of the windows", few), ("constant", constant & ~few)):
        if which.any():
            left = [names[row] for row in rows[which]]
            logger.info("Not taught, since %s (%d columns): %s.", reason, len(left), ", ".join(left))
    return rows[~few & ~constant]
