"""One kind of signal through reference, resampling and filters: block by block, as if it had been done at once.

Each block is processed with a margin of the signal on both sides, which is then cut off. The rest of a disturbance in
a filter, run both ways, falls by the radius of its slowest pole per sample, and a resampler sees no further than its
taps: their sum is the *settling time*, after which a joint moves no sample by more than a millionth of the signal
beside it (12 s for a high-pass at 0.5 Hz). Gaps are bridged by a line if they are at most two settling times long,
and held from both sides if longer, so that three settling times of margin hold all that a sample depends on. Blocks
begin at whole numbers of both clocks, so that time is counted in integers throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError
from biosig.recording import Stream
from biosig.signal import (
    ZeroPhase,
    band_filter,
    bridge_gaps,
    join_runs,
    notch_filter,
    resample,
    resample_valid,
    runs_from_mask,
)
from biosig.signal.resample import LOWEST_CUT, PASSED, n_resampled, ratio, reach
from ingest.preprocess.quantize import Extent
from ingest.preprocess.reference import Reference
from ingest.preprocess.temporary_samples import Spool

REMEMBERED = 1e-6
"""Share of a disturbance that is left after the settling time."""

MOST_AT_ONCE = 2**27
"""Bytes of samples of a block with its margins, which may take it beyond the usual size where margins are long."""


class Chain:
    """Processing of one kind of signal at one rate: reference, resampling, filters.

    Filters run at the lower of the two rates, where they cost least. Where the rate falls, the resampler's own
    low-pass is the one that is asked for, unless that lies far below the new rate. A cut-off at or above the band
    that passes the resampler, and hum above the lower Nyquist frequency, are left to it: `steps` lists what is done,
    `left_out` the steps that are not needed.

    Parameters
    ----------
    sfreq, new_sfreq : float
        Rates in Hz, before and after.
    n_times : int
        Samples before; raises `DataError` if no ratio of integers keeps time over them.
    hum : float or None
        Mains frequency in Hz, removed with its harmonics.
    low, high : float or None
        Cut-offs in Hz.
    reference : Reference or None
        For EEG.
    """

    def __init__(
        self,
        sfreq: float,
        new_sfreq: float,
        n_times: int,
        hum: float | None = None,
        low: float | None = None,
        high: float | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.sfreq, self.new_sfreq, self.reference = sfreq, new_sfreq, reference
        self.up, self.down = ratio(sfreq, new_sfreq, n_times)
        rate = min(sfreq, new_sfreq)
        passed = (PASSED if new_sfreq < sfreq else 1.0) * rate / 2
        self.left_out: list[str] = []
        if hum is not None and hum >= rate / 2:
            self.left_out.append(f"no notch at {hum:g} Hz, as nothing above {rate / 2:g} Hz is there")
            hum = None
        if high is not None and high >= passed:
            self.left_out.append(f"no low-pass at {high:g} Hz, as nothing above {passed:g} Hz is there")
            high = None
        self.steps: list[str] = []
        self._cut = PASSED
        if high is not None and new_sfreq < sfreq and high >= LOWEST_CUT * rate / 2:
            self._cut, high = high / (rate / 2), None
        filters: list[ZeroPhase] = []
        if hum is not None:
            filters.append(notch_filter(rate, hum))
            self.steps.append(f"notch at {hum:g} Hz and harmonics")
        if low is not None or high is not None:
            filters.append(band_filter(rate, low, high))
            self.steps.append(f"{_band_in_words(low, high)} Hz, zero phase")
        self._filter = filters[0].then(filters[1]) if len(filters) == 2 else filters[0] if filters else None
        if new_sfreq != sfreq:
            step = f"resampled from {sfreq:g} to {new_sfreq:g} Hz"
            step += f", low-pass {self._cut * rate / 2:g} Hz" if self._cut < PASSED else ""
            self.steps.insert(0 if new_sfreq < sfreq else len(self.steps), step)
        settle = reach(self.up, self.down, self._cut) if new_sfreq != sfreq else 0
        if self._filter is not None:
            settle += math.ceil(self._filter.settling(REMEMBERED) * sfreq / rate)
        self._longest_line = 2 * settle
        self.grid = 2 * self.down  # an even number of new samples: halves are then rounded alike in every block
        self.margin = -(-3 * settle // self.grid) * self.grid

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Process physical values (C, T), which may be overwritten; NaN = not a real value, before and after."""
        if self.reference is not None:
            self.reference.subtract(x)
        valid = np.isfinite(x)
        whole = bool(valid.all())
        if not whole:
            x = bridge_gaps(x, self._longest_line)
        if self.new_sfreq < self.sfreq:
            x = resample(x, self.sfreq, self.new_sfreq, self._cut)
        if self._filter is not None:
            x = self._filter(x)
        if self.new_sfreq > self.sfreq:
            x = resample(x, self.sfreq, self.new_sfreq)
        if not whole:
            if self.new_sfreq != self.sfreq:
                valid = resample_valid(valid, self.sfreq, self.new_sfreq)
            x[~valid] = np.nan
        return x


