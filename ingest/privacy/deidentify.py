"""De-identification: persons and dates are taken out of a recording on its way to a shard, for every source."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Literal

from biosig.recording import Annotation, Channel, Recording, Source, Stream, Subject
from ingest.demographics import OLDEST_AGE_KEPT
from ingest.privacy.name_patterns import is_code, marks, name_words, reveals
from ingest.privacy.pseudonyms import Pseudonyms
from ingest.privacy.scrub import MARKS, removed, scrub, scrub_label

FOREIGN_NOTE = "MNE: "
"""Begins a note that repeats a warning of MNE's own, which may quote the file and is not kept."""

RENAMED = "recording"
"""The role in which a file's path has a pseudonym that is its recording's id."""

NO_SUBJECT = "subject of recording"
"""The role in which it has one for a subject without a name."""

_LATEST_ONSET = 1e6
"""Seconds. A first sample later than this is on the clock of a calendar or a machine, not of the recording."""

_FILE_NAME = re.compile(r"(?<![\w.-])[\w-]+(?:\.[\w-]+)*(\.[a-z]\w{1,5})\b")
_scrub_once = lru_cache(8192)(scrub)
_scrub_label_once = lru_cache(8192)(scrub_label)
"""Channels, events and notes have few different texts in a million recordings, and the rules take a while."""

_QUOTED = re.compile(r"(?<!\w)(['\"])(.*?)\1(?!\w)")
"""Texts that notes and histories cite from the file."""


@dataclass(frozen=True)
class Deidentifier:
    """Rules of an ingest for hiding names, dates and texts, and its key.

    Parameters
    ----------
    pseudonyms : Pseudonyms
        Under the ingest's key.
    recording_names : {"auto", "keep", "hash"}
        Ids of recordings: their names, keyed hashes of their paths, or ("auto") hashes where the subject is read from
        the path, the name tells the subject's id, or it is not a code (`ingest.privacy.name_patterns.is_code`). An id
        that needed the folder to be unique is hashed in any case: folders may be called after people.
    subject_in_path : bool
        True if subjects are read from the path.
    asked : frozenset of str
        Labels that were asked for by name and are kept to the letter; the texts of others are scrubbed.
    texts : bool
        True if reports, event texts and labels that nobody asked for are scrubbed (`ingest.privacy.scrub`).
    content_hash : {"open", "keyed"}
        Content hashes as they are, beside fingerprints; or under the key, without fingerprints.
    """

    pseudonyms: Pseudonyms
    recording_names: Literal["auto", "keep", "hash"] = "auto"
    subject_in_path: bool = False
    asked: frozenset[str] = frozenset()
    texts: bool = True
    content_hash: Literal["open", "keyed"] = "open"

    def content_name(self, content: str) -> str:
        """The form in which a shard keeps a content hash; beside a keyed one it has no fingerprint."""
        return self.pseudonyms.digest("content", content) if self.content_hash == "keyed" else content

    def source_name(self, relative: str) -> str:
        """Pseudonym of a file's path, which a shard keeps; a resumed ingest knows the file again by it."""
        return self.pseudonyms("path", relative)

    def hashes_name(self, recording: Recording) -> bool:
        """True if the recording's id becomes a keyed hash of its path."""
        name = recording.id
        if self.recording_names != "auto" or "/" in name:
            return self.recording_names == "hash" or "/" in name
        subject = recording.subject.id if recording.subject else ""
        return self.subject_in_path or reveals(name, subject) or not is_code(name)


def deidentify(recording: Recording, relative: str, how: Deidentifier, key: str = "") -> Recording:
    """The recording as a shard may hold it.

    Pseudonyms stand for the subject, the path, and where `how` says so for the recording's name; sessions that are
    dates or long numbers get one too, and the digest of the source's files is keyed. Free texts are scrubbed, and words
    of the subject's id are taken out of them. Warnings of a foreign reader stay behind, as they may quote anything. A
    recording without a subject is one of its own. Ages above 89 become 90. Times count from the first sample if they
    came from a clock.

    Parameters
    ----------
    recording : Recording
        With labels joined; its `source` still names the file.
    relative : str
        The file's path within the sources (`ingest.pipeline.discover.SourceRecording.relative`).
    how : Deidentifier
        The rules.
    key : str, optional
        Text of which pseudonyms are made, where it is not `relative`: the path with its extension
        (`SourceRecording.key`), which does not depend on the files beside it.

    Returns
    -------
    Recording
        Samples untouched; a note names the sorts of text that were taken out.
    """
    subject = recording.subject or Subject("")
    key = key or relative
    role, named = ("subject", subject.id) if subject.id else (NO_SUBJECT, key)
    known = name_words(subject.id)
    hashed = how.hashes_name(recording)
    name = PurePosixPath(relative).name
    texts = _Texts(known) if how.texts else None
    recording = _on_its_own_clock(_with_scrubbed_channels(recording, known))
    notes = [note for note in recording.notes if not note.startswith(FOREIGN_NOTE)]
    notes = [_without_names(note, name, hashed, known) for note in notes]
    oldest = OLDEST_AGE_KEPT + 1
    if subject.age is not None and subject.age > oldest:
        subject = replace(subject, age=oldest)
        notes.append(f"The subject is older than {OLDEST_AGE_KEPT:g}: kept as {oldest:g}.")
    session = recording.session
    if session is not None and marks(session, known):
        session = how.pseudonyms("session", session)
    hidden = replace(
        recording,
        id=how.pseudonyms(RENAMED, key) if hashed else recording.id,
        subject=replace(subject, id=how.pseudonyms(role, named)),
        session=session,
        source=Source(
            how.source_name(key), recording.source.adapter, how.pseudonyms.digest("source", recording.source.sha256)
        ),
        content_hash=how.content_name(recording.content_hash),
    )
    if texts is not None:
        hidden.report = texts(recording.report, scrub) if recording.report else recording.report
        hidden.annotations = [_relabelled(a, texts(a.label, _scrub_label_once)) for a in recording.annotations]
        hidden.labels = {
            key: value if key in how.asked else texts.of_label(value) for key, value in recording.labels.items()
        }
        if texts.found:
            sorts = ", ".join(f"{mark}s" for mark in MARKS if mark in texts.found)
            notes.append(f"Taken out of the report, events or labels and marked there: {sorts}.")
    hidden.notes = tuple(notes)
    hidden.history = tuple(_without_identifiers(line, known) for line in recording.history)
    return hidden


