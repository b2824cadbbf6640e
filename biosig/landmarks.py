"""The landmark fingerprint: by which a re-saved, rescaled, resampled or cropped copy of a signal is known again.

Each channel is brought to about 80 Hz and to 2–14 Hz, which every sampling rate in use holds and no re-saving takes away.
Landmarks are the peaks of its energy over a tenth of a second: they are found at the same instants of the signal whatever
the gain, the polarity, the rate, or where a file begins. A landmark is a time and 64 bits: the signs of the signal at 64
instants, 1/40 s apart, around it. Between a recording and its copy 0 to 2 of 64 signs differ; between hearts of two people
at one pace, more than 10. What repeats itself tells nothing (a test tone, a paced rhythm without noise), so of landmarks
of one channel that are alike only the first is kept. Landmarks sparser than their neighbours are chosen by a wider
neighbourhood, so that those of a long recording are among those of any part of it. The search is in
`biosig.evaluate.duplicates`. The scheme follows audio fingerprinting: landmarks after Wang, "An industrial-strength audio
search algorithm", ISMIR 2003; sign bits after Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR
2002. Shape letters: C channels, T samples, n landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.signal import upfirdn

from biosig.errors import UnreadableError
from biosig.recording import MODALITIES, Stream
from biosig.signal.validity import bridge_gaps

VERSION = 1
LOW, HIGH = 2.0, 14.0
"""Hz: drift and the edges of a crop lie below, the Nyquist frequency of slow devices above."""

LOWEST_RATE = 32.0
"""Hz; a slower channel has no landmarks."""

MOST = 8192
"""Landmarks of a recording: about an hour and a half of one channel, or two minutes of 64, with all of them."""

ALIKE = 6
"""Signs of 64 in which two landmarks differ at most that are taken for one; all of them may be turned over."""

_RATE = 80.0  # Hz
_STEP = 1 / 40  # s between signs
_REACH = 32 * _STEP  # s that the signs reach to each side
_SUPPORT = 0.4  # s that the filter reaches to each side
_NEIGHBOURHOOD = 0.2  # s to each side in which a landmark is the highest
_WIDER = 1.25
_HEADER = np.dtype([("version", "u1"), ("n_chans", "<u2")])
_AT_ONCE = 2**22  # samples of all channels that are looked at together


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Landmarks of one recording's channels, or of many recordings' when joined.

    Parameters
    ----------
    recording, channel : ndarray of int32, shape (n,)
        Number of the recording, and of the channel in it.
    time : ndarray of float64, shape (n,)
        Seconds from an origin of the recording's own.
    bits : ndarray of uint64, shape (n,)
        Signs around it.
    """

    recording: NDArray[np.int32]
    channel: NDArray[np.int32]
    time: NDArray[np.float64]
    bits: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, rows: Any) -> Landmarks:
        return Landmarks(self.recording[rows], self.channel[rows], self.time[rows], self.bits[rows])

    @classmethod
    def of(cls, fingerprints: Sequence[bytes]) -> Landmarks:
        """The landmarks of many recordings, numbered in this order; empty fingerprints have none."""
        parts = [_parsed(data) for data in fingerprints]
        recording = np.repeat(np.arange(len(parts), dtype=np.int32), [len(bits) for _, _, bits in parts])
        columns = zip(*parts, strict=True) if parts else ([], [], [])
        empty = (np.empty(0, np.int32), np.empty(0, np.uint32), np.empty(0, np.uint64))
        channel, time, bits = (np.concatenate([none, *column]) for none, column in zip(empty, columns, strict=True))
        return cls(recording, channel.astype(np.int32), time / 1000, bits)


