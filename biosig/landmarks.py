"""The landmark fingerprint: by which a re-saved, rescaled, resampled or cropped copy of a signal is known again.

Each channel is brought to about 80 Hz and to 2–14 Hz, which every sampling rate in use holds and no re-saving takes
away. Landmarks are the peaks of its energy over a tenth of a second: they are found at the same instants of the signal
whatever the gain, the polarity, the rate, or where a file begins. A landmark is a time and 64 bits: the signs of the
signal at 64 instants, 1/40 s apart, around it. Between a recording and its copy 0 to 2 of 64 signs differ mostly;
between hearts of two people at one pace, more than 10. What repeats itself again and again tells nothing (a test tone,
a simulated rhythm): of such landmarks of a channel only the first is kept. Of a long recording only landmarks are kept
that are the highest in a wider neighbourhood; they are among those of any part of it.

The search is in `biosig.evaluate.duplicates`. The scheme follows audio fingerprinting: landmarks after Wang, "An
industrial-strength audio search algorithm", ISMIR 2003; sign bits after Haitsma and Kalker, "A highly robust audio
fingerprinting system", ISMIR 2002. Shape letters: C channels, T samples, n landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, maximum_filter1d
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

REPEATS = 0.4
"""Share of its channel's landmarks above which those with all the same signs are too many to tell anything."""

