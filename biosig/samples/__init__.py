"""Real recordings that ship with the package: small parts of three public databases, with their licences."""

from __future__ import annotations

from pathlib import Path

from biosig.errors import UsageError

SETS = ("ptbxl", "eegmmidb", "bidmc")
"""12-lead ECG with diagnoses; EEG with rest and imagery; PPG with ECG. README.md beside them names the cuts."""


def path(name: str = "") -> Path:
    """The folder of one set of sample recordings.

    Parameters
    ----------
    name : {"ptbxl", "eegmmidb", "bidmc", ""}
        The set; the empty string names the folder that holds all of them.

    Returns
    -------
    Path
        An existing folder inside the installed package.

    Raises
    ------
    UsageError
        If there is no such set.
    """
    if name and name not in SETS:
        raise UsageError(f"There is no sample set '{name}'; the package ships {', '.join(SETS)}.")
    return Path(__file__).parent / name
