"""Time stamps: a rate where they are regular, a grid where they are not, and a hint where the unit is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UnreadableError
from biosig.recording import MODALITIES
from biosig.signal import runs_from_mask
from ingest.adapters.common.gaps import refuse_backwards
from ingest.adapters.tables.signal_table import Regularise, TimeUnit

SECONDS: dict[TimeUnit, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
WALL_CLOCK = 1e6
"""Seconds from which a first time stamp must be a clock's (11 days), not a place within a recording."""
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_RATES = (4.0, 10_000.0)  # Hz, of any wearable, ECG or EEG: outside, a unit that gives a rate within is likelier
_POSSIBLE = (0.1, 100_000.0)  # Hz, of an unusual recorder: outside, an error does not offer it as the rate
_RATED = frozenset((*MODALITIES, "eog", "emg"))
_USUAL_RATE = 200.0
_FAR_OFF = 30.0  # between a factor of 1 and one of 1,000
_MOST_SAMPLES = 2**26
_SAME_MOMENT = 1e-6  # seconds


@dataclass(frozen=True)
class Times:
    """Time stamps as they stand in a file.

    Parameters
    ----------
    stamps : ndarray, shape (T,)
        The numbers.
    unit : {"s", "ms", "us", "ns"}
        Their unit.
    where : str
        File and column, for messages.
    row : callable
        Gives the name of an index in a message.
    dated : bool
        True if they were date-times, whose unit is beyond doubt.
    """

    stamps: NDArray[np.float64]
    unit: TimeUnit
    where: str
    row: Callable[[int], str]
    dated: bool = False

    def seconds(self) -> NDArray[np.float64]:
        """Seconds since the first."""
        return (self.stamps - self.stamps[0]) * SECONDS[self.unit]

    def start(self) -> float:
        """The first time stamp in seconds."""
        return float(self.stamps[0] * SECONDS[self.unit])

    def finest(self) -> float:
        """Seconds between neighbouring numbers of the stamps' type: 0.2 us for a clock that counts from 1970."""
        return float(np.spacing(np.abs(self.stamps).max()) * SECONDS[self.unit])


def check_times(times: Times, expected: float | None, kinds: Iterable[str]) -> None:
    """Refuse time stamps that are not numbers, show another unit than the mapping, or give an impossible rate.

    Parameters
    ----------
    times : Times
        The stamps.
    expected : float or None
        The rate in Hz that the mapping states.
    kinds : iterable of str
        Kinds of the channels; where no rate is stated, that of an ECG, a PPG or an EEG must be possible.

    Raises
    ------
    UnreadableError
        With the unit that would fit, if one does.
    """
    if not np.isfinite(times.stamps).all():
        raise UnreadableError(
            f"{times.where} has no time in {times.row(int(np.argmin(np.isfinite(times.stamps))))}: correct it."
        )
    step = float(np.median(np.diff(times.stamps))) if len(times.stamps) > 1 else 0.0
    rated = sorted(_RATED.intersection(kinds))
    if step <= 0 or (expected is None and not rated):
        return

    def fits(unit: TimeUnit) -> bool:
        rate = 1 / (step * SECONDS[unit])
        if times.dated and unit != times.unit:
            return False
        if expected is not None:
            return expected / _FAR_OFF < rate < expected * _FAR_OFF
        return _RATES[0] <= rate <= _RATES[1]

    likely = [unit for unit in SECONDS if fits(unit)]
    if times.unit in likely:
        return
    rate = 1 / (step * SECONDS[times.unit])
    found = f"{times.where} steps by {step:g}, which in {_WORDS[times.unit]} is {rate:g} Hz"
    if likely:
        aim = np.log(expected or _USUAL_RATE)
        best = min(likely, key=lambda unit: abs(-np.log(step * SECONDS[unit]) - aim))
        possible = expected is None and _POSSIBLE[0] <= rate <= _POSSIBLE[1]
        believed = f", or sfreq: {rate:g} if that is the rate" if possible else ""
        raise UnreadableError(
            f"{found}: it looks like {_WORDS[best]}; write time_unit: {best} in the mapping{believed}."
        )
    if expected is None:
        raise UnreadableError(
            f"{found}, an unlikely rate of {' or '.join(rated)}: correct the times, or write sfreq: {rate:g} in the "
            "mapping if that is the rate."
        )


def note_on_rate(sfreq: float, kinds: Iterable[str]) -> list[str]:
    """Note on a rate in Hz that a mapping states and that no signal of these kinds usually has."""
    rated = sorted(_RATED.intersection(kinds))
    if not rated or _RATES[0] <= sfreq <= _RATES[1]:
        return []
    return [f"{sfreq:g} Hz is an unusual rate of {' and '.join(rated)}: check sfreq in the mapping."]


