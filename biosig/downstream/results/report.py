"""Report of a result: target, cohort, scores beside baselines, differences, calibration, subgroups, limitations.

It is a function of the files in the result folder, so it can be made again at any time (`biosig evaluate`).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from biosig.csv_table import write_csv
from biosig.downstream.baseline import method_title
from biosig.downstream.results.analysis import ResultAnalysis, analyse
from biosig.downstream.results.result_folder import SavedResult, open_result
from biosig.evaluate.intervals import FEW_SUBJECTS
from biosig.evaluate.metrics import METRICS, ROLES
from biosig.file_sums import guarded
from biosig.plots.agreement import plot_agreement
from biosig.plots.calibration import plot_calibration
from biosig.plots.curves import plot_shots
from biosig.plots.forest import ATTRIBUTES, plot_differences, plot_subgroups
from biosig.plots.report import Report
from biosig.plots.robustness import plot_robustness
from biosig.plots.scores import metric_title, plot_scores
from biosig.publishing import whole_file

TITLES = {"shots": "With fewer labels", "layers": "By layer, on inner folds of the training people"}


def write_report(folder: Path) -> Path:
    """Write report.html, its pictures in plots/, and differences.csv and subgroups.csv to a result folder.

    Raises
    ------
    UsageError
        If the folder is not a result of a probe or a fine-tuning.
    """
    run = open_result(folder)
    analysis = analyse(run)
    for name, table in {"differences": analysis.differences, "subgroups": analysis.subgroups}.items():
        if table is not None:
            with guarded(folder / f"{name}.csv") as temporary:
                write_csv(table, temporary)
    return _Page(run, analysis).write()


class _Page:
    """Writer of the report, with a method for each part, in the order of reading."""

    def __init__(self, run: SavedResult, analysis: ResultAnalysis) -> None:
        self.run, self.analysis = run, analysis
        self.metric = ROLES[run.target.kind].leads
        facts = run.metrics
        kind = "frozen embeddings, tested by a probe" if run.verb == "probe" else "fine-tuned"
        self.report = Report(f"{run.target.title}", f"{facts['model']}, {kind}")

    def write(self) -> Path:
        """Write every part, and the file."""
        self._found()
        self._cohort()
        self._scores()
        self._differences()
        self._trust()
        self._subgroups()
        self._further()
        self._audit()
        self._limitations()
        self._again()
        path = self.run.folder / "report.html"
        with guarded(path) as temporary:
            self.report.write(temporary)
        return path

    def _found(self) -> None:
        row = self._row("model")
        name = metric_title(self.metric)
        unit = "recording" if self.run.metrics["scored_per"] == "recording" else "window"
        first = (
            f"**{name} {row['value']:.3f}** (95 % interval {row['low']:.3f} to {row['high']:.3f}), scored per {unit} "
            f"on {row['n_subjects']:.0f} people that the model was not fitted on."
        )
        lines = [self._verdict(other) for other in self.analysis.differences.to_dict("records")]
        self.report.add_text("\n\n".join([first, "\n".join(line for line in lines if line)]))
        if not self.run.metrics["model_trained"]:
            self.report.add_text("> The model on trial had random weights: no number here is evidence for pretraining.")

    def _verdict(self, row: dict[str, float | str]) -> str:
        """Describe one comparison in words."""
        if row["metric"] != self.metric:
            return ""
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        better = 1 if METRICS[self.metric].higher_is_better else -1
        verdict = "cannot be told apart"
        if low > 0 or high < 0:
            verdict = "better" if value * better > 0 else "worse"
        other = method_title(str(row["method"]))
        return f"- Against {other}: {verdict}, {value:+.3f} ({low:+.3f} to {high:+.3f})."

    def _cohort(self) -> None:
        self.report.add_text("## Of whom")
        several = " A recording counts for each of its labels." if self.run.target.kind == "multilabel" else ""
        self.report.add_table(self.analysis.cohort, f"Who was tested.{several}")

    def _scores(self) -> None:
        self.report.add_text("## What was found, beside what")
        table = self.run.scores
        shown = [method for method in dict.fromkeys(table["method"]) if not method.startswith("model, ")]
        title = f"{self.run.metrics['model']}: {self.run.target.title}"
        self._figure(
            "scores",
            plot_scores(table[table["method"].isin(shown)], title),
            "Points are scores on people that no method was fitted on, lines 95 % intervals from resampling people.",
            "Scores of the model and of each baseline, with intervals",
        )
        self.report.add_table(
            wide(table.assign(method=table["method"].map(method_title)), "method"), "Score and 95 % interval."
        )
        if self.run.labels is not None:
            own = self.run.labels[self.run.labels["method"] == "model"].drop(columns="method")
            self.report.add_table(own, "The model's score for each label by itself.")
        if len(shown) < table["method"].nunique():
            self._figure(
                "robustness",
                plot_robustness(table, title),
                "The same tuned model, given fewer channels.",
                "Scores of the model with fewer channels",
            )

    def _differences(self) -> None:
        table = self.analysis.differences
        if table.empty:
            return
        self.report.add_text(
            "## What the model adds\n\nEach difference is drawn in pairs: the same people are resampled for both, so "
            "it can be told from nothing where the two intervals above overlap."
        )
        self._figure(
            "differences",
            plot_differences(table),
            "Orange: the 95 % interval leaves out zero.",
            "Differences between the model and each baseline, with intervals",
        )

    def _trust(self) -> None:
        """Add calibration of probabilities, or agreement of numbers."""
        found, kind = self.analysis, self.run.target.kind
        if found.reliability is not None and found.risk is not None:
            names = [f"{name}" for name in self.run.target.class_names]
            own = self.run.scores[self.run.scores["method"] == "model"]
            calibration_scores = [
                f"{metric_title(r.metric)} {r.value:.3f} ({r.low:.3f} to {r.high:.3f})"
                for r in own.itertuples()
                if r.metric in METRICS and METRICS[r.metric].rates_probabilities
            ]
            self.report.add_text(
                f"## Can its probabilities be believed?\n\n{', '.join(calibration_scores)}. Who is drawn twice makes a "
                "calibration error larger, so its interval may lie above it."
            )
            self._figure(
                "calibration",
                plot_calibration(found.reliability, found.risk, names),
                "Left: of cases that the model gives this probability, how many are so; the dashed line is perfect. "
                "Right: how many decisions are wrong if only the surest are taken; the dashed line takes all.",
                "Reliability plot and risk-coverage curve of the model",
            )
        if found.confusion is not None:
            self.report.add_table(found.confusion, "Decisions by the largest probability.")
        if kind == "number" and found.agreement is not None:
            y, prediction, limits = found.agreement
            self.report.add_text("## How far single values can be believed")
            self._figure(
                "agreement",
                plot_agreement(y, prediction, limits),
                f"Bias {limits[0]:+.3g}; 95 % of differences are expected between {limits[1]:.3g} and {limits[2]:.3g} "
                "(limits of agreement).",
                "Predicted against true values, and their differences",
            )

    def _subgroups(self) -> None:
        table = self.analysis.subgroups
        if table is None:
            return
        self.report.add_text(
            "## For whom\n\nA score in all can hide a group that the model fails. Small groups have wide intervals, "
            "and with many groups some differ by chance."
        )
        table = table[table["metric"] == self.metric]
        if (table["value"].notna() & (table["n_subjects"] >= FEW_SUBJECTS)).any():
            self._figure(
                "subgroups",
                plot_subgroups(table, float(self._row("model")["value"]), self.metric),
                "Orange: the 95 % interval leaves out the score in all. Smaller groups than ten are only in the table.",
                "The model's score by group of people",
            )
        columns = ["attribute", "group", "value", "low", "high", "n_subjects", "n_recordings", "remark"]
        shown = table[columns].replace({"attribute": ATTRIBUTES})
        self.report.add_table(shown, "The model's score by group.")

    def _further(self) -> None:
        """Add further tables of the run: scores by number of labels, by layer."""
        for name, table in self.run.tables.items():
            self.report.add_text(f"## {TITLES.get(name, name.replace('_', ' ').capitalize())}")
            if name == "shots":
                self._figure(
                    "shots",
                    plot_shots(table),
                    "The same test people; a head is fitted on this many labelled examples of each class, drawn from "
                    "the training people. Points are means over draws.",
                    "Score by number of labels per class",
                )
                table = wide(table, "shots")
            if name == "layers":
                table = (
                    table.pivot_table("inner_score", "layer", "fold").mean(axis=1).rename("inner score").reset_index()
                )
            self.report.add_table(table)

    def _audit(self) -> None:
        self.report.add_text("## Audits")
        if self.run.audit is None:
            self.report.add_text(
                "None was run on this result: `biosig audit` asks whether the score could come from who was recorded, "
                "where, or how."
            )
            return
        findings = pd.DataFrame(self.run.audit["findings"])
        sentences = [f"- **{row.verdict}**, {row.check}: {row.sentence}" for row in findings.itertuples()]
        self.report.add_text("\n".join([*sentences, *(f"- {note}" for note in self.run.audit["notes"])]))
        numbers = findings[["check", "value", "low", "high", "expected", "verdict"]]
        self.report.add_table(numbers, "What else could explain the score, and what an honest task would give.")

    def _limitations(self) -> None:
        notes = "\n".join(f"- {note}" for note in self.run.metrics["notes"])
        self.report.add_text(f"## How far this goes\n\n{notes}")

    def _again(self) -> None:
        run, environment = self.run, self.run.environment
        self.report.add_text(
            f"## Do it again\n\n`biosig {run.verb} config.yaml out=NEW` with the configuration below, which lies "
            "beside this page; `biosig evaluate` rates the saved predictions again. Numbers are the same on the "
            "same machine and versions."
        )
        revision = environment.get("git_revision", "an installed package")
        changed = environment.get("git_changed_files", "0")
        rows = {
            "command": environment["command"],
            "model revision": run.metrics["model_revision"],
            "shards (SHA-256)": run.metrics["shards_hash"],
            "split (SHA-256)": run.split,
            "tested rows (SHA-256)": run.test_rows[0],
            "code": revision + (f", {changed} files changed" if changed != "0" else ""),
            "versions": ", ".join(f"{k} {v}" for k, v in environment.items() if not k.startswith(("git", "command"))),
        }
        self.report.add_table(pd.DataFrame({"what": list(rows), "which": list(rows.values())}))
        self.report.add_code(yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True))

    def _row(self, method: str) -> pd.Series:
        table = self.run.scores
        return table[(table["method"] == method) & (table["metric"] == self.metric)].iloc[0]

    def _figure(self, name: str, figure: Figure, caption: str, alt: str) -> None:
        """Add a figure to the page, and write it as a file."""
        plots = self.run.folder / "plots"
        plots.mkdir(exist_ok=True)
        with whole_file(plots / f"{name}.png") as temporary:
            temporary.write_bytes(self.report.add_figure(figure, caption, alt))


def wide(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Pivot a table to a row for each value of `by` and a column per metric, with score and interval in each cell."""
    cells = [f"{row.value:.3f} ({row.low:.3f}\u00a0to\u00a0{row.high:.3f})" for row in table.itertuples()]
    shown = table[[by, "metric"]].assign(cell=cells).pivot(index=by, columns="metric", values="cell")
    order = {name: list(dict.fromkeys(table[name])) for name in (by, "metric")}
    return shown.loc[order[by], order["metric"]].rename(columns=metric_title).reset_index().rename_axis(columns=None)
