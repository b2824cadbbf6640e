"""The card of weights that ship, as Markdown: description, training data and measurements.

Every number comes from the run, from `pool_sets.csv` beside this file, or from a file that a measurement wrote. A
section whose file is not given is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from biosig.audit.result import FILE as AUDIT
from biosig.csv_table import read_csv
from biosig.errors import UsageError
from biosig.evaluate.ledger import Ledger
from biosig.evaluate.metrics import METRICS
from biosig.models.checkpoint import default_card
from biosig.models.model import Model
from biosig.pretrain.config import PretrainConfig
from biosig.text_files import read_json

SETS = Path(__file__).with_name("pool_sets.csv")
LICENCE = "Apache-2.0"

ROWS = {
    "model": "these weights",
    "random_weights": "random twin",
    "handmade": "hand-made features",
    "handmade + model": "features + weights",
    "handmade + random_weights": "features + twin",
    "finetuned": "fine-tuned",
}
"""Rows of a bench that the card shows, in this order, and their names there; networks from scratch come behind."""

_BASIS = {"seen": "seen", "known": "as the original database gives it", "own": "this project's"}


@dataclass(frozen=True)
class Evidence:
    """Files that sections are made of.

    Parameters
    ----------
    bench : tuple of Path
        Result folders of `biosig bench`.
    audit : tuple of Path
        Folders that `biosig audit` wrote, or their `audit.json`.
    retest, timing : Path, optional
        Tables (CSV) of test–retest agreement, and of time or energy per vector.
    seeds : Path, optional
        Text (Markdown) on the other pretraining seeds of the recipe, and on the recipes that were tried.
    machine, minutes : str, float, optional
        Kind of machine that the pretraining ran on, and how long it took.
    """

    bench: tuple[Path, ...] = ()
    audit: tuple[Path, ...] = ()
    retest: Path | None = None
    timing: Path | None = None
    seeds: Path | None = None
    machine: str = ""
    minutes: float | None = None

    def missing(self) -> list[str]:
        """Names of the options that were not given."""
        return [f"--{name}" for name, value in vars(self).items() if not value]


class Revisions(NamedTuple):
    """Revisions of the weights that ship, and of the same before they were rounded to bfloat16."""

    shipped: str
    before: str

    def sentence(self, measured: Sequence[str]) -> str:
        """A sentence on whether measurements are of these weights."""
        if set(measured) == {self.shipped}:
            return "Measured with these weights."
        if set(measured) == {self.before}:
            return "Measured with these weights before they were rounded to bfloat16."
        return f"Measured with other weights (revision {', '.join(measured)}) than these ({self.before}, rounded)."


def card(model: Model, before: str, run: PretrainConfig, ledger: Ledger, crops: int | None, evidence: Evidence) -> str:
    """The card of a model.

    Parameters
    ----------
    model : Model
        As it ships, but with the card of the run, of which the section on pretraining is kept.
    before : str
        Revision of the run's weights, before they were rounded.
    run : PretrainConfig
        The run.
    ledger : Ledger
        As it ships.
    crops : int or None
        Windows that were drawn; None = not known.
    evidence : Evidence
        Files of measurements.

    Raises
    ------
    UsageError
        If a source of the run is not in the table of sets, or a file does not hold what it should.
    """
    sets, revisions = used_sets(run), Revisions(model.revision, before)
    front = {"license": LICENCE, "n_parameters": model.n_parameters, "note": note(sets)}
    about, disclaimer = default_card(model.encoder, trained=True).rstrip().rsplit("\n", 1)
    sections = [
        f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n",
        about,
        "Parameters are rounded to bfloat16; they are loaded as float32. `biosig.embed(biosig.load_model("
        f'"{model.name}"), recording)` gives a vector for each window.' + _heads(model),
        f"## Data\n\n{_data(sets)}",
        f"## Licence\n\nThe weights are licensed under {LICENCE}. They were trained on data with the licences in the "
        "table, which names the databases as their licences ask for: keep it with the weights.",
        _compute(run, crops, evidence),
        _pretraining(model.card, ledger, sets),
        *(_bench(folder, revisions) for folder in evidence.bench),
        *([f"## Seeds and tries\n\n{evidence.seeds.read_text(encoding='utf-8')}"] if evidence.seeds else []),
        *(_audit(path, revisions) for path in evidence.audit),
        *([_table(evidence.retest, "Test–retest")] if evidence.retest else []),
        *([_table(evidence.timing, "Time per vector")] if evidence.timing else []),
        _absent(sets),
        _limits(run, ledger, evidence),
        f"## Not a medical device\n\n{disclaimer}",
    ]
    return "\n\n".join(section.strip("\n") for section in sections if section) + "\n"


def used_sets(run: PretrainConfig) -> pd.DataFrame:
    """Rows of `pool_sets.csv` for the sources of a run, by the names of their folders, each once.

    Raises
    ------
    UsageError
        If one has no row.
    """
    table = pd.read_csv(SETS).set_index("set")
    names = list(dict.fromkeys(source.shards.name for source in run.sources))
    unknown = [name for name in names if name not in table.index]
    if unknown:
        raise UsageError(
            f"{SETS} has no row for {', '.join(unknown)}: add what it is, of whom, and under which licence."
        )
    return table.loc[names]


def note(sets: pd.DataFrame) -> str:
    """A line for `biosig.list_models`."""
    return f"pretrained on {', '.join(dict.fromkeys(sets['signals']))}"


def _heads(model: Model) -> str:
    names = [name for head in model.heads for name in head.config.columns]  # type: ignore[union-attr]
    shown = ", ".join(f"`{name}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f" With `heads=True` it also gives {shown}." if names else ""


def _data(sets: pd.DataFrame) -> str:
    shown = pd.DataFrame(
        {
            "set": [f"`{name}`" for name in sets.index],
            "signals": sets["signals"] + ": " + sets["what"],
            "recordings": [_count(n) for n in sets["recordings"]],
            "people": [_count(n) if n else "none" for n in sets["people"]],
            "hours": ["" if pd.isna(hours) else f"{hours:g}" for hours in sets["hours"]],
            "database": sets["database"],
            "licence": [f"{one} ({_BASIS[basis]})" for one, basis in zip(sets["licence"], sets["basis"], strict=True)],
            "remark": sets["caveat"].fillna(""),
        }
    )
    nameless = sets.index[sets["people"].isna()]
    text = markdown(shown)
    if len(nameless):
        text += (
            f"\n\nRecordings of {', '.join(f'`{name}`' for name in nameless)} come without ids of people: one of them "
            "may be another recording of somebody on whom the weights were scored."
        )
        if "ptbxl" in nameless:
            text += " Of `ptbxl` that is very likely for a few, and nobody can say for whom."
    return text


def _compute(run: PretrainConfig, crops: int | None, evidence: Evidence) -> str:
    text = f"{run.steps:,} steps" + ("" if crops is None else f", {crops:,} windows drawn")
    text += f", seed {run.seed}, {run.precision}"
    text += f", {evidence.minutes:g} minutes" if evidence.minutes else ""
    text += f", on {evidence.machine}" if evidence.machine else ""
    return f"## Compute\n\n{text}."


def _pretraining(of_run: str, ledger: Ledger, sets: pd.DataFrame) -> str:
    """The run's own section, with the sentence on the ledger as it ships."""
    _, mark, section = of_run.partition("## Pretraining")
    lines = [line for line in section.splitlines() if not line.startswith("`seen.safetensors` lists")]
    lines.append(ledger.sentence() + (" No simulated recording is listed." if (sets["basis"] == "own").any() else ""))
    return "\n".join([mark, *lines]).replace("\n\n\n", "\n\n")


