"""Time: samples by their time stamps on one even grid. One policy for every format that has stamps.

- Time that no sample holds is a gap: invalid in all channels, with a note on its channels, place and length.
- A clock that goes back, overlaps or stalls says that several samples have one moment: nothing can be placed
  truthfully, neither samples nor events, and the recording is refused with the place at which to cut it.
- Samples that come late and catch up (a buffer that was flushed) lie where they belong; nothing is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d
from scipy.stats import trim_mean

from biosig.errors import UnreadableError

_MAX_UNHELD = 2**26
"""Samples that gaps may ask for where they outnumber those that a file holds: a day of one channel at 770 Hz."""
_NAMED = 3
_LEVEL = 1.0
"""Seconds over which the earliest sample shows the delay of the others."""
_FEW = 16
"""Fewer samples than this do not show a level."""
_LEAST_STALL = 0.1
"""Seconds that samples without a step back must fall behind: less is jitter of computers that stamp on arrival."""


@dataclass(frozen=True, slots=True)
class Span:
    """Samples `first` to `stop` (excluded) that follow each other; `onset` in seconds, `period` between two of them."""

    first: int
    stop: int
    onset: float
    period: float

    @property
    def n_times(self) -> int:
        """Number of samples."""
        return self.stop - self.first

    @property
    def seconds(self) -> float:
        """From the first sample to the last."""
        return (self.n_times - 1) * self.period


def refuse_backwards(where: str, seconds: float, at: float) -> UnreadableError:
    """The error for a clock that goes back, overlaps or stalls.

    Parameters
    ----------
    where : str
        The file, and the part of it: "The clock of stream 'amp' in r.xdf".
    seconds : float
        Time by which it goes back.
    at : float
        Seconds after the first sample.
    """
    return UnreadableError(
        f"{where} goes back or stands still at {at:.6g} s: the samples from there on overlap those before by "
        f"{seconds:.6g} s; split the recording there and give each part as a file of its own."
    )


def note_on_gaps(of: str, onsets: Sequence[float], seconds: Sequence[float]) -> list[str]:
    """Notes on the gaps between runs of samples: their places and lengths.

    Parameters
    ----------
    of : str
        Name of the source of the samples: "Stream 'amp'".
    onsets, seconds : sequence of float
        Start and length of each run, in seconds.
    """
    ends = [onset + length for onset, length in zip(onsets, seconds, strict=True)]
    found = [(end, after - end) for end, after in zip(ends, onsets[1:], strict=False) if after - end > 1e-6]
    if not found:
        return []
    named = [f"{length:.6g} s from {at:.6g} s" for at, length in found[:_NAMED]]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    total = sum(length for _, length in found)
    return [
        f"{of} was interrupted {len(found)} time{'s' * (len(found) > 1)}, {total:.6g} s in all, invalid there: "
        f"{', '.join(named)}{more}."
    ]


def spans_of(stamps: NDArray[np.float64], where: str) -> list[Span]:
    """Runs of samples without a gap, by their time stamps, freed of jitter by a line through each run.

    A sample may be stamped late, never early, so the earliest of a second tells when it was. A step in that level is a
    gap. It is told from jitter by the size that such steps have elsewhere in the stream.

    Parameters
    ----------
    stamps : ndarray of float64, shape (T,)
        Seconds, as they stand in the file.
    where : str
        For the message.

    Raises
    ------
    UnreadableError
        If the clock goes back, overlaps or stands still.
    """
    stamps = stamps - stamps[0]
    n_times = len(stamps)
    if n_times < 2:
        return [Span(0, n_times, 0.0, 0.0)]
    stride = max(min(n_times // 8, 1024), 1)
    period = float(trim_mean(stamps[stride:] - stamps[:-stride], 0.25)) / stride  # chunks make a median jump
    if not (np.isfinite(stamps).all() and period > 0):
        raise refuse_backwards(where, n_times * max(period, 0.0), 0.0)
    steps = np.diff(stamps, prepend=-period) - period
    late = stamps - np.arange(n_times) * period
    window = max(round(_LEVEL / period), _FEW)
    first = int(np.argmin(late[:window]))  # samples that a buffer held when the recording began come at once
    late[:first] = late[first]
    if stall := _stall(stamps, period):
        raise refuse_backwards(where, *stall)
    level_steps, delay = _levels(late, window)
    tolerance = 1.5 * period + 8 * float(np.median(np.abs(level_steps)))
    back = np.flatnonzero(steps + period < -tolerance)
    if len(back):
        k = int(back[0])
        raise refuse_backwards(where, float(-steps[k]), float(stamps[k - 1]))
    begins, before = [0], np.inf
    for k in np.flatnonzero(steps > tolerance).tolist():
        level = float(late[max(begins[-1], k - window) : k].min())
        caught_up = late[k : k + window + round(float(steps[k]) / period)]
        unsure = 2 * delay if n_times - k < window else 0.0  # few samples are left, and all of them may be late
        if (gap := float(caught_up.min()) - level) > tolerance + unsure:
            if k - begins[-1] < _FEW and before <= 2 * delay:  # a few late samples, and the gap after them
                begins.pop()
            begins.append(k)
            late[k:] -= gap
            before = gap
        late[k : k + int(np.argmax(caught_up <= caught_up.min() + tolerance))] = level
    falls, _ = _levels(late, window)
    if falls.size and falls.min() < -max(tolerance, _LEAST_STALL):
        k = int(np.argmax(falls < -max(tolerance, _LEAST_STALL)))
        raise refuse_backwards(where, float(-falls[k : k + window].min()), float(stamps[k]))
    return [_fitted(stamps, a, b, period) for a, b in zip(begins, [*begins[1:], n_times], strict=True)]


def _stall(stamps: NDArray[np.float64], period: float) -> tuple[float, float] | None:
    """Length and begin in seconds of a stretch at one moment that came too soon to be that stretch's end; or None.

    Samples that a buffer held come late, all at once, and are stamped with the moment of their coming.
    """
    begins = np.flatnonzero(np.diff(stamps, prepend=-np.inf) != 0)
    seconds = np.diff(begins, append=len(stamps)) * period
    waited = np.diff(stamps[begins], prepend=-np.inf)  # a buffer that was full when the recording began is not a fault
    stalled = np.flatnonzero((seconds > _LEAST_STALL) & (waited < seconds / 2))
    if not len(stalled):
        return None
    first = int(stalled[0])
    return float(seconds[first] - waited[first]), float(stamps[begins[first] - 1])


def _levels(late: NDArray[np.float64], window: int) -> tuple[NDArray[np.float64], float]:
    """Steps from the earliest of `window` samples before to that after, (T − 1,), and the delay of most others."""
    padded = np.pad(late, window, constant_values=np.inf)
    low = minimum_filter1d(padded, window, mode="constant", cval=np.inf, origin=-(window // 2))
    ahead = low[window : window + len(late)]
    return ahead[1:] - low[1 : len(late)], float(np.quantile(late - ahead, 0.99))


def _fitted(stamps: NDArray[np.float64], first: int, stop: int, period: float) -> Span:
    """A run of samples with its first and its period by least squares."""
    if stop - first < 2:
        return Span(first, stop, float(stamps[first]), period)
    places = np.arange(stop - first) - (stop - first - 1) / 2
    times = stamps[first:stop]
    slope = float(places @ (times - times.mean()) / (places @ places))
    return Span(first, stop, float(times.mean() + slope * places[0]), slope)


def sample_positions(onsets: Sequence[float], lengths: Sequence[int], sfreq: float) -> list[int]:
    """The first sample of each run, rounded to the grid and never before the end of the run before it.

    Parameters
    ----------
    onsets : sequence of float
        Seconds after the first run's start, in order.
    lengths : sequence of int
        Samples in each run.
    sfreq : float
        Hz.
    """
    starts, stop = [], 0
    for onset, length in zip(onsets, lengths, strict=True):
        starts.append(max(round(onset * sfreq), stop))
        stop = starts[-1] + length
    return starts


def gaps(starts: Sequence[int], lengths: Sequence[int], n_chans: int) -> NDArray[np.int64]:
    """The samples between runs as a stream's `invalid`: rows (channel, start, stop) for every channel."""
    stops = [start + length for start, length in zip(starts, lengths, strict=True)]
    between = [(a, b) for a, b in zip(stops, starts[1:], strict=False) if b > a]
    rows = [(row, a, b) for row in range(n_chans) for a, b in between]
    return np.array(rows, np.int64).reshape(-1, 3)


def check_span(path: Path, seconds: float, held: float, samples_per_second: float) -> None:
    """Refuse gaps that would take more room than the recording: a wrong clock, or two sittings in one file.

    Parameters
    ----------
    path : Path
        For the message.
    seconds, held : float
        From the first sample to the last, and how many of them there are samples for.
    samples_per_second : float
        Of all channels.

    Raises
    ------
    UnreadableError
    """
    if (seconds - held) * samples_per_second > max(_MAX_UNHELD, held * samples_per_second):
        raise UnreadableError(
            f"{path} spans {seconds / 3600:.3g} h, of which it holds {held / 3600:.3g} h: split it where the gaps are."
        )
