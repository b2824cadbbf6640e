"""Progress of long work: a bar with rate and time left on a terminal, plain lines otherwise.

Libraries take a `Progress` callable and never print; verbs pass the one that `show_progress` gives.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text


class Progress(Protocol):
    """Function that long work calls after each piece."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Tell what is being done, how much of it is done, how much there is, and a word on it ("loss 0.31")."""


PLAIN_INTERVAL = 10.0
"""Seconds between plain lines of one stage; its end is always told."""


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def show_progress(console: Console) -> Iterator[Progress]:
    """Show what is reported to the callable that it yields.

    Parameters
    ----------
    console : rich.console.Console
        Console to show it on; standard error keeps results on standard output clean.
    """
    if not console.is_terminal:
        yield _plain_lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console) as bars:
        stages: dict[str, int] = {}

        def report(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in stages:
                stages[stage] = int(bars.add_task(stage, total=total, note=note))
            bars.update(stages[stage], completed=done, total=total, note=note)  # type: ignore[arg-type]

        yield report


def _plain_lines(console: Console) -> Progress:
    started: dict[str, float] = {}
    last_shown: dict[str, float] = {}
    ended: tuple[str, int] | None = None

    def report(stage: str, done: int, total: int, note: str = "") -> None:
        nonlocal ended
        if (stage, done) == ended:  # who asks several workers hears of the end more than once
            return
        ended = (stage, done) if done >= total else None
        now = time.monotonic()
        begun = started.setdefault(stage, now)
        if done < total and now - last_shown.get(stage, begun) < PLAIN_INTERVAL:
            return
        last_shown[stage] = now
        left = (now - begun) / max(done, 1) * (total - done)
        line = f"{stage}: {done} of {total}" + (f", {note}" if note else "")
        console.print(line + (f", {left:.0f} s left" if done < total else ""), highlight=False, markup=False)
        if done >= total:  # a stage of this name may come again, and has its own clock then
            del started[stage], last_shown[stage]

    return report
