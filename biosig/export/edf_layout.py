"""Data records of an EDF file: a cut of the streams from which rates and lengths come back exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from biosig.errors import DataError
from biosig.recording import Stream

_MOST_BYTES = 61_440
"""Largest size of a data record, by the format's paper."""

_MOST_RECORDS = 99_999_999
_PADDED = (1.0, 2.0, 4.0, 5.0, 10.0, 8.0, 20.0, 0.5, 0.25, 0.1)
"""Seconds of a data record that are tried where none divides the length."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Data records of equal length.

    Parameters
    ----------
    n_records : int
        Number of records.
    duration_text : str
        Seconds of each, in at most eight characters.
    per_record : list of int
        Samples of each stream's channels in a record.
    padded : bool
        True if the last record holds more time than the recording.
    """

    n_records: int
    duration_text: str
    per_record: list[int]
    padded: bool

    @property
    def duration(self) -> float:
        """Seconds of a data record, as a reader finds them."""
        return float(self.duration_text)


def lay_out(name: str, streams: Sequence[Stream], n_bytes: int) -> Layout:
    """Records that the length is a multiple of, near one second; else records that the last of is filled up.

    Parameters
    ----------
    name : str
        The recording, for messages.
    streams : sequence of Stream
        Of equal duration.
    n_bytes : int
        Per sample.

    Raises
    ------
    DataError
        If no duration of eight characters gives all rates exactly.
    """
    lengths = [stream.n_times for stream in streams]
    bytes_per_second = sum(stream.n_chans * stream.sfreq for stream in streams) * n_bytes

    def cost(n_records: int) -> tuple[bool, float]:
        seconds = lengths[0] / streams[0].sfreq / n_records
        return seconds * bytes_per_second > _MOST_BYTES, abs(math.log(seconds))

    for n_records in sorted(_divisors(math.gcd(*lengths)), key=cost):
        per_record = [length // n_records for length in lengths]
        text = _text(per_record[0] / streams[0].sfreq)
        if n_records <= _MOST_RECORDS and text and _is_exact(streams, per_record, float(text)):
            return Layout(n_records, text, per_record, padded=False)
    for seconds in _PADDED:
        per_record = [round(stream.sfreq * seconds) for stream in streams]
        if min(per_record) and _is_exact(streams, per_record, seconds):
            n_records = max(-(-length // n) for length, n in zip(lengths, per_record, strict=True))
            return Layout(n_records, _text(seconds), per_record, padded=True)
    rates = ", ".join(f"{stream.sfreq!r}" for stream in streams)
    raise DataError(
        f"Recording '{name}' has {lengths[0]} samples at {rates} Hz, which fit no EDF data record exactly: export it "
        "as WFDB."
    )


def _is_exact(streams: Sequence[Stream], per_record: Sequence[int], seconds: float) -> bool:
    return all(n / seconds == stream.sfreq for stream, n in zip(streams, per_record, strict=True))


def _text(seconds: float) -> str:
    """The number in eight characters, or "" if they do not hold it."""
    text = np.format_float_positional(seconds, trim="-")
    return text if len(text) <= 8 else ""


def _divisors(number: int) -> Iterator[int]:
    for small in range(1, math.isqrt(number) + 1):
        if number % small == 0:
            yield small
            if small * small != number:
                yield number // small
