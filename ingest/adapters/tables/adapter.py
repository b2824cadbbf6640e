"""Tables and arrays that a mapping describes: CSV, TSV, Parquet, NumPy, MATLAB, HDF5, bare numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from biosig.content_hash import content_hash
from biosig.electrodes.channels import deduplicate_names, notes_on
from biosig.errors import UnreadableError, UsageError
from biosig.reading import Adapter, Identifier
from biosig.recording import Annotation, Recording, Source
from biosig.source_files import check_present, sha256_of
from ingest.adapters.tables.array_files import Stamp, format_of, is_text, open_arrays, stamp_of, texts
from ingest.adapters.tables.arrays import count_records
from ingest.adapters.tables.head import find, identifiers
from ingest.adapters.tables.layout import Dialect
from ingest.adapters.tables.mapped_facts import events_of, labels_of, subject_of
from ingest.adapters.tables.mapped_signals import GIVEN, beside, signals_of
from ingest.adapters.tables.mapping import RecordNames, TableMapping, load_mapping, mapping_beside
from ingest.adapters.tables.signal_table import SignalTable
from ingest.adapters.tables.text_grid import TextGrid
from ingest.adapters.tables.text_table import TextTable, head_of
from ingest.adapters.tables.timestamps import WALL_CLOCK


class TableAdapter(Adapter):
    """Reads tables and arrays whose columns, variables and axes a mapping names.

    Parameters
    ----------
    mapping : path, mapping or TableMapping, optional
        For all files that this adapter meets; default: the ``biosig.yaml`` beside each.
    """

    name = "table"
    describes = (
        "tables and arrays (.csv, .tsv, .parquet, .npy, .npz, .mat, .h5) with a mapping file (mapping=, or biosig.yaml "
        "beside them)"
    )

    def __init__(self, mapping: str | Path | Mapping[str, Any] | TableMapping | None = None) -> None:
        self.mapping = None if mapping is None else load_mapping(mapping)
        if self.mapping is not None:
            self.given = self.mapping.given
        self._beside: tuple[str, TableMapping | None] = ("", None)

    def claims(self, path: Path) -> bool:
        """True if the mapping describes the name of `path` as a recording's."""
        try:
            return self._family_of(path) is not None and path.is_file()
        except UsageError:  # a damaged biosig.yaml is reported when its files are read
            return format_of(path) is not None and path.suffix.lower() != ".txt"

    def members(self, path: Path) -> list[str] | None:
        """The names of the recordings in a file that holds several, None if the mapping says that it holds one.

        Raises
        ------
        BiosigError
            If the file, or the table that names its recordings, cannot be read.
        """
        mapping = self._mapping_for(path, None)
        return list(_members(path, mapping)) if mapping.has_records else None

    def read_recording(
        self,
        path: Path,
        *,
        lazy: bool,
        mapping: str | Path | Mapping[str, Any] | TableMapping | None = None,
        member: str | None = None,
        sfreq: float | None = None,
    ) -> Recording:
        """Read one recording.

        Parameters
        ----------
        path : Path
            The file that stands for the recording.
        lazy : bool
            Leave the samples of ``.npy``, uncompressed ``.npz``, HDF5 and bare numbers in their file.
        mapping : path, mapping or TableMapping, optional
            For this file; default the adapter's, or the ``biosig.yaml`` beside it.
        member : str, optional
            One of `members`.
        sfreq : float, optional
            Samples per second, for files that do not say it (``sfreq: given`` in the mapping).

        Raises
        ------
        UnreadableError
            If a file is damaged, irregular in time, or does not fit the mapping.
        UsageError
            If there is no mapping for it, or it holds several recordings and `member` names none of them.
        """
        mapping = self._mapping_for(path, mapping)
        record = str(mapping.record_of(path))
        index = _index_of(path, mapping, member)
        if sfreq is not None and not any(table.sfreq == GIVEN for table in mapping.signals):
            raise UsageError(
                f"{path}: the mapping states its rate, so sfreq={sfreq:g} cannot be given: leave one of them "
                "out, or write sfreq: given in the mapping."
            )
        tables = [table for table in mapping.signals if not table.optional or _is_there(path, table, record)]
        signals = [signals_of(path, record, index, table, mapping, sfreq) for table in tables]
        origin = min((s.start for s in signals if s.start is not None), default=0.0)
        notes = [note for s in signals for note in s.notes]
        if abs(origin) < WALL_CLOCK:
            origin = 0.0
        else:
            notes.append(
                "Its time stamps are a clock's: times count from the first sample, and the clock's are left out."
            )
        channels, renamed = deduplicate_names([channel for s in signals for channel in s.channels])
        streams = []
        for s in signals:
            streams.append(s.stream(channels[: len(s.channels)], origin, lazy))
            channels = channels[len(s.channels) :]
        duration = max(stream.onset + stream.duration for stream in streams)
        files = [s.path for s in signals]
        annotations: list[Annotation] = []
        for events in mapping.events:
            files.append(beside(path, events.file, record))
            annotations += events_of(files[-1], events, mapping, duration, origin, notes)
        labels = labels_of(path, mapping, index)
        subject, text = subject_of(path, record, mapping, index, notes)
        files += [text] if text else []
        if mapping.record_names is not None and mapping.record_names.file is not None:
            files.append(beside(path, mapping.record_names.file, record))
        recording = Recording(
            id=record if member is None else f"{record}#{member}",
            streams=streams,
            subject=subject,
            annotations=sorted(annotations, key=lambda a: a.onset),
            labels=labels,
            source=Source(
                str(path), self.name, _sha256(tuple((file, stamp_of(file)) for file in dict.fromkeys(files)))
            ),
            content_hash=content_hash(streams),
            history=tuple(dict.fromkeys(line for s in signals for line in s.history)),
        )
        recording.notes = (*dict.fromkeys(notes), *renamed, *notes_on(recording.channels))
        return recording

    def identifiers(self, path: Path) -> Iterable[Identifier] | None:
        """Facts in the lines before a text table; None for arrays, and tables that begin at once."""
        mapping = self._family_of(path)
        if mapping is None or not is_text(path, mapping.signals[0]) or mapping.signals[0].file is not None:
            return None
        dialect = mapping.dialect_of(mapping.signals[0])
        if not (dialect.skip or dialect.comment):
            return None
        head = head_of(path, dialect, stamp_of(path))
        kept = {find(pattern, head): label for label, pattern in mapping.labels.items()}
        return [
            replace(one, fate=f"kept as the label {kept[one.value]}") if one.value in kept else one
            for one in identifiers(head)
        ]

    def name_of(self, path: Path) -> str:
        """The mapping's name for the recording of `path`; the file's own name where the mapping gives none."""
        try:
            mapping = self._family_of(path)
        except UsageError:
            return path.stem
        return (mapping and mapping.record_of(path)) or path.stem

    def _family_of(
        self, path: Path, given: str | Path | Mapping[str, Any] | TableMapping | None = None
    ) -> TableMapping | None:
        mapping = load_mapping(given) if given is not None else self.mapping or self._mapping_beside(path)
        return mapping and mapping.for_file(path)

    def _mapping_beside(self, path: Path) -> TableMapping | None:
        """`mapping_beside`, looked for once as long as files of one folder come after each other."""
        folder = os.path.dirname(path)
        if folder != self._beside[0]:
            self._beside = folder, mapping_beside(path)
        return self._beside[1]

    def _mapping_for(self, path: Path, given: str | Path | Mapping[str, Any] | TableMapping | None) -> TableMapping:
        mapping = self._family_of(path, given)
        if mapping is None:
            raise UsageError(
                f"{path} is a table or an array that no mapping describes: say which column or variable is what with "
                "--mapping FILE, or in a biosig.yaml beside it; biosig inspect FILE --draft writes a first one."
            )
        check_present(path)
        return mapping


