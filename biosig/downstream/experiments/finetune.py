"""Fine-tuning: train a pretrained model for a task, and test it on unseen people, beside its baselines.

Every method has the same windows, parts and seeds, is fitted on the training part, chooses its epoch or its penalty on
the validation part, and is tested once per fold and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from biosig.batches.alignment import aligned, alignment_note
from biosig.downstream.baseline import BASELINES, MODEL
from biosig.downstream.baselines.context import BaselineContext
from biosig.downstream.baselines.defaults import default_baselines, drop_incompatible, drop_without_twin, exclude
from biosig.downstream.baselines.features import demographic_features
from biosig.downstream.baselines.methods import fit_job, predict_test
from biosig.downstream.data.batch_sources import FrozenExamples, check_one_layout
from biosig.downstream.data.challenge_weights import with_challenge_weights
from biosig.downstream.data.channel_subsets import ChannelSubset
from biosig.downstream.data.columns import prediction_columns
from biosig.downstream.data.picked_channels import pick_channels
from biosig.downstream.data.sequences import SpanLayout
from biosig.downstream.data.split_config import QuerySplit
from biosig.downstream.data.splits import Split, make_parts, tested_rows
from biosig.downstream.data.task import Task, model_of, open_task, pretraining_note, with_align
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.experiments.resume import PartialResult, resumable_folder, run_fingerprint
from biosig.downstream.experiments.tuned_weights import save_tuned
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.results.fusion import check_pairs, fusion_note, with_fused
from biosig.downstream.results.result import ProbeResult
from biosig.downstream.results.task_result import labelled_result
from biosig.errors import DataError, UsageError
from biosig.models.readouts import READOUTS
from biosig.progress import Progress
from biosig.publishing import refuse_existing

if TYPE_CHECKING:
    from biosig.models.model import Model


def run_finetune(config: FineTuneConfig, progress: Progress | None = None, model: Model | None = None) -> ProbeResult:
    """Label windows, split by subject, tune the model, fit its baselines, and score all on the test parts.

    Parameters
    ----------
    config : FineTuneConfig
        The fine-tuning.
    progress : callable, optional
        Called with stage, number done and total.
    model : Model, optional
        The model to tune, such as one of `biosig.wrap`; `config.model` is then only its name. Default the model that
        `config.model` names.

    Returns
    -------
    ProbeResult
        With a column `seed` in its predictions. Also written to `config.out` when that is given, with the tuned models
        in `weights/fold-F-seed-S/` (`biosig.downstream.classifier.load_classifier`). Killed and called again,
        it goes on after the last epoch that was finished, and ends with the same numbers (on a CPU).

    Raises
    ------
    UsageError
        If the configuration contradicts itself, `config.out` holds a result or another unfinished run, or an optional
        package is absent.
    DataError
        If recordings have no subject, a class has no window, montages differ where one is needed, or pretraining saw a
        test recording and `config.leakage` refuses that.
    """
    if config.out is not None:
        refuse_existing(config.out)
    config = replace(config, target=with_challenge_weights(config.target))
    task = open_task(config.shards, config.query, config.target, config.windows)
    config, model = model_of(config, model)
    config = with_align(config, task, model)
    _check_wrapped(model, config)
    model = _with_input(model, config)
    if config.out is None:
        return _result(config, task, model, None, progress)
    with resumable_folder(config, run_fingerprint(config, task, model)) as out:
        result = _result(config, task, model, out, progress)
        result.write(out.result)
    return result


def _result(
    config: FineTuneConfig, task: Task, model: Model, out: PartialResult | None, progress: Progress | None
) -> ProbeResult:
    task, windows, left_out = _prepared(task, model, config, progress)
    baselines, remarks = _baselines(task, windows, model, config)
    parts, unused = make_parts(config.split, task.labelled, config.seed, task.copies)
    check_pairs(config.fuse, [MODEL, *baselines])
    design_notes = _design_notes(task, model, config, parts)
    spans, read = _read(windows, config, progress)
    frozen = FrozenExamples(read, model.encoder, model.device, config.cache_gb * 1e9)
    context = BaselineContext(
        model=model,
        windows=windows,
        y=task.labelled.y,
        target=config.target,
        frozen=frozen,
        training=config.training,
        scratch=config.scratch_stage,
        network=config.supervised_stage,
        loss=config.loss,
        network_width=config.network_width,
        network_minutes=config.network_minutes,
        calibration=config.calibration,
        seed=config.seed,
        keep_bytes=config.cache_gb * 1e9,
        progress=progress,
        people=task.people,
        spans=spans,
    )
    inputs = {name: ChannelSubset(read, keep) for name, keep in config.inputs.items()}
    save = partial(save_tuned, config, context, out.result / "weights") if out and config.keep_weights else None
    rows = task.rows()
    scored = []
    for method in (MODEL, *baselines):
        for fold, part in enumerate(parts):
            for seed in config.seeds[:1] if method != MODEL and BASELINES[method].seedless else config.seeds:
                job = fit_job(method, part, fold, seed, out.work if out else None)
                for name, prediction in predict_test(context, job, inputs, save).items():
                    tested = rows.iloc[part.test].assign(fold=fold, method=name, seed=seed)
                    scored.append(tested.assign(**prediction_columns(prediction, config.target)))
    predictions = with_fused(pd.concat(scored, ignore_index=True), config.fuse, config.target)
    baseline_remarks = [remark for name in baselines for remark in BASELINES[name]().remarks(context)]
    notes = [*left_out, *unused, *remarks, *baseline_remarks, *design_notes, *fusion_note(config.fuse)]
    return labelled_result(task, model, parts, predictions, notes, config)


def _baselines(
    task: Task, windows: PreparedWindows, model: Model, config: FineTuneConfig
) -> tuple[list[str], list[str]]:
    """The baselines of the task, and remarks on those left out.

    Raises
    ------
    DataError
        If windows differ in channels or length where the configuration needs them equal.
    """
    if READOUTS[config.pooling].one_layout:
        check_one_layout(windows, f"pooling={config.pooling}")
    modalities = {m for layout in set(windows.layouts) for m, _, _ in layout}
    named: Sequence[str] | None = config.baselines
    if named is None:
        known = demographic_features(task.labelled.windows.ds, config.target).shape[1] > 0
        named = default_baselines(config.target.kind, modalities, known)
    required = config.baselines or {name for pair in config.fuse for name in pair}
    names, untwinned = drop_without_twin(exclude(named, config.skip_baselines), model, required)
    names, remarks = drop_incompatible(names, modalities, windows, required)
    return names, untwinned + remarks


def _check_wrapped(model: Model, config: FineTuneConfig) -> None:
    """Refuse settings that a wrapped module cannot support.

    Raises
    ------
    UsageError
        With the setting to use instead.
    """
    if model.has_patch_tokens:
        return
    what = f"Model '{model.name}' is a wrapped module"
    if config.target.label_interval:
        raise UsageError(f"{what}, whose tokens have no time: give one label a window, without target.label_interval.")
    if config.out is not None and config.keep_weights and not model.is_kept:
        raise UsageError(f"{what}, which is not written to a folder: set keep_weights=false.")


def _with_input(model: Model, config: FineTuneConfig) -> Model:
    """The model, fed its unit over a constant if the configuration sets one."""
    if config.amplitude_divisor is None:
        return model
    if any(wanted.normalisation == "robust" for wanted in model.contract.values()):
        raise UsageError(
            f"Model '{model.name}' is told each recording's robust scale beside the signal, and "
            f"amplitude_divisor={config.amplitude_divisor:g} would leave it without: leave amplitude_divisor out."
        )
    contract = {
        m: replace(wanted, normalisation="constant", divisor=config.amplitude_divisor)
        for m, wanted in model.contract.items()
    }
    model.encoder.config = replace(model.config, contract=contract)
    return model


def _prepared(
    task: Task, model: Model, config: FineTuneConfig, progress: Progress | None
) -> tuple[Task, PreparedWindows, list[str]]:
    """The windows that give the model a token, prepared for its contract, and a note on the others."""
    signals, keep_bytes = task.labelled.windows, config.cache_gb * 1e9
    if config.align not in (None, "none"):
        signals = aligned(pick_channels(signals, config.channels), config.align)
    windows = PreparedWindows(signals, model.contract, keep_bytes, config.channels)
    usable = windows.survey(progress)
    for keep in config.inputs.values() if usable.all() else ():
        usable &= ChannelSubset(windows, keep).usable()
    if usable.all():
        return task, windows, []
    if not usable.any():
        shortest = min(wanted.patch_seconds for wanted in model.contract.values())
        raise DataError(
            f"None of the {len(usable)} windows or spans of {task.labelled.windows.duration[0]:g} s gives the model a "
            f"valid token, which takes {shortest:g} s of real values: make them longer, or correct channels and query."
        )
    among = " in one of the inputs" if config.inputs else ""
    note = f"{int((~usable).sum())} of {len(usable)} windows give the model no valid token{among} and are left out."
    windows = PreparedWindows(signals[usable], model.contract, keep_bytes, config.channels)
    windows.survey(progress)
    return task.only(usable), windows, [note]


def _read(
    windows: PreparedWindows, config: FineTuneConfig, progress: Progress | None
) -> tuple[SpanLayout | None, PreparedWindows]:
    """Input of encoders: the windows themselves, or the windows that contain them as spans, with their layout."""
    if not config.target.label_interval:
        return None, windows
    contexts = SpanLayout.of(windows.windows, config.windows.length or 0.0, config.target.label_interval)
    read = PreparedWindows(contexts.windows, windows.contract, config.cache_gb * 1e9, config.channels)
    read.survey(progress)
    return contexts, read


def _design_notes(task: Task, model: Model, config: FineTuneConfig, parts: Sequence[Split]) -> list[str]:
    if isinstance(config.split, QuerySplit):
        notes = ["The test part is scored once per seed; the validation part chose the epochs."]
    else:
        ranked = config.target.kind != "number"
        notes = [
            f"Each subject is tested once per seed, in one of {len(parts)} folds, and all folds are rated together"
            f"{', so ranks also compare scores of models that were fitted on different people' if ranked else ''}; "
            "subjects of the training part chose the epochs."
        ]
    if len(config.seeds) > 1:
        notes.append(f"Values are means over {len(config.seeds)} seeds, intervals are over subjects.")
    if config.target.label_interval:
        notes.append(
            f"Encoders read spans of {config.target.label_interval:g} s in windows of {config.windows.length:g} s; "
            "all other "
            "methods read a span by itself."
        )
    if config.target.unit == "recording":
        notes.append("Scores are averaged over the windows of a recording, and each recording counts once.")
    notes += alignment_note(config.align or "none")
    if config.calibration != "none" and config.target.kind in ("classes", "multilabel"):
        notes.append(
            f"Probabilities of each fitted method are calibrated ({config.calibration}) on the validation part."
        )
    return [*notes, pretraining_note(model, task.labelled.windows[tested_rows(parts)], leakage=config.leakage)]