def _bench(folder: Path, revisions: Revisions) -> str:
    """Scores with intervals, the twin beside, and subgroups, from a result folder of `biosig bench`."""
    for name in ("scores.csv", "gains.csv", "subgroups.csv", "models.json"):
        if not (folder / name).is_file():
            raise UsageError(f"{folder} has no {name}: give a folder that 'biosig bench' wrote, run to its end.")
    scores, gains = read_csv(folder / "scores.csv"), read_csv(folder / "gains.csv")
    scores, gains = (table[table["condition"] == "as it is"] for table in (scores, gains))
    networks = [row for row in dict.fromkeys(scores["row"]) if row.endswith("_network") and row != "features_network"]
    records = []
    for task, rows in scores.groupby("task", sort=False):
        by_row = rows.set_index("row")
        metric = METRICS[rows["metric"].iloc[0]]
        title = f"{rows['title'].iloc[0]}{' *' if rows['primary'].iloc[0] else ''}"
        record = {"task": title, "metric": metric.title, "people": str(by_row["n_people"].iloc[0])}
        for row in (*ROWS, *networks):
            if row in set(scores["row"]):
                record[ROWS.get(row, row.replace("_", " "))] = _interval(by_row.loc[row]) if row in by_row.index else ""
        own = gains[(gains["task"] == task) & (gains["row"] == "model") & (gains["against"] == "random_weights")]
        record["gain over the twin"] = "" if own.empty else _interval(own.iloc[0], "gain", "+")
        records.append(record)
    remark = revisions.sentence([one["revision"] for one in read_json(folder / "models.json")])
    text = (
        f"## Scores\n\n{remark} Intervals are of 95 % over people; * = primary endpoint; a positive gain is the "
        f"weights' over the same network with random weights, in pairs.\n\n{markdown(pd.DataFrame(records))}"
    )
    groups = folder / "subgroups.csv"
    if not groups.read_text(encoding="utf-8").strip():  # nobody's age, sex or place is known
        return text
    return f"{text}{_subgroups(read_csv(groups), scores)}"


