"""Retrieval of a recording's report among others, and of recordings by report: recall@k on unseen people.

Chance stands beside it. Shape letters: N recordings of the test part, G gallery, k first answers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import gammaln
from torch import Tensor

from biosig.device import autocast
from biosig.downstream.data.splits import Split, make_parts
from biosig.downstream.data.task import Task, open_model, open_windows
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.results.cross_modal_scores import rate_means
from biosig.downstream.results.result import ProbeResult, write_result
from biosig.downstream.results.task_result import unlabelled_result
from biosig.downstream.retrieval.config import RetrievalConfig
from biosig.downstream.retrieval.model import RetrievalModel, ranked, save_retrieval_model
from biosig.errors import UsageError
from biosig.models.model import Model
from biosig.models.report_tokens import words_for
from biosig.models.text import Tokenizer, clean_report
from biosig.progress import Progress
from biosig.training.loop import train
from biosig.training.seeding import seeded

DIRECTIONS = ("signal to report", "report to signal")


@dataclass(frozen=True)
class Pairs:
    """The first window of each of N recordings, prepared, with its report as word ids and as a number.

    `report_number` is equal for equal cleaned reports.
    """

    windows: PreparedWindows
    words: list[list[int]]
    report_number: NDArray[np.int64]


def run_retrieval(config: RetrievalConfig, progress: Progress | None = None) -> ProbeResult:
    """Split recordings by subject, tune the model to match signals and reports, and rank the test part.

    Parameters
    ----------
    config : RetrievalConfig
        The retrieval.
    progress : callable, optional
        Called with stage, number done and total.

    Returns
    -------
    ProbeResult
        `table` has a row per method, direction and k. The baselines are "chance", the gallery in random order, and
        "most frequent", which answers each signal with the most frequent reports of the training part.
        `predictions` has each query's hits, and the rank of the first right answer. Also written to `config.out` if
        that is given, with the tuned models in `weights/fold-F/`.

    Raises
    ------
    UsageError
        If the configuration contradicts itself, the model cannot read text, or `config.out` already holds a result.
    DataError
        If recordings have no subject, or a report is longer than the model reads.
    """
    return write_result(config.out, lambda out: _result(config, out, progress))


def _result(config: RetrievalConfig, out: Path | None, progress: Progress | None) -> ProbeResult:
    model = open_model(config.model, config.seed, config.device, config.on_unknown, "retrieval")
    if config.tokenizer is not None:
        model.tokenizer = Tokenizer.load(config.tokenizer)
    task, pairs, notes = _pairs(config, model, progress)
    parts, unused = make_parts(config.split, task.labelled, config.seed, task.copies)
    scored = []
    for fold, part in enumerate(parts):
        tuned = _tuned(model, pairs, part, config, fold, progress)
        if out and config.keep_weights:
            save_retrieval_model(tuned, out / "weights" / f"fold-{fold}", model.card, model.tokenizer)
        scored.append(_scores(tuned, pairs, part, config, task.identifiers()).assign(fold=fold))
    scores = pd.concat(scored, ignore_index=True)
    metrics = [f"recall@{k}" for k in config.at]
    table, caveats = rate_means(scores, ["direction"], metrics, config.n_bootstrap, config.seed)
    galleries = ", ".join(
        f"{len(part.test)} recordings with {len(np.unique(pairs.report_number[part.test]))} different reports"
        for part in parts
    )
    notes += [
        *unused,
        f"The galleries are the different reports, and the recordings, of a fold's test part: {galleries}. A recording "
        "whose cleaned report equals the query's is a right answer too, for the model as for chance.",
    ]
    return unlabelled_result(task, model, parts, scores, (table, caveats), notes, config)


def _pairs(config: RetrievalConfig, model: Model, progress: Progress | None) -> tuple[Task, Pairs, list[str]]:
    """Prepare the recordings with a signal and a report."""
    reader = words_for(model.config, model.tokenizer, config.cut_reports)
    task = open_windows(config.shards, config.query, config.length)
    task = task.only(np.diff(task.labelled.windows.recording, prepend=-1) > 0)  # the first window of each
    n_recordings = len(task.subjects)
    words = [reader(task.labelled.windows.ds[int(row)]) for row in task.labelled.windows.recording]
    has_report = np.array([len(ids) > 0 for ids in words])
    if not has_report.any():
        raise UsageError(f"No recording of {config.shards} has a report: ingest with a label table that has them.")
    task = task.only(has_report)
    has_signal = PreparedWindows(task.labelled.windows, model.contract).survey(progress)
    task = task.only(has_signal)
    words = [ids for ids, has in zip(words, has_report, strict=True) if has]
    words = [ids for ids, has in zip(words, has_signal, strict=True) if has]
    windows = task.labelled.windows
    reports = [clean_report(windows.ds[int(row)].report or "") for row in windows.recording]
    report_number = np.unique(reports, return_inverse=True)[1]
    notes = []
    if len(windows) < n_recordings:
        notes.append(f"{n_recordings - len(windows)} of {n_recordings} recordings have no report, or no valid token.")
    if reader.n_cut:
        notes.append(
            f"{reader.n_cut} reports are longer than the {reader.n_tokens} tokens that the model reads, and cut."
        )
    return (
        task,
        Pairs(PreparedWindows(windows, model.contract, keep_bytes=config.cache_gb * 1e9), words, report_number),
        notes,
    )


def _tuned(
    model: Model, pairs: Pairs, part: Split, config: RetrievalConfig, fold: int, progress: Progress | None
) -> RetrievalModel:
    """Train a model on the training part, and keep the epoch that is best on the validation part."""
    key = (config.seed, fold)
    with seeded(key):
        network = RetrievalModel(copy.deepcopy(model.encoder), config.embed_dim).to(model.device)
    if config.training.encoder == "frozen":
        network.encoder.requires_grad_(False)

    def loss(rows: Sequence[int]) -> Tensor:
        return _loss(network, *_vectors(network, pairs, rows), pairs, rows)

    def score() -> float:
        """Minus the loss over the validation part as one batch."""
        rows = part.validation.tolist()
        return -float(_loss(network, *_in_batches(network, pairs, rows, config.training.batch_size), pairs, rows))

    train(network, part.train, loss, score, config.training, key, progress, f"fold {fold}")
    return network


def _vectors(network: RetrievalModel, pairs: Pairs, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Unit vectors of the signals and of the reports, (B, E) each."""
    return network.of_signals([pairs.windows[row] for row in rows]), network.of_reports(
        [pairs.words[row] for row in rows]
    )


