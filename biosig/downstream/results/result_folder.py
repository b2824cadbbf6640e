"""Saved result: reading the files of a result folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from biosig import config as configuration
from biosig.csv_table import read_csv
from biosig.downstream.data.columns import prediction_names, truth_names
from biosig.downstream.data.target_config import AnyTarget, Target
from biosig.errors import UnreadableError, UsageError
from biosig.file_sums import checked
from biosig.person_level import By, pool_predictions
from biosig.text_files import read_json, read_yaml

_LARGEST = 2**28
"""Largest size of a result's JSON in bytes: the predictions are not in it."""

FILES = ("metrics.json", "predictions.parquet", "splits.json", "config.yaml", "environment.json")


@dataclass(frozen=True)
class Scoring:
    """Part of a configuration that scoring needs."""

    target: AnyTarget
    n_bootstrap: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class SavedResult:
    """The files of a result folder of `probe` or `finetune`.

    Parameters
    ----------
    folder : Path
        The result folder.
    metrics : dict
        metrics.json: scores, notes, and facts of the run.
    splits : dict
        Test subjects and their hash.
    config : dict
        The configuration as plain values.
    environment : dict
        Versions, command and revision that computed it.
    scoring : Scoring
        Target, and size and seed of the bootstrap.
    """

    folder: Path
    metrics: dict[str, Any]
    splits: dict[str, Any]
    config: dict[str, Any]
    environment: dict[str, str]
    scoring: Scoring

    @property
    def target(self) -> Target:
        """The prediction target."""
        return self.scoring.target

    @property
    def verb(self) -> str:
        """Name of the command that makes such a result."""
        return "finetune" if "tune" in self.config else "probe"

    @property
    def scores(self) -> pd.DataFrame:
        """The saved score table."""
        return pd.DataFrame(self.metrics["scores"])

    @property
    def labels(self) -> pd.DataFrame | None:
        """Scores of each label of a multi-label target."""
        return pd.DataFrame(self.metrics["labels"]) if "labels" in self.metrics else None

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per method, seed and window."""
        return _parquet(self.folder / "predictions.parquet")

    @property
    def tested(self) -> pd.DataFrame:
        """The scored windows, each once: the model's rows of its first seed."""
        rows = self.predictions[self.predictions["method"] == "model"]
        return rows[rows["seed"] == rows["seed"].iloc[0]] if "seed" in rows else rows

    def answers(self, by: By = "subject", method: str = "model") -> pd.DataFrame:
        """Pool a method's predictions to one row per tested recording or person, with a 95 % interval.

        The rows are those of `biosig.person_level.pool_predictions`; with several seeds a window has the mean.

        Raises
        ------
        UsageError
            If no such method was tested.
        """
        rows = self.predictions[self.predictions["method"] == method]
        if not len(rows):
            raise UsageError(
                f"{self.folder} has no method {method!r}: {', '.join(self.predictions['method'].unique())}."
            )
        windows = rows.groupby(["recording", "onset"], sort=False, as_index=False)
        names = prediction_names(self.target)
        table = windows.agg({"subject": "first", **dict.fromkeys(names, "mean")})
        if self.target.kind == "classes":
            table["prediction"] = None  # made of the mean scores
        return pool_predictions(table.assign(duration=self._window_seconds), by)

    @property
    def _window_seconds(self) -> float:
        plan = self.config["windows"]
        length = self.target.label_interval or plan.get("length")
        return float(length or (plan.get("before") or 0.0) + (plan.get("after") or 0.0))

    @property
    def recordings(self) -> pd.DataFrame | None:
        """Metadata of the recordings (`biosig.downstream.data.cohort`); None if it was not saved."""
        path = self.folder / "recordings.parquet"
        return _parquet(path) if path.exists() else None

    @property
    def audit(self) -> dict[str, Any] | None:
        """Findings of `biosig audit` (`biosig.audit`); None if it was not run on this folder."""
        path = self.folder / "audit.json"
        return _json(path) if path.exists() else None

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Further tables that the run wrote, by name."""
        return {path.stem: _csv(path) for path in sorted(self.folder.glob("tables/*.csv"))}

    @cached_property
    def test_rows(self) -> list[str]:
        """SHA-256 of the tested windows with their labels: runs that share one can be subtracted.

        The first is by content, the last by the names of recordings and subjects; results of version 0.1.0 have the
        latter alone.
        """
        names = [["content"]] if "content" in self.tested else []
        return [self._sha256_of_tested(by) for by in (*names, ["recording", "subject"])]

    def _sha256_of_tested(self, by: list[str]) -> str:
        rows = self.tested[[*by, "onset", *truth_names(self.target)]]
        text = rows.sort_values([*rows]).to_csv(index=False, float_format="%.9g")
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def split(self) -> str:
        """SHA-256 of the subjects of each part: by content, or by pseudonym in results of version 0.1.0."""
        return str(self.splits.get("content_sha256") or self.splits.get("sha256", ""))


def open_result(folder: str | Path) -> SavedResult:
    """Open a result folder.

    Raises
    ------
    UsageError
        If the folder is not a result, or of a run without one target, such as of `waveform`.
    UnreadableError
        If one of its files is damaged.
    """
    folder = Path(folder)
    absent = [name for name in FILES if not (folder / name).is_file()]
    if absent:
        raise UsageError(
            f"{folder} is not a result folder: {absent[0]} is missing. Give the folder that a run wrote to `out=…`."
        )
    config = read_yaml(folder / "config.yaml", "run the task again")
    if not isinstance(config, dict) or "target" not in config:
        raise UsageError(f"{folder} has no target to score: give the folder of a probe or a fine-tuning.")
    known: dict[str, Any] = {name: config[name] for name in ("target", "n_bootstrap", "seed") if name in config}
    metrics, splits, environment = (_json(folder / f"{name}.json") for name in ("metrics", "splits", "environment"))
    return SavedResult(folder, metrics, splits, config, environment, configuration.load(Scoring, known))


def _json(path: Path) -> dict[str, Any]:
    content = read_json(path, "run the task again", _LARGEST)
    if not isinstance(content, dict):
        raise UnreadableError(f"{path} holds no keys with values: run the task again.")
    return content


def _csv(path: Path) -> pd.DataFrame:
    with checked(path):
        return read_csv(path)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        with checked(path):
            return pd.read_parquet(path)
    except UnreadableError:
        raise
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path} is not a readable table ({error}): run the task again.") from error
