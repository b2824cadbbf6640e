"""Diagnosis: PTB-XL's superclasses with 12 leads and with lead I alone, and what fewer leads cost one tuned model.

What is run are the shipped configurations, cut down: few epochs, small networks, three folds over the recordings that
are there. `benchmarks/task_families.py` calls `diagnosis`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from families_vital import CONFIGS, ingested

from biosig import config as configuration
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.results.result import ProbeResult
from biosig.plots.robustness import plot_robustness
from biosig.plots.scores import headline_metrics

STAGE = "warmup: 1, patience: 4, batch_size: 32, mixup: false"
BUDGET = (
    "split={folds: 3, validation: 0.2}",
    f"probe={{lr: 5.0e-3, epochs: 15, {STAGE}}}",
    f"tune={{lr: 3.0e-4, epochs: 4, {STAGE}, method: full, schedule: linear, layer_decay: 0.75}}",
    f"scratch={{lr: 1.0e-3, epochs: 8, {STAGE}}}",
    "network_width=16",
    "keep_weights=false",
    "device=cpu",
)


def diagnosis(data: Path, work: Path, model: str) -> None:
    """Five labels at once, scored over all folds with people kept apart."""
    shards = ingested("ptbxl", data, work)
    for name in ("ptbxl-superclasses", "ptbxl-superclasses-lead-i"):
        settings = [*BUDGET, f"model={model}", f"shards={shards}"]
        result = run_finetune(configuration.load(FineTuneConfig, CONFIGS / "finetune" / f"{name}.yaml", settings))
        report(name, result)
        if result.config.inputs:
            picture = work / f"{name}.png"
            plot_robustness(result.table, f"{result.facts['model']}: PTB-XL superclasses").savefig(picture, dpi=150)
            print(f"\nFewer leads as a picture: {picture}")


def report(title: str, result: ProbeResult) -> None:
    """Print the score table, each label's AUROC, and what must be said beside them."""
    assert result.by_label is not None
    wide = result.by_label[result.by_label["metric"] == "auroc"]
    counts = wide.groupby("label", sort=False)["n_positive"].first()
    heads = [f"{label} ({n} of {wide['n_rows'].max()})" for label, n in counts.items()]
    metrics = headline_metrics(result.table)
    print(
        f"\n### {title}\n\n| method | {' | '.join([*metrics, *heads])} |\n|{'---|' * (1 + len(metrics) + len(heads))}"
    )
    for method, rows in result.table.groupby("method", sort=False):
        scores = rows.set_index("metric").loc[metrics]
        cells = [f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})" for row in scores.itertuples()]
        each = [f"{row.value:.3f}" for row in wide[wide["method"] == method].itertuples()]
        print(f"| {' | '.join([str(method), *cells, *each])} |")
    print()
    for note in result.notes:
        print(f"- {note}")


FAMILIES: dict[str, Callable[[Path, Path, str], None]] = {"diagnosis": diagnosis}
"""Name → function of the folder with the data, a folder to work in, and a model."""
