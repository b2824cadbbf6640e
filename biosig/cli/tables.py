"""Results on a terminal: score tables and the notes below them."""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from biosig.audit.result import AuditResult
    from biosig.bench.config import BenchConfig
    from biosig.bench.run import Bench
    from biosig.downstream.results.compare import Comparison
    from biosig.downstream.results.result import ProbeResult

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def print_lines(console: Console, *lines: str) -> None:
    """Print sentences as they are: no markup, no colours, no line breaks of the terminal's width."""
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_notes(result: ProbeResult | AuditResult, console: Console, file: str = "") -> None:
    """Print the notes of a result, and where it is saved."""
    print_lines(console, *(f"- {note}" for note in result.notes))
    if result.config.out is not None:
        print_lines(console, f"Saved in {result.config.out / file}")


def print_model_folder(folder: Path, console: Console) -> None:
    """Print where a pretrained model is."""
    print_lines(console, f"Model: {folder}")


def print_result(result: ProbeResult, console: Console) -> None:
    """Print the score table of a probe or a fine-tuning, and its notes."""
    title = f"{result.facts['model']}: {result.config.target.title}"
    print_scores(result.table, title, result.facts["cohort"]["all"], console)
    print_notes(result, console)


def print_bench_plan(config: BenchConfig, console: Console) -> None:
    """Print the runs of a bench with the minutes that each is expected to take."""
    from biosig.bench.run import plan_bench

    planned = plan_bench(config)
    table = planned.table()
    shown = Table(title="Runs, the cheap ones first")
    for name in ("task", "rows", "runs", "done", "minutes"):
        shown.add_column(name, justify="left" if name in ("task", "rows") else "right", no_wrap=True)
    for row in table.itertuples():
        shown.add_row(row.task, row.rows, str(row.runs), str(row.done), f"{row.minutes:.1f}")
    console.print(shown)
    done = f"; {len(planned.done)} of {len(planned.jobs)} are there and are skipped" if planned.done else ""
    print_lines(console, f"About {table['minutes'].sum():.0f} minutes in all{done}.")


def print_bench(result: Bench, console: Console) -> None:
    """Print the scores of the tasks as they are, and where the page is."""
    from biosig.bench.page import row_title
    from biosig.bench.plan import AS_IT_IS

    scores = result.tables.scores
    for title, rows in scores[scores["condition"] == AS_IT_IS].groupby("title", sort=False) if len(scores) else ():
        shown = Table(title=f"{title}, {rows['n_people'].iloc[0]} people", title_justify="left")
        shown.add_column("row")  # a long one may wrap, and a number never
        for name in (rows["metric"].iloc[0], "95 % interval"):
            shown.add_column(name, justify="right", no_wrap=True)
        for row in rows.itertuples():
            shown.add_row(row_title(row.row), f"{row.score:.3f}", f"{row.low:.3f} to {row.high:.3f}")
        console.print(shown)
    skipped = [f"Skipped, as it was there: {len(result.skipped)} runs."] if result.skipped else []
    print_lines(console, *skipped, *(f"- Could not be made: {name}: {why}" for name, why in result.failed.items()))
    print_lines(console, f"Saved in {result.out / 'bench.html'}")


def print_scores(table: pd.DataFrame, title: str, cohort: dict[str, int], console: Console) -> None:
    """Print the headline of a score table (`biosig.downstream.results.scores.rate`) over the size of its cohort."""
    from biosig.plots.scores import headline_metrics

    shown = Table(title=title, caption=_cohort(cohort))
    for name in ("method", "metric", "value", "95 % interval"):
        shown.add_column(name, justify="left" if name in ("method", "metric") else "right", no_wrap=True)
    for method, rows in table[table["metric"].isin(headline_metrics(table))].groupby("method", sort=False):
        for row in rows.itertuples():
            shown.add_row(method, row.metric, f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}")
        shown.add_section()
    console.print(shown)


def print_waveform(result: ProbeResult, console: Console) -> None:
    """Print the scores of rebuilt channels, and their notes."""
    inputs, targets = (", ".join(names) for names in (result.config.inputs, result.config.targets))
    _print_means(result, "channel", f"{inputs} to {targets}", console)


def print_retrieval(result: ProbeResult, console: Console) -> None:
    """Print recall@k in both directions, and its notes."""
    _print_means(result, "direction", "signals and reports", console)


