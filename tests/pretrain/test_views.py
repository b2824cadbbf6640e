"""The views of a step: what each pass of the encoder sees, and that each is computed once."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from contracts.pretraining import PRESETS, first_windows, recordings, small_objective, small_run, small_size

from biosig.batches.contract import prepare
from biosig.batches.packed import pack
from biosig.errors import UsageError
from biosig.models.build import make_encoder
from biosig.models.presets import preset
from biosig.pretrain.build import resize
from biosig.pretrain.draw_views import draw_views, term_transform
from biosig.pretrain.loop import pretrain
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.pretrain.objectives.base import Term
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.pretrain.objectives.objective import Objective

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass(frozen=True)
class Pooled(TermConfig):
    """The size of the pooled vectors, as seen by encoder and teacher."""

    name: ClassVar[str] = "pooled"
    summary: ClassVar[str] = "Pooled vectors are made equal."
    uses_teacher: ClassVar[bool] = True


class PooledTerm(Term):
    def forward(self, views):
        return (views.full().pooled - views.teacher().pooled + 1).square().mean(), {}


Pooled.implementation = PooledTerm


@pytest.fixture(params=PRESETS)
def encoder(request):
    return make_encoder(resize(preset(request.param), small_size(request.param))).eval()


@pytest.fixture
def batch(encoder):
    contract = encoder.config.contract
    prepared = [prepare(recording, contract) for recording in recordings()]
    windows = [window for window in prepared if any(stream.valid.any() for stream in window)]
    words = [[3, 4, 5], *([()] * (len(windows) - 1))] if encoder.config.text else None
    return pack(windows, contract, words)


@pytest.fixture
def views(encoder, batch):
    return Objective(encoder, []).views(batch, BlockMasking()(batch, np.random.default_rng(0)))


@torch.no_grad()
def test_a_full_pass_gives_what_the_encoder_gives(encoder, batch, views):
    full = views.full()
    tokens, cls = encoder.encode(batch)
    assert torch.equal(full.output, tokens[full.rows])
    if cls is not None:
        assert torch.equal(full.pooled, cls)
    assert len(full.layers) == encoder.config.depth + 1
    assert views.full() is full
    assert torch.equal(full.position, views.visible().position)
    if encoder.config.fused is None:
        assert not views.mask[views.visible().rows].any()
    else:
        hidden = encoder.token_hidden(batch, views.mask)
        assert hidden.any()
        assert torch.equal(hidden, views.hidden_share == 1)


IDS = {"ecg": 0, "ppg": 1, "eeg": 2}


def altered(views, rows):
    """The same views with other samples in the patches `rows` (P,)."""
    batch = views.batch
    chosen = {m: rows[batch.modality == IDS[m]][:, None] for m in batch.patches}
    return replace(
        views,
        batch=replace(batch, patches={m: torch.where(chosen[m], x.flip(1) + 1, x) for m, x in batch.patches.items()}),
    )


@torch.no_grad()
def test_a_causal_pass_sees_nothing_later(encoder, batch, views):
    """Samples after a moment are changed: tokens that end before it stay as they are, later ones do not."""
    contract = encoder.config.contract
    moment = 20000
    changed = altered(views, batch.ends(contract) > moment)
    one, other = views.causal(), changed.causal()
    before = (views.tokens.ends(contract) <= moment)[one.rows]
    after = ~before & (views.tokens.ends(contract) >= 1.3 * moment)[one.rows]
    for x, y in zip((*one.layers, one.output), (*other.layers, other.output), strict=True):
        assert torch.allclose(x[before], y[before], atol=1e-5)
        assert not torch.allclose(x[after], y[after], atol=1e-2)
    assert not torch.allclose(views.full().output[before], changed.full().output[before])
    assert before.any()
    assert not torch.allclose(one.pooled, other.pooled)  # a window's vector sees all of it


@torch.no_grad()
def test_a_causal_pass_sees_all_that_is_not_later(encoder, batch, views):
    """The last token of a window sees what it sees without the limit, in the first block."""
    if encoder.config.fused is not None:
        pytest.skip("its stem and convolutions see another stretch then")
    first = [states.layers[1] for states in (views.causal(), views.full())]
    window, rows = views.full().window, views.full().rows
    ends = batch.ends(encoder.config.contract)[rows]
    last = torch.stack([ends == ends[window == w].max() for w in range(batch.n_windows)])
    last = last[window, torch.arange(len(window))]
    if not encoder.config.cls:  # which sees everything, and is seen in a full pass
        assert torch.allclose(first[0][last], first[1][last], atol=1e-5)
    assert not torch.allclose(first[0][~last], first[1][~last], atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("masked", ["patches", "a channel", "a time"])
def test_a_visible_pass_sees_no_hidden_sample(encoder, batch, views, masked):
    """Whether single patches, a whole channel or all channels at a time are hidden, their samples change nothing."""
    which = {
        "patches": views.mask,
        "a channel": batch.channel_index == 0,
        "a time": (batch.position[:, 3] > 1) & (batch.position[:, 3] < 2),
    }
    views = replace(views, mask=which[masked] & batch.valid & (batch.modality < 3))
    seen, changed = views.visible(), altered(views, views.mask)
    for x, y in zip((seen.local, *seen.layers), (changed.visible().local, *changed.visible().layers), strict=True):
        assert torch.equal(x, y)
    assert not torch.allclose(views.full().output, changed.full().output, atol=1e-2)


def test_the_teacher_is_the_moving_average_of_the_encoder(tmp_path):
    run = small_run(tmp_path, Pooled())
    objective = small_objective(run)
    start = {name: p.clone() for name, p in objective.encoder.named_parameters()}
    with torch.no_grad():
        for parameter in objective.encoder.parameters():
            parameter.add_(1.0)
    objective.after_step(1, 5)
    for name, average in objective.teacher.named_parameters():
        assert not average.requires_grad
        torch.testing.assert_close(average, start[name] + 0.002)
    loaded = first_windows(run, objective)
    views = draw_views(objective, loaded, run.masking, [0, 0, 1])
    assert not views.teacher().pooled.requires_grad
    assert not objective.train().teacher.training
    assert run.teacher.momentum == 0.998


def test_views_that_a_run_does_not_keep_are_refused_in_a_sentence(views):
    with pytest.raises(UsageError, match="set uses_teacher = True"):
        views.teacher()
    with pytest.raises(UsageError, match="draw_views"):
        views.second()


def test_a_second_view_is_the_same_windows_with_another_mask(tmp_path):
    run = small_run(tmp_path, ReconstructionConfig())
    objective = small_objective(run)
    loaded = first_windows(run, objective)
    views, again = (draw_views(objective, loaded, run.masking, [0, 0, 1], 0.01) for _ in range(2))
    assert views.second() is views.second()
    assert torch.equal(views.second().mask, again.second().mask)
    assert not torch.equal(views.second().mask, views.mask)
    assert not torch.equal(views.second().batch.position, views.batch.position)
    assert all(torch.equal(views.second().batch.patches[m], x) for m, x in views.batch.patches.items())


@dataclass(frozen=True)
class Noisy(TermConfig):
    """Asks the loader for subjects, and adds noise and its size."""

    name: ClassVar[str] = "noisy"
    summary: ClassVar[str] = "The size of added noise is guessed from the pooled vector."
    extras: ClassVar[tuple[str, ...]] = ("subject", "size")


class NoisyTerm(Term):
    seen: ClassVar[list] = []

    def __init__(self, encoder, config):
        super().__init__(encoder, config)
        self.guess = torch.nn.Linear(encoder.config.embed_dim, 1)
        self.register_buffer("mean", torch.zeros(()))

    @classmethod
    def augment(cls, config, batch, rng):
        size = torch.from_numpy(rng.random(batch.n_windows).astype(np.float32))  # (B,)
        noisy = {}
        for modality, patches in batch.patches.items():
            of = batch.window[batch.modality == {"ecg": 0, "ppg": 1, "eeg": 2}[modality]]
            noise = torch.from_numpy(rng.standard_normal(patches.shape, np.float32))
            noisy[modality] = patches + size[of][:, None] * noise
        return replace(batch, patches=noisy), {"size": size}

    def before_run(self, batches):
        self.mean += torch.cat([views.extras["size"] for views in batches]).mean()

    def forward(self, views):
        self.seen.append(views.extras["subject"])
        guess = self.guess(views.full().pooled)[:, 0] + self.mean
        return (guess - views.extras["size"]).square().mean(), {}


Noisy.implementation = NoisyTerm


@pytest.fixture
def noisy(monkeypatch):
    list(OBJECTIVES)
    monkeypatch.setattr(OBJECTIVES, "_members", {**OBJECTIVES._members})
    return OBJECTIVES.register(Noisy)()


def test_terms_augment_in_the_loader_ask_for_subjects_and_look_at_data_before_the_run(noisy, tmp_path):
    run = replace(small_run(tmp_path, noisy), steps=3)
    objective = small_objective(run)
    one, same = (first_windows(run, objective).batch for _ in range(2))
    assert torch.equal(one.extras["size"], same.extras["size"])
    assert sorted(one.extras["recording"].tolist()) == list(range(one.n_windows))
    subjects = one.extras["subject"].tolist()
    assert subjects.count(-1) == 1  # of the monitor none is known
    assert len(set(subjects)) == one.n_windows
    folder = pretrain(run)
    assert folder.exists()
    in_workers = pretrain(replace(run, out=tmp_path / "workers", workers=1))
    states = [(f.parent / "log.jsonl").read_text() for f in (folder, in_workers)]
    assert [s.split("tokens_per")[0] for s in states[0].splitlines()] == [
        s.split("tokens_per")[0] for s in states[1].splitlines()
    ]


def test_what_nobody_gives_is_refused(noisy, tmp_path, monkeypatch):
    monkeypatch.setattr(Noisy, "extras", ("heart_rate",))
    run = small_run(tmp_path, noisy)
    with pytest.raises(UsageError, match="noisy asks for heart_rate; there are subject, recording, source, size"):
        first_windows(run, small_objective(run))


def test_a_run_whose_terms_ask_for_nothing_leaves_batches_as_they_are(tmp_path):
    run = small_run(tmp_path, ReconstructionConfig())
    assert term_transform(small_objective(run), None, [0]) is None
