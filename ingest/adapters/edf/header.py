"""The header of EDF, EDF+ and BDF files: its fixed fields, read and checked against the size of the file.

Format: Kemp et al., Electroenceph. clin. Neurophysiol. 82:391 (1992); EDF+: Kemp and Olivan, Clin. Neurophysiol.
114:1755 (2003), https://www.edfplus.info/specs/edfplus.html. BDF is EDF with 24-bit samples (BioSemi).
Read here and not through MNE because MNE returns volts and brings all channels to the highest rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from biosig.errors import UnreadableError
from biosig.source_files import check_present

_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("dimension", 8),
    ("physical_min", 8),
    ("physical_max", 8),
    ("digital_min", 8),
    ("digital_max", 8),
    ("filters", 80),
    ("n_samples", 8),
    ("reserved", 32),
)
_MOST_SIGNALS = 10_000
_FASTEST = 1e6
"""Hz; a header that gives a higher rate is damaged."""


@dataclass(frozen=True, slots=True)
class Number:
    """Number format of samples: `width` bytes that NumPy reads as `stored`, to be kept as `kept`."""

    width: int
    stored: str
    kept: str


INT16, INT24 = Number(2, "<i2", "int16"), Number(3, "<i4", "int32")


@dataclass(slots=True)
class EdfSignal:
    """One signal's header: physical = digital * scale + offset, in `unit`.

    Its `n_samples` samples begin at byte `place` of each data record.
    """

    label: str
    unit: str
    n_samples: int
    place: int
    number: Number = INT16
    scale: float = 1.0
    offset: float = 0.0

    @property
    def is_annotations(self) -> bool:
        """True if this is EDF+'s annotation channel."""
        return self.label in ("EDF Annotations", "BDF Annotations")


@dataclass(slots=True)
class EdfFile:
    """A checked header and the data records behind it; of GDF too, whose records are like those of EDF.

    Parameters
    ----------
    path : Path
        The file.
    patient, recorded : str
        The fields on patient and recording as written.
    discontinuous : bool
        True if the file is EDF+D: records need not follow each other in time.
    header_bytes, n_records : int
        First byte of the data records, and their number.
    record_duration : float
        Seconds per data record.
    signals : list of EdfSignal
        In file order, annotation channels included.
    notes : list of str
        Sentences for the user.
    """

    path: Path
    patient: str
    recorded: str
    discontinuous: bool
    header_bytes: int
    n_records: int
    record_duration: float
    signals: list[EdfSignal]
    notes: list[str] = field(default_factory=list)

    @property
    def record_bytes(self) -> int:
        """Size of a data record."""
        return sum(s.n_samples * s.number.width for s in self.signals)


