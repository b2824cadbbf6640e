"""Progress for long work: a bar with rate and time left on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PLAIN_EVERY = 5.0
"""s between plain lines."""

Report = Callable[[int, int, Mapping[str, float]], None]
"""Called with (done, in all, what to show beside it)."""


@contextmanager
def step_progress(name: str, unit: str = "steps") -> Iterator[tuple[Console, Report]]:
    """A console, and a function to call after each piece of work.

    Parameters
    ----------
    name : str
        What is being done.
    unit : str
        What is counted, for the plain lines.
    """
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        yield console, _plain_lines(console, name, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}  {task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=None, rate="", note="")
        began = time.monotonic()

        def report(done: int, total: int, values: Mapping[str, float]) -> None:
            rate = done / max(time.monotonic() - began, 1e-9)
            bar.update(task, completed=done, total=total, rate=f"{rate:.3g} {unit}/s", note=_show(values))

        yield console, report


def _plain_lines(console: Console, name: str, unit: str) -> Report:
    began = last = time.monotonic()

    def report(done: int, total: int, values: Mapping[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < PLAIN_EVERY and done < total:
            return
        last = now
        rate = done / max(now - began, 1e-9)
        left = (total - done) / rate if rate else 0.0
        line = f"{name}: {done}/{total} {unit}, {rate:.3g}/s, {left:.0f} s left  {_show(values)}"
        console.print(line.rstrip(), markup=False)

    return report


def _show(values: Mapping[str, float]) -> str:
    return "  ".join(f"{key} {value:.3g}" for key, value in values.items())
