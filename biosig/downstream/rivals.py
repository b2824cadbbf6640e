"""The methods of a probe's table that are not fitted on pooled embeddings, by way of those of fine-tuning.

Trees on hand-made features or on age and sex, covariances, a supervised network from scratch, and the attention head:
all see the probe's windows and parts, choose by its validation part, and are calibrated there.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from biosig.downstream.bench import Bench
from biosig.downstream.contenders import FIXED_MONTAGE, run_of, test_predictions
from biosig.downstream.examples import FrozenExamples
from biosig.downstream.objective import LossConfig
from biosig.downstream.parts import Parts
from biosig.downstream.prepared import PreparedWindows
from biosig.downstream.settings import FineTuneConfig, TuneStage
from biosig.downstream.standing import without_misfits
from biosig.downstream.task import Task
from biosig.downstream.unfinished import Unfinished
from biosig.errors import UsageError
from biosig.evaluate.metrics import Floats
from biosig.models.model import Model
from biosig.progress import Progress

if TYPE_CHECKING:
    from biosig.downstream.probe_config import ProbeConfig


def bench_for(
    config: ProbeConfig, task: Task, model: Model, methods: Sequence[str], progress: Progress | None
) -> tuple[Bench, list[str], list[str]]:
    """What the methods share, which of them these windows suit, and what to say of the others.

    Raises
    ------
    DataError
        If a baseline that the configuration names needs one montage, and windows differ.
    """
    windows = PreparedWindows(
        task.labelled.windows, model.contract, keep_bytes=config.keep_gb * 1e9, channels=config.channels
    )
    if config.head == "attention" or set(methods) & set(FIXED_MONTAGE):
        windows.survey(progress)
    kept, remarks = without_misfits(methods, FIXED_MONTAGE, windows, named=config.baselines is not None)
    if config.head == "attention":
        model = _up_to_layer(model, config)
    frozen = FrozenExamples(windows, model.encoder, model.device, config.keep_gb * 1e9)
    return Bench(_settings(config), model, windows, task.labelled.y, frozen, progress), kept, remarks


def rival_predictions(bench: Bench, method: str, fold: int, part: Parts, out: Unfinished | None = None) -> Floats:
    """Predictions (n, K) or (n,) of the windows of a test part; what `out` holds is not computed again."""
    run = run_of(method, fold, bench.config.seed, part, out, keep_weights=False)
    return test_predictions(bench, run)[method]


def _settings(config: ProbeConfig) -> FineTuneConfig:
    """The probe in the words of a fine-tuning that tunes nothing but a head."""
    return FineTuneConfig(
        model=config.model,
        shards=config.shards,
        target=config.target,
        windows=config.windows,
        split=config.split,
        query=config.query,
        loss=LossConfig(balanced=config.target.kind in ("classes", "multilabel")),  # as the other heads weigh
        probe=config.attention,
        tune=TuneStage(lr=0.0, epochs=0, mixup=False, method="probe"),
        convolutional=config.network,
        network_width=config.network_width,
        seed=config.seed,
        calibration=config.calibration,
        keep_gb=config.keep_gb,
        device=config.device,
    )


def _up_to_layer(model: Model, config: ProbeConfig) -> Model:
    """The model whose output is the layer that an attention head reads."""
    if model.config.cls:
        raise UsageError(f"Model '{model.name}' has no pool query for head=attention: choose another head.")
    if config.layer == -1:
        return model
    assert isinstance(config.layer, int)
    if not 0 <= config.layer <= model.config.depth:
        raise UsageError(f"There is no layer {config.layer}: model '{model.name}' has {model.config.depth} blocks.")
    encoder = copy.deepcopy(model.encoder)
    encoder.blocks, encoder.norm = encoder.blocks[: config.layer], nn.Identity()
    return Model(encoder, model.trained, model.card, model.folder, model.tokenizer)
