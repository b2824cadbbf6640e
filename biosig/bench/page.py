"""The page of a bench: which row is best, on whom, how sure; then everything else, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from biosig.bench.config import BenchConfig
from biosig.bench.plan import AS_IT_IS
from biosig.downstream.baselines import MODEL, method_title
from biosig.evaluate.metrics import METRICS
from biosig.file_sums import guarded
from biosig.plots.report import Report
from biosig.plots.scores import plot_scores

if TYPE_CHECKING:
    from biosig.bench.tables import BenchTables

READ = """## How to read this page

- **People**: every score is of people whom no row has learned from: folds over people, the same for every row. The
  interval in brackets is the range in which the score lies for 95 % of resampled groups of these people.
- **Score**: AUROC and macro AUROC are better when higher (0.5 is guessing, 1 is perfect); errors (MAE) when lower.
- **Gain**: how much better one row is than another on the same people; above 0 is better, whatever the score. A gain
  whose interval holds 0 may be chance.
- **random twin**: the same network with random weights, the mean of several draws. What the model has over it is what
  its training is worth.
- **A + B**: the mean of the standardised scores of two rows.
"""


def write_page(config: BenchConfig, tables: BenchTables, failed: Mapping[str, str]) -> None:
    """Write `bench.html` to the bench's folder.

    Parameters
    ----------
    config : BenchConfig
        The bench.
    tables : BenchTables
        What was found.
    failed : mapping of str to str
        Runs that could not be made, and why.
    """
    report = Report("Bench", f"{', '.join(config.models)}, beside the same baselines on every task")
    if len(tables.scores):
        _best(report, tables)
        _endpoints(report, config, tables)
        report.add_text(READ)
        _overview(report, tables)
        for name, rows in tables.scores.groupby("task", sort=False):
            _task(report, config, str(name), rows, tables)
    else:
        report.add_text("No row is made yet.")
    if failed:
        report.add_text("## What could not be made\n\n" + "\n".join(f"- {name}: {why}" for name, why in failed.items()))
    with guarded(config.out / "bench.html") as temporary:
        report.write(temporary)


def row_title(row: str) -> str:
    """A row's name for readers."""
    titles = {MODEL: "model, frozen", "finetuned": "model, fine-tuned", "random_weights": "random twin, frozen"}
    return " + ".join(titles.get(part, method_title(part)) for part in row.split(" + "))


def _best(report: Report, tables: BenchTables) -> None:
    """One sentence a primary endpoint: its best row, and where the model stands."""
    lines = []
    as_it_is = tables.scores[tables.scores["condition"] == AS_IT_IS]
    for _, rows in as_it_is[as_it_is["primary"]].groupby("task", sort=False):
        better = METRICS[rows["metric"].iloc[0]].higher_is_better
        ordered = rows.sort_values("score", ascending=not better)
        best = ordered.iloc[0]
        text = (
            f"- **{best['title']}** ({best['n_people']} people): best is {row_title(best['row'])}, {_score(best)} "
            f"{METRICS[best['metric']].title}"
        )
        own = rows[rows["row"] == MODEL]
        if len(own) and best["row"] != MODEL:
            text += f"; the frozen model {_score(own.iloc[0])}"
        lines.append(text + ".")
    if lines:
        report.add_text("## In short\n\n" + "\n".join(lines))


def _endpoints(report: Report, config: BenchConfig, tables: BenchTables) -> None:
    if not len(tables.endpoints):
        return
    shown = tables.endpoints.copy()
    for column in ("row", "against"):
        shown[column] = shown[column].map(row_title)
    shown["endpoint"] = [config.tasks[name].title for name in shown["endpoint"]]
    shown["interval"] = [f"{low:+.3f} to {high:+.3f}" for low, high in zip(shown["low"], shown["high"], strict=True)]
    shown["above"] = shown["above"].map({True: "yes", False: "no"})
    shown["level"] = [f"{100 * level:.4g} %" for level in shown["level"]]
    columns = ["row", "against", "endpoint", "n_people", "gain", "interval", "level", "p_sign_flip", "above"]
    report.add_text(
        "## Primary endpoints\n\nAbove = the whole interval of the gain lies above 0 at Holm's level, stricter "
        "for the first endpoint, so that all of them together are wrong in at most one of twenty benches."
    )
    report.add_table(shown[columns], "Gains on the recordings that decide (docs/evidence.md).")


