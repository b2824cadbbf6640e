"""The verb `doctor`: what is installed, and what is slow about this machine."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from biosig.cli.tables import print_lines

STYLES = {"ok": "green", "note": "cyan", "slow": "yellow", "absent": "dim"}


def doctor(*, trial: bool = True) -> int:
    """Say what is installed, which backends and threads there are, and what is slow about this machine.

    Parameters
    ----------
    trial : bool
        Train a few steps on sample recordings in float32 and bfloat16, which takes some seconds.
    """
    from biosig.doctor import examine

    console, advice = Console(), []
    for topic, facts in groupby(examine(trial), key=lambda fact: fact.topic):
        table = Table(show_header=False, box=None, pad_edge=False, title=topic, title_justify="left")
        for fact in facts:
            table.add_row(Text(f"  {fact.name}"), Text(fact.value, STYLES[fact.state]))
            if fact.advice:
                advice.append(f"{fact.name}: {fact.advice}")
        console.print(table)
    for line in advice:
        print_lines(console, line)
    return 0