def fingerprint(streams: Sequence[Stream]) -> bytes:
    """The landmark fingerprint of ECG, PPG and EEG channels, in 12 bytes a landmark: 1.2 kB of ten seconds of 12 leads.

    Parameters
    ----------
    streams : sequence of Stream
        Native samples, in memory or still in their file; they are read in parts. Gain and offset do not matter.

    Returns
    -------
    bytes
        A version (1 byte), the number of channels (uint16), landmarks of each channel (uint32), their times in
        milliseconds (uint32) and their signs (uint64), little-endian. Never empty: a recording of which nothing can be
        told (flat, short, slow) has no landmarks.
    """
    channels: list[_Peaks] = []
    for stream in streams:
        rows = [row for row, channel in enumerate(stream.channels) if channel.kind in MODALITIES]
        if rows:
            channels += _stream_peaks(stream if len(rows) == stream.n_chans else stream.pick(rows))
    reach = _NEIGHBOURHOOD
    while sum(len(peaks.time) for peaks in channels) > MOST:
        reach *= _WIDER
        channels = [peaks.highest(reach) for peaks in channels]
    channels = [peaks.distinct() for peaks in channels]
    header = np.array((VERSION, len(channels)), _HEADER)
    counts = np.array([len(peaks.time) for peaks in channels], "<u4")
    times = [np.round(peaks.time * 1000).astype("<u4").tobytes() for peaks in channels]
    bits = [peaks.bits.astype("<u8").tobytes() for peaks in channels]
    return b"".join((header.tobytes(), counts.tobytes(), *times, *bits))


def _parsed(data: bytes) -> tuple[NDArray[np.int32], NDArray[np.uint32], NDArray[np.uint64]]:
    """Channel, time (ms) and signs of each landmark.

    Raises
    ------
    UnreadableError
        If the bytes are no fingerprint.
    """
    if not data:
        return np.empty(0, np.int32), np.empty(0, np.uint32), np.empty(0, np.uint64)
    at = _HEADER.itemsize
    version, n_chans = np.frombuffer(data[:at], _HEADER)[0] if len(data) >= at else (0, 0)
    counts = np.frombuffer(data[at : at + 4 * int(n_chans)], "<u4") if version == VERSION else np.empty(0, "<u4")
    n, at = int(counts.sum(dtype=np.int64)), at + 4 * len(counts)
    if version != VERSION or len(counts) != n_chans or len(data) != at + 12 * n:
        raise UnreadableError(
            "A fingerprint of a recording is damaged or of a newer version: rebuild the index, ingest again, or update "
            "biosig-fm."
        )
    channel = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return channel, np.frombuffer(data, "<u4", n, at), np.frombuffer(data, "<u8", n, at + 4 * n)


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Landmarks of a channel with their energy (n,), by which they are thinned out."""

    time: NDArray[np.float64]
    energy: NDArray[np.float32]
    bits: NDArray[np.uint64]

    def __getitem__(self, rows: Any) -> _Peaks:
        return _Peaks(self.time[rows], self.energy[rows], self.bits[rows])

    def highest(self, reach: float) -> _Peaks:
        """Those that no other one within `reach` seconds exceeds."""
        first, stop = np.searchsorted(self.time, (self.time - reach, self.time + reach))
        ends = np.column_stack((first, np.maximum(stop, first + 1))).ravel()
        padded = np.append(self.energy, -np.inf)
        return self[self.energy >= np.maximum.reduceat(padded, ends)[::2]] if len(self.time) else self

    def distinct(self) -> _Peaks:
        """Those that are unlike each one before them."""
        kept = np.ones(len(self.time), bool)
        for i in range(1, len(kept)):
            kept[i] = (distance(self.bits[:i][kept[:i]], self.bits[i]) > ALIKE).all()
        return self[kept]


def distance(a: NDArray[np.uint64], b: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint8]:
    """In how many of 64 signs landmarks differ, or in how many they agree if these are fewer: polarity is free."""
    differing = np.bitwise_count(a ^ b)
    return np.minimum(differing, 64 - differing)


def _stream_peaks(stream: Stream) -> list[_Peaks]:
    """The landmarks of each channel, looked for in parts that overlap by what a landmark reaches."""
    nothing = _Peaks(np.empty(0), np.empty(0, np.float32), np.empty(0, np.uint64))
    found = [[nothing] for _ in stream.channels]
    overlap = math.ceil((_SUPPORT + _REACH + 2 * _NEIGHBOURHOOD) * stream.sfreq)
    length = max(min(stream.block_length(), _AT_ONCE // stream.n_chans), 4 * overlap)
    for start in range(0, stream.n_times if stream.sfreq >= LOWEST_RATE else 0, length):
        from_, to = max(start - overlap, 0), min(start + length + overlap, stream.n_times)
        block = stream.slice(from_, to)
        inside = np.array((start, start + length)) / stream.sfreq
        for row, (x, valid) in enumerate(zip(np.asarray(block.samples), block.valid(), strict=True)):
            peaks = _channel_peaks(x, valid, stream.sfreq)
            peaks = replace(peaks, time=peaks.time + from_ / stream.sfreq)
            found[row].append(peaks[(peaks.time >= inside[0]) & (peaks.time < inside[1])])
    return [
        _Peaks(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Peaks.__slots__))
        for parts in found
    ]


def _channel_peaks(x: NDArray[Any], valid: NDArray[np.bool_], sfreq: float) -> _Peaks:
    """The landmarks of a channel's samples (T,), none of which stands on a sample that is no real value."""
    gaps = np.flatnonzero(~valid)
    x = x.astype(np.float64)
    if len(gaps):
        x[gaps] = np.nan
        x = bridge_gaps(x)
    y, rate, first = _band(x - np.median(x), sfreq)
    at, energy = _peaks(y, rate)
    time = first + at / rate
    if len(gaps):
        reach = _SUPPORT + _REACH
        near = np.searchsorted(gaps / sfreq, np.array((time - reach, time + reach)))
        at, energy, time = (column[near[0] == near[1]] for column in (at, energy, time))
    instants = at[:, None] + (np.arange(64) - 31.5) * _STEP * rate  # (n, 64)
    below = instants.astype(np.int64)
    share = instants - below
    values = y[below] * (1 - share) + y[below + 1] * share
    return _Peaks(time, energy, np.packbits(values > 0, axis=1).view(">u8").ravel().astype(np.uint64))