def open_edf(path: Path) -> EdfFile:
    """Read and check the header of an EDF, EDF+ or BDF file.

    Raises
    ------
    UnreadableError
        If the file is of another format, damaged, cut short or without samples; the sentence says how many bytes were
        wanted.
    """
    check_present(path)
    with path.open("rb") as file:
        head = file.read(256)
        if head[:8] not in (b"0       ", b"\xffBIOSEMI"):
            raise UnreadableError(
                f"{path} does not begin like an EDF or BDF file: check its format, or fetch it again."
            )
        n_signals = _whole(path, "number of signals", head[252:256])
        if not 0 < n_signals <= _MOST_SIGNALS:
            raise UnreadableError(f"{path} announces {n_signals} signals: its header is damaged, fetch it again.")
        table = file.read(256 * n_signals)
    if len(head) + len(table) < 256 * (1 + n_signals):
        raise UnreadableError(
            f"{path} is cut inside its header: {len(head) + len(table)} bytes found, {256 * (1 + n_signals)} wanted; "
            "fetch it again."
        )
    notes: list[str] = []
    signals = _signals(path, table, n_signals, INT24 if head[0] == 255 else INT16, notes)
    record_bytes = sum(s.n_samples * s.number.width for s in signals)
    header_bytes = 256 * (1 + n_signals)
    n_records = _whole(path, "number of data records", head[236:244])
    found = path.stat().st_size - header_bytes
    if record_bytes == 0:
        raise UnreadableError(f"{path} has data records of 0 samples: its header is damaged, fetch it again.")
    if n_records == -1:  # the recorder did not close the file
        n_records = found // record_bytes
        notes.append(f"The header leaves the number of data records open: {n_records} follow from the file's size.")
    elif n_records > 0 and found < n_records * record_bytes:
        raise UnreadableError(
            f"{path} is cut short: {found} bytes of data records found, {n_records * record_bytes} wanted; "
            "fetch it again."
        )
    elif found > n_records * record_bytes:
        notes.append(
            f"{found - n_records * record_bytes} bytes follow the {n_records} data records that the header announces; "
            "they are not read."
        )
    if n_records <= 0:
        raise UnreadableError(f"{path} is a recording without samples: fetch or export it again.")
    record_duration = _number(path, "duration of a data record", head[244:252])
    fastest = max((s.n_samples for s in signals if not s.is_annotations), default=0)
    if fastest == 0:
        raise UnreadableError(f"{path} holds only annotations: point to the recording that they belong to.")
    if record_duration <= 0 or fastest / record_duration > _FASTEST:
        raise UnreadableError(
            f"{path} puts {fastest} samples into data records of {record_duration:g} s: its header is damaged, "
            "fetch it again."
        )
    return EdfFile(
        path=path,
        patient=text_of(head[8:88]),
        recorded=text_of(head[88:168]),
        discontinuous=head[192:197] in (b"EDF+D", b"BDF+D"),
        header_bytes=header_bytes,
        n_records=n_records,
        record_duration=record_duration,
        signals=signals,
        notes=notes,
    )


def _signals(path: Path, table: bytes, n_signals: int, number: Number, notes: list[str]) -> list[EdfSignal]:
    columns: dict[str, list[bytes]] = {}
    at = 0
    for name, width in _FIELDS:
        columns[name] = [table[at + i * width : at + (i + 1) * width] for i in range(n_signals)]
        at += width * n_signals
    signals: list[EdfSignal] = []
    place = 0
    for i in range(n_signals):
        label = text_of(columns["label"][i])
        n_samples = _whole(path, f"samples per data record of '{label}'", columns["n_samples"][i])
        if n_samples < 0:
            raise UnreadableError(f"{path} gives '{label}' {n_samples} samples per data record: fetch it again.")
        signal = EdfSignal(label, text_of(columns["dimension"][i]).replace("µ", "u"), n_samples, place, number)
        place += n_samples * number.width
        signals.append(signal)
        if signal.is_annotations:
            continue
        try:
            low, high = (_number(path, "", columns[f"physical_{end}"][i]) for end in ("min", "max"))
            least, most = (_number(path, "", columns[f"digital_{end}"][i]) for end in ("min", "max"))
        except UnreadableError:
            low = high = least = most = 0.0
        calibrate(signal, (low, high), (least, most), notes)
    return signals


def calibrate(signal: EdfSignal, physical: tuple[float, float], digital: tuple[float, float], notes: list[str]) -> None:
    """Set `scale` and `offset` from two points of the line, each the least and the most; without one, say so."""
    scale = (physical[1] - physical[0]) / (digital[1] - digital[0]) if digital[0] != digital[1] else 0.0
    offset = physical[0] - digital[0] * scale
    if scale != 0 and np.isfinite([scale, offset]).all():
        signal.scale, signal.offset = scale, offset
        return
    signal.unit = ""
    notes.append(
        f"Channel '{signal.label}' has no usable calibration in the header: its digital values are kept as they are."
    )


def text_of(raw: bytes) -> str:
    """A field's text: ASCII by the standard, UTF-8 or Latin-1 by those who write it."""
    try:
        return raw.decode("utf-8").strip(" \x00")
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip(" \x00")


def _number(path: Path, what: str, raw: bytes) -> float:
    try:
        value = float(text_of(raw).replace(",", "."))
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise UnreadableError(f"{path} gives {text_of(raw)!r} as {what}: its header is damaged, fetch it again.")
    return value


def _whole(path: Path, what: str, raw: bytes) -> int:
    return int(_number(path, what, raw))
