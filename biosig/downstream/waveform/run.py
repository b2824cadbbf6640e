"""Run of waveform prediction: tune and test a model on unseen people, beside the mean beat and a linear filter."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from biosig.device import autocast
from biosig.downstream.data.splits import Split, make_parts
from biosig.downstream.data.task import open_model, open_windows
from biosig.downstream.results.cross_modal_scores import correlation, rate_means
from biosig.downstream.results.result import ProbeResult, write_result
from biosig.downstream.results.task_result import unlabelled_result
from biosig.downstream.waveform.baselines import WAVEFORM_BASELINES
from biosig.downstream.waveform.config import WaveformConfig
from biosig.downstream.waveform.dataset import Floats, WaveformWindows
from biosig.downstream.waveform.model import WaveformHead, WaveformModel, save_waveform_model
from biosig.errors import UsageError
from biosig.models.model import Model
from biosig.progress import Progress
from biosig.training.loop import train
from biosig.training.seeding import seeded

METRICS = ["correlation", "rmse"]


def run_waveform(config: WaveformConfig, progress: Progress | None = None) -> ProbeResult:
    """Split windows by subject, tune the model to rebuild the targets, fit the baselines, and score all.

    Parameters
    ----------
    config : WaveformConfig
        The waveform prediction.
    progress : callable, optional
        Called with stage, number done and total.

    Returns
    -------
    ProbeResult
        `table` has a row per method, channel and metric: the correlation within windows, and the root mean square error
        in the channel's unit. `predictions` has both for each window. Also written to `config.out` when that is given,
        with the tuned models in `weights/fold-F/` (`biosig.downstream.waveform_model.load_waveform_model`).

    Raises
    ------
    UsageError
        If the configuration contradicts itself, channels are absent, or `config.out` already holds a result.
    DataError
        If recordings have no subject, or no window has all inputs and a target.
    """
    return write_result(config.out, lambda out: _result(config, out, progress))


def _result(config: WaveformConfig, out: Path | None, progress: Progress | None) -> ProbeResult:
    model = open_model(config.model, config.seed, config.device, config.on_unknown, "a waveform model")
    task = open_windows(config.shards, config.query, config.length, config.stride)
    usable = WaveformWindows(task.labelled.windows, model.contract, config.inputs, config.targets, 0.0).usable()
    if not usable.any():
        raise UsageError(
            f"No window has a real patch of {' and '.join(config.inputs)}, and a target: correct the names."
        )
    task, n_left_out = task.only(usable), int((~usable).sum())
    data = WaveformWindows(task.labelled.windows, model.contract, config.inputs, config.targets, config.cache_gb * 1e9)
    parts, notes = make_parts(config.split, task.labelled, config.seed, task.copies)
    scored = []
    for fold, part in enumerate(parts):
        data.measure(part.train)
        tuned = _tuned(model, data, part, config, fold, progress)
        if out and config.keep_weights:
            save_waveform_model(tuned, out / "weights" / f"fold-{fold}", model.card)
        scored.append(_scores(tuned, data, part, config, task.identifiers()).assign(fold=fold))
    scores = pd.concat(scored, ignore_index=True)
    table, caveats = rate_means(scores, ["channel"], METRICS, config.n_bootstrap, config.seed)
    if len(data.targets) > 1:
        together, _ = rate_means(
            scores.assign(channel="all"), ["channel"], METRICS[:1], config.n_bootstrap, config.seed
        )
        table = pd.concat([table, together], ignore_index=True)
    if n_left_out:
        notes.append(f"{n_left_out} of {len(usable)} windows lack an input or all targets and are left out.")
    units = ", ".join(f"{target.name} in {target.unit(model.contract)}" for target in data.targets)
    notes += [
        f"Waveforms as the model's contract filters them; rmse is of {units}, around each window's own mean"
        f"{' except for those that are not read by the model' if any(t.borrowed for t in data.targets) else ''}.",
    ]
    return unlabelled_result(task, model, parts, scores, (table, caveats), notes, config)


def _tuned(
    model: Model, data: WaveformWindows, part: Split, config: WaveformConfig, fold: int, progress: Progress | None
) -> WaveformModel:
    """Train a model on the training part, and keep the epoch that is best on the validation part."""
    key = (config.seed, fold)
    with seeded(key):
        network = WaveformModel(
            copy.deepcopy(model.encoder), WaveformHead(config.inputs, data.targets, config.decoder)
        ).to(model.device)
    if config.training.encoder == "frozen":
        network.encoder.requires_grad_(False)

    def loss(rows: Sequence[int]) -> Tensor:
        return _squared_error(network, data, rows)

    def score() -> float:
        """Minus the mean error, with equal weight for each window."""
        batches = np.array_split(part.validation, -(-len(part.validation) // config.training.batch_size))
        errors = [float(_squared_error(network, data, rows.tolist())) * len(rows) for rows in batches]
        return -sum(errors) / len(part.validation)

    train(network, part.train, loss, score, config.training, key, progress, f"fold {fold}")
    return network


def _squared_error(network: WaveformModel, data: WaveformWindows, rows: Sequence[int]) -> Tensor:
    """Mean square error in the model's units over all real samples, with equal weight for each sample."""
    questions, known = zip(*(data[row] for row in rows), strict=True)
    errors = []
    for question, target_values, predictions in zip(questions, known, network(questions), strict=True):
        for wanted, values, prediction in zip(question.wanted, target_values, predictions, strict=True):
            clip = data.contract[wanted.place.modality].clip
            expected = torch.from_numpy(values).clamp(-clip, clip).to(prediction.device)
            error = (prediction - expected) ** 2  # (T,), NaN where the target is unknown
            errors.append(error[error.isfinite()])
    return torch.cat(errors).mean()


def _scores(
    network: WaveformModel, data: WaveformWindows, part: Split, config: WaveformConfig, identifiers: pd.DataFrame
) -> pd.DataFrame:
    """One row per method, window of the test part and channel."""
    baselines = {name: WAVEFORM_BASELINES[name](data.contract) for name in config.baselines}
    for baseline in baselines.values():
        baseline.fit(data, part.train.tolist())
    records = []
    for row in part.test.tolist():
        question, target_values = data[row]
        with torch.inference_mode(), autocast(network.target.device, "auto"):
            (predicted,) = network([question])
        methods: dict[str, list[Floats]] = {"model": [values.float().cpu().numpy() for values in predicted]}
        methods |= {name: baseline.predict(question) for name, baseline in baselines.items()}
        for method, predictions in methods.items():
            for wanted, values, prediction in zip(question.wanted, target_values, predictions, strict=True):
                target = data.targets[wanted.number]
                record = {**identifiers.iloc[row].to_dict(), "channel": target.name, "method": method}
                records.append(record | _rated(target.physical(prediction), target.physical(values)))
    return pd.DataFrame(records)


def _rated(prediction: NDArray[np.float32], expected: Floats) -> dict[str, float]:
    real = np.isfinite(expected)
    error = (prediction - expected)[real].astype(np.float64)
    return {
        "correlation": correlation(prediction[real].astype(np.float64), expected[real].astype(np.float64)),
        "rmse": float(np.sqrt(np.mean(error**2))),
    }
