"""Everything that can be wrong with a WFDB record, said before wfdb meets it.

Format: WFDB Applications Guide, header(5) and signal(5), https://physionet.org/physiotools/wag/.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wfdb

from biosig.errors import UnreadableError
from ingest.files import check_present

BITS = {"8": 8, "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12}
COMPRESSED = ("508", "516", "524")
MISSING = {
    **dict.fromkeys(("80", "508"), -(2**7)),
    **dict.fromkeys(("310", "311"), -(2**9)),
    "212": -(2**11),
    **dict.fromkeys(("16", "61", "160", "516"), -(2**15)),
    **dict.fromkeys(("24", "524"), -(2**23)),
    "32": -(2**31),
}
"""The digital value that stands for a missing sample in each storage format (signal(5)); format 8 has none."""


_RATE = re.compile(r"(\d+\.?\d*|\.\d+)(/-?\d+\.?\d*(\(-?\d+\.?\d*\))?)?")
_COUNT = re.compile(r"\d+")
_GAIN = re.compile(
    r"(?P<gain>-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)?(\((?P<baseline>-?\d+)\))?(/(?P<unit>\S*))?", re.IGNORECASE
)
_FORMAT = re.compile(r"\d+(x\d+)?(:\d+)?(\+\d+)?")


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
    lines = header_lines(path)
    if is_master(lines):
        raise UnreadableError(
            f"{path} lists segments, where a WFDB header with signals of its own is wanted: correct it."
        )
    names = [line.split()[0] for line in lines[1:]]
    if "~" in names:
        raise UnreadableError(
            f"{path} is the layout header of a multi-segment WFDB record, without signals of its own: point to the "
            "header that lists its segments."
        )
    record, notes = parse(path, lines)
    if list(record.file_name) != names:
        raise UnreadableError(
            f"{path} names a signal file '{names[0]}' that wfdb cannot parse: rename it to letters, digits and one dot."
        )
    notes += _calibrations(path, lines, record)
    sig_len = _check_files(path, record, notes)
    return WfdbHeader(record, (path, *(path.parent / name for name in dict.fromkeys(names))), sig_len, notes)


def header_lines(path: Path) -> list[str]:
    """The lines of a header that are neither empty nor comments."""
    raw = path.read_bytes()[:1_000_000]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise UnreadableError(f"{path} holds no record line: it is not a WFDB header, or fetch it again.")
    return lines


def is_master(lines: list[str]) -> bool:
    """Whether a header's lines are a list of segments ("name/number of segments" opens its record line)."""
    return "/" in lines[0].split()[0]


def parse(path: Path, lines: list[str]) -> tuple[Any, list[str]]:
    """What wfdb makes of any header, its record line and its references checked.

    Returns
    -------
    record : wfdb.Record or wfdb.MultiRecord
        Its names are as in the file, also beyond ASCII, which wfdb would leave out.
    notes : list of str
        What is odd about the record line.
    """
    _check_record_line(path, lines[0])
    for line in lines[1:]:
        name = line.split()[0]
        if name in {".", ".."} or "/" in name or "\\" in name or ":" in name:
            raise UnreadableError(
                f"{path} refers to '{name}', outside its own folder: put what it refers to beside the header."
            )
    try:
        with named_for_wfdb(path, lines) as named:
            record = wfdb.rdheader(named)
    except Exception as error:  # wfdb lets ValueError, TypeError, IndexError and its own through
        raise UnreadableError(f"{path} is not a valid WFDB header ({error}): correct it, or fetch it again.") from None
    if not record.n_sig:
        raise UnreadableError(f"{path} describes no signal, only annotations: point to a record with signals.")
    if not (math.isfinite(record.fs) and record.fs > 0):
        raise UnreadableError(f"{path} gives a sampling rate of {record.fs} Hz: correct its first line.")
    if not is_master(lines):
        if record.n_sig != len(lines) - 1:
            raise UnreadableError(
                f"{path} announces {record.n_sig} signals and describes {len(lines) - 1}: correct it, or fetch it "
                "again."
            )
        for row, line in enumerate(lines[1:]):
            if not line.isascii() and len(fields := line.split(maxsplit=8)) == 9:
                record.sig_name[row] = fields[8]
    notes = []
    if len(lines[0].split()) < 3:
        notes.append("The header gives no sampling rate: WFDB's default of 250 Hz is used.")
    if lines[0].split()[0].split("/")[0] != path.stem:  # not quoted: a name may identify, and notes reach shards
        notes.append("The header names its record otherwise than its file is named: the file's name is used.")
    return record, notes


