"""Labels, subjects and reports that live outside the signal files: in a table, or in the path."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from biosig.errors import DataError, UsageError
from biosig.recording import Recording, Subject
from ingest.demographics import note_on_age, parse_age, parse_sex

_PRIVATE = re.compile(r"date|birth|name|time|address|phone|mrn", re.IGNORECASE)
_SIGNAL_SUFFIX = re.compile(r"\.(hea|dat|mat|edf|bdf|fif|vhdr|set|gdf|csv|tsv)(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class CodeMap:
    """A label derived from codes: those that `table` has with a true `where`, replaced by their `value`, each once.

    `table` lies beside the label table; its first column holds the codes.
    """

    label: str
    column: str
    table: str
    value: str
    where: str | None = None


@dataclass(frozen=True)
class LabelSpec:
    """Which column of a label table means what.

    Parameters
    ----------
    id_columns : tuple of str
        Columns that name the recording, by its file's name or by the end of its path, with or without extension.
    subject_column, session_column, age_column, sex_column, report_column : str or None
        Where the subject's id, the sitting, age in years, sex and free text stand. A column named "age" or "sex" is
        taken as that unless it is named here as something else, or no cell of it can be understood.
    sex_codes : dict
        Cell → "female" or "male", where the cells do not say it themselves.
    label_columns : tuple of str or None
        Columns to keep as labels; None = all the others whose name does not sound like a date, a time or a name.
    code_columns : tuple of str
        Columns that hold a Python dict or list of codes, or codes separated by commas or semicolons; kept as lists.
    maps : tuple of CodeMap
        Labels derived from codes.
    """

    id_columns: tuple[str, ...] = ()
    subject_column: str | None = None
    session_column: str | None = None
    age_column: str | None = None
    sex_column: str | None = None
    sex_codes: dict[str, str] = field(default_factory=dict)
    report_column: str | None = None
    label_columns: tuple[str, ...] | None = None
    code_columns: tuple[str, ...] = ()
    maps: tuple[CodeMap, ...] = ()


class LabelTable:
    """A table of labels, ready to be joined to recordings.

    Parameters
    ----------
    path : Path
        CSV, TSV or Parquet.
    spec : LabelSpec
        What its columns mean.

    Raises
    ------
    UsageError
        If a column that the spec names is not there.
    DataError
        If two rows name one recording, or a cell cannot be understood.
    """

    def __init__(self, path: Path, spec: LabelSpec) -> None:
        self.path, self.spec = path, spec
        self._cells = _read_table(path)
        if self._cells.empty:
            raise DataError(f"The label table {path} has no rows: export it again.")
        if not spec.id_columns:
            raise UsageError(f"Name the column of {path} that holds the recordings' names: --id-column COLUMN.")
        named = [*spec.id_columns, *(spec.label_columns or ()), *spec.code_columns, *(m.column for m in spec.maps)]
        named += [c for c in (spec.subject_column, spec.session_column, spec.age_column) if c]
        named += [c for c in (spec.sex_column, spec.report_column) if c]
        absent = sorted(set(named) - set(self._cells.columns))
        if absent:
            raise UsageError(
                f"{path} has no column {', '.join(map(repr, absent))}; it has {', '.join(self._cells.columns)}."
            )
        self.spec = spec = self._with_age_and_sex(spec)
        self._row_of: dict[str, int] = {}
        for column in spec.id_columns:
            for row, cell in enumerate(self._cells[column]):
                if cell and self._row_of.setdefault(_record_key(cell), row) != row:
                    raise DataError(
                        f"{path} has two rows for the recording '{cell}' (column '{column}', row {row + 2}): keep one."
                    )
        self._maps = [(m, _code_map(path.parent / m.table, m)) for m in spec.maps]
        self.left_out: tuple[str, ...] = ()
        self._label_columns = self._choose_labels()

    def __len__(self) -> int:
        return len(self._cells)

    def row_of(self, path: Path) -> int | None:
        """The row that names this file: by its whole path, else by ever shorter ends of it, else None."""
        parts = PurePosixPath(_record_key(path.absolute().as_posix())).parts
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self._row_of[end] for end in ends if end in self._row_of), None)

    def names_of(self, row: int) -> str:
        """What a row calls its recording, for messages."""
        return str(self._cells[self.spec.id_columns[0]].iloc[row])

    def join(self, recording: Recording, row: int) -> Recording:
        """The recording with what the table says about it; the table wins over the file."""
        cells = self._cells.iloc[row]
        spec = self.spec
        old = recording.subject or Subject("")
        age = parse_age(cells[spec.age_column]) if spec.age_column else None
        sex = spec.sex_codes.get(_plain(cells[spec.sex_column])) if spec.sex_column else None
        sex = sex or (parse_sex(cells[spec.sex_column]) if spec.sex_column else None)
        subject = Subject(
            (_plain(cells[spec.subject_column]) if spec.subject_column else "") or old.id,
            old.age if age is None else age,
            sex or old.sex,
        )
        labels = dict(recording.labels)
        for column in self._label_columns:
            if column not in spec.code_columns and cells[column]:
                labels[column] = _value(cells[column])
        for column in spec.code_columns:
            labels[column] = self._codes(cells[column], column, row)
        for wanted, table in self._maps:
            codes = self._codes(cells[wanted.column], wanted.column, row)
            labels[wanted.label] = sorted({table[code] for code in codes if code in table})
        return replace(
            recording,
            subject=None if subject == Subject("") else subject,
            session=(_plain(cells[spec.session_column]) if spec.session_column else "") or recording.session,
            report=(cells[spec.report_column] if spec.report_column else "") or recording.report,
            labels=labels,
            notes=(*recording.notes, *(note_on_age(cells[spec.age_column]) if spec.age_column else [])),
        )

    def _with_age_and_sex(self, spec: LabelSpec) -> LabelSpec:
        """As labels they would hide behind the index columns of the same name, and queries would find nothing."""
        named: set[str | None] = {*spec.id_columns, *(spec.label_columns or ()), *spec.code_columns}
        named |= {spec.subject_column, spec.session_column, spec.report_column}
        for column in [name for name in self._cells.columns if name not in named]:
            cells = self._cells[column]
            if column.lower() == "age" and not spec.age_column and cells.map(parse_age).notna().any():
                spec = replace(spec, age_column=column)
            if column.lower() == "sex" and not spec.sex_column and cells.map(parse_sex).notna().any():
                spec = replace(spec, sex_column=column)
        return spec

    def _choose_labels(self) -> tuple[str, ...]:
        spec = self.spec
        if spec.label_columns is not None:
            return spec.label_columns
        used = {*spec.id_columns, spec.subject_column, spec.session_column, spec.age_column, spec.sex_column}
        others = [c for c in self._cells.columns if c not in used and c != spec.report_column]
        self.left_out = tuple(c for c in others if _PRIVATE.search(c))
        return tuple(c for c in others if c not in self.left_out)

    def _codes(self, cell: str, column: str, row: int) -> list[str]:
        if not cell.startswith(("{", "[", "(")):
            return [code.strip() for code in re.split(r"[,;]", cell) if code.strip()]
        try:
            return [str(code) for code in ast.literal_eval(cell)]
        except (ValueError, SyntaxError):
            raise DataError(
                f"{self.path} has '{cell[:60]}' in column '{column}', row {row + 2}, where a list of codes was "
                "expected: correct it."
            ) from None


class SubjectPattern:
    r"""A regular expression over the path: group ``subject`` (or the first), ``session``, and labels by their name.

    Parameters
    ----------
    pattern : str
        e.g. ``(S\d{3})R\d{2}`` or ``(?P<subject>S\d{3})(?P<run>R\d{2})``.
    """

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"--subject-pattern '{pattern}' is not a regular expression: {error}.") from None
        if not self._pattern.groups:
            raise UsageError(
                f"--subject-pattern '{pattern}' captures nothing: put parentheses around the subject's id."
            )

    def matches(self, relative: str) -> bool:
        """Whether the path has a subject."""
        return self._pattern.search(relative) is not None

    def join(self, recording: Recording, relative: str) -> Recording | None:
        """The recording with its subject, or None where the path does not match."""
        match = self._pattern.search(relative)
        if match is None:
            return None
        groups = {name: value for name, value in match.groupdict().items() if value is not None}
        subject_id = groups.pop("subject", None) or match[1] or ""
        session = groups.pop("session", recording.session)
        old = recording.subject or Subject("")
        return replace(
            recording, subject=replace(old, id=subject_id), session=session, labels={**recording.labels, **groups}
        )


def _read_table(path: Path) -> pd.DataFrame:
    """All cells as stripped text, "" where there is nothing."""
    if not path.is_file():
        raise UsageError(f"The label table {path} does not exist: check the path.")
    try:
        if path.suffix.lower() == ".parquet":
            cells = pd.read_parquet(path)
            return cells.astype(object).where(cells.notna(), "").map(_plain)
        separator = "\t" if ".tsv" in path.name.lower() else ","
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False).map(str.strip)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise DataError(
            f"The label table {path} cannot be read ({' '.join(str(error).split())}): export it again."
        ) from None


def _code_map(path: Path, wanted: CodeMap) -> dict[str, str]:
    table = _read_table(path)
    absent = [c for c in (wanted.value, wanted.where) if c and c not in table.columns]
    if absent:
        raise UsageError(f"{path} has no column {', '.join(map(repr, absent))}, which label '{wanted.label}' needs.")
    rows = table if wanted.where is None else table[table[wanted.where].map(lambda cell: bool(_value(cell)))]
    return {code: value for code, value in zip(rows.iloc[:, 0], rows[wanted.value], strict=True) if value}


def _record_key(cell: str) -> str:
    return _SIGNAL_SUFFIX.sub("", _plain(cell).replace("\\", "/").removeprefix("./"))


def _plain(cell: object) -> str:
    """A cell as text; whole numbers that a spreadsheet turned into "15709.0" get their form back."""
    text = str(cell).strip()
    return text[:-2] if re.fullmatch(r"-?\d+\.0", text) else text


def _value(cell: str) -> Any:
    """A cell as bool, int, float or text."""
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    try:
        number = float(cell)
    except ValueError:
        return cell
    if not math.isfinite(number):
        return cell
    return int(number) if re.fullmatch(r"-?\d+(\.0)?", cell) else number