def process_stream(stream: Stream, chain: Chain, spool: Path) -> tuple[Stream, list[str]]:
    """A stream of one kind after `chain`, quantised: in memory if it is one block, else in a file in `spool`.

    Returns
    -------
    stream : Stream
    history : list of str
        Sentences on its quantisation, for its history.

    Raises
    ------
    DataError
        If resampling leaves no sample.
    """
    n_new = n_resampled(stream.n_times, chain.up, chain.down)
    if n_new == 0:
        raise DataError(
            f"{stream.n_times} samples at {stream.sfreq:g} Hz leave none at {chain.new_sfreq:g} Hz: set min_duration "
            "in the recipe to refuse such recordings."
        )
    length = _block_length(stream, chain)
    file = Spool(spool) if length < stream.n_times else None
    extent = Extent(stream.n_chans, n_new)
    invalid: list[NDArray[np.int64]] = []
    values = np.empty((stream.n_chans, 0), np.float32)
    for start, values in _blocks(stream, chain, length, n_new):
        finite = np.isfinite(values)
        whole = bool(finite.all())
        if not whole:
            invalid.append(np.add(runs_from_mask(~finite), [0, start, start]))
        extent.add(values, whole)
        if file is not None:
            file.append(values)
    quantiser = extent.quantiser()
    done = replace(
        stream,
        sfreq=chain.new_sfreq,
        samples=quantiser(values) if file is None else file.finish(quantiser),
        scale=quantiser.steps,
        offset=quantiser.offset,
        invalid=join_runs(np.concatenate([np.empty((0, 3), np.int64), *invalid])),
    )
    return done, quantiser.history


def _block_length(stream: Stream, chain: Chain) -> int:
    """Samples of a block: twice its margin while memory allows, or most of the work would be for the margins."""
    roomy = min(2 * chain.margin, stream.block_length(MOST_AT_ONCE) - 2 * chain.margin)
    return max(max(stream.block_length(), roomy) // chain.grid, 1) * chain.grid


def _blocks(stream: Stream, chain: Chain, length: int, n_new: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Consecutive parts of the processed stream, each with the number of its first new sample."""
    for start in range(0, stream.n_times, length):
        stop = min(start + length, stream.n_times)
        first, last = max(start - chain.margin, 0), min(stop + chain.margin, stream.n_times)
        values = chain(stream.slice(first, last).physical())
        new_start = start // chain.down * chain.up
        new_stop = stop // chain.down * chain.up if stop < stream.n_times else n_new
        if new_stop == new_start:  # the rest is less than half a new sample
            return
        offset = first // chain.down * chain.up
        yield new_start, values[:, new_start - offset : new_stop - offset]


def _band_in_words(low: float | None, high: float | None) -> str:
    """A filter's kind and cut-off frequencies in words."""
    if low is not None and high is not None:
        return f"band-pass {low:g} – {high:g}"
    return f"low-pass {high:g}" if low is None else f"high-pass {low:g}"
