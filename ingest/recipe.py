"""The recipe: what happens to samples between the file and the shard. Empty (`native`) changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from biosig.errors import DataError, UsageError
from biosig.recording import KINDS, MODALITIES, Recording, Stream
from biosig.signal import (
    bandpass,
    canonical_unit,
    check_plausible,
    is_flat,
    notch,
    resample,
    resample_valid,
    robust_scale,
    runs_from_mask,
    unit_factor,
)
from biosig.signal.units import is_voltage
from ingest.channels import is_unknown

_LEVELS = 2**15 - 1


@dataclass(frozen=True)
class Recipe:
    """What is done to each kind of signal; kinds that are not named stay the source's own numbers.

    Parameters
    ----------
    name : str
        For messages and the shard.
    sfreq : dict
        Kind → sampling rate in Hz to resample to.
    band : dict
        Kind → (low, high) in Hz of a zero-phase band-pass; None leaves that side open.
    notch : dict
        Kind → mains frequency in Hz to remove with its harmonics.
    on_unknown : {"keep", "raise", "skip"}
        What to do with channels whose place is not known: keep them without a position and note it, refuse the
        recording, or leave them out and note it.
    min_duration : float
        Recordings shorter than this, in seconds, are refused.
    check_units : bool
        Refuse ECG and EEG whose size is off by a factor of about 1,000 or more.
    scrub_texts : bool
        Take dates, names and long numbers out of reports, event texts, and labels that were not asked for by name
        (`ingest.scrub`).
    """

    name: str = "native"
    sfreq: dict[str, float] = field(default_factory=dict)
    band: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    notch: dict[str, float] = field(default_factory=dict)
    on_unknown: Literal["keep", "raise", "skip"] = "keep"
    min_duration: float = 0.0
    check_units: bool = True
    scrub_texts: bool = True

    def __post_init__(self) -> None:
        for step in ("sfreq", "band", "notch"):
            for kind in getattr(self, step):
                if kind not in KINDS:
                    raise UsageError(f"{step}.{kind}: there is no kind '{kind}'; known kinds are {', '.join(KINDS)}.")
        for kind, rate in self.sfreq.items():
            if not rate > 0:
                raise UsageError(f"sfreq.{kind} is {rate:g}; it must be a positive number of Hz.")

    @property
    def is_native(self) -> bool:
        """Whether samples stay the source's own numbers."""
        return not (self.sfreq or self.band or self.notch)


def apply(recipe: Recipe, recording: Recording, spool: Path | None = None) -> Recording:  # noqa: ARG001
    """The recording as the recipe wants it; every step is in its `history`, `robust_scale` is of what comes out.

    Raises
    ------
    DataError
        If the recording is too short, a channel unknown where that is refused, or a unit wrong by a factor of 1,000.
    """
    where = recording.source.path or f"Recording '{recording.id}'"
    if recording.duration < recipe.min_duration:
        raise DataError(
            f"{where} lasts {recording.duration:g} s, less than the recipe's min_duration of "
            f"{recipe.min_duration:g} s: lower it to keep the recording."
        )
    recording = _unknown_channels(recipe, _usual_units(recording), where)
    streams: list[Stream] = []
    history: list[str] = []
    for stream in recording.streams:
        streams += _process(recipe, stream, history)
    out = replace(recording, streams=streams, history=(*recording.history, *dict.fromkeys(history)))
    scales, notes = robust_scales(out, where if recipe.check_units else None)
    return replace(out, robust_scale=scales, notes=(*out.notes, *notes))


def _usual_units(recording: Recording) -> Recording:
    """Voltages in the unit of their kind (ECG mV, EEG uV), by scale and offset alone: the samples stay as they are.

    The adapters here already see to it; this holds for those that others publish.
    """
    streams, history = [], []
    for stream in recording.streams:
        channels, factors = list(stream.channels), np.ones(stream.n_chans)
        for row, channel in enumerate(channels):
            wanted = canonical_unit(channel.kind)
            if wanted and channel.unit != wanted and is_voltage(channel.unit):
                factors[row] = unit_factor(channel.unit, wanted)
                channels[row] = replace(channel, unit=wanted)
                history.append(f"{channel.kind}: {channel.unit} to {wanted}")
        scale, offset = stream.scale * factors, stream.offset * factors
        streams.append(replace(stream, channels=tuple(channels), scale=scale, offset=offset))
    return replace(recording, streams=streams, history=(*recording.history, *dict.fromkeys(history)))


