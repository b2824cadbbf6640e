"""The mathematics of terms that predict latents, on cases that can be done by hand."""

import math
from dataclasses import replace

import pytest
import torch
from contracts.pretraining import FUSED, first_windows, small_objective, small_run

from biosig.batches.packed import PackedBatch
from biosig.errors import UsageError
from biosig.pretrain.draw_views import draw_views
from biosig.pretrain.objectives.ahead import ahead
from biosig.pretrain.objectives.configs.cpc import CpcConfig
from biosig.pretrain.objectives.configs.latent import LatentConfig
from biosig.pretrain.objectives.configs.next_latent import NextLatentConfig
from biosig.pretrain.objectives.group_mean import group_mean
from biosig.pretrain.objectives.latent import normalised_mean
from biosig.pretrain.objectives.sigreg import random_directions, sigreg

pytestmark = pytest.mark.filterwarnings("ignore")
ROOT = math.sqrt(2 * math.pi)


def closed_form(x):
    """The integral of `sigreg` for numbers (n,), of Gaussians alone (Epps and Pulley 1983, Biometrika 70:723)."""
    pairs = (-(x[:, None] - x).square() / 2).exp().mean()
    return ROOT * (pairs - math.sqrt(2) * (-x.square() / 4).exp().mean() + 1 / math.sqrt(3))


def test_sigreg_is_epps_and_pulleys_integral_along_each_direction():
    x = 1.5 * torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) + 0.3
    directions = random_directions(3, 4, seed=1)
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(4))
    group = torch.tensor([0] * 25 + [2] * 15)
    found = sigreg(x, group, 3, directions)
    wanted = [torch.stack([closed_form(x[group == g] @ a) for a in directions.T]).mean() for g in (0, 2)]
    torch.testing.assert_close(found[[0, 2]], torch.stack(wanted), atol=1e-3, rtol=1e-3)
    assert found[1] == 0


