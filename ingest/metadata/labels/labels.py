"""Labels from tables and codes, joined to recordings: by file name, by subject, by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from biosig.config import load
from biosig.errors import DataError, UsageError
from biosig.recording import Recording
from ingest.metadata.labels.codes import CodeTable
from ingest.metadata.labels.events import EventTable
from ingest.metadata.labels.row_index import IngestIndex
from ingest.metadata.labels.spec import LabelSpec, LabelSpecs
from ingest.metadata.labels.table import LabelTable, SubjectTable
from ingest.metadata.labels.typed_table import TypedTable


class Labels:
    """Tables of labels, read and indexed once, and joined to any number of recordings; may be sent to workers.

    Tables are joined in this order, whatever order they are given in: rows about recordings, events, rows about
    subjects (which may come from the tables before), names of codes. A table about recordings wins over their files,
    one about subjects fills in only facts that are not known yet.

    Parameters
    ----------
    tables : sequence of LabelTable, EventTable, SubjectTable or CodeTable
        From `load_labels`.

    Raises
    ------
    UsageError
        If two tables about subjects, or two of codes, give a label of the same name.
    """

    def __init__(self, tables: Sequence[LabelTable | EventTable | CodeTable]) -> None:
        order = (LabelTable, EventTable, SubjectTable, CodeTable)
        self._tables = sorted(tables, key=lambda table: order.index(type(table)))
        for one, other in combinations(self._tables, 2):
            both = sorted(one.gives & other.gives)
            if both and type(one) is type(other) and type(one) is not LabelTable:
                raise UsageError(
                    f"{one.path} and {other.path} both give the label {', '.join(map(repr, both))}: choose with "
                    "label_columns in --labels-spec."
                )

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns that are not kept, as they sound like dates, times or names."""
        return tuple(column for table in self._keyed() for column in table.left_out)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about columns that are nearly, or perhaps, columns of numbers."""
        return tuple(remark for table in self._keyed() for remark in table.remarks)

    @property
    def described(self) -> str:
        """Description of the tables and of how their columns are read, without their rows, which may grow."""
        return repr([(table.path.name, table.spec) for table in self._tables])

    @property
    def asked(self) -> frozenset[str]:
        """Labels that the spec names, but for free text; all other columns were not asked for by name."""
        return frozenset(label for table in self._tables for label in table.asked)

    def join(self, recording: Recording, path: Path) -> tuple[Recording, tuple[str, ...]]:
        """The recording with all facts of the tables about it.

        Parameters
        ----------
        recording : Recording
            As read, with the subject that its path names, if that is known.
        path : Path
            Its file.

        Returns
        -------
        recording : Recording
        missed : tuple of str
            File names of the tables where none says anything about it: of all those about subjects, and of all the
            others, of which several may share the recordings among them.

        Raises
        ------
        DataError
            If a cell is not of the type that the spec states, or two tables contradict each other.
        """
        known: set[type] = set()
        values: dict[str, Any] = {}
        for table in self._tables:
            joined = table.add(recording, path)
            if joined is None:
                continue
            recording = joined
            known.add(_about(table))
            if type(table) is LabelTable:
                says = {name: recording.labels[name] for name in table.gives if name in recording.labels}
                if table.spec.subject_column and recording.subject:
                    says["the subject's id"] = recording.subject.id
                if odd := sorted(name for name, value in says.items() if values.setdefault(name, value) != value):
                    raise DataError(
                        f"{table.path} contradicts another label table about {', '.join(odd)} of {path}: correct one."
                    )
        return recording, tuple(table.path.name for table in self._tables if _about(table) not in known)

    def unmatched(self, found: IngestIndex) -> list[tuple[str, str]]:
        """Names of recordings and subjects in rows that match nothing found, and their table; each name once."""
        names: dict[tuple[str, str], None] = {}
        for table in self._keyed():
            rows = np.flatnonzero(~table.matched(found)).tolist()
            names |= dict.fromkeys((table.names_of(row), table.path.name) for row in rows)
        return list(names)

    def tables_without_match(self, unmatched: Sequence[tuple[str, str]]) -> list[str]:
        """File names of tables about subjects of which every row is among the `unmatched`."""
        rows = set(unmatched)
        return [
            table.path.name
            for table in self._keyed()
            if isinstance(table, SubjectTable)
            and all((table.names_of(row), table.path.name) in rows for row in range(len(table)))
        ]

    def check(self, paths: Sequence[Path]) -> None:
        """Refuse a table about recordings that names none of these files: a wrong column, seen before the work.

        Raises
        ------
        UsageError
            With a name of the table, and a name that was found.
        """
        for table in self._keyed():
            if isinstance(table, SubjectTable):
                continue
            if paths and not any(map(table.knows, paths)):
                raise UsageError(
                    f"{table.path} names none of the {len(paths)} recordings ('{paths[0].name}', …) in its column(s) "
                    f"{', '.join(table.spec.id_columns)}, where it has '{table.names_of(0)}': check --id-column."
                )

    def _keyed(self) -> list[LabelTable | EventTable]:
        return [table for table in self._tables if not isinstance(table, CodeTable)]


def _about(table: LabelTable | EventTable | CodeTable) -> type:
    return SubjectTable if isinstance(table, SubjectTable) else LabelTable


def load_labels(
    tables: Sequence[Path], spec: Path | None, id_columns: Sequence[str] = (), subject_column: str | None = None
) -> Labels | None:
    """Tables of labels and the meaning of their columns; None if there are none.

    Parameters
    ----------
    tables : sequence of Path
        CSV, TSV or Parquet; one row per recording, subject or event.
    spec : Path, optional
        YAML file of `LabelSpecs`.
    id_columns, subject_column : optional
        Win over the spec of all tables. Of several tables, each goes by those of these columns that it has.

    Raises
    ------
    UsageError
        If a table or column does not exist, or a table's rows are said to be neither about recordings nor subjects.
    DataError
        If a table cannot be read.
    """
    if isinstance(tables, str | Path):
        tables = [Path(tables)]
    for table in [tables] if hasattr(tables, "columns") else tables:
        if hasattr(table, "columns"):
            raise UsageError(
                "A DataFrame of labels is given as a file: write it with df.to_parquet('labels.parquet') and give "
                "labels=(Path('labels.parquet'),)."
            )
    tables = [Path(table) for table in tables]
    if not tables:
        if spec or id_columns or subject_column:
            raise UsageError("--labels-spec, --id-column and --subject-column describe a table: name it with --labels.")
        return None
    meaning = load(LabelSpecs, spec)
    given = {path.name: path.absolute() for path in tables}
    if meaning.tables and meaning == LabelSpecs(tables=meaning.tables) and not given.keys() & meaning.tables.keys():
        raise UsageError(
            f"{spec} describes {', '.join(meaning.tables)} and none of the tables given, {', '.join(given)}: name one "
            "of those with --labels, or describe these."
        )
    if meaning.maps and given.keys() <= meaning.tables.keys():
        raise UsageError(f"The maps at the top of {spec} need a table of codes: name it with --labels too.")
    common = replace(
        meaning,
        id_columns=tuple(id_columns) or meaning.id_columns,
        subject_column=subject_column or meaning.subject_column,
    )
    return Labels(
        [
            _load_table(path, _with_paths(meaning.tables.get(path.name) or _for_one(path, common, tables), given))
            for path in tables
        ]
    )


def _with_paths(spec: LabelSpec, given: Mapping[str, Path]) -> LabelSpec:
    """The spec with the paths of those code tables that were given with --labels."""
    maps = (replace(m, table=str(given.get(m.table, m.table))) if m.table else m for m in spec.maps)
    return replace(spec, maps=tuple(maps))


def _for_one(path: Path, common: LabelSpec, tables: Sequence[Path]) -> LabelSpec:
    """The spec of all tables, as it holds for one of them."""
    if len(tables) == 1:
        return common
    columns = TypedTable(path).columns
    by_subject = common.subject_column if common.subject_column in columns else None
    return replace(common, id_columns=tuple(c for c in common.id_columns if c in columns), subject_column=by_subject)


def _load_table(path: Path, spec: LabelSpec) -> LabelTable | EventTable | CodeTable:
    if spec.events:
        return EventTable(path, spec)
    if spec.id_columns:
        return LabelTable(path, spec)
    if spec.subject_column:
        return SubjectTable(path, spec)
    if spec.maps:
        return CodeTable(path, spec)
    raise UsageError(
        f"Name the column of {path} that holds the recordings' names (--id-column) or the subjects' "
        f"(--subject-column); it has {', '.join(TypedTable(path).columns)}."
    )
