"""A ``wfdb.Record`` in memory as groups of signals, like those that are read from files."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes import guess_kinds
from biosig.errors import UnreadableError
from biosig.recording import Channel
from biosig.sample_types import downcast_integers
from biosig.signal import runs_from_mask
from ingest.adapters.wfdb.formats import MISSING
from ingest.adapters.wfdb.scan import survey
from ingest.adapters.wfdb.signals import Group, resolve_once


def groups_of(obj: object) -> tuple[str, list[Group], float, list[str]] | None:
    """Name, signals by rate, frames per second and comments of a ``wfdb.Record``; None for anything else.

    Raises
    ------
    UnreadableError
        If it holds a header without signals.
    """
    wfdb = sys.modules.get("wfdb")  # a caller with a Record has imported it
    if wfdb is None or not isinstance(obj, wfdb.Record):
        return None
    record: Any = obj
    values, gain, baseline = _values(record)
    expanded = record.e_d_signal is not None or record.e_p_signal is not None
    rates = [(record.samps_per_frame[row] or 1) if expanded else 1 for row in range(len(values))]
    names = [name or f"signal {row}" for row, name in enumerate(record.sig_name)]
    units = [unit or "mV" for unit in record.units]
    resolved = list(map(resolve_once, names, units, guess_kinds(names, units)))
    groups = []
    for per_frame in dict.fromkeys(rates):
        rows = [row for row, rate in enumerate(rates) if rate == per_frame]
        groups.append(_group(record, rows, [resolved[row] for row in rows], per_frame, values, gain, baseline))
    return str(record.record_name), groups, float(record.fs), list(record.comments or [])


def _values(record: Any) -> tuple[list[NDArray[Any]], NDArray[np.float64], NDArray[np.float64]]:
    """Values as the record holds them, one (T,) array per signal, with gain and baseline."""
    ones, zeros = np.ones(record.n_sig), np.zeros(record.n_sig)
    if record.e_d_signal is not None or record.d_signal is not None:
        signals = record.e_d_signal if record.e_d_signal is not None else list(record.d_signal.T)
        return list(signals), np.array(record.adc_gain, np.float64), np.array(record.baseline, np.float64)
    if record.e_p_signal is not None:
        return [np.asarray(s, np.float32) for s in record.e_p_signal], ones, zeros
    if record.p_signal is not None:
        return list(np.asarray(record.p_signal, np.float32).T), ones, zeros
    raise UnreadableError(f"WFDB record '{record.record_name}' holds no signals: read it with wfdb.rdrecord.")


def _group(
    record: Any,
    rows: list[int],
    resolved: list[tuple[Channel, float]],
    per_frame: int,
    values: list[NDArray[Any]],
    gain: NDArray[np.float64],
    baseline: NDArray[np.float64],
) -> Group:
    samples = np.stack([values[row] for row in rows])  # (C, T)
    factor = np.array([factor for _, factor in resolved])
    if samples.dtype.kind == "f":
        invalid = runs_from_mask(~np.isfinite(samples))
        lowest, highest = np.nanmin(samples, axis=1, initial=np.inf), np.nanmax(samples, axis=1, initial=-np.inf)
    else:
        codes = [MISSING.get((record.fmt or ["8"] * record.n_sig)[row]) for row in rows]
        skews = [((record.skew or [0] * record.n_sig)[row] or 0) * per_frame for row in rows]
        for x, code, skew in zip(samples, codes, skews, strict=True):
            if skew and code is not None:  # wfdb shifts the signal to its place and invents its end
                x[-skew:] = code
        samples = downcast_integers(samples)
        found = survey(samples, codes)
        invalid, lowest, highest = found.invalid, found.lowest, found.highest
    return Group(
        per_frame,
        rows,
        [channel for channel, _ in resolved],
        samples,
        factor / gain[rows],
        (0 - baseline[rows]) / gain[rows] * factor,
        invalid,
        lowest,
        highest,
    )
