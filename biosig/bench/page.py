"""The page of a bench: the best row of each endpoint with its interval, then every task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from biosig.bench.config import BenchConfig
from biosig.bench.plan import AS_IT_IS
from biosig.bench.public import about_public
from biosig.downstream.baseline import MODEL, method_title
from biosig.evaluate.metrics import METRICS
from biosig.file_sums import guarded
from biosig.plots.report import Report
from biosig.plots.scores import plot_scores

if TYPE_CHECKING:
    from biosig.bench.tables import BenchTables

READ = (
    "**People.** Every score is of people whom no row was fitted on: folds over people, the same for every row. "
    "The interval in brackets is the range of the scores of 95 % of resampled groups of these people; with fewer "
    "than twenty people it is narrower than it should be.",
    "**Score.** AUROC and macro AUROC: higher is better, 0.5 is guessing, 1 is perfect. Mean absolute error "
    "(MAE): lower is better, in the unit that the task names.",
    "**Gain.** How much better one row is than another on the same people; above 0 is better, whatever the score. "
    "Of many gains some are clear of 0 by chance: the table of primary endpoints alone is corrected for that.",
    "**Random twin.** The same network with random weights; the mean of the scores of its draws. The model minus "
    "its twin is the gain of training under this readout: a linear head on the mean and deviation of tokens, or "
    "the readout that the model's own weights name.",
    "**A + B.** The mean of the standardised scores of two rows, each counting alike: a weak row can pull a "
    "strong one down.",
    "**Chance.** The mean of the training people, or the share of each class.",
    "The decisions, the people and the meaning of *better* were fixed beforehand: docs/evidence.md.",
)
"""Paragraphs that explain the page to a new reader."""


def write_page(config: BenchConfig, tables: BenchTables, failed: Mapping[str, str]) -> None:
    """Write `bench.html` to the bench's folder.

    Parameters
    ----------
    config : BenchConfig
        The bench.
    tables : BenchTables
        Its tables.
    failed : mapping of str to str
        Runs that failed, with the reason.
    """
    report = Report("Bench", f"{', '.join(config.models)}, beside the same baselines on every task")
    report.add_text("\n\n".join(_about(config)))
    if len(tables.scores):
        _in_short(report, config, tables)
        _endpoints(report, config, tables)
        report.add_text("## How to read this page\n\n" + "\n".join(f"- {text}" for text in READ))
        _overview(report, tables)
        for name, rows in tables.scores.groupby("task", sort=False):
            _task(report, config, str(name), rows, tables)
    else:
        report.add_text("No row is made yet.")
    if public := about_public(config):
        report.add_text("## Public encoders\n\n" + "\n".join(f"- {text}" for text in public))
    if failed:
        report.add_text("## What could not be made\n\n" + "\n".join(f"- {name}: {why}" for name, why in failed.items()))
    with guarded(config.out / "bench.html") as temporary:
        report.write(temporary)


def row_title(row: str) -> str:
    """The title of a row on the page."""
    titles = {MODEL: "model, frozen", "finetuned": "model, fine-tuned", "random_weights": "random twin, frozen"}
    return " + ".join(titles.get(part, method_title(part)) for part in row.split(" + "))


def _about(config: BenchConfig) -> list[str]:
    """A paragraph on each model: its size, and its training as far as it is known."""
    path, texts = config.out / "models.json", []
    for facts in json.loads(path.read_text(encoding="utf-8")) if path.is_file() else ():
        what = f"**{facts['name']}**: {facts['n_parameters']:,} parameters, revision {facts['revision']}. "
        if not facts["trained"]:
            what = f"> {what}It has **random weights**: no number here is evidence for pretraining."
        elif facts.get("licence"):
            what += (
                f"Licence of the weights: {facts['licence']}. Its makers say that they trained on "
                f"{', '.join(facts['trained_on']) or 'nothing that they name'}; rows on people of these databases may "
                "have been seen, and take part in no comparison."
            )
        elif facts["ledger"]:
            what += (
                f"Its ledger lists {facts['ledger']:,} recordings of its pretraining; nobody scored here is among them."
            )
        else:
            what += "It has no ledger of its pretraining, so that nobody can say whether these people were in it."
        texts.append(what)
    return texts


def _in_short(report: Report, config: BenchConfig, tables: BenchTables) -> None:
    """Add the best row of every primary endpoint, the gain of training, and the model beside features."""
    lines = []
    as_it_is = tables.scores[tables.scores["condition"] == AS_IT_IS]
    for name, rows in as_it_is[as_it_is["primary"]].groupby("task", sort=False):
        better = METRICS[rows["metric"].iloc[0]].higher_is_better
        rows = rows[~rows["may_be_seen"]]
        if not len(rows):
            continue
        best = rows.sort_values("score", ascending=not better).iloc[0]
        unit = config.tasks[str(name)].unit
        text = (
            f"- **{best['title']}** ({best['n_people']} people): best is {row_title(best['row'])}, "
            f"{METRICS[best['metric']].title} {_score(best)}{f' {unit}' if unit else ''}."
        )
        gains = _of(tables.gains, str(name))
        others = {"random_weights": "its random twin", "handmade": "hand-made features"} if len(gains) else {}
        for against, words in others.items():
            found = gains[(gains["row"] == MODEL) & (gains["against"] == against) & (gains["condition"] == AS_IT_IS)]
            for gain in found.itertuples():
                how = f"({gain.gain:+.3f}, {gain.low:+.3f} to {gain.high:+.3f})"
                text += f" The frozen model is {_verdict(gain)} than {words} {how}."
        lines.append(text)
    if lines:
        report.add_text("## In short\n\n" + "\n".join(lines))


def _verdict(gain: Any) -> str:
    """The word for a gain with its interval: better, worse, or neither for sure."""
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "neither better nor worse for sure"


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
            f"{METRICS[task.judged_by].title}{f' in {task.unit}' if task.unit else ''}, {judged}."
        )
        titles = (
            as_it_is["row"]
            .map(row_title)
            .where(~as_it_is["may_be_seen"], as_it_is["row"].map(row_title) + " (may have been seen)")
        )
        shown = as_it_is.rename(columns={"score": "value"}).assign(method=titles)
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
                "the row is": [_verdict(gain).removesuffix(" for sure") for gain in gains.itertuples()],
            }
        )
        report.add_table(table, "Gain of one row over another, in pairs on the same people.")
    _conditions(report, rows)
    notes = _of(tables.notes, name)
    if len(notes):
        report.add_text("### Notes\n\n" + "\n".join(f"- {note}" for note in notes["note"]))
    for title, found in (("Operating points", tables.operating), ("Subgroups", tables.subgroups)):
        task_rows = _of(found, name)
        if len(task_rows):
            report.add_text(f"### {title}")
            column = "row" if "row" in task_rows else "method"
            drop = [c for c in ("task", "remark") if c in task_rows]
            report.add_table(
                task_rows.assign(**{column: task_rows[column].map(row_title)})
                .drop(columns=drop)
                .dropna(axis=1, how="all")
            )


def _conditions(report: Report, rows: pd.DataFrame) -> None:
    """Scores under each condition, beside those of the task as it is."""
    if rows["condition"].nunique() < 2:
        return
    with_conditions = set(rows.loc[rows["condition"] != AS_IT_IS, "row"])
    shown = rows[rows["row"].isin(with_conditions)]
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
    """The rows of a task; an empty table stays empty."""
    return table[table["task"] == name] if len(table) else table


def _score(row: pd.Series) -> str:
    digits = 3 if METRICS[row["metric"]].higher_is_better else 2
    seen = ", may have been seen" if row["may_be_seen"] else ""
    return f"{row['score']:.{digits}f} ({row['low']:.{digits}f}–{row['high']:.{digits}f}{seen})"
