"""Result of a task, from the predictions of its test parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from biosig.downstream.data.cohort import recording_table
from biosig.downstream.data.splits import Split, tested_rows
from biosig.downstream.data.task import Task, model_facts, pretraining_note
from biosig.downstream.results.result import ProbeResult
from biosig.downstream.results.scores import ScoringConfig, rate, rate_labels
from biosig.evaluate.splits import manifest

if TYPE_CHECKING:
    from biosig.models.model import Model


def labelled_result(
    task: Task,
    model: Model,
    parts: Sequence[Split],
    predictions: pd.DataFrame,
    notes: Sequence[str],
    config: ScoringConfig,
    facts: dict[str, Any] | None = None,
    tables: dict[str, pd.DataFrame] | None = None,
) -> ProbeResult:
    """The result of a task with a target: predictions are scored, and the tested cohort is counted by class.

    Parameters
    ----------
    task : Task
        Windows, labels and subjects.
    model : Model
        The model under test.
    parts : sequence of Split
        Parts of each fold.
    predictions : DataFrame
        As in `ProbeResult`.
    notes : sequence of str
        Sentences between those on the labels and those on the intervals.
    config : ProbeConfig or FineTuneConfig
        The configuration of the run.
    facts, tables : dict, optional
        Further facts, and further tables of the result.
    """
    table, caveats = rate(predictions, config)
    return ProbeResult(
        table=table,
        predictions=predictions,
        notes=[*task.labelled.notes, *notes, *caveats],
        splits=manifest(task.subjects, parts, task.people),
        facts={
            **model_facts(model, task.shards_hash),
            "scored_per": config.target.unit,
            "cohort": task.cohort(tested_rows(parts)),
            **(facts or {}),
        },
        config=config,
        by_label=rate_labels(predictions, config) if config.target.kind == "multilabel" else None,
        recordings=recording_table(task.labelled.windows),
        tables=tables or {},
    )


def unlabelled_result(
    task: Task,
    model: Model,
    parts: Sequence[Split],
    scores: pd.DataFrame,
    rated: tuple[pd.DataFrame, list[str]],
    notes: Sequence[str],
    config: Any,
) -> ProbeResult:
    """The result of a task without a target (`biosig.downstream.data.task.open_windows`).

    Parameters
    ----------
    task, model, parts, notes, config
        As in `labelled_result`.
    scores : DataFrame
        One row per method and scored item.
    rated : tuple of DataFrame and list of str
        Score table and caveats (`biosig.downstream.results.cross_modal_scores.rate_means`).
    """
    table, caveats = rated
    untrained = f"The encoder, {model.name}, started from random weights: this is no evidence for pretraining."
    return ProbeResult(
        table=table,
        predictions=scores,
        notes=[*notes, pretraining_note(model, task.labelled.windows, untrained), *caveats],
        splits=manifest(task.subjects, parts, task.people),
        facts={**model_facts(model, task.shards_hash), "cohort": task.cohort(tested_rows(parts))["all"]},
        config=config,
    )
