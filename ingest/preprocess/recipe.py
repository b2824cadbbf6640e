"""The recipe: processing of samples between the file and the shard. An empty one (`native`) changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from biosig.config import to_dict
from biosig.errors import DataError, UsageError
from biosig.recording import KINDS, Recording, Stream
from biosig.signal import canonical_unit, join_runs, spell_unit
from biosig.signal.units import is_known_unit, is_voltage
from ingest.preprocess.amplitude import robust_scales
from ingest.preprocess.dropouts import find_dropouts
from ingest.preprocess.process_stream import Chain, process_stream
from ingest.preprocess.reference import Reference, plan_reference
from ingest.preprocess.select_channels import choose, in_units, settle_unknown

_PER_KIND = ("unit", "flat_seconds", "clip_seconds", "notch", "band", "sfreq")
_FASTEST = 100_000.0  # Hz, beyond any amplifier

Kind = Annotated[str, "ecg"]
"""One of `biosig.recording.KINDS`."""


@dataclass(frozen=True)
class Recipe:
    """Processing of a recording, in this order; kinds that are not named stay the source's own numbers.

    Where a signal is resampled to a lower rate, that comes before notch and band, which cost less there.

    Parameters
    ----------
    name : str
        For messages and the shard.
    on_unknown : {"keep", "raise", "skip"}
        Treatment of channels whose place is not known: keep them without a position and note it, refuse the
        recording, or leave them out and note it.
    kinds : tuple of str
        The kinds to keep; empty = all.
    channels : tuple of str
        Canonical names of the channels to keep; empty = all.
    unit : dict
        Kind → unit of the physical values.
    min_duration : float
        Recordings shorter than this, in seconds, are refused.
    flat_seconds : dict
        Kind → samples that stay equal for so long are invalid: a lead that is off.
    clip_seconds : dict
        Kind → samples that stay at the channel's largest or smallest value for so long are invalid: an amplifier at
        the end of its range.
    reference : {"none", "average"} or tuple of str
        Reference of EEG: as it is, the mean of all channels that are valid at the moment, or the mean of named ones.
        Bipolar derivations stay as they are.
    notch : dict
        Kind → mains frequency in Hz to remove with its harmonics.
    band : dict
        Kind → (low, high) in Hz of a zero-phase band-pass; None leaves that side open.
    sfreq : dict
        Kind → sampling rate in Hz to resample to.
    check_units : bool
        Refuse ECG, EEG, EOG and EMG whose size, in the end, is off by a factor of about 1,000 or more.
    scrub_texts : bool
        Take dates, names and long numbers out of reports, event texts, and labels that were not asked for by name
        (`ingest.privacy.scrub`).
    """

    name: str = "native"
    on_unknown: Literal["keep", "raise", "skip"] = "keep"
    kinds: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    unit: dict[Kind, str] = field(default_factory=dict)
    min_duration: float = 0.0
    flat_seconds: dict[Kind, float] = field(default_factory=dict)
    clip_seconds: dict[Kind, float] = field(default_factory=dict)
    reference: Literal["none", "average"] | tuple[str, ...] = "none"
    notch: dict[Kind, float] = field(default_factory=dict)
    band: dict[Kind, tuple[float | None, float | None]] = field(default_factory=dict)
    sfreq: dict[Kind, float] = field(default_factory=dict)
    check_units: bool = True
    scrub_texts: bool = True

    def __post_init__(self) -> None:
        named = [(f"{step}.{kind}", kind) for step in _PER_KIND for kind in getattr(self, step)]
        for where, kind in (*named, *(("kinds", kind) for kind in self.kinds)):
            if kind not in KINDS:
                raise UsageError(f"{where}: there is no kind '{kind}'; known kinds are {', '.join(KINDS)}.")
        for step, unit in (("flat_seconds", "s"), ("clip_seconds", "s"), ("notch", "Hz"), ("sfreq", "Hz")):
            for kind, value in getattr(self, step).items():
                if not 0 < value < math.inf or (unit == "Hz" and value > _FASTEST):
                    most = f", at most {_FASTEST:g}" if unit == "Hz" else ""
                    raise UsageError(f"{step}.{kind} is {value:g}; it must be a positive number of {unit}{most}.")
        if not 0 <= self.min_duration < math.inf:
            raise UsageError(f"min_duration is {self.min_duration:g}; it must be 0 or a positive number of s.")
        if not self.reference:
            raise UsageError("reference is an empty list; name channels, or write average or none.")
        for kind, (low, high) in self.band.items():
            _check_band(kind, low, high, self.sfreq.get(kind, _FASTEST))
        for kind, unit in self.unit.items():
            _check_unit(kind, unit)
        object.__setattr__(self, "unit", {kind: spell_unit(unit) for kind, unit in self.unit.items()})

    @property
    def concerns(self) -> list[str]:
        """The kinds that it treats in their own way; empty = it treats all alike."""
        named = {kind for step in _PER_KIND for kind in getattr(self, step)}
        return [kind for kind in KINDS if kind in named or (kind == "eeg" and self.reference != "none")]

    def processes(self, kind: str) -> bool:
        """True if samples of this kind become other numbers."""
        referred = kind == "eeg" and self.reference != "none"
        return referred or kind in self.sfreq or kind in self.band or kind in self.notch


def _check_band(kind: str, low: float | None, high: float | None, sfreq: float) -> None:
    """Refuse cut-offs that no signal of this kind can have once it is at `sfreq`."""
    bottom, top = 0.0 if low is None else low, math.inf if high is None else high
    if (low is None and high is None) or low == 0 or not 0 <= bottom < min(top, sfreq / 2):
        raise UsageError(
            f"band.{kind} is [{_side(low)}, {_side(high)}]; it must be [low, high] in Hz with 0 < low < high and low "
            f"below {sfreq / 2:g}, half the rate; null leaves one side open."
        )


def _side(cutoff: float | None) -> str:
    return "null" if cutoff is None else f"{cutoff:g}"


def _check_unit(kind: str, unit: str) -> None:
    """Refuse units that no channel of this kind can be brought into."""
    if not is_known_unit(unit) or (canonical_unit(kind) and not is_voltage(unit)):
        wanted = "V, mV, uV or nV" if canonical_unit(kind) else "a known one, such as mmHg or m/s2"
        raise UsageError(f"unit.{kind} is '{unit}'; it must be {wanted}.")


def with_versions(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values, with the versions of the packages that carry it out, as a shard keeps it."""
    packages = {"biosig": "biosig-fm", "numpy": "numpy", "scipy": "scipy"}
    return {**to_dict(recipe), "versions": {name: version(package) for name, package in packages.items()}}