def _unknown_channels(recipe: Recipe, recording: Recording, where: str) -> Recording:
    unknown = [c for c in recording.channels if is_unknown(c)]
    if not unknown or recipe.on_unknown == "keep":
        return recording
    names = ", ".join(repr(c.source_name) for c in unknown)
    if recipe.on_unknown == "raise":
        raise DataError(f"{where} has channels without a known place: {names}; rename them or set on_unknown: keep.")
    rows = [[row for row, c in enumerate(s.channels) if not is_unknown(c)] for s in recording.streams]
    streams = [s.pick(kept) for s, kept in zip(recording.streams, rows, strict=True) if kept]
    if not streams:
        raise DataError(f"{where} has no channel with a known place ({names}): set on_unknown: keep to ingest it.")
    return replace(
        recording,
        streams=streams,
        history=(*recording.history, f"left out channels without a known place: {names}"),
        notes=(*recording.notes, f"Left out, as the recipe asks: {names}."),
    )


def _process(recipe: Recipe, stream: Stream, history: list[str]) -> list[Stream]:
    """Split a stream by what is to be done with its kinds; what is not touched stays one stream in the given order."""
    steps = {kind: _steps(recipe, kind, stream.sfreq) for kind in dict.fromkeys(c.kind for c in stream.channels)}
    untouched = [row for row, c in enumerate(stream.channels) if not steps[c.kind]]
    if len(untouched) == stream.n_chans:
        return [stream]
    out = [stream.pick(untouched)] if untouched else []
    for kind, todo in steps.items():
        if todo:
            rows = [row for row, c in enumerate(stream.channels) if c.kind == kind]
            out.append(_run(todo, kind, recipe.sfreq.get(kind, stream.sfreq), stream.pick(rows), history))
    return out


_Step = tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]


def _steps(recipe: Recipe, kind: str, sfreq: float) -> list[_Step]:
    steps: list[_Step] = []
    if hum := recipe.notch.get(kind):
        steps.append((f"notch at {hum:g} Hz and harmonics", lambda x: notch(x, sfreq, hum)))
    low, high = recipe.band.get(kind, (None, None))
    new = recipe.sfreq.get(kind, sfreq)
    if high is not None and high >= sfreq / 2:
        high = None  # the source has nothing above; its own band limit stands
    if low is not None or high is not None:
        sides = " – ".join("" if side is None else f"{side:g}" for side in (low, high)).strip()
        steps.append((f"band-pass {sides} Hz, zero phase", lambda x: bandpass(x, sfreq, low, high)))
    if new != sfreq:
        steps.append((f"resampled from {sfreq:g} to {new:g} Hz", lambda x: resample(x, sfreq, new)))
    return steps


def _run(steps: Sequence[_Step], kind: str, new_sfreq: float, stream: Stream, history: list[str]) -> Stream:
    x = stream.physical()  # (C, T), NaN = invalid
    x[is_flat(x)] = np.nan  # before any filter: what rings on a dead lead would pass for a signal
    valid = np.isfinite(x)
    for description, step in steps:
        x = step(x)
        history.append(f"{kind}: {description}")
    if new_sfreq != stream.sfreq:
        valid = resample_valid(valid, stream.sfreq, new_sfreq)
    if x.shape[1] == 0:
        raise DataError(
            f"{stream.n_times} samples at {stream.sfreq:g} Hz leave none at {new_sfreq:g} Hz: set min_duration in the "
            "recipe to refuse such recordings."
        )
    valid &= np.isfinite(x)
    x = np.where(valid, x, 0)
    largest = np.abs(x).max(axis=1)
    scale = np.where(largest > 0, largest / _LEVELS, 1.0)  # (C,)
    history.append(f"{kind}: quantised to int16, one step = a channel's largest absolute value / {_LEVELS}")
    return replace(
        stream,
        sfreq=new_sfreq,
        samples=np.rint(x / scale[:, None]).astype(np.int16),
        scale=scale,
        offset=np.zeros(len(scale)),
        invalid=runs_from_mask(~valid),
    )


def robust_scales(recording: Recording, where: str | None) -> tuple[dict[str, float], list[str]]:
    """One robust scale per kind (the median over its channels, whatever their rate), and notes on flat leads.

    Parameters
    ----------
    recording : Recording
        Whose streams are measured.
    where : str or None
        What to call the recording in an error; None = amplitudes are not checked.

    Raises
    ------
    DataError
        If an ECG or EEG is too large or too small by a factor of about 1,000 or more.
    """
    scales: dict[str, float] = {}
    notes: list[str] = []
    for kind in recording.kinds:
        if kind == "stim":
            continue
        per_channel: list[float] = []
        flat: list[str] = []
        for stream in recording.of_kind(kind):
            x = stream.physical()
            if where:
                check_plausible(x, kind, stream.channels[0].unit, where)
            per_channel += [robust_scale(row[None]) for row in x]
            flat += [c.name for c, dead in zip(stream.channels, is_flat(x), strict=True) if dead]
        usable = [scale for scale in per_channel if np.isfinite(scale)]
        if usable:
            scales[kind] = float(np.median(usable))
        if flat and kind in MODALITIES:
            notes.append(f"Flat or invalid throughout: {', '.join(flat)}.")
    return scales, notes
