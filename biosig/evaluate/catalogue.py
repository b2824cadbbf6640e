"""Every metric by name, and which score what."""

from __future__ import annotations

from biosig.evaluate import answers, classification, multilabel, regression
from biosig.evaluate.metrics import Kind, Metric
from biosig.evaluate.survival import concordance, dynamic_auroc, plain, uno_concordance

_SURVIVAL = {"c_index": concordance, "c_index_uno": uno_concordance, "dynamic_auroc": dynamic_auroc}

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *classification.METRICS,
        *multilabel.METRICS,
        *regression.METRICS,
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


HEADLINE: dict[Kind, tuple[str, ...]] = {
    "classes": ("balanced_accuracy", "auroc"),
    "multilabel": ("macro_auroc", "macro_auprc"),
    "number": ("mae", "r2"),
    "survival": ("c_index", "c_index_uno", "dynamic_auroc"),
    "answers": ("exact_match",),
}
"""What stands in pictures, and in tables of groups and of single labels, where all would be too many."""


def metrics_for(kind: Kind) -> list[Metric]:
    """The metrics that score truth of this kind."""
    return [metric for metric in METRICS.values() if metric.kind == kind]
