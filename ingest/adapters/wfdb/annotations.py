"""Beats, rhythms and other events from the WFDB annotation files that lie beside a record.

Format: WFDB Applications Guide, annot(5), https://physionet.org/physiotools/wag/annot-5.htm.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from biosig.errors import UnreadableError
from biosig.recording import Annotation
from biosig.source_files import is_lfs_pointer

REFERENCE = "atr"
"""The extension of a database's reference annotations, whose labels are kept as they are."""

_OTHER_FILES = {"bdf", "csv", "dat", "edf", "gz", "hea", "json", "mat", "md5", "npy", "pdf", "png", "txt", "xml", "zip"}
"""Extensions of files beside records that are not annotations, and need not be opened to see it."""

_RACY_SECONDS = 2.0  # a folder that changed this recently may change again within the clock tick of its time stamp
_SPANS = {"[": "]", "(": ")"}  # ventricular flutter, and a waveform (ecgpuwave): symbols that open and close a span


def read_annotations(
    header: Path, signal_files: Sequence[Path], fs: float, duration: float
) -> tuple[list[Annotation], list[Path], list[str]]:
    """Read every annotation file of a record, whatever its extension.

    A label is the event's symbol ("N", "V"), with its text behind it where it has one; of rhythm changes and comments
    the text alone ("(AFIB"). Annotators other than ``.atr`` put their name first ("qrs:N"). A rhythm lasts until the
    next rhythm change, "[" until "]" and "(" until ")"; all else has duration 0.

    Parameters
    ----------
    header : Path
        The record's ``.hea``.
    signal_files : sequence of Path
        Files beside it that hold signals.
    fs : float
        Frames per second, for annotation files that give no rate of their own.
    duration : float
        Seconds; later events are left out, and a note says so.

    Returns
    -------
    annotations : list of Annotation
        Sorted by onset.
    files : list of Path
        The files read.
    notes : list of str
        Files that could not be read, and events that do not fit the record.

    Raises
    ------
    UnreadableError
        If the reference annotations (``.atr``) cannot be read.
    """
    annotations: list[Annotation] = []
    files, notes = [], []
    for path in _beside(header):
        extension = path.name[len(header.stem) + 1 :]
        if path in signal_files or not (extension == REFERENCE or _could_be_annotations(path)):
            continue
        try:
            if is_lfs_pointer(path):
                raise ValueError("it is a git-LFS pointer: run `git lfs pull`")
            found, n_outside = _read(path, extension, fs, duration)
        except Exception as error:  # wfdb lets IndexError, ValueError and others through on foreign bytes
            if extension == REFERENCE:
                raise UnreadableError(f"{path} cannot be read as WFDB annotations ({error}): fetch it again.") from None
            notes.append(f"A file .{extension} cannot be read as WFDB annotations: left out.")
            continue
        if n_outside:
            notes.append(
                f"{n_outside} of {n_outside + len(found)} events in .{extension} lie outside the signals: left out."
            )
        annotations += found
        files.append(path)
    return sorted(annotations, key=lambda a: a.onset), files, notes


def _beside(header: Path) -> list[Path]:
    """Files that share the header's name up to its extension, but for those of well-known other kinds."""
    folder = os.path.dirname(header) or "."
    changed = os.stat(folder).st_mtime_ns
    listing = _listing if time.time() - changed / 1e9 > _RACY_SECONDS else _listing.__wrapped__
    names = listing(folder, changed).get(header.name.partition(".")[0], ())
    paths = [header.with_name(name) for name in names if name.startswith(header.stem + ".")]
    return [path for path in paths if path.is_file()]


@lru_cache(maxsize=8)
def _listing(folder: str, changed: int) -> dict[str, tuple[str, ...]]:  # noqa: ARG001 (part of the key of the cache)
    """The candidates of a whole folder, by their name up to the first dot: a folder may hold 100,000 records."""
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(os.listdir(folder)):
        stem, _, extension = name.partition(".")
        if extension and extension.rpartition(".")[2].lower() not in _OTHER_FILES:
            found[stem] = (*found.get(stem, ()), name)
    return found


def _could_be_annotations(path: Path) -> bool:
    """True if a file is not text and ends as annotation files do, with a word of zeros."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(512)
            file.seek(max(size - 2, 0))
            return size % 2 == 0 and file.read() == b"\0\0" and b"\0" in head
    except OSError:
        return False


def _read(path: Path, extension: str, fs: float, duration: float) -> tuple[list[Annotation], int]:
    import wfdb  # takes as long as a hundred records

    source = wfdb.rdann(str(path)[: -len(extension) - 1], extension)
    prefix = "" if extension == REFERENCE else f"{extension}:"
    onsets = (source.sample / (source.fs or fs)).tolist()
    annotations = []
    next_rhythm = duration
    closed: dict[str, float] = {}  # symbol that closes a span → when it last did, seen from the end
    for onset, symbol, aux in zip(onsets[::-1], source.symbol[::-1], source.aux_note[::-1], strict=True):
        if not 0 <= onset < duration:
            continue
        text = aux.strip("\x00 \t\r\n")
        end = onset
        if symbol == "+" and text.startswith("("):
            end, next_rhythm = next_rhythm, onset
        elif symbol in _SPANS:
            end = closed.pop(_SPANS[symbol], onset)
        elif symbol in _SPANS.values():
            closed[symbol] = onset
        label = text if text and symbol in '+"' else f"{symbol} {text}".strip()
        annotations.append(Annotation(onset, end - onset, prefix + label))
    return annotations[::-1], len(onsets) - len(annotations)