@contextmanager
def named_for_wfdb(path: Path, lines: list[str]) -> Iterator[str]:
    """The name by which wfdb can open a record, for as long as the context lasts.

    wfdb refuses a record line that opens with a name beyond letters, digits, "_" and "-" ("E07500.mat" in headers of
    the PhysioNet challenges of 2020 and 2021); it is given a copy that says another, beside links to the signal files.
    """
    if re.fullmatch(r"[-\w]+", lines[0].split()[0].split("/")[0], re.ASCII):
        yield str(path.with_suffix(""))
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "record.hea")
        copy.write_bytes(re.sub(rb"(?m)^[ \t]*[^#\s/][^\s/]*", b"record", path.read_bytes(), count=1))
        for name in {line.split()[0] for line in lines[1:]} if not is_master(lines) else ():
            (copy.parent / name).symlink_to(path.parent.absolute() / name)
        yield str(copy.with_suffix(""))


def _check_record_line(path: Path, line: str) -> None:
    _, *rest = line.split()
    if not rest or not rest[0].isdigit():
        raise UnreadableError(f"{path} does not begin with a WFDB record line ('{line[:60]}'): fetch it again.")
    for what, form, text in zip(("sampling rate", "number of samples"), (_RATE, _COUNT), rest[1:], strict=False):
        if not form.fullmatch(text):  # wfdb would take the part that it understands, or a default
            raise UnreadableError(f"{path} gives '{text}' as its {what}: write a plain number in its first line.")


def _calibrations(path: Path, lines: list[str], record: Any) -> list[str]:
    """Check what wfdb understood of gains and units against what is written; sentences on what its defaults fill.

    wfdb reads headers as ASCII and passes over what it cannot parse ("µV" becomes "V", "200,5" becomes 200); units
    beyond ASCII are put right in `record`, a gain that is no number is refused (header(5)).
    """
    notes = []
    no_gain, no_unit = [], []
    for row, line in enumerate(lines[1:]):
        fields = line.split(maxsplit=8)
        name = fields[8] if len(fields) == 9 else str(record.sig_name[row])
        written = (fields[2:3] or [""])[0]
        match = _GAIN.fullmatch(written)
        if not _FORMAT.fullmatch(fields[1]):
            raise UnreadableError(f"{path} gives '{fields[1]}' as the storage format of '{name}': correct it.")
        if match is None or _meaning(match, fields[4:5]) != (record.adc_gain[row], record.baseline[row]):
            raise UnreadableError(
                f"{path} gives '{written}' as gain and unit of '{name}', where gain(baseline)/unit is wanted: "
                "correct it."
            )
        if not float(match["gain"] or 0):
            no_gain.append(name)
        if match["unit"]:
            record.units[row] = match["unit"]
        else:
            no_unit.append(name)
    if no_gain:
        notes.append(
            f"No gain in the header for {', '.join(no_gain)}: WFDB's default of 200 per unit is used, uncalibrated."
        )
    if no_unit:
        notes.append(f"No unit in the header for {', '.join(no_unit)}: WFDB's default of mV is used.")
    return notes


def _meaning(match: re.Match[str], adc_zero: list[str]) -> tuple[float, int]:
    """Gain and baseline as header(5) defines them: gain 0 means 200; the baseline, where not given, is the ADC zero."""
    gain = float(match["gain"] or 0) or 200.0
    zero = int(adc_zero[0]) if adc_zero and re.fullmatch(r"-?\d+", adc_zero[0]) else 0
    return gain if math.isfinite(gain) else math.nan, zero if match["baseline"] is None else int(match["baseline"])


def _check_files(path: Path, record: Any, notes: list[str]) -> int:
    """Compare each signal file's size with what the header promises; return the number of frames to read."""
    sig_len: int | None = record.sig_len
    for name in dict.fromkeys(record.file_name):
        file = path.parent / name
        check_present(file, wanted_by=path)
        rows = [i for i, other in enumerate(record.file_name) if other == name]
        fmt = record.fmt[rows[0]]
        if fmt not in MISSING and fmt != "8":
            raise UnreadableError(
                f"{path} gives {name} the storage format {fmt}, which WFDB does not define: correct it."
            )
        if fmt in COMPRESSED:
            continue
        per_frame = sum(record.samps_per_frame[i] for i in rows)
        found = file.stat().st_size - (record.byte_offset[rows[0]] or 0)
        if sig_len is None:
            sig_len = _n_samples(fmt, found) // per_frame
            notes.append(f"The header gives no length: {sig_len} frames follow from the size of {name}.")
        if sig_len == 0 and found > 0:
            raise UnreadableError(
                f"{path} announces 0 samples, but {name} holds {found} bytes of them: write their number in its first "
                "line, or leave it out."
            )
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
    return math.ceil(n_samples * BITS[fmt] / 8)


def _n_samples(fmt: str, n_bytes: int) -> int:
    return n_bytes * 3 // 4 if fmt in ("310", "311") else n_bytes * 8 // BITS[fmt]
