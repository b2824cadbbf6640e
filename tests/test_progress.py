"""Progress as a log file sees it, and as a terminal does."""

import io

from rich.console import Console

from biosig.progress import show_progress


def test_without_a_terminal_each_stage_ends_in_one_plain_line():
    out = io.StringIO()
    with show_progress(Console(file=out)) as progress:
        for stage in ("reading", "fitting"):
            for done in range(1, 1001):
                progress(stage, done, 1000)
    assert out.getvalue().splitlines() == ["reading: 1000 of 1000", "fitting: 1000 of 1000"]


def test_an_end_that_is_told_again_is_one_line():
    out = io.StringIO()
    with show_progress(Console(file=out)) as progress:
        for done in (1, 3, 3, 3, 1, 3):
            progress("reading", done, 3)
    assert out.getvalue().splitlines() == ["reading: 3 of 3", "reading: 3 of 3"]


def test_a_stage_that_comes_again_has_its_own_clock(monkeypatch):
    clock = iter([0.0, 1000.0, 5000.0, 5020.0])
    monkeypatch.setattr("biosig.progress.time.monotonic", lambda: next(clock))
    out = io.StringIO()
    with show_progress(Console(file=out)) as progress:
        for done, total in ((1, 2), (2, 2), (1, 4), (2, 4)):
            progress("fitting", done, total)
    assert out.getvalue().splitlines() == ["fitting: 2 of 2", "fitting: 2 of 4, 20 s left"]


def test_a_terminal_shows_how_much_is_done_and_leaves_the_end_standing():
    out = io.StringIO()
    with show_progress(Console(file=out, force_terminal=True, width=100)) as progress:
        for done in range(1, 11):
            progress("reading", done, 10)
    last = [line for line in out.getvalue().splitlines() if "reading" in line][-1]
    assert "10/10" in last
