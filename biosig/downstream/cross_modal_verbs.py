"""The verbs `waveform` and `retrieve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from biosig import config as configuration
from biosig.downstream.result import ProbeResult
from biosig.downstream.retrieval import RetrievalConfig, run_retrieval
from biosig.downstream.verbs import print_notes
from biosig.downstream.waveform import WaveformConfig, run_waveform
from biosig.progress import show_progress


def waveform(
    config: Annotated[Path, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
) -> int:
    """Rebuild absent channels from others: correlation and error per channel, beside the mean beat and a linear filter.

    Parameters
    ----------
    config : Path
        YAML file of a run (see configs/waveform/): model, shards, inputs, targets, split and what is not default.
    overrides : tuple of str
        Changes to it, key=value with dots for nesting: model=runs/small/model training.epochs=20 out=results/a.

    Returns
    -------
    int
        Exit status.
    """
    settings = configuration.load(WaveformConfig, config, overrides)
    with show_progress(Console(file=sys.stderr)) as progress:
        result = run_waveform(settings, progress)
    title = f"{result.facts['model']}: {', '.join(settings.inputs)} to {', '.join(settings.targets)}"
    print_means(result, "channel", title, Console())
    return 0


def retrieve(
    config: Annotated[Path, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
) -> int:
    """Find each recording's report among others, and the other way round: recall@k beside chance.

    Parameters
    ----------
    config : Path
        YAML file of a run (see configs/retrieval/): model, shards, split and what is not default.
    overrides : tuple of str
        Changes to it, key=value with dots for nesting: model=runs/small/model training.epochs=20 out=results/a.

    Returns
    -------
    int
        Exit status.
    """
    settings = configuration.load(RetrievalConfig, config, overrides)
    with show_progress(Console(file=sys.stderr)) as progress:
        result = run_retrieval(settings, progress)
    print_means(result, "direction", f"{result.facts['model']}: signals and reports", Console())
    return 0


def print_means(result: ProbeResult, by: str, title: str, console: Console) -> None:
    """Print the score table, a row for each method and a column for each metric, and its notes."""
    cohort = result.facts["cohort"]
    shown = Table(
        title=title,
        caption=f"{cohort['n_subjects']} subjects, {cohort['n_recordings']} recordings, {cohort['n_windows']} windows",
    )
    metrics = list(dict.fromkeys(result.table["metric"]))
    for name in (by, "method"):
        shown.add_column(name)
    for metric in metrics:
        shown.add_column(metric, justify="right")
    for group, of_group in result.table.groupby(by, sort=False):
        for method, rows in of_group.groupby("method", sort=False):
            cells = {row.metric: f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})" for row in rows.itertuples()}
            shown.add_row(group, method, *(cells.get(metric, "") for metric in metrics))
        shown.add_section()
    console.print(shown)
    print_notes(result, console)
