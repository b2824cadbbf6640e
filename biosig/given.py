"""Facts that a user states where files do not: units, channels' names and the rate, for every format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.config import load
from biosig.electrodes import guess_kind
from biosig.electrodes.channels import deduplicate_names, notes_on, resolve_channel
from biosig.errors import UsageError
from biosig.recording import KINDS, Annotation, Channel, Recording
from biosig.signal import canonical_unit, spell_unit
from biosig.signal.units import is_known_unit, is_voltage, si_size
from biosig.text_files import read_yaml

BESIDE = "biosig.yaml"
"""A file of this name states things of the recordings in its folder: `unit`, `rename`, `sfreq`."""
_ELECTRIC = ("ecg", "eeg", "misc")
"""Kinds that a name may decide between, where a user gives one."""


@dataclass(frozen=True)
class Given:
    """Facts that a user states of recordings.

    Parameters
    ----------
    unit : dict
        Kind, or a channel's name → the unit of its numbers, where the file has none that is known (``.V``, counts,
        nothing). A kind's channels that have a unit keep it; of a channel that is named, that is an error.
    rename : dict
        A channel's name, in the file or as shown → the name that it is to have: ``{"ECG": "I"}``.
    sfreq : float or None
        Samples per second, where the file does not say them or says them wrongly; onsets follow.
    """

    unit: dict[str, str] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    sfreq: float | None = None

    def __post_init__(self) -> None:
        for key, unit in self.unit.items():
            wanted = canonical_unit(key) if key in KINDS else None
            if not is_known_unit(spell_unit(unit)) or (wanted and not is_voltage(unit)):
                what = "V, mV, uV or nV" if wanted else "a known one, such as mV, mmHg or m/s2"
                raise UsageError(f"unit.{key} is '{unit}'; it must be {what}.")
        if self.sfreq is not None and not 0 < self.sfreq < math.inf:
            raise UsageError(f"sfreq is {self.sfreq:g}; it must be a positive number of Hz.")

    def __bool__(self) -> bool:
        return bool(self.unit or self.rename) or self.sfreq is not None

    def updated(self, other: Given) -> Given:
        """These facts, with those of `other` winning."""
        sfreq = self.sfreq if other.sfreq is None else other.sfreq
        return Given({**self.unit, **other.unit}, {**self.rename, **other.rename}, sfreq)

    def channels(self, channels: Sequence[Channel], where: str) -> tuple[list[Channel], NDArray[np.float64], list[str]]:
        """Channels of a recording as stated.

        Parameters
        ----------
        channels : sequence of Channel
            All of the recording.
        where : str
            Name of the recording in an error.

        Returns
        -------
        channels : list of Channel
        factor : ndarray, shape (C,)
            Factor of scale and offset.
        changes : list of str
            Sentences on the channels that were changed.

        Raises
        ------
        UsageError
            If a channel that `unit` names has a known unit.
        """
        out, factors, changes = [], np.ones(len(channels)), []
        for row, old in enumerate(channels):
            channel, name = old, self.rename.get(old.source_name, self.rename.get(old.name))
            if name is not None:
                kind = guess_kind(name, old.unit) if old.kind in _ELECTRIC else old.kind
                channel, _ = resolve_channel(name, old.unit, old.kind if kind == "misc" else kind)
                channel = replace(channel, source_name=old.source_name)
                changes.append(f"'{old.source_name}' is called {channel.name}, as given")
            unit, named = self._unit_of(channel, old)
            if unit is not None and not is_usable(channel):
                known, factors[row] = resolve_channel(name or old.source_name, unit, channel.kind)
                changes.append(f"unit of '{old.source_name}' is {unit}, as given (the file says '{channel.unit}')")
                channel = replace(channel, unit=known.unit)
            elif unit is not None and named and spell_unit(unit) != channel.unit:
                raise UsageError(
                    f"{where}: channel '{old.source_name}' is in {channel.unit}, so unit.{named} cannot be {unit}: "
                    "leave it out."
                )
            out.append(channel)
        if len({channel.name for channel in out}) < len(out):  # a new name that another channel has
            out, renamed = deduplicate_names(out)
            changes += renamed
        return out, factors, changes

    def _unit_of(self, *names: Channel) -> tuple[str | None, str | None]:
        """The unit stated for a channel, and the name by which, where it is by name."""
        for channel in names:
            for name in (channel.source_name, channel.name):
                if name in self.unit:
                    return self.unit[name], name
        return self.unit.get(names[0].kind), None

    def applied(self, recording: Recording, where: str | None = None) -> Recording:
        """The recording as stated; its `history` and `notes` say so.

        Raises
        ------
        UsageError
            If it has streams of several rates and one is given, or a channel that is named has a unit.
        """
        if not self:
            return recording
        where = where or recording.source.path or f"Recording '{recording.id}'"
        old = recording.channels
        channels, factors, changes = self.channels(old, where)
        streams, first = [], 0
        for stream in recording.streams:
            part = slice(first, first + stream.n_chans)
            first += stream.n_chans
            new, factor = tuple(channels[part]), factors[part]
            streams.append(replace(stream, channels=new, scale=stream.scale * factor, offset=stream.offset * factor))
        before = notes_on(old)
        notes = [note for note in recording.notes if note not in before]
        absent = [n for n in self.rename if not any(n in (c.source_name, c.name) for c in old)]
        if absent and len(absent) == len(self.rename):
            has = ", ".join(repr(c.source_name) for c in old[:8])
            notes.append(f"No channel is called {', '.join(map(repr, absent))}, which rename names; it has {has}.")
        out = replace(
            recording,
            streams=streams,
            history=(*recording.history, *changes),
            notes=(*notes, *notes_on(channels)),
        )
        return out if self.sfreq is None else _at_rate(out, self.sfreq, where)


def is_usable(channel: Channel) -> bool:
    """True if a channel's unit fixes the size of its values: a voltage where its kind has one, else any known unit."""
    return is_voltage(channel.unit) if canonical_unit(channel.kind) else is_known_unit(channel.unit)


