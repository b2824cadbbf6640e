"""A window of one kind of signal, as feature functions see it.

Shape letters: C channels, T samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from biosig.recording import Channel, Recording, is_known
from biosig.signal.limb_leads import amplitude_doubt
from biosig.signal.units import canonical_unit, is_voltage, spell_unit, unit_factor

R = TypeVar("R")


@dataclass(eq=False)
class Window:
    """The channels of one kind of one stretch of a recording.

    Parameters
    ----------
    kind : str
        "ecg", "ppg" or "eeg".
    x : ndarray of float32, shape (C, T)
        Values in `unit`, not filtered and not rescaled, NaN where a sample is not a real value. Read-only.
    sfreq : float
        Sampling rate in Hz.
    ch_names : tuple of str
        Canonical names, one per row of `x`, each once.
    unit : str
        "mV" for ECG and "uV" for EEG in volts, the common unit of other channels, "" where there is none.
    amplitude : bool
        True if sizes and ratios between channels have a meaning: the unit is known and nothing contradicts it.
    band : tuple of float or None
        (low, high) in Hz that the samples are known to be limited to; None = that side is open.
    onset : float
        Time of the first sample in seconds after the recording's start.
    positions : ndarray, shape (C, 3), or None
        Position of each channel in metres, NaN = unknown: the middle between the electrodes of a bipolar channel.
    notes : list of str
        Remarks for a reader of the row; feature functions may add to them.
    """

    kind: str
    x: NDArray[np.float32]
    sfreq: float
    ch_names: tuple[str, ...]
    unit: str = ""
    amplitude: bool = False
    band: tuple[float | None, float | None] = (None, None)
    onset: float = 0.0
    positions: NDArray[np.float64] | None = None
    notes: list[str] = field(default_factory=list)
    _shared: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)

    @property
    def n_times(self) -> int:
        """Number of samples per channel."""
        return self.x.shape[1]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_times / self.sfreq

    @property
    def highest_frequency(self) -> float:
        """Hz up to which the samples can be believed: 45 % of the rate, or the low-pass where that is lower."""
        return min(0.45 * self.sfreq, self.band[1] or np.inf)

    def row(self, name: str) -> int | None:
        """Row of the channel of that name, or None."""
        return self.ch_names.index(name) if name in self.ch_names else None


def shared(function: Callable[[Window], R]) -> Callable[[Window], R]:
    """Make a function of a window compute once per window: beats, spectra and all else that several features need."""

    @wraps(function)
    def once(window: Window) -> R:
        if once not in window._shared:
            window._shared[once] = function(window)
        return window._shared[once]

    return once


def window_of(recording: Recording, kind: str) -> Window | None:
    """The recording's channels of `kind` as one window, or None where it has none.

    If channels of the kind have several sampling rates, those of the stream with the most channels are taken; a
    channel whose name occurred before is left out. Both are noted.
    """
    streams = sorted(recording.of_kind(kind), key=lambda stream: -stream.n_chans)
    if not streams:
        return None
    stream, notes = streams[0], []
    if len(streams) > 1:
        left = ", ".join(name for other in streams[1:] for name in other.ch_names)
        notes.append(f"{kind}: channels at another sampling rate are left out ({left})")
    names = stream.ch_names
    rows = [i for i, name in enumerate(names) if name not in names[:i]]
    if len(rows) < len(names):
        again = ", ".join(sorted({names[i] for i in range(len(names)) if i not in rows}))
        notes.append(f"{kind}: of channels with one name the first is used ({again})")
        stream = stream.pick(rows)
    x = stream.physical()
    unit, factors, doubt = _common_unit(kind, [channel.unit for channel in stream.channels])
    if factors is not None:
        x = x * factors[:, None]
    doubt = doubt or amplitude_doubt(kind, x, stream.ch_names, unit, stream.sfreq)
    if doubt:
        notes.append(f"{kind}: no amplitudes, since {doubt}")
    x.flags.writeable = False
    return Window(
        kind=kind,
        x=x,
        sfreq=stream.sfreq,
        ch_names=tuple(stream.ch_names),
        unit=unit,
        amplitude=not doubt,
        band=tuple(recording.band.get(kind, (None, None))),  # type: ignore[arg-type]
        onset=stream.onset,
        positions=np.array([_middle(channel) for channel in stream.channels]),
        notes=notes,
    )


def _middle(channel: Channel) -> NDArray[np.float64]:
    place, against = np.array(channel.position), np.array(channel.reference)
    return (place + against) / 2 if is_known(channel.reference) else place


def _common_unit(kind: str, units: list[str]) -> tuple[str, NDArray[np.float32] | None, str]:
    """Unit of the window, factors per channel (None = 1), and why there is no unit ("" where there is one)."""
    spelt = [spell_unit(unit) for unit in units]
    target = canonical_unit(kind)
    if target is not None and all(is_voltage(unit) for unit in spelt):
        return target, np.array([unit_factor(unit, target) for unit in spelt], np.float32), ""
    unit = spelt[0] if len(set(spelt)) == 1 else ""
    if target is not None:
        return "", None, f"not every channel has a unit of voltage ({', '.join(sorted(set(spelt))) or 'none'})"
    if not unit or unit == "NU":
        return unit, None, "the channels have no common unit" if not unit else "the unit is arbitrary"
    return unit, None, ""
