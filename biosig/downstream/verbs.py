"""The verbs `probe` and `finetune`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro
from rich.console import Console
from rich.table import Table

from biosig import config as configuration
from biosig.downstream.finetune import run_finetune
from biosig.downstream.probe import ProbeConfig, run_probe
from biosig.downstream.result import ProbeResult
from biosig.downstream.settings import FineTuneConfig
from biosig.plots.scores import headline_metrics
from biosig.progress import show_progress


def probe(
    config: Annotated[Path, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
) -> int:
    """Test frozen embeddings on a labelled task: a score table with 95 % intervals beside all baselines that suit.

    Parameters
    ----------
    config : Path
        YAML file of a probe (see configs/probe/): model, shards, target, windows and what is not default.
    overrides : tuple of str
        Changes to it, key=value with dots for nesting: model=runs/small/model split.folds=10 out=results/a.

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


def finetune(
    config: Annotated[Path, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
) -> int:
    """Tune a model on a labelled task, beside networks from scratch: a score table with 95 % intervals, and weights.

    Parameters
    ----------
    config : Path
        YAML file of a run (see configs/finetune/): model, shards, target, windows, split and what is not default.
    overrides : tuple of str
        Changes to it, key=value with dots for nesting: model=runs/small/model tune.method=full out=results/a.

    Returns
    -------
    int
        Exit status.
    """
    settings = configuration.load(FineTuneConfig, config, overrides)
    with show_progress(Console(file=sys.stderr)) as progress:
        result = run_finetune(settings, progress)
    print_result(result, Console())
    return 0


def print_result(result: ProbeResult, console: Console) -> None:
    """Print the score table and its notes."""
    title = f"{result.facts['model']}: {result.config.target.title}"
    print_scores(result.table, title, result.facts["cohort"]["all"], console)
    print_notes(result, console)


def print_scores(table: pd.DataFrame, title: str, cohort: dict[str, int], console: Console) -> None:
    """Print the headline of a score table (`biosig.downstream.rating.rate`) over a line on whom it is of."""
    caption = f"{cohort['n_subjects']} subjects, {cohort['n_recordings']} recordings, {cohort['n_windows']} windows"
    shown = Table(title=title, caption=caption)
    shown.add_column("method", no_wrap=True)
    shown.add_column("metric", no_wrap=True)
    shown.add_column("value", justify="right", no_wrap=True)
    shown.add_column("95 % interval", justify="right", no_wrap=True)
    for method, rows in table[table["metric"].isin(headline_metrics(table))].groupby("method", sort=False):
        for row in rows.itertuples():
            shown.add_row(method, row.metric, f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}")
        shown.add_section()
    console.print(shown)


def print_notes(result: ProbeResult, console: Console) -> None:
    """Print what a reader of the table must know, and where it is saved."""
    for note in result.notes:
        console.print(f"- {note}", highlight=False, markup=False, soft_wrap=True)
    if result.config.out is not None:
        console.print(f"Saved in {result.config.out}", highlight=False, markup=False, soft_wrap=True)
