"""The summary that `ingest` prints: the sources it found, and the shards, notes, copies and failures it made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from rich.console import Console

from biosig.unread_files import what_to_do
from ingest.metadata.labels.labels import Labels
from ingest.pipeline.batch import Result
from ingest.pipeline.discover import Discovery
from ingest.pipeline.inventory import Inventory
from ingest.pipeline.tables import DUPLICATES, FAILURES, NOTES, UNMATCHED
from ingest.preprocess.recipe import Recipe

_SHOWN = 8  # lines of a list that goes on in a file
_NAMED = 3  # recordings of a line


def print_discovery(found: Discovery, place: str, joins: Labels | None, console: Console) -> None:
    """Print the files that were found and passed over, the `place` of the key, and remarks on the label tables."""
    console.print(f"Found {_n(len(found.items), 'recording')}; pseudonyms under the key in {place}.", markup=False)
    if found.n_repeated:
        console.print(f"Reached twice, by name or by a link, and ingested once: {_n(found.n_repeated, 'file')}.")
    if found.n_parts:
        console.print(f"Segments of others, ingested with these: {_n(found.n_parts, 'file')}.")
    if found.aside:
        console.print(f"Passed over, as no recordings of a BIDS set lie there: {', '.join(found.aside)}.", markup=False)
    if found.unclaimed:
        others = ", ".join(f"{n} {suffix}" for suffix, n in found.unclaimed.most_common(_SHOWN))
        console.print(
            f"Files that stand for no recording of their own (signals beside headers, other formats): {others}.",
            markup=False,
        )
    for file in found.packed[:1]:
        more = f" ({len(found.packed) - 1} more are packed.)" if len(found.packed) > 1 else ""
        console.print(f"Not looked into: {what_to_do(file)}{more}", markup=False)
    for remark in joins.remarks if joins is not None else ():
        console.print(remark, markup=False)


def print_differences(differing: Sequence[Inventory], joins: Labels | None, console: Console) -> None:
    """Print the lists beside the sources that do not agree with the files, and columns that are left out."""
    for inventory in differing:
        console.print(inventory.sentence(), markup=False)
    if joins is not None and joins.left_out:
        console.print(
            f"Not kept as labels, for privacy: {', '.join(joins.left_out)} (see --labels-spec).", markup=False
        )


def print_result(result: Result, out: Path, seconds: float, console: Console) -> None:
    """Print the outcome of an ingest: counts, notes, names, unmatched labels, copies and failures."""
    kinds = ", ".join(f"{n} with {kind}" for kind, n in sorted(result.kinds.items()))
    skipped = f", {result.n_skipped} were there already" if result.n_skipped else ""
    _say(
        console,
        f"Ingested {_n(result.n_ingested, 'recording')} ({kinds or 'none'}), {result.seconds / 3600:.2f} h of signal, "
        f"into {_n(result.n_shards, 'new shard')} in {out}{skipped}; {seconds:.1f} s.",
    )
    _print_notes(result, out, console)
    _print_names(result, console)
    _print_unmatched(result, out, console)
    _print_duplicates(result, out, console)
    _print_failures(result, out, console)


def print_unused(result: Result, recipe: Recipe, unused_tables: Sequence[str], console: Console) -> None:
    """Print the steps of the recipe that no recording needed, and the tables of subjects that match none."""
    if result.n_ingested and recipe.concerns and not result.kinds.keys() & set(recipe.concerns):
        console.print(
            f"The recipe speaks of {', '.join(recipe.concerns)}, but none of these recordings has them: these steps "
            "were not done.",
            markup=False,
        )
    for name in unused_tables:
        console.print(
            f"{name} is about none of the recordings' subjects: check --subject-column, or say with --subject-pattern "
            "where in the path a subject's id stands.",
            markup=False,
        )


def _print_notes(result: Result, out: Path, console: Console) -> None:
    """Print the notes on recordings, the most frequent first."""
    most_first = sorted(result.notes.items(), key=lambda note: -len(note[1]))
    for note, recordings in most_first[:_SHOWN]:
        more = ", …" if len(recordings) > _NAMED else ""
        named = ", ".join(recordings[:_NAMED])
        _say(console, f"  note on {_n(len(recordings), 'recording')} ({named}{more}): {shorten(note, 200)}")
    if len(result.notes) > _SHOWN:
        _say(console, f"  and {_n(len(result.notes) - _SHOWN, 'other note')}.")
    if result.notes:
        _say(console, f"  All notes, recording by recording: {out / NOTES}")


def _print_names(result: Result, console: Console) -> None:
    """Print the numbers of hashed names, and of recordings without a subject."""
    if result.n_renamed:
        _say(
            console,
            f"Keyed hashes of paths stand for {_n(result.n_renamed, 'name')} that could tell the subject or stand "
            "twice; --recording-names keep keeps names that stand once.",
        )
    if result.without_subject:
        _say(
            console,
            f"No subject is named for {_n(result.without_subject, 'recording')}, each of which counts as a subject "
            "of its own; join them with --labels or --subject-pattern.",
        )


def _print_unmatched(result: Result, out: Path, console: Console) -> None:
    """Print recordings without labels, and rows without a recording."""
    for what, noun, unmatched in (
        ("The label tables or the pattern do not know", "recording", result.unmatched_recordings),
        ("In the label tables, no recording matches", "row", result.unmatched_rows),
    ):
        if unmatched:
            names = ", ".join(name for name, _ in unmatched[:3])
            more = "" if len(unmatched) <= 3 else f" and others in {out / UNMATCHED}"
            _say(console, f"{what} {_n(len(unmatched), noun)}: {names}{more}.")


def _print_duplicates(result: Result, out: Path, console: Console) -> None:
    """Print copies, and the number of recordings of which near copies cannot be found."""
    if result.duplicates:
        n_equal = sum(one.kind == "equal" for one in result.duplicates)
        _say(
            console,
            f"{_n(len(result.duplicates), 'recording')} there twice ({n_equal} with equal samples, "
            f"{len(result.duplicates) - n_equal} as near copies; all in {out / DUPLICATES}); splits keep them "
            "together:",
        )
        for one in result.duplicates[:_SHOWN]:
            where = f" of {one.folder}" if one.folder else ""
            _say(console, f"  {one.recording} is {'equal to' if one.kind == 'equal' else 'near'} {one.other}{where}")
        if len(result.duplicates) > _SHOWN:
            _say(console, f"  and {_n(len(result.duplicates) - _SHOWN, 'other')}.")
    if result.n_unmarked:
        _say(
            console,
            f"{_n(result.n_unmarked, 'recording')} in these folders have no fingerprint, as an older version or "
            "--content-hash keyed wrote them: near copies of them are not found, equal ones under one key are.",
        )


def _print_failures(result: Result, out: Path, console: Console) -> None:
    """Print the first files that failed."""
    if result.failures:
        _say(console, f"{len(result.failures)} failed (all in {out / FAILURES}):")
        for failure in result.failures[:_SHOWN]:
            _say(console, f"  {failure.stage}: {failure.sentence}")
        if len(result.failures) > _SHOWN:
            _say(console, f"  and {_n(len(result.failures) - _SHOWN, 'other')}.")


def _n(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False)
