"""Windows for contracts with a band or z-scores, which need more of a recording than the window.

A zero-phase filter wants the signal before and after the window, a z-score the mean and deviation of the recording, a
robust scale the recording in the band: one that was stored before the filter measures drifts that it takes away.
Shards that a recipe has limited to the band already are only looked at for the z-scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.channel_layout import ChannelLayout, is_unscaled, montage
from biosig.batches.contract import InputContract, band_contained, in_unit, limit_band
from biosig.batches.mapped_recordings import MappedRecording, MappedRecordings
from biosig.batches.stepped import SteppedContract
from biosig.batches.windows import ReadableRecording, RecordingSet, Windows
from biosig.errors import EmptyWindowError
from biosig.recording import Channel, Recording, Stream
from biosig.signal import is_flat
from biosig.signal.scale import channel_scales

MARGIN = 10.0
"""s on either side of a window that the filter sees: the echo of a 0.5-Hz edge has fallen below 1e-6 by then. A lower
edge echoes longer."""

STRETCH = 300.0
"""s of a recording that go through the steps before the cut of windows at once: its windows are read in order."""

SCALE_BLOCKS = 10
"""Blocks of a long recording, evenly spread, by which its scale is measured."""

BLOCK = 60.0
"""s of a recording that are in memory together while its moments are worked out."""


def filter_to_contract(windows: Windows, contract: Mapping[str, InputContract]) -> Windows:
    """The same windows, in the band of the contract and with the moments that its z-scores need.

    Parameters
    ----------
    windows : Windows
        Of any recordings.
    contract : mapping of modality to InputContract
        If it has neither a band nor z-scores nor steps before the cut of a window, the windows are given back as they
        are.
    """
    if all(
        wanted.band is None and wanted.normalisation != "zscore" and not _context(wanted)
        for wanted in contract.values()
    ):
        return windows
    return replace(windows, ds=ConditionedSet(windows.ds, contract))


class ConditionedSet(MappedRecordings):
    """A set of recordings, each as a contract wants it.

    Parameters
    ----------
    ds : RecordingSet
        The recordings.
    contract : mapping of modality to InputContract
        Bands, and which modalities need moments.
    """

    def __init__(self, ds: RecordingSet, contract: Mapping[str, InputContract]) -> None:
        super().__init__(ds)
        self._contract = dict(contract)
        self._durations = ds.to_pandas()["duration"].to_numpy(np.float64)
        self._moments: dict[int, _Moments] = {}
        self._scales: dict[int, dict[str, float]] = {}
        self._stretch: dict[tuple[int, int, float], Recording] = {}

    def __getitem__(self, row: int) -> ConditionedRecording:
        moments, scales = self._moments.setdefault(row, {}), self._scales.setdefault(row, {})
        recording = ConditionedRecording(self.ds[row], self._contract, float(self._durations[row]), moments, scales)
        recording.kept, recording.row = self._stretch, row
        return recording


_Moments = dict[tuple[float, tuple[Channel, ...]], NDArray[np.float64]]  # of each stream, (C, 2)


class ConditionedRecording(MappedRecording):
    """A recording whose signals come in the contract's band, with its moments; `read` gives them as they are.

    Parameters
    ----------
    recording : ReadableRecording
        The recording.
    contract : mapping of modality to InputContract
        Bands, and which modalities need moments.
    duration : float
        Of the recording, in seconds.
    moments, scales : dict
        Filled when they are first needed; empty = not worked out. Scales are by kind, in the band.
    """

    def __init__(
        self,
        recording: ReadableRecording,
        contract: Mapping[str, InputContract],
        duration: float,
        moments: _Moments,
        scales: dict[str, float],
    ) -> None:
        super().__init__(recording)
        self._contract, self._duration = contract, duration
        self._moments, self._scales = moments, scales
        self.kept: dict[tuple[int, int, float], Recording] = {}
        """The last stretch that went through the steps, by recording, number and the windows' length."""
        self.row = 0
        self._stored_band: Mapping[str, tuple[float | None, float | None]] = {}
        edges = [wanted.band[0] for wanted in contract.values() if wanted.band is not None and wanted.band[0]]
        self._margin = max([MARGIN, *(5 / edge for edge in edges)])

    def read_signals(self, onset: float, duration: float) -> Recording:
        """The window, limited to the band, its streams with their moments."""
        if any(_context(wanted) for wanted in self._contract.values()):
            return self._after_steps(onset, duration)
        window = self._limited(onset, duration)
        if scaled := self._to_scale(window):
            if not self._scales.keys() >= scaled:
                self._scales.update(self._measure(scaled))
            window = replace(window, robust_scale={**window.robust_scale, **{m: self._scales[m] for m in scaled}})
        if not any(wanted.normalisation == "zscore" for wanted in self._contract.values()):
            return window
        if not self._moments:
            self._moments.update(self._work_out())
        streams = [replace(stream, moments=self._moments[_key(stream)]) for stream in window.streams]
        return replace(window, streams=streams)

    def _after_steps(self, onset: float, duration: float) -> Recording:
        """The window after the steps before its cut; of a channel that does not move in it nothing is real."""
        number = int(onset // STRETCH)
        key = (self.row, number, duration)
        stretch = self.kept.get(key)
        if stretch is None:
            stretch = self._stretch(number * STRETCH, STRETCH + duration)
            self.kept.clear()
            self.kept[key] = stretch
        window = stretch.crop(onset, duration)
        given = self.recording.read_signals(onset, duration)
        flat = {
            channel
            for stream in given.streams
            for channel, still in zip(stream.channels, is_flat(stream.physical()), strict=True)
            if still
        }
        streams = [_without(stream, [channel in flat for channel in stream.channels]) for stream in window.streams]
        return replace(window, streams=streams)

    def _stretch(self, onset: float, duration: float) -> Recording:
        """A stretch of the recording after the steps that come before the cut, which saw their context around it."""
        context = min(max(_context(wanted) for wanted in self._contract.values()), self._duration)
        wide = self.recording.read_signals(onset - context, duration + 2 * context)
        streams, done = [], {}
        for stream in wide.streams:
            for kind, wanted in self._contract.items():
                members = montage(stream.channels, kind, wanted)
                if isinstance(wanted, SteppedContract) and members.rows:
                    streams.append(_stepped(stream, members, wanted))
                    done[kind] = wanted.cut
        return replace(wide, streams=streams, steps_done=done)

    def _to_scale(self, window: Recording) -> set[str]:
        """Kinds of the window whose stored scale, if there is one, was measured before the filter."""
        return {
            kind
            for kind, wanted in self._contract.items()
            if wanted.band is not None
            and not band_contained(self._stored_band.get(kind), wanted.band)
            and any(
                channel.kind == kind and (wanted.normalisation == "robust" or is_unscaled(channel, wanted))
                for channel in window.channels
            )
        }

    def _measure(self, kinds: set[str]) -> dict[str, float]:
        """One robust scale of each kind over the recording in its band, in the contract's unit."""
        found: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in kinds}
        starts = np.arange(0.0, max(self._duration, 1e-9), BLOCK)
        for start in starts[np.linspace(0, len(starts) - 1, min(len(starts), SCALE_BLOCKS)).round().astype(int)]:
            try:
                block = self._limited(float(start), BLOCK)
            except EmptyWindowError:
                continue
            for stream in block.streams:
                for kind in kinds:
                    members = montage(stream.channels, kind, self._contract[kind])
                    if members.rows:
                        values = stream.pick(members.rows).physical() * members.factor.astype(np.float32)[:, None]
                        found[kind].append(channel_scales(values))
        scales = {kind: np.concatenate([np.empty(0), *parts]) for kind, parts in found.items()}
        return {kind: float(np.nanmedian(x)) if np.isfinite(x).any() else math.nan for kind, x in scales.items()}

    def _limited(self, onset: float, duration: float) -> Recording:
        wide = self.recording.read_signals(onset - self._margin, duration + 2 * self._margin)
        self._stored_band = wide.band
        bands = {
            kind: wanted.band
            for kind, wanted in self._contract.items()
            if wanted.band is not None and not band_contained(wide.band.get(kind), wanted.band)
        }
        if not bands.keys() & {channel.kind for channel in wide.channels}:
            return wide.crop(onset, duration)
        flat = {_key(stream): is_flat(stream.physical()) for stream in wide.crop(onset, duration).streams}
        streams = [_filtered(stream, bands, flat.get(_key(stream))) for stream in wide.streams]
        return replace(wide, streams=streams, band={**wide.band, **bands}).crop(onset, duration)

    def _work_out(self) -> _Moments:
        """Mean and deviation of each channel of each stream, over its real values."""
        sums: dict[tuple[float, tuple[Channel, ...]], NDArray[np.float64]] = {}
        for start in np.arange(0.0, self._duration, BLOCK):
            try:
                block = self._limited(float(start), BLOCK)
            except EmptyWindowError:
                continue
            for stream in block.streams:
                values = stream.physical().astype(np.float64)  # (C, T)
                real = np.isfinite(values)
                values[~real] = 0
                part = np.stack((real.sum(axis=1), values.sum(axis=1), (values**2).sum(axis=1)), axis=1)  # (C, 3)
                sums[_key(stream)] = sums.get(_key(stream), 0) + part
        moments = {}
        for key, total in sums.items():
            count, mean, square = (total / np.maximum(total[:, :1], 1)).T
            moments[key] = np.stack((mean, np.sqrt(np.maximum(square - mean**2, 0))), axis=1)
            moments[key][count == 0] = np.nan
        return moments


