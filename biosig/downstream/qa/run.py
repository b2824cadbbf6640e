"""Run of question answering, from configuration to score table: exact match by type, beside baselines."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.downstream.baseline import MODEL
from biosig.downstream.data.task import model_facts, open_model, open_recordings, pretraining_note
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.qa.answer_vocabulary import AnswerSet
from biosig.downstream.qa.baselines import QA_BASELINES
from biosig.downstream.qa.config import QaConfig
from biosig.downstream.qa.context import QaContext
from biosig.downstream.qa.splits import Cohort, make_cohort
from biosig.downstream.qa.tuning import tune_and_predict, word_ids
from biosig.downstream.results.result import ProbeResult, write_result
from biosig.errors import DataError
from biosig.evaluate.intervals import MEAN, bootstrap
from biosig.evaluate.metrics import Floats
from biosig.evaluate.metrics.exact_match import matches
from biosig.evaluate.splits import people
from biosig.progress import Progress

BEATEN = "model less most_frequent"
"""Row of the table with the model's lead over the most frequent answer, and the interval of the difference."""


def run_qa(config: QaConfig, progress: Progress | None = None) -> ProbeResult:
    """Make or read questions, tune the model to answer them, fit its baselines, and score all on the test part.

    Parameters
    ----------
    config : QaConfig
        The question-answering run.
    progress : callable, optional
        Called with stage, number done and total.

    Returns
    -------
    ProbeResult
        `table`: one row per method and type of question ("all" first), its metric exact match; `predictions`: one row
        per method and test question, with the answer given. Also written to `config.out` if that is given.

    Raises
    ------
    UsageError
        If the configuration contradicts itself, the model cannot read text, or `config.out` already holds a result.
    DataError
        If recordings have no subject, or a part has no question.
    """
    return write_result(config.out, lambda _: _result(config, progress))


def _result(config: QaConfig, progress: Progress | None) -> ProbeResult:
    from biosig.models.model import RandomWeightsWarning

    ds = open_recordings(config.shards, config.query)
    model = open_model(config.model, config.seed, config.device, config.on_unknown, "question answering")
    cohort = make_cohort(ds, config)
    windows = PreparedWindows(
        cohort.windows, model.contract, keep_bytes=config.cache_gb * 1e9, channels=config.channels
    )
    _refuse_silent(cohort, windows.survey(progress))
    questions = cohort.questions
    answers = AnswerSet.of([questions[row] for row in cohort.parts.train.tolist()])
    words = word_ids(model, [question.question for question in questions])
    context = QaContext(config, model, cohort, words, windows, answers, answers.truth(questions), progress)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RandomWeightsWarning)  # the table and its notes say so
        scores = {MODEL: tune_and_predict(context, model, MODEL)}
        scores |= {name: QA_BASELINES[name]().fit_predict(context) for name in config.baselines}
    predictions = pd.concat([_rows(context, method, given) for method, given in scores.items()], ignore_index=True)
    table, caveats = rate(predictions, config)
    weights = pretraining_note(model, cohort.windows)
    return ProbeResult(
        table=table,
        predictions=predictions,
        notes=[*cohort.notes, "A comparison counts for the subject of its first ECG.", weights, *caveats],
        splits=_splits(cohort),
        facts={
            **model_facts(model, ds.hash),
            "scored_per": "question",
            "answers": list(answers.answers),
            "n_questions": {name: len(getattr(cohort.parts, name)) for name in ("train", "validation", "test")},
        },
        config=config,
    )


def rate(predictions: pd.DataFrame, config: QaConfig) -> tuple[pd.DataFrame, list[str]]:
    """Score exact match by method and type of question, with intervals over subjects, and the model's paired lead.

    Parameters
    ----------
    predictions : DataFrame
        One row per method and test question: method, question_type, subject, right.
    config : QaConfig
        Names the bootstrap's size and seed.

    Returns
    -------
    table : DataFrame
        method, metric ("exact match, <type>"), value, low, high, n_questions, n_subjects.
    caveats : list of str
        Remarks for the reader of the intervals.
    """
    rows_by_method = {method: rows.reset_index(drop=True) for method, rows in predictions.groupby("method", sort=False)}
    gained = {method: rows["right"].to_numpy(np.float64) for method, rows in rows_by_method.items()}
    first = rows_by_method["model"]
    if "most_frequent" in gained:
        gained[BEATEN] = gained["model"] - gained["most_frequent"]
    types = ["all", *sorted(first["question_type"].unique())]
    records, caveats = [], []
    for method, values in gained.items():
        for name in types:
            chosen = np.flatnonzero((first["question_type"] == name) | (name == "all"))
            subjects = people(first)[chosen]
            interval = bootstrap(MEAN, values[chosen], values[chosen], subjects, config.n_bootstrap, config.seed)
            caveats += [text for text in interval.caveats() if name == "all" and text not in caveats]
            records.append(
                {
                    "method": method,
                    "metric": f"exact match, {name}",
                    "value": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "n_questions": len(chosen),
                    "n_subjects": interval.n_subjects,
                }
            )
    return pd.DataFrame(records), caveats


def _rows(context: QaContext, method: str, scores: Floats) -> pd.DataFrame:
    """One row per test question: question, right answer and given answer."""
    test: NDArray[np.int64] = context.cohort.parts.test
    asked = [context.cohort.questions[row] for row in test.tolist()]
    y = context.y[test]
    complete = [set(q.answer) <= set(context.answers.of_template.get(q.template_id, ())) for q in asked]
    return pd.DataFrame(
        {
            "method": method,
            "question_type": [q.question_type for q in asked],
            "attribute_type": [q.attribute_type for q in asked],
            "template_id": [q.template_id for q in asked],
            "question": [q.question for q in asked],
            "recordings": [" ".join(q.recordings) for q in asked],
            "subject": context.cohort.subjects[test],
            "person": context.cohort.people[test],
            "answer": ["; ".join(q.answer) for q in asked],
            "prediction": ["; ".join(given) for given in context.answers.chosen(y, scores)],
            "right": matches(y, scores) & complete,
        }
    )


def _splits(cohort: Cohort) -> dict[str, list[str]]:
    """The subjects of each part."""
    index = cohort.windows.ds.to_pandas().set_index("recording")["subject"]
    parts = {"test": cohort.parts.test, "validation": cohort.parts.validation}
    return {
        f"{name}_subjects": sorted({index[r] for row in rows.tolist() for r in cohort.questions[row].recordings})
        for name, rows in parts.items()
    }


def _refuse_silent(cohort: Cohort, usable: NDArray[np.bool_]) -> None:
    if not usable.all():
        first = list(cohort.window_of)[int(np.argmin(usable))]
        raise DataError(
            f"{int((~usable).sum())} of {len(usable)} recordings that are asked about give the model no valid token, "
            f"the first is '{first}': leave them out with a query."
        )