def _band(x: NDArray[np.float64], sfreq: float) -> tuple[NDArray[np.float64], float, float]:
    """The signal at about 80 Hz and from 2 to 14 Hz, its rate in Hz, and the time of its first sample in s."""
    factor = max(int(sfreq // 100), 1)
    if factor > 1:
        x = x[: len(x) // factor * factor].reshape(-1, factor).mean(axis=1)
        sfreq /= factor
    nearest = Fraction(_RATE / sfreq).limit_denominator(100)
    up, down = nearest.numerator, nearest.denominator
    taps = _taps(up, sfreq)
    middle = len(taps) // 2
    first, last = -(-2 * middle // down), (len(x) - 1) * up // down  # outputs that see the signal alone
    y = upfirdn(taps, x, up, down)[first : last + 1] if last >= first else np.empty(0)
    return y, sfreq * up / down, (first * down - middle) / (sfreq * up)


@lru_cache(maxsize=64)
def _taps(up: int, sfreq: float) -> NDArray[np.float64]:
    """A linear-phase band-pass at `up` times the rate, without any answer to a constant."""
    half = int(_SUPPORT * sfreq * up)
    t = np.arange(-half, half + 1) / (sfreq * up)
    window = np.hanning(len(t) + 2)[1:-1]
    taps = window * (HIGH * np.sinc(2 * HIGH * t) - LOW * np.sinc(2 * LOW * t))
    return np.asarray(taps - window * (taps.sum() / window.sum()))


def _peaks(y: NDArray[np.float64], rate: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Where the energy is highest within the neighbourhood, in samples, with all signs inside; and its height."""
    margin = math.ceil(_REACH * rate) + 1
    if len(y) < 2 * margin + 1:
        return np.empty(0), np.empty(0, np.float32)
    energy = np.convolve(y**2, np.hanning(2 * round(0.1 * rate) + 3)[1:-1], "same")
    high = energy >= maximum_filter1d(energy, 2 * round(_NEIGHBOURHOOD * rate) + 1)
    at = np.flatnonzero(high & (energy > 1e-3 * np.median(energy)) & (energy > 1e-12 * energy.max()))
    at = at[(at >= margin) & (at < len(y) - margin)]
    before, here, after = energy[at - 1], energy[at], energy[at + 1]
    bend = before - 2 * here + after
    shift = np.where(bend < 0, (before - after) / (2 * np.where(bend < 0, bend, 1)), 0).clip(-0.5, 0.5)
    return at + shift, here.astype(np.float32)
