"""Everything that can be wrong with a WFDB record, said before wfdb meets it.

Format: WFDB Applications Guide, header(5) and signal(5), https://physionet.org/physiotools/wag/.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wfdb

from biosig.errors import UnreadableError
from ingest.files import check_present

_BITS = {"8": 8, "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12}
_COMPRESSED = ("508", "516", "524")
MISSING = {
    **dict.fromkeys(("80", "508"), -(2**7)),
    **dict.fromkeys(("310", "311"), -(2**9)),
    "212": -(2**11),
    **dict.fromkeys(("16", "61", "160", "516"), -(2**15)),
    **dict.fromkeys(("24", "524"), -(2**23)),
    "32": -(2**31),
}
"""The digital value that stands for a missing sample in each storage format (signal(5)); format 8 has none."""


@dataclass(slots=True)
class WfdbHeader:
    """A header whose signal files are known to be there and long enough.

    Parameters
    ----------
    record : wfdb.Record
        The parsed header.
    files : tuple of Path
        The header, then each signal file once.
    sig_len : int
        Frames to read.
    notes : list of str
        Defaults that were filled in and other things a user should know.
    """

    record: Any
    files: tuple[Path, ...]
    sig_len: int
    notes: list[str] = field(default_factory=list)


def read_header(path: Path) -> WfdbHeader:
    """Parse a ``.hea`` and check it against its signal files.

    Raises
    ------
    UnreadableError
        One sentence: the header cannot be parsed, or a signal file is absent, outside the folder, a git-LFS pointer,
        empty or shorter than the header says.
    """
    check_present(path)
    lines = _lines(path)
    _check_record_line(path, lines[0])
    names = [line.split()[0] for line in lines[1:]]
    if "~" in names:
        raise UnreadableError(
            f"{path} is the layout header of a multi-segment WFDB record, without signals of its own."
        )
    for name in names:
        if name in {".", ".."} or "/" in name or "\\" in name or ":" in name:
            raise UnreadableError(
                f"{path} refers to '{name}', outside its own folder: put the signal file beside the header."
            )
    try:
        record = wfdb.rdheader(str(path.with_suffix("")))
    except Exception as error:  # wfdb lets ValueError, TypeError, IndexError and its own through
        raise UnreadableError(f"{path} is not a valid WFDB header ({error}): correct it, or fetch it again.") from None
    if not record.n_sig:
        raise UnreadableError(f"{path} describes no signal, only annotations: point to a record with signals.")
    if record.n_sig != len(names):
        raise UnreadableError(
            f"{path} announces {record.n_sig} signals and describes {len(names)}: correct it, or fetch it again."
        )
    if list(record.file_name) != names:
        raise UnreadableError(
            f"{path} names a signal file '{names[0]}' that wfdb cannot parse: rename it to letters, digits and one dot."
        )
    if not (math.isfinite(record.fs) and record.fs > 0):
        raise UnreadableError(f"{path} gives a sampling rate of {record.fs} Hz: correct its first line.")
    notes = _defaults(lines, record)
    sig_len = _check_files(path, record, notes)
    return WfdbHeader(record, (path, *(path.parent / name for name in dict.fromkeys(names))), sig_len, notes)


def _lines(path: Path) -> list[str]:
    text = path.read_bytes()[:1_000_000].decode("ascii", errors="ignore")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise UnreadableError(f"{path} holds no record line: it is not a WFDB header, or fetch it again.")
    return lines


def _check_record_line(path: Path, line: str) -> None:
    name, *rest = line.split()
    if "/" in name:
        raise UnreadableError(
            f"{path} is a multi-segment WFDB record, which is not read yet: ingest its segments one by one."
        )
    if not rest or not rest[0].isdigit():
        raise UnreadableError(f"{path} does not begin with a WFDB record line ('{line[:60]}'): fetch it again.")
    if name.lower().endswith(".mat"):
        raise UnreadableError(
            f"{path} names its record '{name}', with an extension, which WFDB forbids: "
            f"write '{name[:-4]}' at the start of its first line."
        )


def _defaults(lines: list[str], record: Any) -> list[str]:
    """Sentences for the values that the header leaves out and WFDB's defaults fill (header(5))."""
    notes = []
    if len(lines[0].split()) < 3:
        notes.append("The header gives no sampling rate: WFDB's default of 250 Hz is used.")
    no_gain, no_unit = [], []
    for name, line in zip(record.sig_name, lines[1:], strict=True):
        gain, _, unit = (line.split()[2:3] or [""])[0].partition("/")
        number = gain.partition("(")[0]
        if not number or float(number) == 0:
            no_gain.append(str(name))
        if not unit:
            no_unit.append(str(name))
    if no_gain:
        notes.append(
            f"No gain in the header for {', '.join(no_gain)}: WFDB's default of 200 per unit is used, uncalibrated."
        )
    if no_unit:
        notes.append(f"No unit in the header for {', '.join(no_unit)}: WFDB's default of mV is used.")
    return notes


def _check_files(path: Path, record: Any, notes: list[str]) -> int:
    """Compare each signal file's size with what the header promises; return the number of frames to read."""
    sig_len: int | None = record.sig_len or None
    for name in dict.fromkeys(record.file_name):
        file = path.parent / name
        check_present(file, wanted_by=path)
        rows = [i for i, other in enumerate(record.file_name) if other == name]
        fmt = record.fmt[rows[0]]
        if fmt not in MISSING and fmt != "8":
            raise UnreadableError(
                f"{path} gives {name} the storage format {fmt}, which WFDB does not define: correct it."
            )
        if fmt in _COMPRESSED:
            continue
        per_frame = sum(record.samps_per_frame[i] for i in rows)
        found = file.stat().st_size - (record.byte_offset[rows[0]] or 0)
        if sig_len is None:
            sig_len = _n_samples(fmt, found) // per_frame
            notes.append(f"The header gives no length: {sig_len} frames follow from the size of {name}.")
        wanted = _n_bytes(fmt, sig_len * per_frame)
        if found < wanted:
            raise UnreadableError(
                f"{file} is truncated: {found} bytes of signal found, {wanted} wanted by {path.name}: fetch it again."
            )
        if found > wanted + 4:  # formats that pack several samples may round up
            notes.append(f"{name} holds {found} bytes of signal; only the {wanted} that the header announces are read.")
    if sig_len is None:
        raise UnreadableError(f"{path} gives no length for compressed signal files: add it to its first line.")
    if sig_len <= 0:
        raise UnreadableError(f"{path} is a record without samples: fetch or export it again.")
    return sig_len


def _n_bytes(fmt: str, n_samples: int) -> int:
    if fmt in ("310", "311"):  # three samples in four bytes; 311 need not fill its last word
        return math.ceil(n_samples * 4 / 3)
    return math.ceil(n_samples * _BITS[fmt] / 8)


def _n_samples(fmt: str, n_bytes: int) -> int:
    return n_bytes * 3 // 4 if fmt in ("310", "311") else n_bytes * 8 // _BITS[fmt]
