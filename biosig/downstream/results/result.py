"""Result of a probe or a fine-tuning, and writing it to a folder."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from biosig import config as configuration
from biosig.csv_table import write_csv
from biosig.downstream.results.environment import environment
from biosig.file_sums import seal
from biosig.publishing import atomic_folder


@dataclass(frozen=True)
class ProbeResult:
    """A score table with everything that is needed to check it.

    Parameters
    ----------
    table : DataFrame
        method, metric, value, low, high, n_subjects, n_recordings, n_windows (see
        `biosig.downstream.results.scores.rate`).
    predictions : DataFrame
        Out-of-fold, one row per method and window: method, fold, recording, subject, onset (s), labels and predictions
        (`biosig.downstream.data.columns`); with a column seed, one row per seed too.
    notes : list of str
        Notes for the reader: people left out, pooling of scores, limits of intervals.
    splits : dict
        Test subjects of each fold and their hash (`biosig.evaluate.splits.manifest`).
    facts : dict
        Model and revision, hash of the shards, cohort by class, unit of the scores.
    config : Any
        The merged configuration, a dataclass.
    by_label : DataFrame, optional
        Each label of a multi-label target by itself (`biosig.downstream.results.scores.rate_labels`).
    recordings : DataFrame, optional
        Metadata, one row per recording (`biosig.downstream.data.cohort.recording_table`).
    tables : dict
        Name → further tables, such as scores by number of labels; each becomes tables/NAME.csv, shown in the
        report.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    notes: list[str]
    splits: dict[str, Any]
    facts: dict[str, Any]
    config: Any
    by_label: pd.DataFrame | None = None
    recordings: pd.DataFrame | None = None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def save(self, folder: str | Path) -> Path:
        """Write all files (see `write`) to a new folder.

        Raises
        ------
        UsageError
            If the folder is not empty.
        """
        with atomic_folder(Path(folder)) as partial:
            self.write(partial)
        return Path(folder)

    def write(self, folder: Path) -> None:
        """Write metrics.json, predictions.parquet, splits.json, config.yaml and environment.json to an empty folder.

        A result with one target also gets a report, made from these files alone (`biosig.downstream.results.report`).
        The checksums of all files are written last (`biosig.file_sums`).
        """
        labels = {} if self.by_label is None else {"labels": _records(self.by_label)}
        content = {"scores": _records(self.table), **labels, "notes": self.notes, **self.facts}
        _write(folder / "metrics.json", content)
        _write(folder / "splits.json", self.splits)
        _write(folder / "environment.json", environment())
        configuration.dump(self.config, folder / "config.yaml")
        self.predictions.to_parquet(folder / "predictions.parquet", index=False, write_page_checksum=True)
        if self.recordings is not None:
            self.recordings.to_parquet(folder / "recordings.parquet", index=False, write_page_checksum=True)
        for name, table in self.tables.items():
            (folder / "tables").mkdir(exist_ok=True)
            write_csv(table, folder / "tables" / f"{name}.csv")
        if hasattr(self.config, "target"):
            _report(folder)
        seal(folder)


def write_result(out: Path | None, make: Callable[[Path | None], ProbeResult]) -> ProbeResult:
    """Make a result, and write it to `out`, if given, whole or not at all.

    Parameters
    ----------
    out : Path, optional
        Folder for the result; it must be absent or empty, which is checked before the work.
    make : callable
        Makes the result, from the folder that will become `out`, for weights, or None.

    Raises
    ------
    UsageError
        If `out` is not empty, or cannot be made.
    """
    if out is None:
        return make(None)
    with atomic_folder(out) as partial:
        result = make(partial)
        result.write(partial)
    return result


def _report(folder: Path) -> None:
    from biosig.downstream.results.report import write_report

    try:
        write_report(folder)
    except Exception as error:  # hours of work are not lost for a page that can be made again
        warnings.warn(
            f"The result is saved, but its report could not be made ({type(error).__name__}: {error}): "
            "`biosig evaluate` makes it again.",
            stacklevel=4,
        )


def _records(table: pd.DataFrame) -> Any:
    return json.loads(table.to_json(orient="records", double_precision=15))  # NaN becomes null


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
