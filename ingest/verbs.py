"""The verbs `inspect` and `ingest`: typed functions that the command line and Python call alike."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from biosig.config import load
from biosig.electrodes import canonical_orientation
from biosig.errors import BiosigError, DataError, UsageError
from biosig.progress import show_progress
from biosig.recording import MODALITIES, Recording, Stream, is_known
from biosig.signal import is_flat
from ingest.discover import Discovery, adapters_with, discover
from ingest.labels import LabelSpec, LabelTable, SubjectPattern
from ingest.mapping import TableMapping, load_mapping
from ingest.pipeline import FAILURES, UNMATCHED, Preparation, Result, ingest_items
from ingest.privacy import Pseudonyms, load_key
from ingest.recipe import Recipe, robust_scales

_WIDTH = 132  # of the tables; a narrower terminal wraps their lines
_SHOWN = 8  # lines of a list that goes on in a file
_TURNED = ", turned over"
_PRESET = "biosig-base"  # whose input contract `inspect` tells; -small and -large share it


def inspect(path: tyro.conf.Positional[Path], *, mapping: Path | None = None) -> int:
    """Show what is in a recording, or in each recording of a folder, and what the model would see.

    Parameters
    ----------
    path : Path
        A recording's file (WFDB, EDF, BDF, FIF, BrainVision, EEGLAB, CSV …), or a folder of them.
    mapping : Path, optional
        For tables: the YAML file that says which column is which channel; default the biosig.yaml beside each.

    Returns
    -------
    int
        Exit status: 1 if a recording cannot be read.
    """
    console = _console()
    tables = load_mapping(mapping) if mapping else None
    found = discover([path], tables)
    known = adapters_with(tables)
    status = 0
    if len(found.items) == 1:
        item = found.items[0]
        _show(known[item.adapter].read(item.path), console)
    elif found.items:
        summary = Table("recording", "kinds", "channels", "sfreq (Hz)", "duration (s)", "events", "notes", box=None)
        for item in found.items:
            try:
                r = known[item.adapter].read(item.path)
            except BiosigError as error:
                console.print(f"failed: {error}", markup=False)
                status = 1
                continue
            rates = ", ".join(f"{s.sfreq:g}" for s in r.streams)
            numbers = (str(len(r.channels)), rates, f"{r.duration:.1f}", str(len(r.annotations)), str(len(r.notes)))
            summary.add_row(item.relative, "+".join(r.kinds), *numbers)
        console.print(summary)
    for failure in found.failures:
        console.print(f"failed: {failure.sentence}", markup=False)
        status = 1
    return status


def ingest(
    src: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path,
    recipe: Path | None = None,
    workers: int = 0,
    resume: bool = False,
    labels: Path | None = None,
    labels_spec: Path | None = None,
    id_column: tuple[str, ...] = (),
    subject_column: str | None = None,
    subject_pattern: str | None = None,
    mapping: Path | None = None,
    key: Path | None = None,
    recording_names: Literal["auto", "keep", "hash"] = "auto",
    compression: Literal["lz4", "zstd"] = "lz4",
    set_: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = (),
) -> int:
    """Turn recordings into shards: read, join labels and subjects, apply a recipe, hide names, write.

    Parameters
    ----------
    src : tuple of Path
        Files and folders; folders are walked.
    out : Path
        Folder for the shards, their index, the recipe, and the tables of failed files and unmatched labels.
    recipe : Path, optional
        YAML file of what to do with the samples (configs/ingest/*.yaml); default nothing, which is lossless.
    workers : int
        Processes that read and process files; 0 = one per core.
    resume : bool
        Continue in a folder that holds shards: files that are in them are skipped.
    labels : Path, optional
        Table (CSV, TSV, Parquet) with one row per recording: labels, subject, age, sex, report.
    labels_spec : Path, optional
        YAML file that says what the table's columns mean (configs/ingest/ptbxl-labels.yaml); default all columns are
        labels, but for those that sound like dates, times or names.
    id_column : tuple of str
        Column(s) of the table that name the recording by its file's name or by the end of its path.
    subject_column : str, optional
        Column of the table with the subject's id.
    subject_pattern : str, optional
        Regular expression over the path; its group `subject`, or its first, is the subject's id; a group `session`
        names the sitting, other named groups become labels.
    mapping : Path, optional
        For tables of signals: the YAML file that says which column is which channel; default the biosig.yaml beside.
    key : Path, optional
        File with the secret key of the pseudonyms; default the one that BIOSIG_KEY_FILE names, else OUT.key is made.
    recording_names : {"auto", "keep", "hash"}
        Ids of recordings: the files' names, their keyed hashes, or hashes only where the name tells the subject.
    compression : {"lz4", "zstd"}
        LZ4 reads nearly twice as fast; Zstandard writes faster and is up to a tenth smaller.
    set_ : tuple of str
        Changes to the recipe, KEY=VALUE (sfreq.ecg=500).

    Returns
    -------
    int
        Exit status: 1 if any file failed; the others are ingested all the same.
    """
    console = _console()
    logging.getLogger("biosig").setLevel(logging.INFO)
    tables: TableMapping | None = load_mapping(mapping) if mapping else None
    if not src:
        raise UsageError("Name at least one file or folder to ingest.")
    if workers < 0:
        raise UsageError(f"--workers is {workers}; it must be 0 (one per core) or more.")
    cooking = load(Recipe, recipe, set_)
    table = _label_table(labels, labels_spec, id_column, subject_column)
    pattern = SubjectPattern(subject_pattern) if subject_pattern else None
    found = discover(src, tables)
    if not found.items:
        raise DataError(" ".join(f.sentence for f in found.failures) or "Nothing to ingest was found.")
    _check_joins(found, table, pattern)
    secret, place = load_key(key, out)
    console.print(f"{len(found.items)} recordings found; pseudonyms under the key in {place}.", markup=False)
    if found.n_repeated:
        console.print(f"{found.n_repeated} files were reached twice, by name or by a link: ingested once.")
    if found.n_parts:
        console.print(f"{found.n_parts} files are segments of others: ingested with these.")
    if found.unclaimed:
        others = ", ".join(f"{n} {suffix}" for suffix, n in found.unclaimed.most_common(_SHOWN))
        console.print(
            f"Files that stand for no recording of their own (signals beside headers, other formats): {others}.",
            markup=False,
        )
    if table is not None and table.left_out:
        console.print(
            f"Not kept as labels, for privacy: {', '.join(table.left_out)} (see --labels-spec).", markup=False
        )
    todo = Preparation(cooking, Pseudonyms(secret), recording_names, tables, table, pattern)
    start = time.monotonic()
    with show_progress(Console(stderr=True)) as progress:
        result = ingest_items(
            found,
            out,
            todo,
            workers=workers or os.cpu_count() or 1,
            resume=resume,
            compression=compression,
            progress=progress,
        )
    _report(result, out, time.monotonic() - start, console)
    return 1 if result.failures else 0


def _label_table(
    labels: Path | None, spec: Path | None, id_column: tuple[str, ...], subject_column: str | None
) -> LabelTable | None:
    if labels is None:
        if spec or id_column or subject_column:
            raise UsageError("--labels-spec, --id-column and --subject-column describe a table: name it with --labels.")
        return None
    meaning = load(LabelSpec, spec)
    meaning = replace(meaning, id_columns=id_column or meaning.id_columns)
    return LabelTable(labels, replace(meaning, subject_column=subject_column or meaning.subject_column))


def _check_joins(found: Discovery, table: LabelTable | None, pattern: SubjectPattern | None) -> None:
    """Refuse a table or pattern that knows none of the recordings: a wrong column or slash, seen before the work."""
    first = found.items[0]
    if table is not None and all(table.row_of(item.path) is None for item in found.items):
        raise UsageError(
            f"{table.path} names none of the {len(found.items)} recordings ('{first.relative}', …) in its column(s) "
            f"{', '.join(table.spec.id_columns)}, where it has '{table.names_of(0)}': check --id-column."
        )
    if pattern is not None and not any(pattern.matches(item.relative) for item in found.items):
        raise UsageError(
            f"--subject-pattern '{pattern.text}' matches none of the {len(found.items)} recordings' paths, such as "
            f"'{first.relative}': correct it."
        )


def _console() -> Console:
    console = Console(highlight=False)
    return Console(highlight=False, soft_wrap=True, width=max(console.width, _WIDTH))


def _report(result: Result, out: Path, seconds: float, console: Console) -> None:
    say = lambda text: console.print(text, markup=False)  # noqa: E731
    kinds = ", ".join(f"{n} with {kind}" for kind, n in sorted(result.kinds.items()))
    skipped = f", {result.n_skipped} were there already" if result.n_skipped else ""
    say(
        f"Ingested {result.n_ingested} recordings ({kinds or 'none'}), {result.seconds / 3600:.2f} h of signal, into "
        f"{result.n_shards} new shard(s) in {out}{skipped}; {seconds:.1f} s."
    )
    for note, n in Counter(result.n_notes).most_common(_SHOWN):
        say(f"  note on {n} recording(s): {shorten(note, 200)}")
    if len(result.n_notes) > _SHOWN:
        say(f"  and {len(result.n_notes) - _SHOWN} other notes, kept with the recordings.")
    if result.n_renamed:
        say(
            f"{result.n_renamed} recordings go by keyed hashes of their paths, as their names could tell the subject; "
            "--recording-names keep keeps the names."
        )
    if result.without_subject:
        say(
            f"{result.without_subject} recordings name no subject, so each counts as a subject of its own; join them "
            "with --labels or --subject-pattern."
        )
    for what, names in (
        ("recordings match no label or pattern", result.unmatched_recordings),
        ("rows of the label table match no recording", result.unmatched_rows),
    ):
        if names:
            more = "" if len(names) <= 3 else f" and others in {out / UNMATCHED}"
            say(f"{len(names)} {what}: {', '.join(names[:3])}{more}.")
    if result.failures:
        say(f"{len(result.failures)} failed (all in {out / FAILURES}):")
        for failure in result.failures[:_SHOWN]:
            say(f"  {failure.stage}: {failure.sentence}")
        if len(result.failures) > _SHOWN:
            say(f"  and {len(result.failures) - _SHOWN} others.")


def _show(recording: Recording, console: Console) -> None:
    r = recording
    say = lambda text: console.print(text, markup=False)  # noqa: E731
    say(f"{r.source.path} ({r.source.adapter}): {'+'.join(r.kinds)}, {r.duration:.2f} s")
    table = Table(
        "in the file", "name", "kind", "position (m)", "reference (m)", "unit", "sfreq", "the model sees", box=None
    )
    seen = [what for stream in r.streams for what in _seen(stream)]
    rates = [f"{stream.sfreq:g} Hz" for stream in r.streams for _ in stream.channels]
    for channel, rate, what in zip(r.channels, rates, seen, strict=True):
        table.add_row(
            channel.source_name,
            channel.name,
            channel.kind,
            _place(channel.position) + (" measured" if channel.position_source == "measured" else ""),
            _place(channel.reference),
            channel.unit or "?",
            rate,
            what,
        )
    console.print(table)
    if any(_TURNED in what for what in seen):
        say(f"{_TURNED.strip(', ')}: seen as reference − position with the sign changed, so A−B and B−A are one.")
    for line in (*_amplitudes(r), *_contracts(r)):
        say(line)
    if r.annotations:
        counts = Counter(a.label for a in r.annotations).most_common(_SHOWN)
        say(f"{len(r.annotations)} annotations: " + ", ".join(f"{label} × {n}" for label, n in counts))
    if r.labels:
        say("labels: " + ", ".join(f"{name} = {value}" for name, value in r.labels.items()))
    if r.subject is not None:
        age = "unknown" if r.subject.age is None else f"{r.subject.age:g} years"
        given = "given (a pseudonym once ingested)" if r.subject.id else "not given"
        say(f"subject: id {given}, age {age}, sex {r.subject.sex or 'unknown'}")
    else:
        say("subject: not given; join one with --labels or --subject-pattern on ingest")
    for note in r.notes:
        say(f"note: {note}")


def _place(position: tuple[float, float, float]) -> str:
    return "({:.3f}, {:.3f}, {:.3f})".format(*position) if is_known(position) else "–"


def _seen(stream: Stream) -> list[str]:
    """What becomes of each channel in a model."""
    places = np.array([c.position for c in stream.channels]), np.array([c.reference for c in stream.channels])
    told = []
    for channel, dead, sign in zip(
        stream.channels, is_flat(stream.physical()), canonical_orientation(*places), strict=True
    ):
        if dead:
            told.append("flat throughout: nothing")
        elif channel.kind not in MODALITIES:
            told.append("stored, no tokens")
        else:
            placeless = "" if is_known(channel.position) else ", no position"
            told.append(f"{channel.kind} tokens" + placeless + (_TURNED if sign < 0 else ""))
    return told


def _amplitudes(recording: Recording) -> list[str]:
    """Per kind its robust scale and how much is invalid, as ingest would find them."""
    refusal = []
    try:
        scales, _ = robust_scales(recording, recording.source.path)
    except DataError as error:
        refusal = [f"ingest would refuse it: {error}"]
        scales, _ = robust_scales(recording, None)
    lines = []
    for kind in recording.kinds:
        streams = list(recording.of_kind(kind))
        units = {channel.unit or "?" for stream in streams for channel in stream.channels}
        unit = units.pop() if len(units) == 1 else "in units of their own"
        text = f"{kind}: robust scale {scales[kind]:.3g} {unit}" if kind in scales else f"{kind}: no amplitude"
        n_invalid = sum(int((~stream.valid()).sum()) for stream in streams)
        n = sum(stream.samples.size for stream in streams)
        lines.append(text + (f", {100 * n_invalid / n:.3g} % of samples invalid" if n_invalid else ""))
    return lines + refusal


def _contracts(recording: Recording) -> list[str]:
    """What the presets make of each modality's signals."""
    from biosig.models.presets import preset  # imports torch

    lines = []
    for kind, contract in preset(_PRESET).contract.items():
        streams = list(recording.of_kind(kind))
        if streams:
            n = sum(stream.n_chans for stream in streams)
            patches = contract.n_patches_in(max(stream.duration for stream in streams))
            lines.append(
                f"{_PRESET} sees {kind} at {contract.sfreq:g} Hz: {n} channels × {patches} patches of "
                f"{contract.patch_seconds:g} s"
            )
    return lines