def apply(recipe: Recipe, recording: Recording, spool: Path) -> Recording:
    """The recording as the recipe wants it; every step is in its `history`, and `robust_scale` is that of the result.

    Long streams are processed block by block and never in memory as a whole.

    Parameters
    ----------
    recipe : Recipe
        The processing to do.
    recording : Recording
        In memory or lazy.
    spool : Path
        A folder for the processed samples of long streams, which are read from there as long as they are needed.

    Raises
    ------
    DataError
        If the recording is too short, a channel unknown where that is refused, a unit wrong by a factor of 1,000, or
        a channel that the recipe needs is absent.
    """
    where = recording.source.path or f"Recording '{recording.id}'"
    recording = settle_unknown(recording, recipe.on_unknown, where)
    recording = choose(recording, recipe.kinds, recipe.channels, where)
    recording = in_units(recording, recipe.unit, where)
    if recording.duration < recipe.min_duration:
        raise DataError(
            f"{where} lasts {recording.duration:g} s, less than the recipe's min_duration of "
            f"{recipe.min_duration:g} s: lower it to keep the recording."
        )
    if recipe.reference != "none":
        _check_one_rate(recording, where)
    work = _Work(recipe, where, spool)
    streams = [done for stream in recording.streams for done in work.on(stream)]
    out = replace(
        recording,
        streams=streams,
        history=(*recording.history, *dict.fromkeys(work.history)),
        notes=(*recording.notes, *work.notes),
    )
    scales, notes = robust_scales(out, where if recipe.check_units else None)
    return replace(out, robust_scale=scales, notes=(*out.notes, *notes))


