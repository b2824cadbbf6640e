"""Findings of an audit: one number per check, its expected value, a verdict, and a sentence for the reader."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from biosig import config as configuration
from biosig.file_sums import write_guarded

Verdict = Literal["ok", "warn", "fail"]
VERDICTS: tuple[Verdict, ...] = ("ok", "warn", "fail")
"""From the best to the worst. warn: read it before quoting the score. fail: the score does not mean what it says."""

FILE = "audit.json"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    check : str
        Name of the check.
    value, low, high : float
        The number, and its 95 % interval over subjects; NaN where it is a plain count.
    expected : str
        The value that an honest task and model would give.
    verdict : {"ok", "warn", "fail"}
        See `VERDICTS`.
    sentence : str
        The finding in words.
    """

    check: str
    value: float
    expected: str
    verdict: Verdict
    sentence: str
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class AuditResult:
    """All findings, with notes and facts for the reader.

    Parameters
    ----------
    findings : list of Finding
        In the order of the checks.
    notes : list of str
        Windows that were left out, and checks that could not run.
    facts : dict
        Model and revision, hash of the shards, the score under audit.
    config : Any
        The merged configuration, a dataclass.
    """

    findings: list[Finding]
    notes: list[str]
    facts: dict[str, Any]
    config: Any

    @property
    def table(self) -> pd.DataFrame:
        """One row per finding: check, value, low, high, expected, verdict, sentence."""
        columns = ["check", "value", "low", "high", "expected", "verdict", "sentence"]
        return pd.DataFrame([asdict(finding) for finding in self.findings], columns=columns)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all findings."""
        return max((finding.verdict for finding in self.findings), key=VERDICTS.index, default="ok")

    def save(self, folder: str | Path) -> Path:
        """Write audit.json to a folder, whole or not at all; an older one there is replaced."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "verdict": self.verdict,
            "findings": json.loads(self.table.to_json(orient="records", double_precision=15)),  # NaN becomes null
            "notes": self.notes,
            **self.facts,
            "config": configuration.to_dict(self.config),
        }
        write_guarded(folder / FILE, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return folder / FILE
