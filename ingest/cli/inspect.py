"""The verb `inspect`: the contents of a recording, and the part that a model would see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def inspect(
    path: tyro.conf.Positional[Path],
    *,
    mapping: Path | None = None,
    privacy: bool = False,
    draft: bool = False,
    set_: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = (),
) -> int:
    """Show the contents of a recording, or of each recording of a folder, and the part that the model would see.

    Parameters
    ----------
    path : Path
        A recording's file (WFDB, EDF, BDF, DICOM, FIF, BrainVision, EEGLAB, CSV, HDF5, …: docs/ingest.md lists all),
        or a folder of them.
    mapping : Path, optional
        For tables and arrays: the YAML file that says which column is which channel, or the name of one that ships
        (empatica-e4, apple-watch-ecg, openbci, muse, …: docs/ingest.md); default the biosig.yaml beside.
    privacy : bool
        Instead, list what the files reveal of persons, dates and devices, masked, and the fate of each at ingest.
    draft : bool
        Instead, write a first mapping of one table or array, with comments, for a file: inspect FILE --draft > m.yaml.
    set_ : tuple of str
        Facts that files lack, KEY=VALUE: unit.eeg=uV, rename.ECG=I, sfreq=250.

    Returns
    -------
    int
        Exit status: 1 if a recording cannot be read.
    """
    from ingest.cli.run_inspect import run_inspect  # which the readers of formats come with

    return run_inspect(path, mapping, privacy, draft, set_)