_RATE = 80.0  # Hz
_STEP = 1 / 40  # s between signs
_REACH = 32 * _STEP  # s that the signs reach to each side
_SUPPORT = 0.4  # s that the filter reaches to each side
_NEIGHBOURHOOD = 0.15  # s to each side in which a landmark is the highest
_WIDER = 1.25
_LOOKED_AT = 512  # landmarks of a channel with which each is compared
_HEADER = np.dtype([("version", "u1"), ("n_chans", "<u2")])


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

    def __or__(self, other: Landmarks) -> Landmarks:
        """Both, with the recordings of `other` numbered after these."""
        number = other.recording + np.int32(self.recording.max(initial=-1) + 1)
        return Landmarks(
            np.concatenate((self.recording, number)),
            np.concatenate((self.channel, other.channel)),
            np.concatenate((self.time, other.time)),
            np.concatenate((self.bits, other.bits)),
        )

    def thinned(self, most: int) -> Landmarks:
        """About `most`, chosen by the changes of sign at both ends: of a copy mostly the same ones."""
        if len(self) <= most:
            return self
        changes = self.bits ^ self.bits >> np.uint64(1)
        ends = (changes & np.uint64(15)) << np.uint64(4) | changes >> np.uint64(58) & np.uint64(15)
        return self[ends * np.uint64(167) % np.uint64(256) < 256 * most / len(self)]

    def to_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Arrays for a file: `name`.recording, .channel, .time (ms) and .bits, (n,) each."""
        return {
            f"{name}.recording": self.recording,
            f"{name}.channel": self.channel.astype(np.uint16),
            f"{name}.time": np.round(self.time * 1000).astype(np.uint32),
            f"{name}.bits": self.bits,
        }

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, NDArray[Any]]) -> Landmarks:
        """Read what `to_arrays` gives; none where a file is older than they.

        Raises
        ------
        ValueError
            If the columns are not of one length.
        """
        if f"{name}.bits" not in arrays:
            return cls.of([])
        names = ("recording", "channel", "time", "bits")
        recording, channel, time, bits = (arrays[f"{name}.{column}"] for column in names)
        if not len(recording) == len(channel) == len(time) == len(bits):
            raise ValueError(f"{name} of several lengths")
        return cls(recording, channel.astype(np.int32), time / 1000, bits)

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
    parts = []
    for stream in streams:
        rows = [row for row, channel in enumerate(stream.channels) if channel.kind in MODALITIES]
        if rows:
            picked = stream if len(rows) == stream.n_chans else stream.pick(rows)
            parts.append((len(rows), _stream_peaks(picked)))
    reach = _NEIGHBOURHOOD
    while sum(len(peaks) for _, peaks in parts) > MOST:
        reach *= _WIDER
        parts = [(n_chans, peaks.highest(reach)) for n_chans, peaks in parts]
    parts = [(n_chans, peaks.telling()) for n_chans, peaks in parts]
    header = np.array((VERSION, sum(n_chans for n_chans, _ in parts)), _HEADER).tobytes()
    counts = [np.bincount(peaks.channel, minlength=n_chans).astype("<u4").tobytes() for n_chans, peaks in parts]
    times = [np.round(peaks.time * 1000).astype("<u4").tobytes() for _, peaks in parts]
    bits = [peaks.bits.astype("<u8").tobytes() for _, peaks in parts]
    return b"".join((header, *counts, *times, *bits))


def _parsed(data: bytes) -> tuple[NDArray[np.int32], NDArray[np.uint32], NDArray[np.uint64]]:
    """Channel, time (ms) and signs of each landmark.

    Raises
    ------
    UnreadableError
        If the bytes are not a fingerprint.
    """
    if not data:
        return np.empty(0, np.int32), np.empty(0, np.uint32), np.empty(0, np.uint64)
    at = _HEADER.itemsize
    version, n_chans = np.frombuffer(data[:at], _HEADER)[0] if len(data) >= at else (0, 0)
    whole = version == VERSION and len(data) >= at + 4 * int(n_chans)
    counts = np.frombuffer(data, "<u4", int(n_chans), at) if whole else np.empty(0, "<u4")
    n, at = int(counts.sum(dtype=np.int64)), at + 4 * len(counts)
    if not whole or len(data) != at + 12 * n:
        raise UnreadableError(
            "A fingerprint of a recording is damaged or of a newer version: rebuild the index, ingest again, or update "
            "biosig-fm."
        )
    channel = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return channel, np.frombuffer(data, "<u4", n, at), np.frombuffer(data, "<u8", n, at + 4 * n)


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Landmarks of a stream's channels with their energy (n,), by which they are thinned out; by channel, then time."""

    channel: NDArray[np.int64]
    time: NDArray[np.float64]
    energy: NDArray[np.float32]
    bits: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, rows: Any) -> _Peaks:
        return _Peaks(self.channel[rows], self.time[rows], self.energy[rows], self.bits[rows])

    def highest(self, reach: float) -> _Peaks:
        """Those that no other one of their channel within `reach` seconds exceeds."""
        if not len(self):
            return self
        place = self.time + self.channel * (self.time.max() + 2 * reach)  # channels one behind the other
        first, stop = np.searchsorted(place, (place - reach, place + reach))
        ends = np.column_stack((first, stop)).ravel()
        return self[self.energy >= np.maximum.reduceat(np.append(self.energy, -np.inf), ends)[::2]]

    def telling(self) -> _Peaks:
        """Without those that are mostly repeated in their channel, but for the first of each kind."""
        kept = np.ones(len(self), bool)
        for channel in np.unique(self.channel):
            rows = np.flatnonzero(self.channel == channel)
            bits = self.bits[rows]
            equal = distance(bits[:, None], bits[None, :: len(bits) // _LOOKED_AT + 1]) == 0
            often = np.flatnonzero(equal.sum(axis=1) > max(REPEATS * equal.shape[1], 2))
            first = equal[often].argmax(axis=1) * (len(bits) // _LOOKED_AT + 1)
            kept[rows[often[first != often]]] = False
        return self[kept]


def distance(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """In how many of 64 signs landmarks differ, or in how many they agree if these are fewer: polarity is free."""
    differing = np.bitwise_count(a ^ b)
    return np.minimum(differing, 64 - differing)


def _stream_peaks(stream: Stream) -> _Peaks:
    """The landmarks of a stream's channels, block by block; each block begins with the end of the one before."""
    none = np.empty(0)
    found = [_Peaks(none.astype(np.int64), none, none.astype(np.float32), none.astype(np.uint64))]
    overlap = math.ceil((_SUPPORT + _REACH + 2 * _NEIGHBOURHOOD) * stream.sfreq)
    x, valid = np.empty((stream.n_chans, 0), np.float32), np.empty((stream.n_chans, 0), bool)
    stop, done = 0, 0.0  # samples read so far, and s of which the landmarks are found
    for block in stream.blocks() if stream.sfreq >= LOWEST_RATE else ():
        x = np.concatenate((x, np.asarray(block.samples, np.float32)), axis=1)
        valid = np.concatenate((valid, block.valid()), axis=1)
        stop += block.n_times
        with np.errstate(over="ignore", invalid="ignore"):  # numbers that no amplifier gives have no landmarks
            peaks = _block_peaks(x, valid, stream.sfreq)
        time = peaks.time + (stop - x.shape[1]) / stream.sfreq
        end = (stop - overlap if stop < stream.n_times else stop) / stream.sfreq
        found.append(replace(peaks, time=time)[(time >= done) & (time < end)])
        done = max(done, end)
        x, valid = x[:, -2 * overlap :], valid[:, -2 * overlap :]
    peaks = _Peaks(*(np.concatenate([getattr(part, name) for part in found]) for name in _Peaks.__slots__))
    return peaks[np.argsort(peaks.channel, kind="stable")]


def _block_peaks(x: NDArray[np.float32], valid: NDArray[np.bool_], sfreq: float) -> _Peaks:
    """The landmarks of samples (C, T), none of which lies near a sample without a real value."""
    gaps = not valid.all()
    if gaps:
        x = bridge_gaps(np.where(valid, x, np.float32(np.nan)))
    y, rate, first = _band(x - x.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32), sfreq)
    channel, at, energy = _peaks(y, rate)
    time = first + at / rate
    if gaps:
        bad = np.cumsum(np.pad(~valid, ((0, 0), (1, 0))), axis=1)  # samples without a real value before each
        ends = (time + np.array([[-1], [1]]) * (_SUPPORT + _REACH)) * sfreq
        before, behind = ends.astype(np.int64).clip(0, valid.shape[1])
        clean = bad[channel, before] == bad[channel, behind]
        channel, at, energy, time = channel[clean], at[clean], energy[clean], time[clean]
    instants = at[:, None] + (np.arange(64) - 31.5) * (_STEP * rate)  # (n, 64)
    below = instants.astype(np.int64)
    share = (instants - below).astype(np.float32)
    values = y[channel[:, None], below] * (1 - share) + y[channel[:, None], below + 1] * share
    return _Peaks(channel, time, energy, np.packbits(values > 0, axis=1).view(">u8").ravel().astype(np.uint64))


def _band(x: NDArray[np.float32], sfreq: float) -> tuple[NDArray[np.float32], float, float]:
    """Signals (C, T) at about 80 Hz and from 2 to 14 Hz, their rate in Hz, and the time of the first sample in s."""
    factor = max(int(sfreq // 100), 1)
    if factor > 1:
        x = x[:, : x.shape[1] // factor * factor].reshape(len(x), -1, factor).mean(axis=2)
        sfreq /= factor
    nearest = Fraction(_RATE / sfreq).limit_denominator(100)
    up, down = nearest.numerator, nearest.denominator
    taps = _taps(up, sfreq)
    middle = len(taps) // 2
    first, last = -(-2 * middle // down), (x.shape[1] - 1) * up // down  # outputs that see the signal alone
    y = upfirdn(taps, x, up, down)[:, first : last + 1] if last >= first else np.empty((len(x), 0), np.float32)
    return y, sfreq * up / down, (first * down - middle) / (sfreq * up)


@lru_cache(maxsize=64)
def _taps(up: int, sfreq: float) -> NDArray[np.float32]:
    """A linear-phase band-pass at `up` times the rate, without any answer to a constant."""
    half = int(_SUPPORT * sfreq * up)
    t = np.arange(-half, half + 1) / (sfreq * up)
    window = np.hanning(len(t) + 2)[1:-1]
    taps = window * (HIGH * np.sinc(2 * HIGH * t) - LOW * np.sinc(2 * LOW * t))
    taps -= window * (taps.sum() / window.sum())
    return np.asarray(taps / np.abs(taps).sum(), np.float32)


def _peaks(y: NDArray[np.float32], rate: float) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]:
    """Channel, time in samples and height where the energy is highest in its neighbourhood, with all signs inside."""
    margin = math.ceil(_REACH * rate) + 1
    if y.shape[1] < 2 * margin + 1:
        return np.empty(0, np.int64), np.empty(0), np.empty(0, np.float32)
    window = np.hanning(2 * round(0.1 * rate) + 3)[1:-1].astype(np.float32)
    energy = convolve1d(y**2, window, axis=1, mode="constant")
    high = energy >= maximum_filter1d(energy, 2 * round(_NEIGHBOURHOOD * rate) + 1, axis=1)
    high &= energy > np.maximum(1e-3 * np.median(energy, axis=1), 1e-6 * energy.max(axis=1))[:, None]
    channel, at = np.nonzero(high[:, margin:-margin])
    at += margin
    before, here, after = (energy[channel, at + step].astype(np.float64) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = np.where(bend < 0, (before - after) / (2 * np.where(bend < 0, bend, 1)), 0).clip(-0.5, 0.5)
    return channel, at + shift, here.astype(np.float32)
