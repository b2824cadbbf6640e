"""Identity confounds: a check for subject and site in the embeddings, and for labels that are subject identity.

Embeddings of EEG models tell subjects apart far better than conditions (arXiv:2606.06647). A score on unknown people
does not suffer from that, but a label that only identifies people is not a label.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from biosig.audit.context import AuditContext, cross_val_predict
from biosig.audit.result import Finding, Verdict
from biosig.downstream.data.label_windows import has_class
from biosig.downstream.data.splits import recording_values
from biosig.downstream.data.task import Task
from biosig.downstream.probe.fit import FeatureScaler, ProbeSpec
from biosig.errors import UsageError
from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.metrics import METRICS
from biosig.evaluate.splits import group_folds

FEW_SUBJECTS = 5
"""With fewer subjects of a class, the features of the class may be features of these people."""

Rows = NDArray[np.int64]


def identity(context: AuditContext) -> Iterator[Finding]:
    """Find subject and site in the embeddings, and the gain in score from people being on both sides."""
    apart = recordings_apart(context.task)
    if apart is None:
        context.notes.append("No two subjects have windows far enough apart to look for their identity in embeddings.")
    else:
        yield _subjects(context, *apart)
    if context.config.site:
        yield from _site(context)
    if len(context.task.people) > len(np.unique(context.task.people)):
        yield _gain_from_identity(context)


def few_subjects(task: Task) -> Finding | None:
    """Count the subjects of the smallest class, where every subject is of one class; None for other labels."""
    target, y = task.labelled.target, task.labelled.y
    names, person = np.unique(task.people, return_inverse=True)
    smallest, n_least = "", len(names) + 1
    for k, name in enumerate(target.class_names):
        share = np.bincount(person, has_class(y, target.kind, k)) / np.bincount(person)
        if ((share > 0) & (share < 1)).any():
            return None
        if (share > 0).sum() < n_least:
            smallest, n_least = name, int((share > 0).sum())
    if not smallest:
        return None
    verdict: Verdict = "fail" if n_least < 2 else "warn" if n_least < FEW_SUBJECTS else "ok"
    counted = f"Class '{smallest}' has {n_least} subject{'s' if n_least > 1 else ''}, each with this label throughout"
    then: dict[Verdict, str] = {
        "fail": ": the label is who the person is, and cannot be tested on anybody else.",
        "warn": ": what they share by chance cannot be told from what the class is.",
        "ok": ", and no class has fewer.",
    }
    return Finding("subjects of smallest class", float(n_least), f"≥ {FEW_SUBJECTS}", verdict, counted + then[verdict])


def recordings_apart(task: Task) -> tuple[Rows, Rows] | None:
    """Windows to know people by, and windows of the same people to identify: of other recordings, or later.

    A subject with one recording gives its first half and its second, with a window left out between them. Subjects
    with too few windows for either are in neither.
    """
    known, found = [], []
    for subject in np.unique(task.people):
        rows = np.flatnonzero(task.people == subject)
        first = task.recordings[rows] == task.recordings[rows[0]]
        if first.all():
            ordered = rows[np.argsort(task.labelled.windows.onset[rows], kind="stable")]
            one, other = ordered[: len(rows) // 2], ordered[len(rows) // 2 + 1 :]
        else:
            one, other = rows[first], rows[~first]
        if len(one) and len(other):
            known.append(one)
            found.append(other)
    return (np.concatenate(known), np.concatenate(found)) if len(known) > 1 else None


def _subjects(context: AuditContext, known: Rows, found: Rows) -> Finding:
    subjects, prepare = context.task.people, FeatureScaler.fit(context.vectors[known], None)
    nearest = KNeighborsClassifier(1).fit(prepare(context.vectors[known]), subjects[known])
    named = nearest.predict(prepare(context.vectors[found]))
    right = context.share(named == subjects[found], subjects[found])
    names, n = np.unique(subjects[known], return_counts=True)
    chance = float((n / n.sum())[np.searchsorted(names, subjects[found])].mean())
    identified = right.low > chance
    sentence = (
        f"The nearest embedding of another time is of the same person in {right.value:.0%} ({right.low:.0%} to "
        f"{right.high:.0%}) of windows, by chance in {chance:.0%}, among {len(names)} people"
    )
    then = (
        ": embeddings tell who somebody is, so they are personal data, and people must be kept apart."
        if identified
        else "."
    )
    return Finding(
        "subject in the embeddings",
        right.value,
        f"{chance:.2f}",
        "warn" if identified else "ok",
        sentence + then,
        right.low,
        right.high,
    )


def _site(context: AuditContext) -> Iterator[Finding]:
    """Check whether a linear probe predicts the recording site of unknown people."""
    sites, subjects = recording_values(context.task.labelled.windows, context.config.site), context.task.people
    common = [site for site in np.unique(sites) if len(np.unique(subjects[sites == site])) >= FEW_SUBJECTS]
    rows = np.flatnonzero(np.isin(sites, common))
    try:
        if len(common) < 2:
            raise UsageError(f"fewer than two have {FEW_SUBJECTS} subjects")
        y = np.searchsorted(common, sites[rows])
        folds = group_folds(subjects[rows], min(5, FEW_SUBJECTS), context.config.seed, y)
    except UsageError as error:
        context.notes.append(f"Values of {context.config.site} could not be looked for in embeddings: {error}")
        return
    X, config = context.vectors[None, rows], context.config
    recipe = ProbeSpec("logistic", "classes", len(common))
    (prediction,) = cross_val_predict(X, [X], y, subjects[rows], folds, recipe)
    auroc = bootstrap(METRICS["auroc"], y, prediction, subjects[rows], config.n_bootstrap, config.seed)
    sentence = (
        f"A linear probe tells {config.site} ({len(common)} of them) of unknown people with AUROC {auroc.value:.2f} "
        f"({auroc.low:.2f} to {auroc.high:.2f})"
    )
    verdict: Verdict = "warn" if auroc.low > 0.5 else "ok"
    then = ": a class that is more common at one of them can be told by that." if verdict == "warn" else "."
    yield Finding(
        f"{config.site} in the embeddings", auroc.value, "0.50", verdict, sentence + then, auroc.low, auroc.high
    )


def _gain_from_identity(context: AuditContext) -> Finding:
    """The score of a split by window instead of by subject, which shows if the label is the subject's identity.

    Band power is added to the embeddings, so that a model that cannot identify people does not hide such a label.
    """
    y, window_ids = context.task.labelled.y, np.arange(len(context.task.people)).astype(str)
    known = np.hstack((context.vectors, context.measured.spectrum))[None]  # (1, N, F)
    folds = group_folds(window_ids, 5, context.config.seed, context.task.labelled.stratification_labels)
    apart = context.probe(known)
    mixed = context.rate(cross_val_predict(known, [known], y, window_ids, folds, context.recipe)[0])
    only_there = not context.above_chance(apart) and context.above_chance(mixed) and mixed.value > apart.high
    verdict: Verdict = "ok"
    then = "."
    if only_there and _one_label_each(context.task):
        verdict, then = "fail", ": all that the label tells of these people is who they are."
    elif only_there:
        verdict, then = "warn", ": what tells it may be no more than which recording a window is of."
    sentence = (
        f"From embeddings and band power {context.title} is told with {context.say(mixed)} where people are on both "
        f"sides, and with {context.say(apart)} where they are apart{then}"
    )
    return Finding("label as identity", mixed.value, f"{apart.value:.2f}", verdict, sentence, mixed.low, mixed.high)


def _one_label_each(task: Task) -> bool:
    """True if nine of ten windows are of people whose windows all have one label."""
    y = task.labelled.y
    _, first, person = np.unique(task.people, return_index=True, return_inverse=True)
    same = (y == y[first][person]).reshape(len(y), -1).all(axis=1)
    constant = np.bincount(person, ~same) == 0
    return bool(constant[person].mean() >= 0.9)
