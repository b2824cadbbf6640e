"""The contract of a term: what holds of each in the registry `biosig.pretrain.objectives.OBJECTIVES`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import biosig
from biosig import config as configuration
from biosig.batches.loader import LoadedBatch
from biosig.device import autocast
from biosig.errors import UsageError
from biosig.models.presets import preset
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.draw_views import draw_views
from biosig.pretrain.loop import pretrain
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.pretrain.objectives.base import abilities, check_needs
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.objectives.rebuilding import RebuildingTerm
from biosig.pretrain.state import TRAINING_STATE
from biosig.tensor_files import read_tensors
from contracts.pretraining import PRESETS, first_windows, small_objective, small_run


class Stopped(Exception):
    """A run that ends where a test wants it to."""


def losses(run: PretrainConfig, objective: Objective, loaded: LoadedBatch, step: int = 1) -> dict[str, Tensor]:
    """What a step logs, and its loss, with the random numbers of that step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step)
        return objective(draw_views(objective, loaded, run.masking, [run.seed, 0, step]))


def check_learns(run: PretrainConfig) -> None:
    """30 steps on one repeated batch: all that is logged is finite, and by its own `check` each term learns."""
    objective = small_objective(run)
    loaded = first_windows(run, objective)
    objective.before_run(lambda: iter([draw_views(objective, loaded, run.masking, [run.seed, 3])]))
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=1e-3)
    logged = []
    for step in range(1, 31):
        parts = losses(run, objective, loaded)
        optimizer.zero_grad()
        parts["loss"].backward()
        optimizer.step()
        objective.after_step(step, 30)
        logged.append({key: value.item() for key, value in parts.items()})
    assert np.isfinite([list(parts.values()) for parts in logged]).all(), "what is logged is not finite"
    for name, term in zip(objective.names, objective.terms, strict=True):
        first, last = logged[0], logged[-1]
        if len(objective.terms) > 1:
            first, last = ({k.removeprefix(f"{name}/"): v for k, v in p.items() if "/" in k} for p in (first, last))
        assert term.check(first, last), f"{name} does not learn: {first} to {last}"


@torch.no_grad()
def check_is_not_constant(run: PretrainConfig) -> None:
    """Over ten batches the loss is not always the same."""
    objective = small_objective(run)
    found = {
        losses(run, objective, first_windows(run, objective, start=n % 4, most=3 + n % 3), step=n)["loss"].item()
        for n in range(10)
    }
    assert len(found) > 1, "the loss is constant over ten batches"


def check_gradients(run: PretrainConfig) -> None:
    """Each trainable parameter gets a gradient, and no frozen one does; the mask hides words too, as not all do.

    What a view alone uses of an encoder may go without, where no term looks at that: pooling, mask vector, pulse rates.
    """
    run = replace(run, masking=BlockMasking())
    objective = small_objective(run)
    loaded = first_windows(run, objective)
    if objective.encoder.config.fused is not None:  # its stems are told where a scale is unknown
        log_scale = torch.where(loaded.batch.window == 1, torch.nan, loaded.batch.log_scale)
        loaded = loaded._replace(batch=replace(loaded.batch, log_scale=log_scale))
    views = draw_views(objective, loaded, run.masking, [run.seed, 0, 1])
    objective(views)["loss"].backward()
    passes = [vars(views).get(f"_{name}") for name in ("full", "visible", "causal")]
    idle = set() if any(states and "pooled" in vars(states) for states in passes) else {"pool.query", "cls"}
    idle |= set() if "_visible" in vars(views) else {"mask_vector"}
    idle |= set() if {"_visible", "_full"} & vars(views).keys() else {"stems.ppg.rates."}  # of a whole window
    idle |= {
        f"stems.{modality}." for modality in objective.encoder.config.contract.keys() - loaded.batch.patches.keys()
    }
    without, frozen = [], []
    taught = [set(term.teaches) or set(objective.encoder.config.contract) for term in run.objective]
    unseen = set(objective.encoder.config.contract) - set().union(*taught)  # modalities that no term looks at
    for name, parameter in objective.named_parameters():
        if unseen & set(name.split(".")):
            continue
        reached = parameter.grad is not None and parameter.grad.abs().max() > 0
        if parameter.requires_grad and not reached and not name.removeprefix("encoder.").startswith(tuple(idle)):
            without.append(name)
        if not parameter.requires_grad and parameter.grad is not None:
            frozen.append(name)
    assert not without, f"no gradient reaches {without}"
    assert not frozen, f"a gradient reaches the frozen {frozen}"


@torch.no_grad()
def check_unseen_samples(run: PretrainConfig) -> None:
    """Invalid samples change nothing; hidden ones change nothing that the encoder makes of visible tokens."""
    objective = small_objective(run).eval()
    loaded = first_windows(run, objective)
    views = draw_views(objective, loaded, run.masking, [run.seed, 0, 1])

    def changed(rows: Tensor, real: bool) -> Objective:
        ids, batch = {"ecg": 0, "ppg": 1, "eeg": 2}, views.batch
        patches = {}
        for m, x in batch.patches.items():
            samples = rows[batch.modality == ids[m]][:, None] & (real | ~batch.sample_valid[m])
            patches[m] = torch.where(samples, 9.0, x)
        return replace(views, batch=replace(batch, patches=patches))

    is_fused = views.encoder.config.fused is not None  # which takes the real samples of a patch that is not whole
    invalid = changed(~views.batch.valid, real=not is_fused)
    assert torch.equal(objective(views)["loss"], objective(invalid)["loss"]), "invalid samples change the loss"
    hidden = changed(views.mask, real=True)
    assert torch.equal(views.visible().output, hidden.visible().output), "hidden samples are seen"
    for term in objective.terms:
        if isinstance(term, RebuildingTerm):
            for one, other in zip(term.predict(views), term.predict(hidden), strict=True):
                assert all(torch.equal(one[m], other[m]) for m in one), "hidden samples change what is rebuilt"


