"""WFDB records (PhysioNet): header, signal files in any storage format, annotations, comments.

WFDB's own names (`fs`, `sig_name`, `adc_gain`, …) stay inside this package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from biosig.content_hash import content_hash
from biosig.errors import UnreadableError
from biosig.reading import NEVER, Adapter, Identifier
from biosig.recording import BLOCK_BYTES, Recording, Source
from biosig.source_files import sha256_of
from ingest.adapters.wfdb.annotations import read_annotations
from ingest.adapters.wfdb.comments import parse_comments
from ingest.adapters.wfdb.from_record import groups_of
from ingest.adapters.wfdb.header import GAP, header_lines, is_master, parse_header
from ingest.adapters.wfdb.multisegment_header import check_segments
from ingest.adapters.wfdb.multisegment_samples import join_segments
from ingest.adapters.wfdb.signals import Group, read_groups, streams_of


class WfdbAdapter(Adapter):
    """Reads WFDB records of one segment or many; the ``.hea`` stands for the record."""

    name = "wfdb"
    describes = "WFDB records (.hea)"
    suffixes = (".hea",)
    in_memory = BLOCK_BYTES
    """A lazily read record is brought into memory all the same if its signals of one rate take no more bytes."""

    def read_recording(self, path: Path, *, lazy: bool) -> Recording:
        """Read one record; the samples are the file's own integers.

        A multi-segment record becomes one recording: samples that no segment holds are invalid. With `lazy`, samples
        that take more than `in_memory` bytes stay in their files.

        Raises
        ------
        UnreadableError
            If the record is damaged or incomplete; the sentence names the file and the remedy.
        """
        header = parse_header(path)
        if header.segments:
            master = check_segments(header)
            groups, notes = join_segments(master, self.in_memory)
            files, notes = master.files, [*master.notes, *notes]
        else:
            groups, notes, files = read_groups(header, self.in_memory)
            notes = [*header.notes, *notes]
        recording = _recording(path.stem, groups, header.fs, header.comments)
        if not lazy:
            recording = recording.load()
        recording.content_hash = content_hash(recording.streams)
        annotations, annotation_files, more = read_annotations(path, files, header.fs, recording.duration)
        recording.annotations = annotations
        recording.source = Source(str(path), self.name, sha256_of((path, *files, *annotation_files)))
        recording.notes = (*notes, *recording.notes, *more)
        return recording

    def parts(self, path: Path) -> list[Path]:
        """Headers of the segments that `read` joins into one recording; they are not recordings of their own."""
        try:
            if not path.is_file() or not is_master(header_lines(path)[0]):
                return []
            segments = parse_header(path).segments
        except (OSError, UnreadableError):
            return []
        return [path.with_name(f"{name}.hea") for name in dict.fromkeys(name for name, _ in segments) if name != GAP]

    def convert(self, obj: object) -> Recording | None:
        """Turn a ``wfdb.Record`` that holds digital or physical signals into a Recording; None for anything else."""
        found = groups_of(obj)
        if found is None:
            return None
        name, groups, fs, comments = found
        recording = _recording(name, groups, fs, comments)
        return replace(recording, content_hash=content_hash(recording.streams))

    def identifiers(self, path: Path) -> Iterator[Identifier]:
        """Fields of the header that tell who was recorded, when and with which device."""
        lines, comments = header_lines(path)
        for text in lines[0].split()[4:]:
            what = "base date" if "/" in text else "base time"
            yield Identifier(what, "recording date", text, NEVER)
        for comment in comments:
            key, colon, value = comment.partition(":")
            if not re.fullmatch(r"\W*(age|sex|gender|dx)\W*", key, re.IGNORECASE):
                field = f"comment '{key.strip()[:24]}'" if colon and len(key) < 24 else "comment"
                fate = "left out if its key names a person, date or device; else part of the report, scrubbed"
                yield Identifier(field, "free text", value if colon else comment, fate)


def _recording(name: str, groups: Sequence[Group], fs: float, comments: list[str]) -> Recording:
    streams, notes = streams_of(groups, fs)
    facts = parse_comments(comments)
    return Recording(
        id=name,
        streams=streams,
        subject=facts.subject,
        labels=facts.labels,
        report=facts.report,
        source=Source(adapter=WfdbAdapter.name),
        notes=(*facts.notes, *notes),
    )
