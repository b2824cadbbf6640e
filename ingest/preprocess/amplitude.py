"""Amplitudes of a recording's signals: one robust scale per kind, whether or not they fit into memory."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes.channels import has_electrode
from biosig.recording import MODALITIES, Recording, Stream
from biosig.signal import channel_scales, check_scale
from ingest.preprocess.dropouts import extremes

MEASURED = 2**16
"""A channel of more samples is measured by about so many of them."""

_ENVELOPE = 50.0
"""Hz. An EMG at a lower rate is the rest of one, rectified and averaged (Sleep-EDF: 1 Hz), of no usual size."""

_GOLDEN = (5**0.5 - 1) / 2


def robust_scales(recording: Recording, where: str | None) -> tuple[dict[str, float], list[str]]:
    """One robust scale per kind (the median over its channels, whatever their rate), and notes on flat leads.

    EEG channels of unknown electrode, which may be anything, have no part in it beside some that are known.

    Parameters
    ----------
    recording : Recording
        The recording whose streams are measured, block by block.
    where : str or None
        Name of the recording in an error; None = amplitudes are not checked.

    Raises
    ------
    DataError
        If an ECG, EEG, EOG or EMG is too large or too small by a factor of about 1,000 or more. An EMG of fewer than
        50 samples a second passes.
    """
    per_kind: dict[str, list[float]] = defaultdict(list)
    flat: dict[str, list[str]] = defaultdict(list)
    placed = any(channel.kind == "eeg" and has_electrode(channel) for channel in recording.channels)
    for stream in recording.streams:
        scales, dead = _measure(stream)
        for kind, unit in dict.fromkeys((c.kind, c.unit) for c in stream.channels):
            rows = [row for row, c in enumerate(stream.channels) if (c.kind, c.unit) == (kind, unit)]
            flat[kind] += [stream.channels[row].name for row in rows if dead[row]]
            measured = [row for row in rows if kind != "eeg" or not placed or has_electrode(stream.channels[row])]
            usable = scales[measured][np.isfinite(scales[measured])]
            is_envelope = kind == "emg" and stream.sfreq < _ENVELOPE
            if where and usable.size and not is_envelope:
                check_scale(median(usable.tolist()), kind, unit, where)
            per_kind[kind] += usable.tolist()
    found = {kind: median(per_kind[kind]) for kind in sorted(per_kind) if per_kind[kind] and kind != "stim"}
    notes = [f"Flat or invalid throughout: {', '.join(flat[kind])}." for kind in MODALITIES if flat.get(kind)]
    return found, notes


def _measure(stream: Stream) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each channel's robust scale (NaN if it has none), and True where no two of its valid samples differ."""
    times = spread(stream.n_times, MEASURED)
    in_counts = stream.samples.dtype == np.int16 and bool(stream.scale.all())
    lowest, highest = np.full(stream.n_chans, np.inf), np.full(stream.n_chans, -np.inf)
    parts = [np.empty((stream.n_chans, 0), np.int16 if in_counts else np.float32)]
    valid_parts = [np.empty((stream.n_chans, 0), bool)]
    start = 0
    for block in stream.blocks():
        x = np.asarray(block.samples) if in_counts else block.physical()
        valid = block.valid() if in_counts else np.isfinite(x)
        low, high = extremes(x, None if valid.all() else valid)
        lowest, highest = np.minimum(lowest, low), np.maximum(highest, high)
        here = times[np.searchsorted(times, start) : np.searchsorted(times, start + block.n_times)] - start
        whole = len(here) == block.n_times
        parts.append(x if whole else x[:, here])
        valid_parts.append(valid if whole else valid[:, here])
        start += block.n_times
    scales = channel_scales(_joined(parts), _joined(valid_parts))
    return scales * np.abs(stream.scale) if in_counts else scales, highest <= lowest


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[1] if len(parts) == 2 else np.concatenate(parts, axis=1)


@lru_cache(maxsize=32)
def spread(n_times: int, at_most: int) -> NDArray[np.int64]:
    """Sample numbers, sorted and well spread over a signal: all if there are not more than `at_most`.

    Else the golden-ratio sequence: as even as a fixed stride, which hum and heart beats could fall into step with,
    and the same on every machine.
    """
    if n_times <= at_most:
        return np.arange(n_times)
    times = np.sort((np.arange(at_most) * _GOLDEN % 1 * n_times).astype(np.int64))
    return times[np.diff(times, prepend=-1) > 0]