def _print_means(result: ProbeResult, by: str, title: str, console: Console) -> None:
    """Print a row for each group and method and a column for each metric."""
    shown = Table(by, "method", title=f"{result.facts['model']}: {title}", caption=_cohort(result.facts["cohort"]))
    metrics = list(dict.fromkeys(result.table["metric"]))
    for metric in metrics:
        shown.add_column(metric, justify="right")
    for group, of_group in result.table.groupby(by, sort=False):
        for method, rows in of_group.groupby("method", sort=False):
            cells = {row.metric: f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})" for row in rows.itertuples()}
            shown.add_row(group, method, *(cells.get(metric, "") for metric in metrics))
        shown.add_section()
    console.print(shown)
    print_notes(result, console)


def _cohort(cohort: dict[str, int]) -> str:
    return f"{cohort['n_subjects']} subjects, {cohort['n_recordings']} recordings, {cohort['n_windows']} windows"


def print_answers(result: ProbeResult, console: Console) -> None:
    """Print exact match by method and type of question, and its notes."""
    sizes = result.facts["n_questions"]
    shown = Table(
        title=f"{result.facts['model']}: questions about ECGs, share answered exactly right",
        caption=f"{sizes['test']} test questions, {sizes['train']} trained on",
    )
    for name in ("method", "type of question", "questions", "exact match", "95 % interval"):
        shown.add_column(name, justify="left" if name in ("method", "type of question") else "right", no_wrap=True)
    for method, rows in result.table.groupby("method", sort=False):
        for row in rows.itertuples():
            kind = str(row.metric).removeprefix("exact match, ")
            shown.add_row(method, kind, str(row.n_questions), f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}")
        shown.add_section()
    console.print(shown)
    print_notes(result, console)


def print_audit(result: AuditResult, console: Console) -> None:
    """Print the findings of an audit as a table, then in words, and its notes."""
    from biosig.audit.result import FILE

    shown = Table(title=f"Audit of {result.facts.get('model', 'the task')}: {result.config.target.title}")
    for name in ("check", "value", "95 % interval", "expected", "verdict"):
        shown.add_column(name, justify="right" if name == "value" else "left", no_wrap=True)
    for one in result.findings:
        interval = f"{one.low:.2f} to {one.high:.2f}" if one.low == one.low else ""
        colour = _COLOURS[one.verdict]
        shown.add_row(one.check, f"{one.value:.3g}", interval, one.expected, f"[{colour}]{one.verdict}[/{colour}]")
    console.print(shown)
    print_lines(console, *(f"{finding.verdict}: {finding.sentence}" for finding in result.findings))
    print_notes(result, console, FILE)


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print which run is which, and a table of headline metrics for those that were tested on the same people."""
    from biosig.plots.scores import headline_metrics

    letters = dict(zip(comparison.table["run"].unique(), ascii_uppercase, strict=False))
    for run, rows in comparison.table.groupby("run", sort=False):
        first = rows.iloc[0]
        hashes = f"split {first['split']}, tested rows {first['tested']}"
        print_lines(console, f"{letters[run]}: {run} ({first['model']}, {first['n_subjects']} people, {hashes})")
    metrics = headline_metrics(comparison.table)
    for (task, _), rows in comparison.table.groupby(["task", "tested"], sort=False):
        scores = {letters[run]: of_run for run, of_run in rows.groupby("run", sort=False)}
        paired = comparison.differences[comparison.differences["run"].isin(rows["run"])]
        leads = {
            f"{letters[run]} − {letters[minus]}": lead
            for (run, minus), lead in paired.groupby(["run", "minus"], sort=False)
        }
        shown = Table("metric", *scores, *leads, title=task, caption="value, 95 % interval over people")
        for metric in [name for name in metrics if name in set(rows["metric"])]:
            cells = [_cell(of_run, metric, "") for of_run in scores.values()]
            shown.add_row(metric, *cells, *(_cell(lead, metric, "+") for lead in leads.values()))
        console.print(shown)
    print_lines(console, *(f"- {note}" for note in comparison.notes))


def _cell(rows: pd.DataFrame, metric: str, sign: str) -> str:
    row = rows.set_index("metric").loc[metric]
    return f"{row['value']:{sign}.3f}\n{row['low']:{sign}.3f} to {row['high']:{sign}.3f}"