def _relabelled(annotation: Annotation, label: str) -> Annotation:
    return annotation if label == annotation.label else replace(annotation, label=label)


class _Texts:
    """Scrubs texts, and remembers the sorts of things that were found."""

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self.found: set[str] = set()

    def __call__(self, text: str, how: Callable[..., str], **options: Any) -> str:
        clean = how(text, self._known, **options)
        if clean != text:
            self.found.update(removed(text, clean))
        return clean

    def of_label(self, value: Any) -> Any:
        """A label's text, or the texts of a list; numbers in it may be codes and stay."""
        if isinstance(value, str):
            return self(value, _scrub_once, numbers=False)
        return [self.of_label(part) for part in value] if isinstance(value, list | tuple) else value


def _with_scrubbed_channels(recording: Recording, known: frozenset[str]) -> Recording:
    """Channels without names of people: their names and units are typed, or carry a device's serial number."""
    new: dict[str, str] = {}
    for text in dict.fromkeys(text for c in recording.channels for text in (c.source_name, c.name)):
        clean = _scrub_once(text, known)
        if clean != text:
            taken = {*new.values(), *recording.ch_names}
            new[text] = next(
                end for n in range(len(taken) + 1) if (end := f"{clean} {n + 1}" if n else clean) not in taken
            )
    units = {unit: _scrub_once(unit, known) for unit in {channel.unit for channel in recording.channels}}
    if not new and all(unit == clean for unit, clean in units.items()):
        return recording

    def renamed(channel: Channel) -> Channel:
        return replace(
            channel,
            name=new.get(channel.name, channel.name),
            source_name=new.get(channel.source_name, channel.source_name),
            unit=units[channel.unit],
        )

    def scrubbed(texts: tuple[str, ...]) -> tuple[str, ...]:
        for old, clean in new.items():
            texts = tuple(text.replace(old, clean) for text in texts)
        return texts

    streams = [replace(s, channels=tuple(map(renamed, s.channels))) for s in recording.streams]
    return replace(recording, streams=streams, notes=scrubbed(recording.notes), history=scrubbed(recording.history))


def _on_its_own_clock(recording: Recording) -> Recording:
    """Times from the first sample, where the source's are on a clock: seconds since 1970 are a date."""
    start = min((stream.onset for stream in recording.streams), default=0.0)
    if start <= _LATEST_ONSET:
        return recording

    def shifted(thing: Any) -> Any:
        return replace(thing, onset=thing.onset - start)

    streams: list[Stream] = [shifted(stream) for stream in recording.streams]
    annotations: list[Annotation] = [shifted(annotation) for annotation in recording.annotations]
    note = "The source's times are on a clock: they count from the first sample now."
    return replace(recording, streams=streams, annotations=annotations, notes=(*recording.notes, note))


def _without_names(note: str, name: str, hashed: bool, known: frozenset[str]) -> str:
    """A note without names of people and of files, but for the recording's own where that is kept."""

    def shown(match: re.Match[str]) -> str:
        return match[0] if match[0].partition(".")[0] == name and not hashed else "…" + match[1]

    note = _FILE_NAME.sub(shown, note)
    if hashed:
        note = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", note)
    return _without_identifiers(note, known)


@lru_cache(8192)
def _without_identifiers(text: str, known: frozenset[str]) -> str:
    """A note or a line of history, scrubbed: its citations whole, the rest but for its numbers, such as a size."""
    cited = _QUOTED.sub(lambda match: match[1] + _scrub_once(match[2], known) + match[1], text)
    return _scrub_once(cited, known, numbers=False)
