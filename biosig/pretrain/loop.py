"""The training loop: the same on one CPU core and on a GPU, resumed exactly where it was killed.

Everything random in a step is drawn from (seed, step), and the order of windows from (seed, epoch), so a run that was
killed and started again takes the same steps as one that was not.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from biosig import config as configuration
from biosig.batches.loader import BatchPlan, LoadedBatch, count_tokens, in_order, load_batches
from biosig.batches.windows import Windows
from biosig.device import autocast, resolve_device
from biosig.errors import UsageError
from biosig.models.checkpoint import save
from biosig.models.reports import RecordingWords
from biosig.pretrain.build import build_encoder, build_objective, build_words
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.data import draw, load_windows
from biosig.pretrain.draw_views import draw_views, term_transform
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.objectives.views import Views
from biosig.pretrain.publish import ledger_of, model_card
from biosig.pretrain.state import TRAINING_STATE, save_decoder
from biosig.progress import Progress
from biosig.training.log import RunLog
from biosig.training.loop import take_step
from biosig.training.optimizer import make_optimizer, set_lr
from biosig.training.seeding import seeded
from biosig.training.state import TrainingState

logger = logging.getLogger(__name__)

VALIDATION_WINDOWS = 256
_FREE_TO_CHANGE = ("out", "device", "workers", "log_every")  # of a run that goes on: they do not change its weights
_TRAINING_STREAM, _VALIDATION_STREAM, _DROPOUT_STREAM, _PREVIEW_STREAM = range(4)  # so that none has another's masks


def pretrain(config: PretrainConfig, progress: Progress | None = None) -> Path:
    """Run pretraining to its end, from its checkpoint where there is one.

    Parameters
    ----------
    config : PretrainConfig
        The run. Its folder `config.out` gets `config.yaml`, `log.jsonl`, TensorBoard events where that is installed,
        `training.safetensors` while it runs, and `model/` with the encoder.
    progress : callable, optional
        Called after each step.

    Returns
    -------
    Path
        The model's folder, for `biosig.load_model`.

    Raises
    ------
    UsageError
        If the folder holds a run of another configuration.
    DataError
        If the loss is not finite, or the windows hold no valid token.
    """
    out = config.out
    _refuse_another_run(out, config)
    if (out / "model" / "config.json").exists():
        return out / "model"
    train, validation = load_windows(config)
    configuration.dump(config, out / "config.yaml")
    device = resolve_device(config.device)
    with seeded(config.seed):
        objective = build_objective(config, build_encoder(config)).to(device)
    state = TrainingState(objective, make_optimizer(objective, config.optimizer), whole=True)
    if (out / TRAINING_STATE).exists():
        state.load(out / TRAINING_STATE, objective.renamed)
    start = state.step
    contract = objective.encoder.config.contract
    words = build_words(config)
    plan = BatchPlan(count_tokens(train, contract, words), config.batch_tokens, config.seed)
    validator = _Validator(config, draw(validation, VALIDATION_WINDOWS, config.seed), objective, words)
    if words and words.n_cut:
        logger.warning("%d reports are longer than %d tokens and are cut there.", words.n_cut, words.n_tokens)
    log = RunLog(out, start)
    if not start:
        with seeded([config.seed, _PREVIEW_STREAM], device):
            objective.before_run(lambda: _first_batches(config, objective, train, plan, words))
    transform = term_transform(objective, train, [config.seed, _TRAINING_STREAM], start + 1)
    loader = load_batches(train, list(plan.batches(start, config.steps)), contract, config.workers, words, transform)
    for step, loaded in enumerate(loader, start + 1):
        began = time.perf_counter()
        set_lr(state.optimizer, config.optimizer.learning_rate(step, config.steps))
        losses = _train_step(config, objective, state.optimizer, loaded, step)
        state.step = step
        if step % config.log_every == 0 or step == config.steps:
            losses["lr"] = state.optimizer.param_groups[0]["lr"]
            losses["tokens_per_second"] = loaded.batch.n_tokens / (time.perf_counter() - began)  # type: ignore[union-attr]
            log.write(step, "train", losses)
        if step % config.validate_every == 0 or step == config.steps:
            log.write(step, "validation", validator())
        if step % config.checkpoint_every == 0:
            log.flush()
            state.save(out / TRAINING_STATE)
        if progress:
            progress("pretrain", step, config.steps, f"loss {losses['loss']:.3f}")
    log.close()
    save_decoder(objective, out)
    ledger = ledger_of(train, config.weights)
    ledger.save(out / "model")  # before the model, which may never stand there without it
    card = model_card(config, objective.encoder, train, words, ledger)
    folder = save(objective.encoder, True, out / "model", card, words.tokenizer if words else None)
    (out / TRAINING_STATE).unlink(missing_ok=True)
    return folder


def _refuse_another_run(out: Path, config: PretrainConfig) -> None:
    """Make the run folder, or check that what it holds is this run."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "config.yaml"
    if path.exists():
        theirs, ours = configuration.to_dict(configuration.load(PretrainConfig, path)), configuration.to_dict(config)
        differing = [key for key in ours if ours[key] != theirs[key] and key not in _FREE_TO_CHANGE]
        if differing:
            raise UsageError(f"{out} holds a run with another {', '.join(differing)}: give another out, or delete it.")