def _subgroups(table: pd.DataFrame, scores: pd.DataFrame) -> str:
    if table.empty:
        return ""
    metric = scores.drop_duplicates("task").set_index("task")["metric"]
    titles = scores.drop_duplicates("task").set_index("task")["title"]
    rows = table[(table["method"] == "model") & (table["metric"] == table["task"].map(metric))]
    shown = pd.DataFrame(
        {
            "task": rows["task"].map(titles),
            "by": rows["attribute"],
            "group": rows["group"].astype(str),
            "people": rows["n_subjects"].astype(str),
            "score": [_interval(row, "value") or str(row["remark"]) for _, row in rows.iterrows()],
        }
    )
    return f"\n\n### Subgroups\n\n{markdown(shown)}" if len(shown) else ""


def _audit(path: Path, revisions: Revisions) -> str:
    """Section on identity in the vectors, from an audit."""
    file = path / AUDIT if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"{file} does not exist: give a folder that 'biosig audit' wrote.")
    found = read_json(file)
    findings = [
        f"- {one['sentence']}"
        for one in found["findings"]
        if one["check"].endswith("in the embeddings") or one["check"] == "label as identity"
    ]
    if not findings:
        raise UsageError(f"{file} has no finding on identity: audit a task whose people have windows far enough apart.")
    return "\n".join(["## Identity", "", revisions.sentence([found["model_revision"]]), "", *findings])


def _table(path: Path, title: str) -> str:
    return f"## {title}\n\n{markdown(read_csv(path))}"


def _absent(sets: pd.DataFrame) -> str:
    """Section on people who are in none of the sets."""
    lines = ["## Who is not represented", ""]
    lines.append(
        "Age, sex, origin, skin tone, illness and medication of the people were not looked at, and most sets do not "
        "tell them: how well a group is represented cannot be said. None is a set of newborns or children, of sleep, "
        "or of intensive care."
    )
    for signals in ("ECG", "PPG", "EEG"):
        rows = sets[sets["signals"] == signals]
        real = rows[rows["basis"] != "own"]
        if rows.empty:
            lines.append(f"No {signals} was in the training: these weights do not read it, or give vectors of no use.")
        elif real.empty:
            lines.append(f"All {signals} was simulated.")
        elif real["people"].notna().all():
            lines.append(f"{signals} that is not simulated is of {int(real['people'].sum())} people.")
    return "\n".join(lines)


def _limits(run: PretrainConfig, ledger: Ledger, evidence: Evidence) -> str:
    lines = ["## Limits", ""]
    longest = max(run.grid_of(source)[0] for source in run.sources)
    lines.append(
        f"- Trained on windows of {longest:g} s at most: of a longer recording take several, and pool their vectors."
    )
    if not len(ledger.landmarks):
        lines.append("- The ledger knows recordings again that are equal in their samples, and no near copies.")
    if not evidence.bench:
        lines.append("- No scores stand here: measure them on your own data before you rely on the vectors.")
    lines.append(
        "- A score on your own data, with people kept apart, beside the features and the random twin, decides."
    )
    return "\n".join(lines)


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown, numbers with three digits."""
    cells = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    lines = [" | ".join(map(str, table.columns)), "|".join(["---"] * len(table.columns)), *map(" | ".join, cells)]
    return "\n".join(f"| {line} |" if "---" not in line[:3] else f"|{line}|" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}"
    return str(value).replace("|", "/")


def _interval(row: pd.Series, value: str = "score", sign: str = "") -> str:
    if pd.isna(row[value]):
        return ""
    return f"{row[value]:{sign}.3g} ({row['low']:{sign}.3g} to {row['high']:{sign}.3g})"


def _count(n: float) -> str:
    return "not given" if pd.isna(n) else f"{int(n):,}"
