"""Beats, rhythms and other events from the WFDB annotation files that lie beside a record."""

from __future__ import annotations

from pathlib import Path

import wfdb

from biosig.errors import UnreadableError
from biosig.recording import Annotation
from ingest.files import is_lfs_pointer

ANNOTATORS = ("atr", "qrs", "ecg", "apn", "st", "ari", "al")
"""Extensions that PhysioNet databases use for annotations; the first is the reference and gives labels as they are."""


def read_annotations(header: Path, fs: float, duration: float) -> tuple[list[Annotation], list[Path], list[str]]:
    """Read every known annotation file of a record.

    A label is the event's symbol ("N", "V"), or its text for rhythm changes and comments ("(AFIB"); annotators other
    than ``.atr`` put their name first ("qrs:N"). A rhythm lasts until the next rhythm change; all else has duration 0.

    Parameters
    ----------
    header : Path
        The record's ``.hea``.
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
        What could not be read or does not fit the record.

    Raises
    ------
    UnreadableError
        If the reference annotations (``.atr``) cannot be read.
    """
    annotations: list[Annotation] = []
    files, notes = [], []
    for extension in ANNOTATORS:
        path = header.with_suffix(f".{extension}")
        if not path.is_file():
            continue
        try:
            if is_lfs_pointer(path):
                raise ValueError("it is a git-LFS pointer: run `git lfs pull`")
            found, late = _read(path, fs, duration)
        except Exception as error:  # wfdb lets IndexError, ValueError and others through on foreign bytes
            if extension == "atr":
                raise UnreadableError(f"{path} cannot be read as WFDB annotations ({error}): fetch it again.") from None
            notes.append(f"{path.name} cannot be read as WFDB annotations ({error}): left out.")
            continue
        if late:
            notes.append(
                f"{late} of {late + len(found)} annotations in {path.name} lie after the signals' end: left out."
            )
        annotations += found
        files.append(path)
    return sorted(annotations, key=lambda a: a.onset), files, notes


def _read(path: Path, fs: float, duration: float) -> tuple[list[Annotation], int]:
    extension = path.suffix[1:]
    prefix = "" if extension == ANNOTATORS[0] else f"{extension}:"
    source = wfdb.rdann(str(path.with_suffix("")), extension)
    onsets = (source.sample / (source.fs or fs)).tolist()
    texts = [text.strip("\x00 \t\r\n") for text in source.aux_note]
    labels = [text if text and symbol in '+"' else symbol for symbol, text in zip(source.symbol, texts, strict=True)]
    annotations = []
    end = duration
    for onset, label in zip(reversed(onsets), reversed(labels), strict=True):
        if not 0 <= onset < duration:
            continue
        is_rhythm = label.startswith("(") and len(label) > 1
        annotations.append(Annotation(onset, end - onset if is_rhythm else 0.0, prefix + label))
        if is_rhythm:
            end = onset
    return annotations[::-1], len(onsets) - len(annotations)