@torch.no_grad()
def check_windows_are_independent(run: PretrainConfig) -> None:
    """What a change of one window does to the loss does not depend on another window, unless it is said to."""
    if any(term.mixes_windows for term in run.objective):
        return
    objective = small_objective(run).eval()
    loaded = first_windows(run, objective)
    views = draw_views(objective, loaded, run.masking, [run.seed, 0, 1])
    ids = {"ecg": 0, "ppg": 1, "eeg": 2}

    def loss(*moved: int) -> float:
        batch = views.batch
        patches = {}
        for m, x in batch.patches.items():
            window = batch.window[batch.modality == ids[m]]
            move = torch.isin(window, torch.tensor(moved, dtype=torch.int64))
            patches[m] = torch.where(move[:, None], 1.5 * x + 0.5, x)
        return objective(replace(views, batch=replace(batch, patches=patches)))["loss"].item()

    neither, first, second, both = loss(), loss(0), loss(1), loss(0, 1)
    assert first != neither, "a window changes nothing"
    assert both - second == pytest.approx(first - neither, rel=1e-3, abs=3e-6), "windows see each other"


def check_resumes(run: PretrainConfig) -> None:
    """A run that is stopped after its second step and goes on has the same weights, moments, teacher and buffers."""

    def until(last: int) -> Callable[..., None]:
        def stop(stage: str, step: int, *_: object) -> None:
            if (stage, step) == ("pretrain", last):  # not while targets are measured
                raise Stopped

        return stop

    whole, parts = replace(run, out=run.out / "whole"), replace(run, out=run.out / "parts")
    for config, steps in ((whole, [5]), (parts, [2, 5])):
        for last in steps:
            with pytest.raises(Stopped):
                pretrain(config, until(last))
    one, other = (read_tensors(config.out / TRAINING_STATE) for config in (whole, parts))
    assert one.keys() == other.keys()
    differing = [name for name in one if not torch.equal(one[name], other[name])]
    assert not differing, f"after resuming other values of {differing[:5]}"
    log = [_losses_in(config.out / "log.jsonl") for config in (whole, parts)]
    assert log[0] == log[1], "after resuming another loss"


def _losses_in(log: Path) -> list[float]:
    return [line["loss"] for line in map(json.loads, log.read_text().splitlines()) if line["part"] == "train"]


@torch.no_grad()
def check_is_a_function_of_seed_and_step(run: PretrainConfig) -> None:
    """The same seed and step give the same loss."""
    found = []
    for _ in range(2):
        objective = small_objective(run)
        found.append(losses(run, objective, first_windows(run, objective))["loss"])
        torch.rand(7)  # whatever else draws
    assert torch.equal(*found), "the same seed and step give another loss"


@torch.no_grad()
def check_bfloat16(run: PretrainConfig) -> None:
    """In bfloat16 what is logged stays finite."""
    objective = small_objective(run)
    loaded = first_windows(run, objective)
    with autocast(torch.device("cpu"), "bfloat16"):
        assert all(value.isfinite() for value in losses(run, objective, loaded).values()), "not finite in bfloat16"


def check_keys(run: PretrainConfig) -> None:
    """What is written is read back; an unknown key is refused, with the known ones; a preset that lacks needs too."""
    values = configuration.to_dict(run)
    assert configuration.load(PretrainConfig, values) == run
    for number, term in enumerate(run.objective):
        terms = [dict(other) for other in values["objective"]]
        terms[number]["no_such_key"] = 1
        with pytest.raises(UsageError, match=r"no_such_key.*known keys are .*weight"):
            configuration.load(PretrainConfig, values | {"objective": terms})
        for name in PRESETS:
            if not set(term.needs) <= abilities(preset(name)):
                with pytest.raises(UsageError, match=f"objective {term.name} needs .*'{name}'"):
                    check_needs(term, preset(name))


def check_publishes(run: PretrainConfig) -> None:
    """`config.yaml` and the model card name each term; the model loads; the run keeps no second encoder."""
    folder = pretrain(replace(run, out=run.out / "published", steps=1))
    written, card = (run.out / "published" / "config.yaml").read_text(), (folder / "README.md").read_text()
    for term in run.objective:
        assert f"name: {term.name}" in written
        assert term.summary.endswith("."), f"the summary of {term.name} is no sentence"
        assert f"`{term.name}` (weight {term.weight:g}" in card
        assert term.summary in card
        assert term.paper in card
    assert biosig.load_model(folder).trained
    decoder = run.out / "published" / "decoder.safetensors"
    own = {f"terms.{n}.{key}" for n, t in enumerate(small_objective(run).terms) for key in t.state_dict()}
    kept = read_tensors(decoder).keys() if decoder.exists() else set()
    assert any({f"terms.{n}.{key}" for key in kept} <= own for n in range(len(run.objective)))


CLAUSES = [
    check_keys,
    check_is_a_function_of_seed_and_step,
    check_learns,
    check_is_not_constant,
    check_gradients,
    check_unseen_samples,
    check_windows_are_independent,
    check_bfloat16,
    check_resumes,
    check_publishes,
]


def check_term(term: TermConfig, folder: Path) -> None:
    """Hold a term to all clauses, alone, on a mixed batch. Raises an AssertionError that says what it breaks."""
    run = small_run(folder, term)
    for clause in CLAUSES:
        clause(run)


def check(name: str, folder: Path = Path("contract")) -> None:
    """Hold the registered term of a name to all clauses."""
    check_term(OBJECTIVES[name](), folder)