def _context(wanted: InputContract) -> float:
    """Seconds on either side of a window that the steps before its cut see."""
    return wanted.context if isinstance(wanted, SteppedContract) else 0.0


def _key(stream: Stream) -> tuple[float, tuple[Channel, ...]]:
    return stream.sfreq, stream.channels


def _stepped(stream: Stream, members: ChannelLayout, wanted: SteppedContract) -> Stream:
    """The channels of a contract after the steps before the cut, as a stream of their own in their own units."""
    after = wanted.run(in_unit(stream, members), stream.sfreq, stop=wanted.cut)
    samples = np.where(after.valid, after.values / members.factor[:, None], np.nan).astype(np.float32)
    one = np.ones(len(members.rows))
    picked = stream.pick(members.rows)
    return replace(
        picked, sfreq=after.sfreq, samples=samples, scale=one, offset=0 * one, invalid=np.empty((0, 3), np.int64)
    )


def _without(stream: Stream, rows: list[bool]) -> Stream:
    """The stream, of which these channels have no real value."""
    if not any(rows):
        return stream
    samples = np.array(stream.samples)
    samples[np.array(rows)] = np.nan
    return replace(stream, samples=samples)


def _filtered(
    stream: Stream, bands: Mapping[str, tuple[float | None, float | None]], flat: NDArray[np.bool_] | None
) -> Stream:
    """The stream with each kind in its band, as float32; a lead that does not move in the window has no real value."""
    values = stream.physical()  # (C, T)
    for kind, band in bands.items():
        rows = [row for row, channel in enumerate(stream.channels) if channel.kind == kind]
        if rows:
            values[rows] = limit_band(values[rows], stream.sfreq, band)
    if flat is not None:
        values[flat] = np.nan
    one = np.ones(stream.n_chans)
    return replace(stream, samples=values, scale=one, offset=0 * one, invalid=np.empty((0, 3), np.int64))