def converts(channel: Channel, unit: str | None) -> bool:
    """True if a channel's values can be brought into a unit; None = any will do."""
    if unit is None or channel.unit == unit:
        return True
    measure = si_size(channel.unit)[0]
    return bool(measure) and measure == si_size(unit)[0]


def remedy(kind: str) -> str:
    """The option by which a user states a unit, for messages."""
    unit = canonical_unit(kind) or "NU"
    return (
        f"state it with --set unit.{kind}={unit} (in Python unit={{'{kind}': '{unit}'}}, in a biosig.yaml beside the "
        f"files unit: {{{kind}: {unit}}}), with the unit that the numbers are in"
    )


def given_by(overrides: Iterable[str]) -> Given:
    """Facts of the form KEY=VALUE: ``unit.eeg=uV``, ``rename.ECG=I``, ``sfreq=250``.

    Raises
    ------
    UsageError
        For another key, or a value that cannot be.
    """
    pairs: dict[str, Any] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        group, _, name = key.partition(".")
        if not equals or group not in ("unit", "rename", "sfreq") or bool(name) == (group == "sfreq"):
            raise UsageError(f"'{override}' states nothing: write unit.KIND=UNIT, rename.NAME=NAME or sfreq=HZ.")
        if group == "sfreq":
            pairs["sfreq"] = value
        else:
            pairs.setdefault(group, {})[name] = value
    return load(Given, pairs)


def given_beside(path: Path) -> Given:
    """Facts in a ``biosig.yaml`` beside a file; none where there is no such file.

    Raises
    ------
    UsageError
        If it is damaged, or has a key that is not known.
    """
    beside = path.parent / BESIDE
    try:
        status = beside.stat()
    except OSError:
        return _NOTHING
    return _stated_in(beside, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _stated_in(path: Path, changed: int) -> Given:  # noqa: ARG001
    values = read_yaml(path)
    if isinstance(values, Mapping) and ("signals" in values or "record" in values):  # a mapping of tables
        values = {f.name: values[f.name] for f in fields(Given) if f.name in values}
    return load(Given, values if isinstance(values, Mapping) else path)


_NOTHING = Given()


def _at_rate(recording: Recording, sfreq: float, where: str) -> Recording:
    """The recording with its samples said to be of another rate; what is placed in time stays at its sample."""
    rates = {stream.sfreq for stream in recording.streams}
    if len(rates) > 1:
        raise UsageError(
            f"{where} has streams of {', '.join(f'{rate:g}' for rate in sorted(rates))} Hz, so one rate cannot be "
            "given: leave sfreq out."
        )
    (old,) = rates
    if old == sfreq:
        return recording
    ratio = old / sfreq
    streams = [replace(stream, sfreq=sfreq, onset=stream.onset * ratio) for stream in recording.streams]
    events = [Annotation(a.onset * ratio, a.duration * ratio, a.label) for a in recording.annotations]
    history = (*recording.history, f"rate {sfreq:g} Hz, as given (the file says {old:g} Hz)")
    return replace(recording, streams=streams, annotations=events, history=history)
