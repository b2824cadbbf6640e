"""From a ``wfdb.Record`` to signals, one per row of its header, and from signals to streams, one per rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.recording import Channel, Stream
from biosig.signal import runs_from_mask
from ingest.channels import notes_on, resolve, settle
from ingest.integers import smallest
from ingest.wfdb_header import MISSING, WfdbHeader, header_lines, named_for_wfdb


@dataclass(slots=True)
class Signal:
    """One signal of a record, whole.

    Parameters
    ----------
    channel : Channel
        Resolved on its own; names that stand twice are settled by `streams_of`.
    per_frame : int
        Samples in each of the record's frames.
    samples : ndarray, shape (T,)
        Integers of the file, or float32.
    scale, offset : float
        physical = samples * scale + offset, in the channel's unit.
    invalid : ndarray of bool, shape (T,)
        True where a sample is not a real value.
    """

    channel: Channel
    per_frame: int
    samples: NDArray[Any]
    scale: float
    offset: float
    invalid: NDArray[np.bool_]


def read_signals(path: Path, header: WfdbHeader) -> list[Signal]:
    """Every signal of a single-segment record, as the integers that its files hold.

    Raises
    ------
    UnreadableError
        If wfdb cannot decode a signal file.
    """
    try:
        with named_for_wfdb(path, header_lines(path)) as name:
            record = _read_digital(name, header.record.fmt)
    except Exception as error:  # a damaged signal file can surface as almost any exception
        raise UnreadableError(f"{path} cannot be decoded by wfdb ({error}): fetch its signal files again.") from None
    record.sig_name, record.units = header.record.sig_name, header.record.units
    return signals_of(record)


def _read_digital(name: str, formats: list[str]) -> Any:
    """Read every sample of every frame as the integer that the file holds."""
    if "61" not in formats:
        return wfdb.rdrecord(name, physical=False, smooth_frames=False, return_res=32)
    # wfdb 4.3 cannot return big-endian integers; its physical values are exact in float64 and turn back into them
    record = wfdb.rdrecord(name, physical=True, smooth_frames=False, return_res=64)
    digital = []
    for row, values in enumerate(record.e_p_signal):
        missing = MISSING.get(record.fmt[row], 0)
        levels = np.rint(values * record.adc_gain[row] + record.baseline[row])
        digital.append(np.where(np.isnan(values), missing, levels).astype(np.int32))
    record.e_d_signal, record.e_p_signal = digital, None
    return record


def signals_of(record: Any) -> list[Signal]:
    """The signals of a ``wfdb.Record`` that holds digital or physical values, in the order of its header."""
    values, scale, offset = _values(record)
    expanded = record.e_d_signal is not None or record.e_p_signal is not None
    signals = []
    for row, samples in enumerate(values):
        channel, factor = resolve(record.sig_name[row] or f"signal {row}", record.units[row] or "mV")
        per_frame = (record.samps_per_frame[row] or 1) if expanded else 1
        signals.append(
            Signal(
                channel,
                per_frame,
                smallest(samples),
                float(scale[row] * factor),
                float(offset[row] * factor),
                _missing(record, samples, row, per_frame),
            )
        )
    return signals


def streams_of(signals: Sequence[Signal], fs: float) -> tuple[list[Stream], list[str]]:
    """One stream per rate, and notes on how channels were resolved; `fs` is the frames per second."""
    channels, notes = settle([signal.channel for signal in signals])
    streams = []
    for n in dict.fromkeys(signal.per_frame for signal in signals):
        rows = [row for row, signal in enumerate(signals) if signal.per_frame == n]
        group = [signals[row] for row in rows]
        samples = np.stack([signal.samples for signal in group])  # (C, T)
        streams.append(
            Stream(
                sfreq=float(fs) * n,
                channels=tuple(channels[row] for row in rows),
                samples=smallest(samples) if samples.dtype.kind == "i" else samples.astype(np.float32, copy=False),
                scale=np.array([signal.scale for signal in group]),
                offset=np.array([signal.offset for signal in group]),
                invalid=runs_from_mask(np.stack([signal.invalid for signal in group])),
            )
        )
    return streams, [*notes, *notes_on(channels)]


def _values(record: Any) -> tuple[list[NDArray[Any]], NDArray[np.float64], NDArray[np.float64]]:
    """Values as the record holds them, with the affine map to its units: one (T,) array per signal."""
    ones, zeros = np.ones(record.n_sig), np.zeros(record.n_sig)
    if record.e_d_signal is not None or record.d_signal is not None:
        signals = record.e_d_signal if record.e_d_signal is not None else list(record.d_signal.T)
        gain = np.array(record.adc_gain, np.float64)
        return list(signals), 1 / gain, -np.array(record.baseline, np.float64) / gain
    if record.e_p_signal is not None:
        return [np.asarray(s, np.float32) for s in record.e_p_signal], ones, zeros
    if record.p_signal is not None:
        return list(np.asarray(record.p_signal, np.float32).T), ones, zeros
    raise UnreadableError(f"WFDB record '{record.record_name}' holds no signals: read it with wfdb.rdrecord.")


def _missing(record: Any, samples: NDArray[Any], row: int, per_frame: int) -> NDArray[np.bool_]:
    """Samples that WFDB marks as missing, and the end that a skewed signal does not reach, (T,)."""
    if samples.dtype.kind == "f":
        return ~np.isfinite(samples)
    missing = MISSING.get((record.fmt or ["8"] * record.n_sig)[row])
    invalid = np.zeros(samples.shape, bool) if missing is None else samples == missing
    skew = (record.skew or [0] * record.n_sig)[row] or 0
    if skew:  # wfdb shifts the signal to its place and invents the last `skew` frames
        invalid[-skew * per_frame :] = True
    return invalid
