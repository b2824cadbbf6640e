"""The training loop: the same on one CPU core and on a GPU, resumed exactly where it was killed.

Everything random in a step is drawn from (seed, step), and the order of windows from (seed, epoch), so a run that was
killed and started again takes the same steps as one that was not.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from biosig import config as configuration
from biosig.batches.loader import BatchPlan, LoadedBatch, count_tokens, in_order, load_batches
from biosig.batches.windows import Windows
from biosig.device import autocast, resolve_device
from biosig.errors import UsageError
from biosig.file_sums import SUMS, DamagedWorkWarning, FileSums, check, guarded, remove
from biosig.lock import locked
from biosig.models.checkpoint import save
from biosig.models.report_tokens import RecordingWords
from biosig.pretrain.build import build_encoder, build_objective, build_words
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.draw_views import draw_views, term_transform
from biosig.pretrain.model_card import ledger_of, model_card
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.objectives.views import Views
from biosig.pretrain.precision import try_precisions
from biosig.pretrain.state import TRAINING_STATE, save_decoder
from biosig.pretrain.target_tables import load_targets, target_names
from biosig.pretrain.targets import Targets
from biosig.pretrain.windows import draw, load_windows, shares
from biosig.progress import Progress
from biosig.termination import sigterm
from biosig.text_files import read_yaml
from biosig.training.log import RunLog
from biosig.training.loop import take_step
from biosig.training.optimizer import make_optimizer, set_lr
from biosig.training.seeding import seeded
from biosig.training.state import TrainingState
from biosig.training.weights import MovingAverage, load_trainable_state

logger = logging.getLogger(__name__)

VALIDATION_WINDOWS = 256
_FREE_TO_CHANGE = (
    "out",
    "device",
    "workers",
    "cache_gb",
    "log_every",
)  # of a run that goes on: they do not change its weights
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
        If the folder holds a run of another configuration, or another process is running it.
    DataError
        If the loss is not finite, the windows hold no valid token, the disk is full, or the checkpoint is damaged.
    SystemExit
        With status 143 after SIGTERM: the checkpoint of the last step is written.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    with locked(config.out, "pretrain"):
        return _run(config, progress)


def _run(config: PretrainConfig, progress: Progress | None) -> Path:
    out = config.out
    config = _of_this_run(out, config)
    if (out / "model" / "config.json").exists():
        remove(out / TRAINING_STATE)  # of a run that was killed as it ended
        return out / "model"
    train, validation = load_windows(config)
    with guarded(out / "config.yaml") as temporary:
        configuration.dump(config, temporary)
    held = draw(validation, VALIDATION_WINDOWS, config.seed)
    names = target_names(config)
    targets, held_targets = (load_targets(config, windows, names, progress) for windows in (train, held))
    device = resolve_device(config.device)
    with seeded(config.seed):
        objective = build_objective(config, build_encoder(config), targets).to(device)
    average = None if config.ema is None else MovingAverage(objective, config.ema, mean_first=True)
    state = TrainingState(objective, make_optimizer(objective, config.optimizer), average=average, whole=True)
    if (out / TRAINING_STATE).exists():
        state.load(out / TRAINING_STATE, objective.renamed)
    elif TRAINING_STATE in getattr(FileSums.read(out), "digests", ()):
        logger.warning("%s is gone: training begins at its first step again.", out / TRAINING_STATE)
    start = state.step
    contract = objective.encoder.config.contract
    words = build_words(config)
    drawn = shares(config, train) or ()
    plan = BatchPlan(count_tokens(train, contract, words), config.batch_tokens, config.seed, *drawn)
    validator = _Validator(config, held, objective, words, held_targets)
    if words and words.n_cut:
        logger.warning("%d reports are longer than %d tokens and are cut there.", words.n_cut, words.n_tokens)
    log = RunLog(out, start, state.log)
    if not start:
        with seeded([config.seed, _PREVIEW_STREAM], device):
            objective.before_run(lambda: _first_batches(config, objective, train, plan, words, targets))
    stream = [config.seed, _TRAINING_STREAM]
    transform = term_transform(objective, train, stream, start + 1, targets, config.augment)
    batches, keep_bytes = list(plan.batches(start, config.steps)), 1e9 * config.cache_gb / max(config.workers, 1)
    loader = load_batches(train, batches, contract, config.workers, words, transform, keep_bytes)
    if not start and config.precision == "auto":
        first = partial(_first_batches, config, train=train, plan=plan, words=words, targets=targets)
        config = validator.config = _with_precision(config, objective, lambda trial: next(first(trial), None), log)
    with sigterm() as terminating:
        for step, loaded in enumerate(loader, start + 1):
            began = time.perf_counter()
            set_lr(state.optimizer, config.optimizer.learning_rate(step, config.steps))
            losses = _train_step(config, objective, state.optimizer, loaded, step)
            state.step = step
            if average:
                average.update(objective)
            if step % config.log_every == 0 or step == config.steps:
                losses["lr"] = state.optimizer.param_groups[0]["lr"]
                seconds = time.perf_counter() - began
                losses["tokens_per_second"] = loaded.batch.n_tokens / seconds  # type: ignore[union-attr]
                log.write(step, "train", losses)
            if step % config.validate_every == 0 or step == config.steps:
                with average.in_place_of(objective) if average else nullcontext():
                    log.write(step, "validation", validator())
            stopping = terminating.asked
            if step % config.checkpoint_every == 0 or stopping:
                state.log = log.flush()
                state.save(out / TRAINING_STATE)
            if progress:
                progress("pretrain", step, config.steps, f"loss {losses['loss']:.3f}")
            if stopping:
                terminating.obey()
    log.close()
    if average:
        load_trainable_state(objective, average.values)
    save_decoder(objective, out)
    ledger = ledger_of(train, config.weights)
    ledger.save(out / "model")  # before the model, which may never stand there without it
    card = model_card(config, objective.encoder, train, words, ledger)
    tokenizer = words.tokenizer if words else None
    folder = save(objective.encoder, True, out / "model", card, tokenizer, objective.heads())
    remove(out / TRAINING_STATE)
    return folder


def _of_this_run(out: Path, config: PretrainConfig) -> PretrainConfig:
    """Check that the run folder holds this run, which goes on in the order that it began with.

    If the saved configuration was changed or is gone, it proves nothing: a warning says so, and the given one holds.
    """
    path, sums = out / "config.yaml", FileSums.read(out)
    goes_on = (out / TRAINING_STATE).exists()
    state = sums.state(path.name) if sums else "sound"
    if goes_on and state == "gone":
        _warn(f"{path} is gone: this run goes on by the configuration that it is given.")
    if not path.exists():
        return config
    check(path)
    if state == "sound" or (state == "unlisted" and sums and sums.sound):
        begun = configuration.load(PretrainConfig, path)
        is_old = "order" not in read_yaml(path, f"delete {out}")  # of 0.1.0, which knew that of the index alone
        config = replace(config, order="index" if is_old else begun.order)
        if config.precision == "auto":  # what a trial chose when the run began
            config = replace(config, precision=begun.precision)
        if goes_on and sums is None and not is_old:
            _warn(f"{out / SUMS} is gone: nothing guards what this run goes on from.")
        theirs, ours = configuration.to_dict(replace(begun, order=config.order)), configuration.to_dict(config)
        differing = [key for key in ours if ours[key] != theirs[key] and key not in _FREE_TO_CHANGE]
        if differing:
            raise UsageError(f"{out} holds a run with another {', '.join(differing)}: give another out, or delete it.")
    return config


def _with_precision(
    config: PretrainConfig, objective: Objective, look: Callable[[Objective], Views | None], log: RunLog
) -> PretrainConfig:
    """The configuration with the precision that a trial finds, as it is then kept for a run that goes on."""
    with seeded([config.seed, _PREVIEW_STREAM], next(objective.parameters()).device):
        trial = try_precisions(objective, look)
    if trial is None:
        return config
    logger.info("%s", trial)
    log.write(0, "precision", {str(name): seconds for name, seconds in trial.seconds.items()})
    config = replace(config, precision=trial.choice)
    with guarded(config.out / "config.yaml") as temporary:
        configuration.dump(config, temporary)
    return config


def _warn(message: str) -> None:
    warnings.warn(message, DamagedWorkWarning, stacklevel=2)


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
    config: PretrainConfig,
    objective: Objective,
    train: Windows,
    plan: BatchPlan,
    words: RecordingWords | None,
    targets: Targets,
) -> Iterator[Views]:
    """The batches of the first epoch, for terms that look at the data before the first step."""
    stream = [config.seed, _PREVIEW_STREAM]
    transform = term_transform(objective, train, stream, targets=targets)
    contract = objective.encoder.config.contract
    loader = load_batches(train, plan.epoch(0), contract, reports=words, transform=transform)
    for number, loaded in enumerate(loader):
        if loaded.batch is not None:
            yield draw_views(objective, loaded, config.masking, [*stream, number])


class _Validator:
    """The masked loss on held-out subjects: the same windows and the same masks every time."""

    def __init__(
        self,
        config: PretrainConfig,
        windows: Windows,
        objective: Objective,
        words: RecordingWords | None,
        targets: Targets,
    ) -> None:
        self.config, self.windows, self.objective, self.words = config, windows, objective, words
        self.targets = targets
        contract = objective.encoder.config.contract
        self.batches = in_order(count_tokens(windows, contract, words), config.batch_tokens) if len(windows) else []

    @torch.inference_mode()
    def __call__(self) -> dict[str, float]:
        totals: dict[str, list[float]] = defaultdict(list)
        contract = self.objective.encoder.config.contract
        stream = [self.config.seed, _VALIDATION_STREAM]
        transform = term_transform(self.objective, self.windows, stream, targets=self.targets)
        loader = load_batches(self.windows, self.batches, contract, reports=self.words, transform=transform)
        self.objective.eval()
        for number, loaded in enumerate(loader):
            if loaded.batch is not None:
                for key, value in _losses(self.config, self.objective, loaded, [*stream, number]).items():
                    totals[key].append(value.item())
        self.objective.train()
        return {key: float(np.mean(values)) for key, values in totals.items()}
