"""The verb `probe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from biosig import config as configuration
from biosig.downstream.probe import ProbeConfig, run_probe
from biosig.downstream.result import ProbeResult
from biosig.progress import show_progress


def probe(
    config: Annotated[Path, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
) -> int:
    """Test frozen embeddings on a labelled task: a score table with 95 % intervals beside three baselines.

    Parameters
    ----------
    config : Path
        YAML file of a probe (see configs/probe/): model, shards, target, windows and what is not default.
    overrides : tuple of str
        Changes to it, key=value with dots for nesting: model=runs/small shards=shards/ n_folds=10 out=results/a.

    Returns
    -------
    int
        Exit status.
    """
    settings = configuration.load(ProbeConfig, config, overrides)
    with show_progress(Console(file=sys.stderr)) as progress:
        result = run_probe(settings, progress)
    print_result(result, Console())
    return 0


def print_result(result: ProbeResult, console: Console) -> None:
    """Print the score table and its notes."""
    target = result.config.target
    shown = Table(title=f"{result.facts['model']}: {' against '.join(target.class_names) or target.label}")
    for column in ("method", "metric", "value", "95 % interval", "subjects", "recordings", "windows"):
        shown.add_column(column, justify="left" if column in ("method", "metric") else "right")
    for row in result.table.itertuples():
        interval = f"{row.low:.3f} to {row.high:.3f}"
        counts = (str(row.n_subjects), str(row.n_recordings), str(row.n_windows))
        shown.add_row(row.method, row.metric, f"{row.value:.3f}", interval, *counts)
    console.print(shown)
    for note in result.notes:
        console.print(f"- {note}", highlight=False, markup=False)
    if result.config.out is not None:
        console.print(f"Saved in {result.config.out}", highlight=False, markup=False)
