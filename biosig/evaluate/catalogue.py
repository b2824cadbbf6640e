"""Every metric by name, and which score what."""

from __future__ import annotations

from biosig.evaluate import answers, metrics, multilabel
from biosig.evaluate.metrics import Kind, Metric
from biosig.evaluate.survival import concordance, dynamic_auroc, plain, uno_concordance

_SURVIVAL = {"c_index": concordance, "c_index_uno": uno_concordance, "dynamic_auroc": dynamic_auroc}

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *metrics.METRICS,
        *multilabel.METRICS,
        *(Metric(name, "survival", plain(score), score) for name, score in _SURVIVAL.items()),
        *answers.METRICS,
    )
}
"""In the order in which tables show them."""

SELECTION: dict[Kind, str] = {
    "classes": "balanced_accuracy",
    "multilabel": "macro_auroc",
    "number": "r2",
    "survival": "c_index",
    "answers": "exact_match",
}
"""By which an epoch is chosen on the validation part."""


def metrics_for(kind: Kind) -> list[Metric]:
    """The metrics that score truth of this kind."""
    return [metric for metric in METRICS.values() if metric.kind == kind]