def _in_batches(network: RetrievalModel, pairs: Pairs, rows: Sequence[int], size: int) -> tuple[Tensor, Tensor]:
    batches = [_vectors(network, pairs, rows[start : start + size]) for start in range(0, len(rows), size)]
    signals, reports = zip(*batches, strict=True)
    return torch.cat(signals), torch.cat(reports)


def _loss(network: RetrievalModel, signals: Tensor, reports: Tensor, pairs: Pairs, rows: Sequence[int]) -> Tensor:
    report_number = torch.from_numpy(pairs.report_number[list(rows)]).to(signals.device)
    return network.loss(signals, reports, report_number[:, None] == report_number[None])


def _scores(
    network: RetrievalModel, pairs: Pairs, part: Split, config: RetrievalConfig, identifiers: pd.DataFrame
) -> pd.DataFrame:
    """One row per method, direction and query of the test part."""
    rows = part.test.tolist()
    with torch.inference_mode(), autocast(network.log_temperature.device, "auto"):
        signals, reports = _in_batches(network, pairs, rows, config.training.batch_size)
    report_number = pairs.report_number[part.test]
    different, first = np.unique(report_number, return_index=True)  # the reports of the gallery, each once
    n_reports = pairs.report_number.max() + 1
    frequency = np.bincount(pairs.report_number[part.train], minlength=n_reports)[different]
    by_frequency = np.tile(np.argsort(-frequency, kind="stable"), (len(rows), 1))
    to_report = ranked(signals, reports[torch.from_numpy(first)]).cpu().numpy()  # (N, G)
    to_signal = ranked(reports, signals).cpu().numpy()  # (N, N)
    tested, scores = identifiers.iloc[part.test].reset_index(drop=True), []
    for direction, order, answers in zip(DIRECTIONS, (to_report, to_signal), (different, report_number), strict=True):
        right = report_number[:, None] == answers[None]  # (N, G)
        chance = {f"recall@{k}": chance_recall_at_k(right.sum(axis=1), len(answers), k) for k in config.at}
        methods = {"model": recall_at_k(order, right, config.at), "chance": pd.DataFrame(chance)}
        if direction == DIRECTIONS[0]:
            methods["most frequent"] = recall_at_k(by_frequency, right, config.at)
        scores += [tested.join(found).assign(direction=direction, method=method) for method, found in methods.items()]
    return pd.concat(scores, ignore_index=True)


def recall_at_k(order: NDArray[np.int64], same: NDArray[np.bool_], at: Sequence[int]) -> pd.DataFrame:
    """Check whether a right answer is among the first k, for each query.

    Parameters
    ----------
    order : ndarray of int64, shape (N, G)
        The ranked gallery of each query.
    same : ndarray of bool, shape (N, G)
        Right answers in the gallery; each query has one or more.
    at : sequence of int
        The k.

    Returns
    -------
    DataFrame
        `recall@k` (0 or 1) for each k, and `rank` of the first right answer, from 1.
    """
    rank = np.take_along_axis(same, order, axis=1).argmax(axis=1) + 1
    return pd.DataFrame({**{f"recall@{k}": (rank <= k).astype(float) for k in at}, "rank": rank})


def chance_recall_at_k(n_right: NDArray[np.int64], n_gallery: int, k: int) -> NDArray[np.float64]:
    """Probability that the first `k` of a gallery in random order hold one of `n_right` (N,) right answers.

    It is one minus the hypergeometric probability of none: C(G - m, k) / C(G, k).
    """
    wrong = n_gallery - np.asarray(n_right, np.float64)
    k = min(k, n_gallery)
    possible = wrong >= k
    wrong = np.where(possible, wrong, k)
    log_none = gammaln(wrong + 1) - gammaln(wrong - k + 1) - gammaln(n_gallery + 1) + gammaln(n_gallery - k + 1)
    return np.where(possible, 1 - np.exp(log_none), 1.0)
