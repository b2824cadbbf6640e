"""EDF, EDF+ and BDF: the header's fixed fields, the data records as integers, the annotations between them.

Format: Kemp et al., Electroenceph. clin. Neurophysiol. 82:391 (1992); EDF+: Kemp and Olivan, Clin. Neurophysiol.
114:1755 (2003), https://www.edfplus.info/specs/edfplus.html. BDF is EDF with 24-bit samples (BioSemi).
Read here and not through MNE because MNE returns volts and brings all channels to the highest rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.recording import Annotation
from ingest.files import check_present

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


@dataclass(slots=True)
class EdfSignal:
    """One signal's header: physical = digital * scale + offset, in `unit`; `start` is its place in a data record."""

    label: str
    unit: str
    n_samples: int
    start: int
    scale: float = 1.0
    offset: float = 0.0

    @property
    def is_annotations(self) -> bool:
        """Whether this is EDF+'s annotation channel."""
        return self.label in ("EDF Annotations", "BDF Annotations")


@dataclass(slots=True)
class EdfFile:
    """A checked header and the data records behind it.

    Parameters
    ----------
    path : Path
        The file.
    n_bytes : int
        Bytes per sample: 2 (EDF) or 3 (BDF).
    patient : str
        The patient field as written.
    discontinuous : bool
        Whether the file is EDF+D: records need not follow each other in time.
    header_bytes, n_records : int
        Where the data records begin, and how many there are.
    record_duration : float
        Seconds per data record.
    signals : list of EdfSignal
        In file order, annotation channels included.
    notes : list of str
        What a user should know.
    """

    path: Path
    n_bytes: int
    patient: str
    discontinuous: bool
    header_bytes: int
    n_records: int
    record_duration: float
    signals: list[EdfSignal]
    notes: list[str] = field(default_factory=list)

    def _records(self) -> NDArray[np.uint8]:
        shape = (self.n_records, sum(s.n_samples for s in self.signals) * self.n_bytes)
        return np.memmap(self.path, np.uint8, "r", offset=self.header_bytes, shape=shape)

    def digital(self, signals: list[EdfSignal]) -> NDArray[np.int16] | NDArray[np.int32]:
        """The integers of signals that share one rate, shape (C, T): int16 from EDF, int32 from BDF."""
        records = self._records()
        n = signals[0].n_samples
        out = np.empty((len(signals), self.n_records * n), np.int16 if self.n_bytes == 2 else np.int32)
        for row, signal in enumerate(signals):
            raw = np.ascontiguousarray(records[:, signal.start * self.n_bytes : (signal.start + n) * self.n_bytes])
            out[row] = raw.view("<i2").ravel() if self.n_bytes == 2 else _int24(raw.reshape(-1, 3))
        return out

    def annotations(self) -> tuple[list[Annotation], list[float]]:
        """Annotations, and each data record's start in seconds (empty for plain EDF), both from the file's start."""
        found: list[Annotation] = []
        starts: list[float] = []
        records = self._records()
        for i, signal in enumerate([s for s in self.signals if s.is_annotations]):
            chunk = records[:, signal.start * self.n_bytes : (signal.start + signal.n_samples) * self.n_bytes]
            for record in chunk:
                for n, (onset, duration, texts) in enumerate(_tals(record.tobytes())):
                    if i == 0 and n == 0:  # the first list of the first annotation channel keeps the record's time
                        starts.append(onset)
                    found += [Annotation(onset, duration, text) for text in texts if text]
        first = starts[0] if starts else 0.0
        return [Annotation(a.onset - first, a.duration, a.label) for a in found], [s - first for s in starts]


def open_edf(path: Path) -> EdfFile:
    """Read and check the header of an EDF, EDF+ or BDF file.

    Raises
    ------
    UnreadableError
        If it is no such file, damaged, cut short or without samples; the sentence says how many bytes were wanted.
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
    n_bytes = 3 if head[0] == 255 else 2
    notes: list[str] = []
    signals = _signals(path, table, n_signals, notes)
    record_bytes = sum(s.n_samples for s in signals) * n_bytes
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
    return EdfFile(
        path=path,
        n_bytes=n_bytes,
        patient=_text(head[8:88]),
        discontinuous=head[192:197] in (b"EDF+D", b"BDF+D"),
        header_bytes=header_bytes,
        n_records=n_records,
        record_duration=_number(path, "duration of a data record", head[244:252]),
        signals=signals,
        notes=notes,
    )


def _signals(path: Path, table: bytes, n_signals: int, notes: list[str]) -> list[EdfSignal]:
    columns: dict[str, list[bytes]] = {}
    at = 0
    for name, width in _FIELDS:
        columns[name] = [table[at + i * width : at + (i + 1) * width] for i in range(n_signals)]
        at += width * n_signals
    signals: list[EdfSignal] = []
    start = 0
    for i in range(n_signals):
        label = _text(columns["label"][i])
        n_samples = _whole(path, f"samples per data record of '{label}'", columns["n_samples"][i])
        if n_samples < 0:
            raise UnreadableError(f"{path} gives '{label}' {n_samples} samples per data record: fetch it again.")
        signal = EdfSignal(label, _text(columns["dimension"][i]).replace("µ", "u"), n_samples, start)
        start += n_samples
        signals.append(signal)
        if signal.is_annotations:
            continue
        try:
            low, high = (_number(path, "", columns[f"physical_{end}"][i]) for end in ("min", "max"))
            least, most = (_number(path, "", columns[f"digital_{end}"][i]) for end in ("min", "max"))
        except UnreadableError:
            low = high = least = most = 0.0
        if low == high or least == most:
            notes.append(
                f"Channel '{label}' has no usable calibration in the header: its digital values are kept as they are."
            )
            signal.unit = ""
            continue
        signal.scale = (high - low) / (most - least)
        signal.offset = low - least * signal.scale
    return signals


def _int24(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Little-endian 24-bit two's complement, (n, 3) bytes → (n,)."""
    padded = np.zeros((len(raw), 4), np.uint8)
    padded[:, 1:] = raw
    return padded.view("<i4").ravel() >> 8


def _tals(record: bytes) -> list[tuple[float, float, list[str]]]:
    """Time-stamped annotation lists of one data record: (onset, duration, texts)."""
    lists = []
    for tal in record.split(b"\x00"):
        stamp, *texts = tal.split(b"\x14")
        onset, _, duration = stamp.partition(b"\x15")
        try:
            lists.append((float(onset), float(duration or 0), [_text(text) for text in texts]))
        except ValueError:  # padding, or bytes that are no annotation
            continue
    return lists


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8").strip(" \x00")
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip(" \x00")


def _number(path: Path, what: str, raw: bytes) -> float:
    try:
        value = float(_text(raw).replace(",", "."))
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise UnreadableError(f"{path} gives {_text(raw)!r} as {what}: its header is damaged, fetch it again.")
    return value


def _whole(path: Path, what: str, raw: bytes) -> int:
    return int(_number(path, what, raw))