def regular_rate(times: Times, sfreq: float | None) -> float:
    """Samples per second of regular time stamps; they are rounded in most tables, so 3/4 of a sample is allowed.

    Raises
    ------
    UnreadableError
        If they are not regular at `sfreq`, or at the rate that follows from the first and the last.
    """
    seconds = times.seconds()
    steps = np.diff(seconds)
    _check_forwards(times, steps)
    stated = sfreq
    if sfreq is None:
        if len(seconds) < 2 or seconds[-1] <= 0:
            raise UnreadableError(f"{times.where}: no rate follows from its times; give sfreq in the mapping.")
        sfreq = _plainest((len(seconds) - 1) / float(seconds[-1]), len(seconds) - 1, times.finest())
    late = np.abs(seconds - np.arange(len(seconds)) / sfreq) > 0.75 / sfreq
    if late.any():
        usual = float(np.median(steps))
        odd = np.abs(steps - usual) > 0.75 * usual  # a gap shifts the rate that is taken from all of them
        row = times.row(int(np.argmax(odd)) + 1 if stated is None and 0 < odd.mean() < 0.1 else int(np.argmax(late)))
        raise UnreadableError(
            f"{times.where} is not regular at {sfreq:g} Hz: it is off by a sample in {row}"
            "; correct sfreq, or bring the samples onto a grid with regularise (sfreq, longest_gap) in the mapping."
        )
    return sfreq


def _check_forwards(times: Times, steps: NDArray[np.float64]) -> None:
    if (steps < 0).any():
        row = int(np.argmax(steps < 0))
        at = float(times.seconds()[row])
        raise refuse_backwards(f"{times.where} {times.row(row + 1)},", float(-steps[row]), at)


def _plainest(sfreq: float, n_steps: int, finest: float) -> float:
    """The rate with the fewest decimals that the stamps cannot tell from `sfreq`: 250, not 250.000006."""
    rates = [round(sfreq, digits) for digits in range(7)]
    return next((r for r in rates if r > 0 and abs(n_steps / r - n_steps / sfreq) <= 2 * finest), rates[-1] or sfreq)


def onto_grid(
    values: NDArray[np.float64], times: Times, spec: Regularise
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """Values at irregular times, linearly interpolated at the times of a regular grid that begins with the first.

    Parameters
    ----------
    values : ndarray, shape (C, T)
        NaN where there is no value; each channel's own values make its gaps.
    times : Times
        T time stamps.
    spec : Regularise
        The grid's rate, and the longest gap that is bridged.

    Returns
    -------
    values : ndarray of float32, shape (C, n)
        NaN inside longer gaps.
    invalid : ndarray of int64, shape (n_runs, 3)
        Those gaps as runs.
    notes : list of str
        Samples that were left out, and the share that is invalid.

    Raises
    ------
    UnreadableError
        If times go backwards, or the source is much faster than the grid, which would alias.
    """
    seconds = times.seconds()
    steps = np.diff(seconds)
    _check_forwards(times, steps)
    notes = []
    again = np.concatenate(([False], steps == 0))
    if again.any():
        first = int(np.argmax(again))
        notes.append(
            f"{int(again.sum())} samples have the time stamp of the one before and were left out, the first in "
            f"{times.row(first)} at {seconds[first]:.6g} s."
        )
        seconds, values = seconds[~again], values[:, ~again]
    rate = 1 / float(np.median(np.diff(seconds))) if len(seconds) > 1 else spec.sfreq
    if rate > 1.5 * spec.sfreq:
        raise UnreadableError(
            f"{times.where} is of about {rate:.4g} Hz, much faster than regularise.sfreq {spec.sfreq:g}: set that near "
            "the source's rate, and resample in a recipe."
        )
    n = int(np.floor(seconds[-1] * spec.sfreq + 1e-6)) + 1
    if n * len(values) > _MOST_SAMPLES:
        raise UnreadableError(
            f"{times.where} spans {seconds[-1]:g} s in {len(seconds)} rows, {n} samples of each channel at "
            f"{spec.sfreq:g} Hz: a time stamp is wrong; correct it."
        )
    grid = np.arange(n) / spec.sfreq
    out = np.full((len(values), n), np.nan, np.float32)
    for row, x in enumerate(values):
        known = np.isfinite(x)
        if known.any():
            out[row] = np.interp(grid, seconds[known], x[known])
            out[row, _in_gap(grid, seconds[known], spec.longest_gap)] = np.nan
    invalid = np.isnan(out)
    if invalid.any():
        share = 100 * float(invalid.mean())
        notes.append(f"{share:.2g} % of the grid's samples lie in gaps longer than {spec.longest_gap:g} s: invalid.")
    return out, runs_from_mask(invalid), notes


def _in_gap(grid: NDArray[np.float64], known: NDArray[np.float64], longest: float) -> NDArray[np.bool_]:
    """True for moments of the grid that lie between two known ones too far apart, or outside all of them."""
    after = np.searchsorted(known, grid)
    inside = (after > 0) & (after < len(known))
    right = known[after.clip(0, len(known) - 1)]
    left = known[(after - 1).clip(0)]
    on_sample = np.minimum(np.abs(right - grid), np.abs(left - grid)) < _SAME_MOMENT
    return ~on_sample & ~(inside & (right - left <= longest + _SAME_MOMENT))
