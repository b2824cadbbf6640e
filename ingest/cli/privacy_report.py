"""Report of `biosig inspect --privacy`: identifiers in sources, each value masked, and their fate in an ingest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rich.console import Console
from rich.table import Table

from biosig.errors import BiosigError
from biosig.reading import Adapter, Identifier
from biosig.recording import Recording
from ingest.pipeline.discover import Discovery, SourceRecording
from ingest.privacy.deidentify import Deidentifier, deidentify
from ingest.privacy.identifiers import identifiers_in_header, mask
from ingest.privacy.pseudonyms import Pseudonyms
from ingest.privacy.scrub import removed

_ANY_KEY = bytes(16)  # the hashes are not shown
_MARKED = "scrubbed"
_PARTICIPANTS = "participants.tsv"
_BIDS_DEPTH = 5  # root/sub-01/ses-1/eeg/recording.ds


@dataclass(slots=True)
class _Row:
    files: list[str] = field(default_factory=list)
    example: str = ""


def show_privacy(found: Discovery, known: dict[str, Adapter], console: Console) -> int:
    """Print what the files of a discovery would reveal: one line per field, with the number of files that have it.

    Returns
    -------
    int
        Exit status: 1 if a file cannot be read.
    """
    rows: dict[tuple[str, str, str, str], _Row] = {}
    silent: dict[str, int] = {}
    failures = [failure.sentence for failure in found.failures]
    for item in found.items:
        adapter = known[item.adapter]
        try:
            recording = adapter.read(item.path, lazy=True, **item.options)
            in_header = identifiers_in_header(adapter, item.path)
        except BiosigError as error:
            failures.append(str(error))
            continue
        except Exception as error:  # a foreign library on a damaged header must not end the list
            failures.append(f"{item.path} cannot be inspected ({type(error).__name__}).")
            continue
        if in_header is None:
            silent[adapter.name] = silent.get(adapter.name, 0) + 1
        for one in (*(in_header or ()), *_in_recording(recording, item)):
            row = rows.setdefault((adapter.name, one.field, one.sort, one.fate), _Row())
            row.files.append(item.relative)
            row.example = row.example or mask(one.value)
    table = Table("format", "field", "may tell", "files", "e.g., masked", "at ingest", box=None)
    for (name, what, sort, fate), row in sorted(rows.items()):
        table.add_row(name, what, sort, str(len(set(row.files))), row.example, fate)
    console.print(table if rows else f"Nothing was found in {len(found.items)} file(s) that names a person or a date.")
    for name, n in silent.items():
        console.print(f"The headers of {n} file(s) may hold more: the adapter '{name}' cannot say.", markup=False)
    console.print("No shard holds a path. A name that stands alone in a text is found only where the header gives it.")
    for sentence in failures:
        console.print(f"failed: {sentence}", markup=False)
    return 1 if failures else 0


def _in_recording(recording: Recording, item: SourceRecording) -> Iterator[Identifier]:
    """Identifiers in the recording itself, found by de-identifying it and looking for changes."""
    recording.id = item.id or PurePosixPath(item.relative).name
    hidden = deidentify(recording, item.relative, Deidentifier(Pseudonyms(_ANY_KEY)))
    kept = hidden.id == recording.id
    yield Identifier("file name", "name", recording.id, "kept as the id" if kept else "becomes a keyed hash")
    if any((folder / _PARTICIPANTS).is_file() for folder in list(item.path.absolute().parents)[:_BIDS_DEPTH]):
        yield Identifier(_PARTICIPANTS, "labels", "", "age, sex and labels kept; dates and names left out")
    if recording.subject is not None and recording.subject.id:
        yield Identifier("subject", "subject id", recording.subject.id, "becomes a keyed hash")
    if recording.session is not None:
        fate = "kept" if hidden.session == recording.session else "becomes a keyed hash"
        yield Identifier("session", "recording date", recording.session, fate)
    texts = [("report", recording.report or "", hidden.report or "")]
    texts += [("event", a.label, b.label) for a, b in zip(recording.annotations, hidden.annotations, strict=True)]
    texts += [
        ("channel name", a.source_name, b.source_name) for a, b in zip(recording.channels, hidden.channels, strict=True)
    ]
    texts += [(f"label '{key}'", str(value), str(hidden.labels[key])) for key, value in recording.labels.items()]
    for what, before, after in texts:
        if marks := removed(before, after):
            yield Identifier(what, ", ".join(marks), before, _MARKED)
        elif what == "report" and before:
            yield Identifier(what, "free text", before, "kept: nothing was found in it")
