"""The objective of a run: a weighted sum of terms over shared views, and the teacher that they look at.

Shape letters: N tokens of the packed row.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from biosig.batches.packed import PackedBatch
from biosig.errors import UsageError
from biosig.models.encoder import Encoder
from biosig.pretrain.objectives import TermConfig, implementation_of
from biosig.pretrain.objectives.base import Term, check_needs
from biosig.pretrain.objectives.rebuilding import RebuildingTerm
from biosig.pretrain.objectives.views import Views
from biosig.pretrain.targets import Targets


class Objective(nn.Module):
    """Objective of a run: its encoder and the terms of its loss, with the teacher that some of them need.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training.
    terms : sequence of TermConfig
        One and more.
    momentum : float
        Of the moving average that terms with `uses_teacher` look at.
    targets : Targets, optional
        Of the training windows, for terms that name some.

    Raises
    ------
    UsageError
        If the encoder lacks what a term needs, a term keeps the encoder, there are no targets for one, or two give
        columns of one name.
    """

    terms: Sequence[Term]

    def __init__(
        self,
        encoder: Encoder,
        terms: Sequence[TermConfig],
        momentum: float = 0.998,
        targets: Targets | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.momentum = encoder, momentum
        self.weights = [term.weight for term in terms]
        for config in terms:
            check_needs(config, encoder.config)
        made = [_made(encoder, config, targets) for config in terms]
        self.terms = nn.ModuleList(made)  # type: ignore[assignment]
        self.teacher: Encoder | None = None
        own = {id(parameter) for parameter in encoder.parameters()}
        for term in self.terms:
            if any(id(parameter) in own for parameter in term.parameters()):
                raise UsageError(f"The term {term.config.name} keeps the encoder: take it from views.encoder instead.")
        self.heads()  # two of one column are refused now, and not when the run ends
        if any(config.uses_teacher for config in terms):
            self.teacher = copy.deepcopy(encoder).requires_grad_(False).eval()

    @property
    def names(self) -> list[str]:
        """Names of the terms in the log, with a number where one comes twice."""
        names = [term.config.name for term in self.terms]
        count, seen = Counter(names), Counter[str]()
        out = []
        for name in names:
            seen[name] += 1
            out.append(name if count[name] == 1 else f"{name}_{seen[name]}")
        return out

    def views(
        self,
        batch: PackedBatch,
        mask: Tensor,
        redraw: Callable[[], Views] | None = None,
    ) -> Views:
        """Views of a batch for this encoder, on its device."""
        device = next(self.encoder.parameters()).device
        return Views(self.encoder, batch.to(device), mask.to(device), self.teacher, redraw)

    def forward(self, views: Views) -> dict[str, Tensor]:
        """The loss to minimise, "loss", and the terms' logged values; of several terms, names begin with the term's."""
        losses: list[Tensor] = []
        logged: dict[str, Tensor] = {}
        for name, weight, term in zip(self.names, self.weights, self.terms, strict=True):
            loss, parts = term(views)
            losses.append(weight * loss)
            if len(self.terms) == 1:
                logged |= parts
            else:
                logged |= {f"{name}/{key}": value for key, value in {"loss": loss.detach(), **parts}.items()}
        return {"loss": torch.stack(losses).sum() if losses[1:] else losses[0], **logged}

    def train(self, mode: bool = True) -> Objective:
        """Switch dropout on or off; the teacher has none."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    @torch.no_grad()
    def before_run(self, batches: Callable[[], Iterable[Views]]) -> None:
        """Let terms look at the data before the first step, each from its beginning."""
        for term in self.terms:
            if type(term).before_run is not Term.before_run:
                term.before_run(batches())

    @torch.no_grad()
    def after_step(self, step: int, steps: int) -> None:
        """Move the teacher towards the encoder, and let terms update their state."""
        if self.teacher is not None:
            for average, now in zip(self.teacher.parameters(), self.encoder.parameters(), strict=True):
                average.lerp_(now, 1 - self.momentum)
        for term in self.terms:
            term.after_step(step, steps)

    def heads(self) -> list[nn.Module]:
        """The heads that the terms keep with the weights.

        Raises
        ------
        UsageError
            If two heads have a column of one name.
        """
        heads = [head for term in self.terms for head in term.named_heads()]
        names = Counter(name for head in heads for name in head.config.columns)  # type: ignore[union-attr]
        twice = [name for name, times in names.items() if times > 1]
        if twice:
            raise UsageError(f"Two heads give {', '.join(twice[:5])}: leave one of their terms out.")
        return heads

    def rebuilding_term(self) -> RebuildingTerm | None:
        """The first term that can rebuild hidden patches; None if none can."""
        return next((term for term in self.terms if isinstance(term, RebuildingTerm)), None)

    @torch.inference_mode()
    def reconstruct(self, batch: PackedBatch, mask: Tensor) -> dict[str, Tensor]:
        """The packed patches {modality: (N_m, P_m)} with the hidden ones replaced by their reconstruction.

        Raises
        ------
        UsageError
            If no term rebuilds anything.
        """
        term = self.rebuilding_term()
        if term is None:
            raise UsageError(
                f"The objective {' + '.join(self.names)} rebuilds nothing: choose a run with one that does."
            )
        return term.reconstruct(self.views(batch, mask))

    @staticmethod
    def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A state with the names of 0.1.0, which had one term and wrote its weights beside the encoder's."""
        known = ("encoder.", "terms.", "teacher.")
        return {name if name.startswith(known) else f"terms.0.{name}": tensor for name, tensor in state.items()}


def _made(encoder: Encoder, config: TermConfig, targets: Targets | None) -> Term:
    """A term, with its targets where it names some."""
    if not config.targets:
        return implementation_of(config)(encoder, config)
    if targets is None or not set(config.targets) <= targets.values.keys():
        raise UsageError(
            f"The objective {config.name} needs the targets {', '.join(config.targets)} of the training windows: load "
            "them with biosig.pretrain.target_tables.load_targets."
        )
    return implementation_of(config)(encoder, config, targets)
