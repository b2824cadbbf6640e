"""From codes to names: SCP statements to superclasses, SNOMED CT codes to diagnoses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

from biosig.recording import Recording
from ingest.metadata.labels.spec import CodeMap, LabelSpec
from ingest.metadata.labels.typed_table import TypedTable, codes_of


class CodeNames:
    """Names of codes in a code table.

    Parameters
    ----------
    wanted : CodeMap
        The table's columns of codes and names.
    table : Path
        The label table, beside which the code table lies, or which is one.

    Raises
    ------
    UsageError
        If the code table or one of its columns does not exist.
    """

    def __init__(self, wanted: CodeMap, table: Path) -> None:
        self.wanted = wanted
        cells = TypedTable(table.parent / wanted.table if wanted.table else table)
        key = wanted.key or cells.columns[0]
        cells.require([key, wanted.value, *([wanted.where] if wanted.where else [])])
        chosen = cells.texts(wanted.where) if wanted.where else repeat("yes", len(cells))
        self._names = {
            code: name
            for code, name, is_chosen in zip(cells.texts(key), cells.texts(wanted.value), chosen, strict=True)
            if code and name and is_chosen.lower() not in ("", "0", "false")
        }

    def __call__(self, codes: Iterable[str]) -> list[str]:
        """The names of the codes that the table knows, sorted, each once."""
        return sorted({self._names[code] for code in codes if code in self._names})


class CodeTable:
    """A table about the codes that recordings have as labels from their files, and not about recordings.

    Parameters
    ----------
    path : Path
        CSV, TSV or Parquet.
    spec : LabelSpec
        Its `maps` name the label that holds the codes, and the new labels.
    """

    def __init__(self, path: Path, spec: LabelSpec) -> None:
        self.path, self.spec = path, spec
        self._maps = [CodeNames(wanted, path) for wanted in spec.maps]
        self.gives = self.asked = frozenset(wanted.label for wanted in spec.maps)

    def add(self, recording: Recording, path: Path) -> Recording | None:  # noqa: ARG002
        """The recording with the names of its codes, or None if it has no label with codes."""
        labels: dict[str, Any] = {}
        for names in self._maps:
            if names.wanted.column in recording.labels:
                labels[names.wanted.label] = names(codes_of(recording.labels[names.wanted.column]))
        return replace(recording, labels={**recording.labels, **labels}) if labels else None
