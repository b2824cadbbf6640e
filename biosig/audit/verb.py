"""The verb `audit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from biosig.audit.config import read_config
from biosig.audit.result import FILE, AuditResult
from biosig.audit.run import run_audit
from biosig.progress import show_progress

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def audit(
    source: Annotated[Path, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
) -> int:
    """Look for what else could explain a score: leakage, identity, line frequency, gain, length, spectrum, order.

    Parameters
    ----------
    source : Path
        YAML file of a probe, a fine-tuning or an audit, or the folder of a result, which gets an `audit.json`.
    overrides : tuple of str
        Changes to it, key=value with dots for nesting: model=runs/small/model site=site most_windows=500.

    Returns
    -------
    int
        Exit status: 1 if a check failed.
    """
    config = read_config(source, overrides)
    with show_progress(Console(file=sys.stderr)) as progress:
        result = run_audit(config, progress)
    print_audit(result, Console())
    return int(result.verdict == "fail")


def print_audit(result: AuditResult, console: Console) -> None:
    """Print the findings as a table, then in words, and what a reader must know beside them."""
    shown = Table(title=f"Audit of {result.facts.get('model', 'the task')}: {result.config.target.title}")
    for name in ("check", "value", "95 % interval", "expected", "verdict"):
        shown.add_column(name, justify="right" if name == "value" else "left", no_wrap=True)
    for one in result.findings:
        interval = f"{one.low:.2f} to {one.high:.2f}" if one.low == one.low else ""
        colour = _COLOURS[one.verdict]
        shown.add_row(one.check, f"{one.value:.3g}", interval, one.expected, f"[{colour}]{one.verdict}[/{colour}]")
    console.print(shown)
    for finding in result.findings:
        console.print(f"{finding.verdict}: {finding.sentence}", highlight=False, markup=False, soft_wrap=True)
    for note in result.notes:
        console.print(f"- {note}", highlight=False, markup=False, soft_wrap=True)
    if result.config.out is not None:
        console.print(f"Saved in {result.config.out / FILE}", highlight=False, markup=False, soft_wrap=True)
