"""An audit from its configuration to its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from biosig.audit.acquisition import acquisition
from biosig.audit.config import AuditConfig, Check
from biosig.audit.context import AuditContext
from biosig.audit.identity import few_subjects, identity
from biosig.audit.leakage import leakage, split_on_file, subjects_apart
from biosig.audit.permutation import permutation
from biosig.audit.result import AuditResult, Finding, Verdict
from biosig.audit.robustness import robustness
from biosig.audit.spectrum import spectrum
from biosig.downstream.data.task import model_facts, open_model, open_task
from biosig.downstream.results.report import write_report
from biosig.evaluate.splits import manifest
from biosig.progress import Progress

CHECKS: dict[Check, Callable[[AuditContext], Iterator[Finding]]] = {
    "leakage": leakage,
    "identity": identity,
    "permutation": permutation,
    "acquisition": acquisition,
    "spectrum": spectrum,
    "robustness": robustness,
}


def run_audit(config: AuditConfig, progress: Progress | None = None) -> AuditResult:
    """Run all checks for other explanations of a score.

    Parameters
    ----------
    config : AuditConfig
        The task, the model and the checks.
    progress : callable, optional
        Called with stage, number done and total.

    Returns
    -------
    AuditResult
        Also written to `config.out` when that is given; the report of a result there is made again, to show it.

    Raises
    ------
    UsageError
        If the configuration contradicts itself, or the split does not suit the task.
    DataError
        If recordings have no subject, or a class has no window.
    """
    task = open_task(config.shards, config.query, config.target, config.windows)
    few = few_subjects(task)
    facts: dict[str, Any] = {"shards_hash": task.shards_hash, "cohort": task.cohort()}
    if few is not None and few.verdict == "fail":
        notes = ["Nothing else was checked: such a task cannot be split by subject."]
        result = AuditResult([few], [*task.labelled.notes, *notes], facts, config)
    else:
        model = open_model(config.model, config.seed, config.device, config.on_unknown)
        context = AuditContext(config, task, model, progress)
        findings = [_score(context), *([few] if few else []), _split(context)]
        for check in config.checks:
            findings += CHECKS[check](context)
        facts |= model_facts(model, task.shards_hash)
        notes = [*task.labelled.notes, *context.notes]
        if not model.trained:
            notes.append(f"The model under audit, {model.name}, has random weights.")
        result = AuditResult(findings, notes, facts, config)
    if config.out is not None:
        result.save(config.out)
        if (config.out / "metrics.json").is_file():
            write_report(config.out)  # which shows the audit
    return result


def _score(context: AuditContext) -> Finding:
    """The score under audit."""
    score, above = context.score, context.has_score
    sentence = (
        f"A linear probe on the embeddings of {context.model.name} tells {context.title} with {context.say(score)}"
    )
    then = "." if above else ": the interval reaches down to chance, so it was not asked what the score rests on."
    verdict: Verdict = "ok" if above else "warn"
    above_what = f"> {context.chance:.2f}"
    return Finding("score", score.value, above_what, verdict, sentence + then, score.low, score.high)


def _split(context: AuditContext) -> Finding:
    """Check the parts for shared subjects: those of the result folder under audit, else of the audit's own split."""
    out = context.config.out
    if out is not None and (out / "splits.json").is_file():
        return split_on_file(out)
    parts = manifest(context.task.subjects, context.folds)
    return subjects_apart({name: lists for name, lists in parts.items() if name.endswith("_subjects")})
