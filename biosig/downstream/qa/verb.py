"""The verb `qa`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from biosig import config as configuration
from biosig.downstream.qa.run import run_qa
from biosig.downstream.qa.settings import QaConfig
from biosig.downstream.result import ProbeResult
from biosig.downstream.verbs import print_notes
from biosig.progress import show_progress


def qa(
    config: Annotated[Path, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
) -> int:
    """Answer questions about ECGs, made from labels or ECG-QA's: exact match by type, beside what has to be beaten.

    Parameters
    ----------
    config : Path
        YAML file of a run (see configs/qa/): model, shards, questions and what is not default.
    overrides : tuple of str
        Changes to it, key=value with dots for nesting: model=runs/small/model questions.most=50 out=results/a.

    Returns
    -------
    int
        Exit status.
    """
    settings = configuration.load(QaConfig, config, overrides)
    with show_progress(Console(file=sys.stderr)) as progress:
        result = run_qa(settings, progress)
    _print(result, Console())
    return 0


def _print(result: ProbeResult, console: Console) -> None:
    """Print the score table, a line per method and type, and its notes."""
    sizes = result.facts["n_questions"]
    shown = Table(
        title=f"{result.facts['model']}: questions about ECGs, share answered exactly right",
        caption=f"{sizes['test']} test questions, {sizes['train']} trained on",
    )
    for name, justify in (("method", "left"), ("type of question", "left"), ("questions", "right")):
        shown.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for name in ("exact match", "95 % interval"):
        shown.add_column(name, justify="right", no_wrap=True)
    for method, rows in result.table.groupby("method", sort=False):
        for row in rows.itertuples():
            kind = str(row.metric).removeprefix("exact match, ")
            shown.add_row(method, kind, str(row.n_questions), f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}")
        shown.add_section()
    console.print(shown)
    print_notes(result, console)
