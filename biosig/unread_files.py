"""Remedies for files that no adapter reads: one sentence for each usual sort."""

from __future__ import annotations

import re
from pathlib import Path

_ARCHIVES = {
    ".zip": "unzip",
    ".tar.gz": "tar -xzf",
    ".tgz": "tar -xzf",
    ".tar": "tar -xf",
    ".7z": "7z x",
    ".rar": "unrar x",
}
_COMPRESSED = {".gz": "gunzip -k", ".bz2": "bunzip2 -k", ".xz": "unxz -k"}
_SHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".csv.gz", ".tsv.gz", ".txt.gz")
_NO_RAW = re.compile(r"[-_]([a-z]+)\.fif(\.gz)?")


def is_packed(path: Path) -> bool:
    """True if a file is an archive, or one that is compressed as a whole."""
    name = path.name.lower()
    return name.endswith((*_ARCHIVES, *_COMPRESSED)) and not name.endswith(_TABLES)


def is_sheet(path: Path) -> bool:
    """True if a file is a spreadsheet program's own."""
    return path.name.lower().endswith(_SHEETS)


def what_to_do(path: Path) -> str | None:
    """A sentence on a file that no adapter claims: kind and remedy. None if its name does not tell the kind."""
    name = path.name.lower()
    if name.endswith(_TABLES):
        return (
            f"{path} is a table or an array that no mapping describes: give one with --mapping (mapping= in Python), a "
            f"file or the name of one that ships, or as a biosig.yaml beside it; biosig inspect {path.name} --draft "
            "writes a first one."
        )
    for ending, command in _ARCHIVES.items():
        if name.endswith(ending):
            return f"{path} is an archive: unpack it ({command} {path.name}), and give the folder."
    for ending, command in _COMPRESSED.items():
        if name.endswith(ending):
            return f"{path} is compressed: unpack it ({command} {path.name}), and give {path.stem}."
    if is_sheet(path):
        return f"{path} is a spreadsheet: export the sheet that is meant as CSV (UTF-8), and give that."
    if name.endswith(_PICKLES):
        return f"{path} holds pickled objects, which are never loaded: save arrays with numpy.save or as HDF5."
    if match := _NO_RAW.search(name):
        return f"{path} holds '{match[1]}' in MNE's terms, not a recording: give the file of the raw signals or epochs."
    return None