def test_sigreg_is_small_for_a_gaussian_and_large_for_a_point_a_line_and_a_wide_one():
    generator = torch.Generator().manual_seed(0)
    x, one = torch.randn(2000, 8, generator=generator), torch.zeros(2000, dtype=torch.int64)
    directions = random_directions(8, 64, seed=1)

    def distance(x):
        return float(sigreg(x, one, 1, directions))

    of_twenty = sigreg(x, torch.arange(2000) // 20, 100, directions)
    assert of_twenty.mean() == pytest.approx(ROOT * (1 - 1 / math.sqrt(3)) / 20, rel=0.1)
    point = ROOT * (1 - math.sqrt(2) + 1 / math.sqrt(3))  # all vectors zero
    assert distance(torch.zeros(2000, 8)) == pytest.approx(point, rel=1e-3)
    assert distance(3 * x) > 50 * distance(x)
    assert distance(x * torch.eye(8)[0]) > 50 * distance(x)


def tokens(window, channel, patch, modality=0):
    """A token batch of which only the place of the tokens in their windows matters."""
    nothing = torch.zeros(len(window))
    columns = dict.fromkeys(PackedBatch.__dataclass_fields__, nothing) | {"patches": {}, "sample_valid": {}}
    of = {
        "window": window,
        "channel_index": channel,
        "patch_index": patch,
        "modality": modality * torch.ones(len(window)),
    }
    return PackedBatch(**columns | {name: torch.as_tensor(x).long() for name, x in of.items()} | {"extras": {}})


def test_what_is_ahead_is_of_the_same_window_and_channel_and_no_gap_is_bridged():
    batch = tokens([0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0, 0], [0, 1, 2, 0, 1, 0, 1, 3])
    rows = torch.tensor([7, 6, 5, 0, 1, 2, 3, 4])  # in any order
    for steps, wanted in {1: {(0, 1), (1, 2), (3, 4), (5, 6)}, 2: {(0, 2), (6, 7)}, 3: {(5, 7)}, 4: set()}.items():
        earlier, later = (rows[x].tolist() for x in ahead(batch, rows, steps))
        assert set(zip(earlier, later, strict=True)) == wanted
    assert not len(ahead(tokens([0, 0], [0, 0], [0, 1], modality=3), torch.tensor([0, 1]), 1)[0])  # words
    assert not len(ahead(batch, rows[:0], 1)[0])


def test_each_group_weighs_the_same():
    values, group = torch.tensor([1.0, 3.0, 10.0, 7.0]), torch.tensor([0, 0, 2, 3])
    assert group_mean(values, group) == pytest.approx((2 + 10 + 7) / 3)
    assert group_mean(values, group, torch.tensor([3.0, 1.0, 0.5, 0.0])) == pytest.approx((1.5 + 10) / 2)
    assert group_mean(values[:0], group[:0]) == 0


def test_the_teachers_layers_count_alike_whatever_their_scale():
    x = torch.tensor([[1.0], [3.0], [5.0], [50.0]])
    group = torch.tensor([0, 0, 1, 1])
    sign = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
    torch.testing.assert_close(normalised_mean([x, 100 * x + 7], group), sign, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(normalised_mean([x, -x], group), 0 * sign)


def first_views(folder, term, model=FUSED):
    run = small_run(folder, term, model=model)
    objective = small_objective(run)
    return objective.terms[0], draw_views(objective, first_windows(run, objective), run.masking, [0, 0, 1])


@pytest.mark.parametrize("model", ["biosig-tiny", FUSED])
@torch.no_grad()
def test_contrast_is_the_cross_entropy_of_the_true_future_among_those_that_are_not_near_it(model, tmp_path):
    config = CpcConfig(horizons=(0.5,), apart=1, temperature=0.5)
    term, views = first_views(tmp_path, config, model)
    seen = views.causal()
    of = views.tokens
    future, context = term.future(seen.local), term.context[0](seen.output)
    losses = []
    for modality, (number, stride) in {"ecg": (0, 0.08), "ppg": (1, 0.25), "eeg": (2, 0.25)}.items():
        steps = round(0.5 / (stride if model == FUSED else term.strides[modality]))
        earlier, later = ahead(of, seen.rows, steps)
        own = of.modality[seen.rows[later]] == number
        earlier, later = earlier[own], later[own]
        assert 1 < len(later) <= config.candidates
        by_window = {}
        for i, j in zip(earlier.tolist(), later.tolist(), strict=True):
            cosines = torch.cosine_similarity(context[i][None], future[later], dim=1) / 0.5
            rows = seen.rows[later]
            row = seen.rows[j]
            near = (of.window[rows] == of.window[row]) & ((of.patch_index[rows] - of.patch_index[row]).abs() <= 1)
            kept = ~near | (later == j)
            true = cosines[later == j][0]
            by_window.setdefault(int(of.window[row]), []).append(cosines[kept].logsumexp(0) - true)
        losses.append(torch.stack([torch.stack(x).mean() for x in by_window.values()]).mean())
    assert term(views)[0] == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)


@torch.no_grad()
def test_what_lies_ahead_is_compared_with_what_was_predicted(tmp_path):
    """The second of two parts is the paper's regularisation; the first by hand, token by token."""
    term, views = first_views(tmp_path, NextLatentConfig(horizon=2, sigreg=1e-9))
    seen = views.causal()
    latent, context = term.project(seen.local), term.project(seen.output)
    place = {}
    for m, row in enumerate(seen.rows.tolist()):
        place[int(views.tokens.window[row]), int(views.tokens.modality[row]), int(views.tokens.patch_index[row])] = m
    errors = {}
    for (window, modality, patch), m in place.items():
        if (window, modality, patch + 2) in place:
            error = (context[m] - latent[place[window, modality, patch + 2]]).square().mean()
            errors.setdefault((window, modality), []).append(error)
    wanted = torch.stack([torch.stack(x).mean() for x in errors.values()]).mean()
    loss, logged = term(views)
    assert loss == pytest.approx(float(wanted), rel=1e-5)
    assert logged["loss_sigreg"] > 0


@torch.no_grad()
def test_a_teachers_latents_count_where_something_is_hidden(tmp_path):
    term, views = first_views(tmp_path, LatentConfig(layers=2))
    share = views.hidden_share
    assert ((share > 0) & (share < 1)).any()
    assert (share == 1).any()
    alone = replace(views, mask=views.mask & (share == 1)[views.encoder.token_of(views.batch)])
    assert set(alone.hidden_share.unique().tolist()) == {0.0, 1.0}
    none = replace(views, mask=torch.zeros_like(views.mask))
    assert term(none)[0] == 0
    assert len({float(term(v)[0]) for v in (views, alone)}) == 2


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: NextLatentConfig(sigreg=0), "become one point"),
        (lambda: NextLatentConfig(horizon=0), "horizon of the term next_latent is 0"),
        (lambda: LatentConfig(layers=0), "layers of the term latent is 0"),
        (lambda: LatentConfig(beta=-1), "beta of the term latent"),
        (lambda: CpcConfig(horizons=()), "give seconds above 0"),
        (lambda: CpcConfig(temperature=0), "temperature of the term cpc"),
        (lambda: CpcConfig(candidates=1), "candidates of the term cpc"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(UsageError, match=sentence):
        make()