def _check_one_rate(recording: Recording, where: str) -> None:
    rates = [stream.sfreq for stream in recording.of_kind("eeg")]
    if len(rates) > 1:
        raise DataError(
            f"{where} has EEG in {len(rates)} streams ({', '.join(f'{rate:g}' for rate in rates)} Hz), which cannot "
            "share a reference: choose channels of one, or set reference: none."
        )


class _Work:
    """A recipe at work on the streams of one recording; gathers the steps it did and the notes for the user."""

    def __init__(self, recipe: Recipe, where: str, spool: Path) -> None:
        self._recipe, self._where, self._spool = recipe, where, spool
        self.history: list[str] = []
        self.notes: list[str] = []

    def on(self, stream: Stream) -> list[Stream]:
        """The stream split by the processing of its kinds; channels left as they are stay one stream in their order."""
        stream = self._mark_dropouts(stream)
        untouched: list[str] = []
        processed: list[Stream] = []
        for kind in dict.fromkeys(channel.kind for channel in stream.channels):
            done = self._process(_of_kinds(stream, [kind]), kind) if self._recipe.processes(kind) else None
            if done is None:
                untouched.append(kind)
            else:
                processed.append(done)
        return [_of_kinds(stream, untouched), *processed] if untouched else processed

    def _mark_dropouts(self, stream: Stream) -> Stream:
        """Make samples invalid where a channel carries no signal: after a filter, a dead lead would ring like one."""
        flat, clip = self._recipe.flat_seconds, self._recipe.clip_seconds
        kinds = [channel.kind for channel in stream.channels]
        rows = [r for r, kind in enumerate(kinds) if kind in flat or kind in clip or self._recipe.processes(kind)]
        if not rows:
            return stream
        still, clipped = (
            np.array([math.ceil(limits[kinds[r]] * stream.sfreq) if kinds[r] in limits else 0 for r in rows])
            for limits in (flat, clip)
        )
        dropouts = find_dropouts(stream, rows, still, clipped)
        for kind in dict.fromkeys(kinds):
            if kind in flat:
                self.history.append(f"{kind}: invalid where equal for {flat[kind]:g} s")
            if kind in clip:
                self.history.append(f"{kind}: invalid where at its largest or smallest value for {clip[kind]:g} s")
        in_part = {row for row, start, stop in dropouts.tolist() if stop - start < stream.n_times}
        if in_part:
            names = ", ".join(stream.channels[row].name for row in sorted(in_part))
            self.notes.append(f"Flat or at the end of the range in part, and invalid there: {names}.")
        if not len(dropouts):
            return stream
        return replace(stream, invalid=join_runs(np.concatenate((stream.invalid, dropouts))))

    def _process(self, stream: Stream, kind: str) -> Stream | None:
        """The processed stream of one kind; None if the recipe asks for nothing at this rate."""
        recipe = self._recipe
        steps: list[str] = []
        reference: Reference | None = None
        if kind == "eeg" and recipe.reference != "none":
            reference, stream, referenced = plan_reference(recipe.reference, stream, self._where)
            steps.append(referenced)
        low, high = recipe.band.get(kind, (None, None))
        new_sfreq = recipe.sfreq.get(kind, stream.sfreq)
        chain = _chain(stream.sfreq, new_sfreq, stream.n_times, recipe.notch.get(kind), low, high, reference)
        steps += chain.steps
        self.history += [f"{kind}: {what}" for what in chain.left_out]
        if not steps:
            return None
        done, quantised = process_stream(stream, chain, self._spool)
        self.history += [f"{kind}: {step}" for step in (*steps, *quantised)]
        return done


_chain = lru_cache(maxsize=64)(Chain)
"""Records of one database share a few lengths, and the recipe is one."""


def _of_kinds(stream: Stream, kinds: Sequence[str]) -> Stream:
    rows = [row for row, channel in enumerate(stream.channels) if channel.kind in kinds]
    return stream if len(rows) == stream.n_chans else stream.pick(rows)
