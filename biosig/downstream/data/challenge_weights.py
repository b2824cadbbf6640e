"""PhysioNet/CinC challenge score as a metric of a target: partial credit between its labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from biosig.downstream.data.target_config import AnyTarget, MultiLabelTarget, Target
from biosig.errors import UsageError
from biosig.evaluate.challenge import SINUS_RHYTHM, challenge_metric, read_weights
from biosig.evaluate.metrics import Metric, metrics_for


def with_challenge_weights(target: AnyTarget) -> AnyTarget:
    """Add to the target the entries of its file `weights` for its labels, so that a saved result needs no other file.

    A label is the diagnosis of the file with codes among the label's values: all of these codes, if several count as
    one.

    Raises
    ------
    UsageError
        If there is no such file, a label has no diagnosis in it, or several, or part of one, or none of the labels is
        sinus rhythm, the answer that scores 0.
    DataError
        If the file does not have this form.
    """
    if not isinstance(target, MultiLabelTarget) or not target.weights or target.challenge_weights:
        return target
    _normal(target)
    names, weights = read_weights(target.weights)
    codes = [set(name.split("|")) for name in names]
    order = []
    for label, values in target.labels.items():
        found = [number for number, diagnosis in enumerate(codes) if diagnosis & set(values)]
        if len(found) != 1 or not codes[found[0]] <= set(values):
            matched = ", ".join(names[number] for number in found) or "none"
            raise UsageError(
                f"Label '{label}' has the values {', '.join(values)}, which match {matched} of the {len(names)} "
                f"diagnoses in {target.weights}: give it all codes of one diagnosis, or leave it out."
            )
        order.append(found[0])
    return replace(target, challenge_weights=weights[np.ix_(order, order)].tolist())


def metrics_of(target: Target) -> list[Metric]:
    """The metrics of the target's kind, and the challenge's score if labels have challenge weights."""
    metrics = metrics_for(target.kind)
    weighted = with_challenge_weights(target) if isinstance(target, MultiLabelTarget) else None
    if not isinstance(weighted, MultiLabelTarget) or not weighted.challenge_weights:
        return metrics
    return [*metrics, challenge_metric(weighted.class_names, np.array(weighted.challenge_weights), _normal(weighted))]


def _normal(target: MultiLabelTarget) -> str:
    """The label that is sinus rhythm."""
    found = [label for label, values in target.labels.items() if SINUS_RHYTHM in values]
    if len(found) != 1:
        raise UsageError(
            f"The challenge's score is 0 for sinus rhythm: give one of the labels the code {SINUS_RHYTHM}."
        )
    return found[0]
