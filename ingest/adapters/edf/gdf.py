"""GDF files: EDF's data records with a type of number for each channel, and a table of events behind them.

Format: Schlögl, GDF: a general dataformat for biosignals, https://arxiv.org/abs/cs/0608052 (versions 1.x and 2.x).
Read here and not through MNE because MNE brings all channels to the highest rate, takes millivolts of version 1 for
volts, and refuses files with several types of number.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.reading import Adapter
from biosig.recording import Annotation, Recording, Subject
from ingest.adapters.edf.adapter import patient_id, to_recording
from ingest.adapters.edf.header import INT16, INT24, EdfFile, EdfSignal, Number, calibrate, text_of
from ingest.adapters.edf.records import Run
from ingest.demographics import notes_on_unread

_NUMBERS = {
    1: Number(1, "i1", "int16"),
    2: Number(1, "u1", "int16"),
    3: INT16,
    4: Number(2, "<u2", "int32"),
    5: Number(4, "<i4", "int32"),
    16: Number(4, "<f4", "float32"),
    17: Number(8, "<f8", "float32"),
    279: INT24,
}
_UNITS = {0: "", 512: "", 544: "%", 3872: "mmHg", 4256: "V", 4274: "mV", 4275: "uV", 4276: "nV", 6048: "degC"}
"""Codes of version 2, from ISO/IEEE 11073-10101; the lowest five bits are the decimal factor."""

_COLUMNS = (16, 80, 8, 8, 8, 8, 8, 80, 4, 4, 32)
_MOST_CHANNELS = 10_000
_DAY = 2**32
_DAYS_PER_YEAR = 365.2425


class GdfAdapter(Adapter):
    """Reads GDF files of versions 1 and 2."""

    name = "gdf"
    describes = "GDF (.gdf)"
    suffixes = (".gdf",)

    def read_recording(self, path: Path, *, lazy: bool) -> Recording:
        """Read one recording; events are labelled with their code, in decimal.

        Raises
        ------
        UnreadableError
            If the file is damaged, cut short, or holds 64-bit integers.
        """
        file, version, subject = _open(path)
        events = _events(file, version)
        return to_recording(file, self.name, events, [Run(0, file.n_records, 0.0)], (), subject, lazy)


def _open(path: Path) -> tuple[EdfFile, float, Subject | None]:
    """The checked header, the version, and the subject."""
    with path.open("rb") as file:
        head = file.read(256)
        if len(head) < 256 or head[:4] != b"GDF " or not _is_version(head[4:8]):
            raise UnreadableError(f"{path} does not begin like a GDF file: check its format, or fetch it again.")
        version = float(head[4:8])
        n_records, numerator, denominator = struct.unpack_from("<qII", head, 236)
        if version < 1.9:
            (header_bytes,), (n_chans,) = struct.unpack_from("<q", head, 184), struct.unpack_from("<I", head, 252)
        else:
            (blocks,), (n_chans,) = struct.unpack_from("<H", head, 184), struct.unpack_from("<H", head, 252)
            header_bytes = 256 * blocks
        if not (0 < n_chans <= _MOST_CHANNELS and numerator and denominator and header_bytes >= 256 * (n_chans + 1)):
            raise UnreadableError(
                f"{path} announces {n_chans} channels in records of {numerator}/{denominator} s behind {header_bytes} "
                "bytes: its header is damaged, fetch it again."
            )
        table = file.read(256 * n_chans)
    notes: list[str] = []
    signals = _signals(path, table, n_chans, version, notes)
    record_bytes = sum(s.n_samples * s.number.width for s in signals)
    found = path.stat().st_size - header_bytes
    if record_bytes == 0 or n_records == 0:
        raise UnreadableError(f"{path} is a recording without samples: fetch or export it again.")
    if n_records < 0:  # the recorder did not close the file
        n_records = max(found, 0) // record_bytes
        notes.append(f"The header leaves the number of data records open: {n_records} follow from the file's size.")
    if n_records == 0 or found < n_records * record_bytes:
        raise UnreadableError(
            f"{path} is cut short: {found} bytes of data records found, {n_records * record_bytes} wanted; "
            "fetch it again."
        )
    seconds = numerator / denominator
    whole = EdfFile(path, "", "", False, header_bytes, n_records, seconds, signals, notes)
    return whole, version, _subject(head, version, notes)


def _is_version(text: bytes) -> bool:
    try:
        return 1 <= float(text) < 4
    except ValueError:
        return False


def _signals(path: Path, table: bytes, n_chans: int, version: float, notes: list[str]) -> list[EdfSignal]:
    if len(table) < 256 * n_chans:
        raise UnreadableError(f"{path} is cut inside its header: fetch it again.")
    edges = np.cumsum((0, *_COLUMNS)) * n_chans
    column = [table[a:b] for a, b in pairwise(edges)]
    labels = [text_of(column[0][16 * i : 16 * i + 16].split(b"\0")[0]) for i in range(n_chans)]
    limits = np.frombuffer(b"".join(column[3:5]), "<f8").reshape(2, n_chans)
    digital = np.frombuffer(b"".join(column[5:7]), "<i8" if version < 1.9 else "<f8").reshape(2, n_chans)
    n_samples, codes = np.frombuffer(column[8], "<i4").tolist(), np.frombuffer(column[9], "<i4").tolist()
    signals, place = [], 0
    for i, label in enumerate(labels):
        number = _NUMBERS.get(codes[i])
        if number is None or n_samples[i] < 0:
            raise UnreadableError(
                f"{path} gives channel '{label}' {n_samples[i]} samples per record of type {codes[i]}, which is not "
                "read: export it with numbers of at most 32 bits."
            )
        signal = EdfSignal(
            label, _unit(column[2][8 * i : 8 * i + 8], version, label, notes), n_samples[i], place, number
        )
        calibrate(signal, (limits[0, i], limits[1, i]), (float(digital[0, i]), float(digital[1, i])), notes)
        if number.stored == "<f8":
            notes.append(f"The 64-bit values of channel '{label}' are rounded to float32.")
        signals.append(signal)
        place += n_samples[i] * number.width
    return signals


def _unit(raw: bytes, version: float, label: str, notes: list[str]) -> str:
    if version < 1.9:
        return text_of(raw.split(b"\0")[0]).replace("µ", "u")
    code = int.from_bytes(raw[6:], "little")
    if code not in _UNITS:
        notes.append(f"The unit of channel '{label}' (code {code}) is not known: left out.")
    return _UNITS.get(code, "")


def _subject(head: bytes, version: float, notes: list[str]) -> Subject | None:
    subject_id = patient_id(text_of(head[8:88] if version < 1.9 else head[8:74]).split())
    sex, age = None, None
    if version >= 1.9:
        sex = {1: "male", 2: "female"}.get(head[87] % 4)
        start, born = struct.unpack_from("<QQ", head, 168)
        years = (start - born) / _DAY / _DAYS_PER_YEAR
        age = float(int(years)) if start and born and 0 <= years <= 130 else None
        notes += notes_on_unread((years if start and born else None, age))
    return Subject(subject_id, age, sex) if subject_id or sex or age is not None else None


def _events(file: EdfFile, version: float) -> list[Annotation]:
    """The table behind the data records; its own rate where it gives one, else that of the fastest channel."""
    with file.path.open("rb") as handle:
        handle.seek(file.header_bytes + file.n_records * file.record_bytes)
        table = handle.read()
    if len(table) < 8 or table[0] not in (1, 3):
        return []
    if version < 1.94:
        rate, n = float(int.from_bytes(table[1:4], "little")), int.from_bytes(table[4:8], "little")
    else:
        rate, n = float(struct.unpack_from("<f", table, 4)[0]), int.from_bytes(table[1:4], "little")
    width = 6 if table[0] == 1 else 12
    if len(table) < 8 + n * width:
        raise UnreadableError(f"{file.path} announces {n} events, more than follow its samples: fetch it again.")
    if not (np.isfinite(rate) and rate > 0):
        rate = max(s.n_samples for s in file.signals) / file.record_duration
    places: NDArray[np.int64] = np.frombuffer(table, "<u4", n, 8).astype(np.int64) - 1  # counted from 1
    codes = np.frombuffer(table, "<u2", n, 8 + 4 * n).tolist()
    lengths = np.frombuffer(table, "<u4", n, 8 + 8 * n) if width == 12 else np.zeros(n)
    return [
        Annotation(place / rate, float(length) / rate, str(code))
        for place, length, code in zip(places.tolist(), lengths.tolist(), codes, strict=True)
    ]