def _train_step(
    config: PretrainConfig,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    loaded: LoadedBatch,
    step: int,
) -> dict[str, float]:
    dropout_seed = int(np.random.SeedSequence([config.seed, _DROPOUT_STREAM, step]).generate_state(1)[0])
    with seeded(dropout_seed, next(objective.parameters()).device):
        losses = _losses(config, objective, loaded, [config.seed, _TRAINING_STREAM, step], config.position_noise)
    take_step(objective, optimizer, losses["loss"], config.optimizer.clip_norm, step, "optimizer.lr")
    objective.after_step(step, config.steps)
    return {key: value.item() for key, value in losses.items()}


def _losses(
    config: PretrainConfig,
    objective: Objective,
    loaded: LoadedBatch,
    stream: list[int],
    position_noise: float = 0.0,
) -> dict[str, Tensor]:
    views = draw_views(objective, loaded, config.masking, stream, position_noise)
    with autocast(next(objective.parameters()).device, config.precision):
        return objective(views)


def _first_batches(
    config: PretrainConfig, objective: Objective, train: Windows, plan: BatchPlan, words: RecordingWords | None
) -> Iterator[Views]:
    """The batches of the first epoch, for terms that look at the data before the first step."""
    stream = [config.seed, _PREVIEW_STREAM]
    transform = term_transform(objective, train, stream)
    contract = objective.encoder.config.contract
    loader = load_batches(train, plan.epoch(0), contract, reports=words, transform=transform)
    for number, loaded in enumerate(loader):
        if loaded.batch is not None:
            yield draw_views(objective, loaded, config.masking, [*stream, number])


class _Validator:
    """The masked loss on held-out subjects: the same windows and the same masks every time."""

    def __init__(
        self, config: PretrainConfig, windows: Windows, objective: Objective, words: RecordingWords | None
    ) -> None:
        self.config, self.windows, self.objective, self.words = config, windows, objective, words
        contract = objective.encoder.config.contract
        self.batches = in_order(count_tokens(windows, contract, words), config.batch_tokens) if len(windows) else []

    @torch.inference_mode()
    def __call__(self) -> dict[str, float]:
        totals: dict[str, list[float]] = defaultdict(list)
        contract = self.objective.encoder.config.contract
        stream = [self.config.seed, _VALIDATION_STREAM]
        transform = term_transform(self.objective, self.windows, stream)
        loader = load_batches(self.windows, self.batches, contract, reports=self.words, transform=transform)
        self.objective.eval()
        for number, loaded in enumerate(loader):
            if loaded.batch is not None:
                for key, value in _losses(self.config, self.objective, loaded, [*stream, number]).items():
                    totals[key].append(value.item())
        self.objective.train()
        return {key: float(np.mean(values)) for key, values in totals.items()}
