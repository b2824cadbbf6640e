"""Every term of the registry keeps the contract, and terms that break it are found out."""

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from contracts.objectives import (
    CLAUSES,
    check_gradients,
    check_learns,
    check_resumes,
    check_term,
    check_unseen_samples,
)
from contracts.pretraining import FUSED, KINDS, fitting_presets, small_run
from torch import nn

from biosig.errors import UsageError
from biosig.models.presets import preset
from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.pretrain.objectives.base import Term

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the shards stay from test to test."""
    return tmp_path_factory.mktemp("contract")


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_term_keeps_each_clause(name, clause, folder, tmp_path):
    clause(replace(small_run(folder, OBJECTIVES[name]()), out=tmp_path))


QUICK = (check_gradients, check_unseen_samples)
"""What fused tokens could break of a term that keeps its clauses on tokens of single channels."""


@pytest.mark.parametrize(
    "clause",
    [pytest.param(clause, marks=[] if clause in QUICK else pytest.mark.slow) for clause in CLAUSES],
    ids=[clause.__name__.removeprefix("check_") for clause in CLAUSES],
)
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if FUSED in fitting_presets((OBJECTIVES[name](),))[1:]])
def test_a_term_keeps_each_clause_on_fused_tokens(name, clause, folder, tmp_path):
    clause(replace(small_run(folder, OBJECTIVES[name](), model=FUSED), out=tmp_path))


def is_taught(term, kind, model):
    """Whether recordings of a kind have what a term looks at, and the preset reads that."""
    taught = set(term.teaches) or {"ecg", "ppg", "eeg"}
    there = {"mixed": {"ecg", "ppg", "eeg"}, "reports": {"ecg"}}.get(kind, {kind})
    return bool(taught & there & preset(model).contract.keys())


PAIRS = [
    pair for pair in itertools.combinations(OBJECTIVES, 2) if fitting_presets(tuple(OBJECTIVES[n]() for n in pair))
][:3]
MATRIX = [
    (names, kind, model)
    for names in [*((name,) for name in OBJECTIVES), *PAIRS]
    for kind in KINDS
    for model in fitting_presets(tuple(OBJECTIVES[name]() for name in names))
    if kind in ("mixed", "eeg") or model != "reve-small"
    if kind != "eeg" or model != "csfm-tiny"
    if kind != "reports" or model not in ("reve-small", FUSED)
    if all(is_taught(OBJECTIVES[name], kind, model) for name in names)
]


@pytest.mark.slow
@pytest.mark.parametrize(("names", "kind", "model"), MATRIX, ids=lambda part: "+".join(part) if part is tuple else None)
def test_terms_learn_and_resume_alone_and_in_pairs_on_signals_of_each_kind(names, kind, model, folder, tmp_path):
    run = small_run(folder, *(OBJECTIVES[name]() for name in names), kind=kind, model=model)
    for clause in (check_learns, check_resumes):
        clause(replace(run, out=tmp_path / clause.__name__))


@dataclass(frozen=True)
class Planted(TermConfig):
    name: ClassVar[str] = "planted"
    summary: ClassVar[str] = "The spread of the pooled vectors is brought to one."


class Sound(Term):
    """Keeps the contract: each window's vector and position codes are brought to length one."""

    def __init__(self, encoder, config):
        super().__init__(encoder, config)
        self.head = nn.Linear(encoder.config.embed_dim, 1, bias=False)

    def forward(self, views):
        seen = views.visible()
        position = seen.position[views.mask]
        x = seen.pooled[views.batch.window[views.mask]] + position
        return (self.head(x) - 1).square().mean(), {}


class Constant(Sound):
    def forward(self, views):
        return 0 * super().forward(views)[0] + 1, {}


class NotFinite(Sound):
    def forward(self, views):
        return super().forward(views)[0], {"odd": torch.tensor(torch.nan)}


class Idle(Sound):
    """Has a parameter that nothing reaches."""

    def __init__(self, encoder, config):
        super().__init__(encoder, config)
        self.unused = nn.Parameter(torch.ones(3))


class Forgetful(Sound):
    """Keeps something from step to step where no checkpoint finds it."""

    queue = 0.0

    def forward(self, views):
        return super().forward(views)[0] * (1 + self.queue), {}

    def after_step(self, step, steps):
        self.queue += 0.1


class Whimsical(Sound):
    """Draws without the seed."""

    def forward(self, views):
        return super().forward(views)[0] * np.random.default_rng().random(), {}


class Sociable(Sound):
    """Lets windows see each other without having said so."""

    def forward(self, views):
        pooled = views.visible().pooled
        return super().forward(views)[0] + (pooled @ pooled.T).square().mean(), {}


class Peeping(Sound):
    """Looks at samples that are no real values."""

    def forward(self, views):
        return super().forward(views)[0] + 1e-3 * sum(x.square().mean() for x in views.batch.patches.values()), {}


class Hoarding(Sound):
    """Keeps the encoder."""

    def __init__(self, encoder, config):
        super().__init__(encoder, config)
        self.mine = encoder


BROKEN = {
    Constant: "constant|does not learn",
    NotFinite: "not finite",
    Idle: "no gradient reaches .*unused",
    Forgetful: "after resuming",
    Whimsical: "same seed and step",
    Sociable: "windows see each other",
    Peeping: "invalid samples",
    Hoarding: "keeps the encoder",
}


@pytest.fixture
def planted(monkeypatch):
    """Registers a term for one test."""
    list(OBJECTIVES)
    monkeypatch.setattr(OBJECTIVES, "_members", {**OBJECTIVES._members})

    def plant(implementation):
        config = type("Planted", (Planted,), {"implementation": implementation, "__doc__": "Planted."})
        return OBJECTIVES.register(config)()

    return plant


def test_a_sound_term_of_another_package_keeps_the_contract(planted, tmp_path):
    check_term(planted(Sound), tmp_path)


@pytest.mark.parametrize("implementation", BROKEN, ids=lambda cls: cls.__name__)
def test_a_term_that_breaks_the_contract_is_found_out(implementation, planted, tmp_path):
    with pytest.raises((AssertionError, UsageError), match=BROKEN[implementation]):
        check_term(planted(implementation), tmp_path)
