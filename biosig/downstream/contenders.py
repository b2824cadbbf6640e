"""The methods of a fine-tuning table: the model on trial and its baselines, each from parts to test predictions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from biosig.downstream.bench import Bench, Run
from biosig.downstream.classifier import save_classifier
from biosig.downstream.contexts import Contexts
from biosig.downstream.examples import DenseExamples, Examples, FrozenExamples, PackedExamples
from biosig.downstream.linear import DEFAULT_PENALTY, fit_predict, uninformed
from biosig.downstream.parts import Parts
from biosig.downstream.standing import demographic_features
from biosig.downstream.training import fit, predict_spans
from biosig.downstream.tuning import fine_tune, new_classifier
from biosig.downstream.unfinished import Unfinished
from biosig.downstream.use import use_of
from biosig.evaluate.baselines.boosting import boosted_predictions
from biosig.evaluate.baselines.eegnet import EEGNet
from biosig.evaluate.baselines.s4 import S4
from biosig.evaluate.baselines.shallow import ShallowFBCSPNet
from biosig.evaluate.baselines.tangent import tangent_space_predictions
from biosig.evaluate.baselines.xresnet import XResNet
from biosig.evaluate.ledger import Ledger
from biosig.evaluate.metrics import Floats
from biosig.evaluate.splits import Rows
from biosig.models.checkpoint import read_tensors, write_tensors
from biosig.pretrain.publish import ledger_of
from biosig.training.seeding import seeded

FIXED_MONTAGE = ("eegnet", "shallow", "tangent", "xresnet", "s4")
"""Methods that need all windows to have the same channels and length."""

SEEDLESS = ("chance", "tangent", "handmade", "demographics")
"""Methods without anything random."""


class Scored(NamedTuple):
    """What one fit says of windows: probabilities (n, K), or values (n,)."""

    validation: Floats | None  # of the validation part, from which a calibration is learned; None where none is wanted
    test: Floats


def run_of(method: str, fold: int, seed: int, parts: Parts, out: Unfinished | None, keep_weights: bool) -> Run:
    """One fit of one method, as it is known in folders and to the random numbers."""
    run = Run(method, ["model", *_BASELINES].index(method), fold, seed, parts)
    if out is None:
        return run
    weights = out.result / "weights" / run.name if keep_weights and method == "model" else None
    return replace(run, weights=weights, work=out.work / method / run.name)


def test_predictions(bench: Bench, run: Run) -> dict[str, Floats]:
    """Predictions (n, K) or (n,) of the test part's windows, by one fit of one method; of the model by each input.

    What a run that was killed has finished is read, not computed again.
    """
    done = run.work and run.work.with_suffix(".safetensors")
    if done is not None and done.exists():
        return {name: tensor.numpy() for name, tensor in read_tensors(done).items()}
    if run.work:
        run.work.mkdir(parents=True, exist_ok=True)
    predictions = _tuned(bench, run) if run.method == "model" else {run.method: _baseline(bench, run)}
    if done is not None:
        write_tensors({name: torch.from_numpy(np.ascontiguousarray(p)) for name, p in predictions.items()}, done)
        shutil.rmtree(done.with_suffix(""))
    return predictions


def _tuned(bench: Bench, run: Run) -> dict[str, Floats]:
    objective = bench.objective_in_context(run.parts)
    classifier = fine_tune(
        bench.model.encoder,
        bench.frozen,
        bench.contexts.truth(bench.y),
        objective,
        bench.contexts.parts(run.parts),
        bench.config,
        run.key,
        bench.progress,
        run.title,
        run.work,
    )
    named = {"model": bench.read} | {f"model, {name}": windows for name, windows in bench.inputs.items()}
    examples = {name: PackedExamples(windows, bench.model.device) for name, windows in named.items()}

    def said(those: Examples, rows: Rows) -> Floats:
        return predict_spans(classifier, those, objective, bench.contexts, rows, bench.config.tune.batch_size)

    classifier.calibration = bench.calibration(run.parts, said(examples["model"], run.parts.validation))
    if run.weights is not None:
        use = use_of(bench.config, bench.windows, run.parts)
        save_classifier(classifier, use, run.weights, _card(bench, run), bench.model.tokenizer)
        _ledger(bench, run).save(run.weights)
    return {name: classifier.calibration(said(those, run.parts.test)) for name, those in examples.items()}


def _baseline(bench: Bench, run: Run) -> Floats:
    scored = _BASELINES[run.method](bench, run)
    return scored.test if scored.validation is None else bench.calibration(run.parts, scored.validation)(scored.test)


def _random_weights(bench: Bench, run: Run) -> Scored:
    encoder = bench.model.with_random_weights(int(np.random.default_rng(run.key).integers(2**31))).encoder
    classifier = new_classifier(encoder, bench.objective_in_context(run.parts), bench.read, bench.config, run.key)
    classifier.train_head_only()
    frozen = FrozenExamples(bench.read, encoder, bench.model.device, bench.config.keep_gb * 1e9)
    return _fitted(bench, run, classifier, frozen, bench.contexts)


def _from_scratch(bench: Bench, run: Run) -> Scored:
    encoder = bench.model.with_random_weights(int(np.random.default_rng(run.key).integers(2**31))).encoder
    classifier = new_classifier(encoder, bench.objective_in_context(run.parts), bench.read, bench.config, run.key)
    return _fitted(bench, run, classifier, PackedExamples(bench.read, bench.model.device), bench.contexts)


def _network(make: Callable[[Bench, int, int], nn.Module]) -> Callable[[Bench, Run], Scored]:
    """A method of a network that takes arrays, from what makes one for a number of channels and of outputs."""

    def predictions(bench: Bench, run: Run) -> Scored:
        n_chans = sum(len(stream.values) for stream in bench.windows[0])
        with seeded(run.key):
            network = make(bench, n_chans, len(bench.objective(run.parts).names))
        dense = DenseExamples(bench.windows, bench.model.device)
        return _fitted(bench, run, network.to(bench.model.device), dense, Contexts.alone(bench.windows.windows))

    return predictions


def _fitted(bench: Bench, run: Run, network: nn.Module, examples: Examples, contexts: Contexts) -> Scored:
    stage, objective = bench.config.stage_of(run.method), bench.objective(run.parts)
    fit(
        network,
        examples,
        contexts.truth(bench.y),
        objective,
        contexts.parts(run.parts),
        stage,
        bench.config.optimizer,
        run.key,
        bench.progress,
        run.title,
        run.work and run.work / "fit.safetensors",
    )
    of_validation, of_test = (
        predict_spans(network, examples, objective, contexts, rows, stage.batch_size)
        for rows in (run.parts.validation, run.parts.test)
    )
    return Scored(of_validation, of_test)


def _tangent(bench: Bench, run: Run) -> Scored:
    x_train, x_validation, x_test = (
        np.stack([bench.windows[row][0].values for row in rows.tolist()]).astype(np.float64)
        for rows in (run.parts.train, run.parts.validation, run.parts.test)
    )
    y_train, y_validation = bench.y[run.parts.train], bench.y[run.parts.validation]
    unseen = np.concatenate((x_validation, x_test))
    scores = tangent_space_predictions(x_train, y_train, x_validation, y_validation, unseen, _sfreq(bench))
    return Scored(scores[: len(x_validation)], scores[len(x_validation) :])


def _handmade(bench: Bench, run: Run) -> Scored:
    return _from_features(bench, run, bench.features[0])


def _demographics(bench: Bench, run: Run) -> Scored:
    windows = bench.windows.windows
    return _from_features(bench, run, demographic_features(windows.ds, bench.config.target)[windows.recording])


def _from_features(bench: Bench, run: Run, X: Floats) -> Scored:
    """A linear Cox model of a time to an event, boosted trees of all else."""
    y, parts = bench.y, run.parts
    if bench.config.target.kind == "survival":
        hazards = fit_predict(X[parts.train], y[parts.train], X[parts.test], DEFAULT_PENALTY, "survival")
        return Scored(None, hazards)
    train, validation = ((X[rows], y[rows]) for rows in (parts.train, parts.validation))
    unseen = X[np.concatenate((parts.validation, parts.test))]
    scores = boosted_predictions(train, validation, unseen, bench.config.target.kind, bench.config.seed)
    return Scored(scores[: len(parts.validation)], scores[len(parts.validation) :])


def _chance(bench: Bench, run: Run) -> Scored:
    return Scored(None, uninformed(bench.y[run.parts.train], len(run.parts.test), bench.config.target.kind))


def _eegnet(bench: Bench, n_chans: int, n_outputs: int) -> nn.Module:
    return EEGNet(n_chans, bench.windows[0][0].values.shape[1], _sfreq(bench), n_outputs)


def _shallow(bench: Bench, n_chans: int, n_outputs: int) -> nn.Module:
    return ShallowFBCSPNet(n_chans, bench.windows[0][0].values.shape[1], _sfreq(bench), n_outputs)


def _xresnet(bench: Bench, n_chans: int, n_outputs: int) -> nn.Module:
    return XResNet(n_chans, n_outputs, bench.config.network_width)


def _s4(bench: Bench, n_chans: int, n_outputs: int) -> nn.Module:
    return S4(n_chans, n_outputs, bench.config.network_width)


# Random numbers depend on the place in this list: add at its end.
_BASELINES: dict[str, Callable[[Bench, Run], Scored]] = {
    "chance": _chance,
    "from_scratch": _from_scratch,
    "eegnet": _network(_eegnet),
    "shallow": _network(_shallow),
    "tangent": _tangent,
    "random_weights": _random_weights,
    "handmade": _handmade,
    "xresnet": _network(_xresnet),
    "s4": _network(_s4),
    "demographics": _demographics,
}


def _sfreq(bench: Bench) -> float:
    return bench.model.contract[bench.windows[0][0].modality].sfreq


def _ledger(bench: Bench, run: Run) -> Ledger:
    """What the tuned weights have seen: whose labels they learned or were chosen by, and what pretraining saw."""
    learned = bench.windows.windows[np.concatenate((run.parts.train, run.parts.validation))]
    return ledger_of(learned, bench.model.folder)


def _card(bench: Bench, run: Run) -> str:
    """The model card of tuned weights."""
    name, start = bench.model.name, "trained" if bench.model.trained else "random"
    return "\n".join(
        [
            f"# {name}, tuned to {bench.config.target.title}",
            "",
            f"From {start} weights of revision {bench.model.revision}, on {len(run.parts.train)} windows; "
            f"{len(run.parts.validation)} chose the epoch, {len(run.parts.test)} were never seen (fold {run.fold}, "
            f"seed {run.seed}).",
            "",
            "`biosig predict` applies them, `biosig.downstream.classifier.load_classifier` reads the encoder with its "
            "head, `biosig.load_model` the encoder alone. What holds for the weights that it was tuned from holds for "
            "these, their licence included.",
            "",
            "For research, not a medical device.",
            "",
        ]
    )