def _is_there(path: Path, table: SignalTable, record: str) -> bool:
    plain = path.parent / str(table.file).replace("{record}", record)
    return table.file is None or plain.is_file() or plain.with_name(plain.name + ".gz").is_file()


def _index_of(path: Path, mapping: TableMapping, member: str | None) -> int:
    if not mapping.has_records:
        if member is not None:
            raise UsageError(f"{path} holds one recording: there is no member '{member}' of it.")
        return 0
    known = _members(path, mapping)
    if member is None or member not in known:
        which = f"'{member}' is none of them" if member else "say which with member="
        raise UsageError(f"{path} holds {len(known)} recordings ({', '.join([*known][:3])}, …): {which}.")
    return known[member]


def _members(path: Path, mapping: TableMapping) -> Mapping[str, int]:
    """The names of a file's recordings and their indices."""
    table = mapping.signals[0]
    file = path if table.file is None else beside(path, table.file, str(mapping.record_of(path)))
    arrays = open_arrays(file, table, True, mapping)
    n = count_records(arrays, table)
    names = mapping.record_names
    if names is None:
        if isinstance(arrays, TextGrid) and table.array is not None and table.array.axes[-1] == "record":
            return {name: index for index, name in enumerate(arrays.columns)}
        return _numbered(n)
    if names.file is None and isinstance(arrays, TextGrid):
        return _unique(arrays.table.texts(names.column), f"{file}, '{names.column}',", n)
    place = path if names.file is None else beside(path, names.file, str(mapping.record_of(path)))
    return _named(place, stamp_of(place), names, mapping.dialect, n)


@lru_cache(maxsize=1)
def _numbered(n: int) -> Mapping[str, int]:
    width = len(str(n - 1))
    return {f"{index:0{width}d}": index for index in range(n)}


@lru_cache(maxsize=1)
def _named(path: Path, stamp: Stamp, spec: RecordNames, dialect: Dialect, n: int) -> Mapping[str, int]:  # noqa: ARG001
    """Kept because a file of many recordings is asked once for each of them."""
    if format_of(path) in ("csv", "tsv"):
        names = TextTable(path, dialect, as_text=[spec.column]).texts(spec.column)
    else:
        names = texts(open_arrays(path, keep=spec.file is None), spec.column)
    return _unique(names, f"{path}, '{spec.column}',", n)


def _unique(names: Sequence[str], where: str, n: int) -> Mapping[str, int]:
    if len(names) != n:
        raise UnreadableError(f"{where} names {len(names)} recordings, but the array holds {n}: correct either.")
    known = {name: index for index, name in enumerate(names)}
    bad = next((name for name in names if not name or "/" in name or "#" in name), None)
    if len(known) < n or bad is not None:
        what = f"has the name '{bad}'" if bad is not None else f"has {n - len(known)} names twice"
        raise UnreadableError(f"{where} {what}: a recording needs a name of its own, without / and #.")
    return known


@lru_cache(maxsize=4)
def _sha256(stamped: tuple[tuple[Path, Stamp], ...]) -> str:
    """Kept because a file of many recordings is asked once for each of them."""
    return sha256_of(path for path, _ in stamped)