def _overview(report: Report, tables: BenchTables) -> None:
    rows = tables.scores[tables.scores["condition"] == AS_IT_IS]
    wide = rows.assign(text=[_score(row) for _, row in rows.iterrows()]).pivot(
        index="title", columns="row", values="text"
    )
    order = [row for row in dict.fromkeys(rows["row"]) if row in wide]
    wide = wide.loc[list(dict.fromkeys(rows["title"])), order]
    wide.columns = [row_title(name) for name in wide.columns]
    metrics = rows.drop_duplicates("title").set_index("title")["metric"].map(lambda name: METRICS[name].title)
    wide.insert(0, "score", metrics.loc[wide.index].to_numpy())
    report.add_text("## All tasks")
    report.add_table(wide.reset_index().rename(columns={"title": "task"}).fillna("–"), "Score and 95 % interval.")


def _task(report: Report, config: BenchConfig, name: str, rows: pd.DataFrame, tables: BenchTables) -> None:
    task = config.tasks[name]
    as_it_is = rows[rows["condition"] == AS_IT_IS]
    report.add_text(f"## {task.title}" + (" (primary endpoint)" if task.primary else ""))
    if task.remark:
        report.add_text(f"> {task.remark[0].upper()}{task.remark[1:]}.")
    if len(as_it_is):
        first = as_it_is.iloc[0]
        judged = "worked out for each person, then averaged" if task.per_person else "over all together"
        report.add_text(
            f"{first['n_people']} people, {first['n_recordings']} recordings, {first['n_windows']} windows; "
            f"{METRICS[task.judged_by].title} {judged}."
        )
        shown = as_it_is.rename(columns={"score": "value"}).assign(method=as_it_is["row"].map(row_title))
        figure = plot_scores(shown[["method", "metric", "value", "low", "high"]], task.title)
        report.add_figure(figure, "Points are scores, lines 95 % intervals over people.", f"Scores of {task.title}")
    gains = _of(tables.gains, name)
    if len(gains):
        gains = gains[gains["condition"] == AS_IT_IS]
        table = pd.DataFrame(
            {
                "row": gains["row"].map(row_title),
                "against": gains["against"].map(row_title),
                "gain": gains["gain"],
                "95 % interval": [f"{a:+.3f} to {b:+.3f}" for a, b in zip(gains["low"], gains["high"], strict=True)],
                "clear of 0": [
                    "yes" if a > 0 or b < 0 else "no" for a, b in zip(gains["low"], gains["high"], strict=True)
                ],
            }
        )
        report.add_table(table, "Gain of one row over another, in pairs on the same people.")
    _conditions(report, rows)
    notes = _of(tables.notes, name)
    if len(notes):
        report.add_text("### Notes\n\n" + "\n".join(f"- {note}" for note in notes["note"]))
    for title, found in (("Operating points", tables.operating), ("Subgroups", tables.subgroups)):
        mine = _of(found, name)
        if len(mine):
            report.add_text(f"### {title}")
            column = "row" if "row" in mine else "method"
            drop = [c for c in ("task", "remark") if c in mine]
            report.add_table(
                mine.assign(**{column: mine[column].map(row_title)}).drop(columns=drop).dropna(axis=1, how="all")
            )


def _conditions(report: Report, rows: pd.DataFrame) -> None:
    """Scores under each condition, beside those of the task as it is."""
    if rows["condition"].nunique() < 2:
        return
    there = set(rows.loc[rows["condition"] != AS_IT_IS, "row"])
    shown = rows[rows["row"].isin(there)]
    wide = shown.assign(text=[_score(row) for _, row in shown.iterrows()]).pivot(
        index="condition", columns="row", values="text"
    )
    wide = wide.loc[list(dict.fromkeys(shown["condition"])), list(dict.fromkeys(shown["row"]))]
    wide.columns = [row_title(name) for name in wide.columns]
    report.add_text("### Made harder")
    report.add_table(
        wide.reset_index().fillna("–"),
        "The same folds. Fewer channels are those of everybody; recordings that are made worse, and people of another "
        "database, are only tested.",
    )


def _of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of a task; none of a table that has none."""
    return table[table["task"] == name] if len(table) else table


def _score(row: pd.Series) -> str:
    digits = 3 if METRICS[row["metric"]].higher_is_better else 2
    return f"{row['score']:.{digits}f} ({row['low']:.{digits}f}–{row['high']:.{digits}f})"
