"""Montages: rows of a page as sums of recorded channels.

EEG montages and their order are those of ACNS guideline 3 (2016), derived ECG leads follow from Einthoven and
Goldberger; both are data, in ``montages.json``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.errors import UsageError
from biosig.recording import Channel

AS_RECORDED = "as recorded"


@dataclass(frozen=True)
class Row:
    """A row of a montage.

    Parameters
    ----------
    name : str
        As it stands beside the trace.
    weights : dict
        Row of the stream → factor; empty where the row cannot be had.
    unit : str
        Of its values.
    missing : tuple of str
        Channels that the row needs and the recording lacks.
    note : str
        "derived", if the row is not a recorded channel and the montage would have one.
    gap_before : bool
        True if the row begins a block.
    """

    name: str
    weights: Mapping[int, float]
    unit: str = ""
    missing: tuple[str, ...] = ()
    note: str = ""
    gap_before: bool = False

    @property
    def channel(self) -> int | None:
        """The one channel that the row is, unchanged; None where it is a sum."""
        return next(iter(self.weights)) if list(self.weights.values()) == [1.0] else None

    @property
    def side(self) -> str:
        """The side of the head, by the electrode's number: odd left, even right, z midline."""
        first = self.name.removeprefix("-").partition("-")[0]
        if first.endswith(("z", "Z")):
            return "midline"
        return ("right", "left")[int(first[-1]) % 2] if first[-1:].isdigit() else ""


@dataclass(frozen=True)
class Montage:
    """Rows of channels of one kind in one stream.

    Parameters
    ----------
    name : str
    rows : tuple of Row
    negative_up : bool
        True if clinical practice draws it with negative up.
    note : str
        Channels that were averaged, or left out.
    """

    name: str
    rows: tuple[Row, ...]
    negative_up: bool = False
    note: str = ""
    channels: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        used = sorted({channel for row in self.rows for channel in row.weights})
        object.__setattr__(self, "channels", tuple(used))

    @property
    def plain(self) -> bool:
        """True if each row is a recorded channel, so that the file's own numbers can be sent."""
        return all(row.channel is not None for row in self.rows if row.weights)

    def matrix(self) -> NDArray[np.float64]:
        """Factors of the used channels, shape (rows that can be had, channels)."""
        present = [row for row in self.rows if row.weights]
        out = np.zeros((len(present), len(self.channels)))
        for i, row in enumerate(present):
            for channel, weight in row.weights.items():
                out[i, self.channels.index(channel)] = weight
        return out


@cache
def _tables() -> dict[str, Any]:
    return json.loads(files("biosig.view").joinpath("montages.json").read_text(encoding="utf-8"))


def names_for(kind: str, channels: Sequence[Channel]) -> list[str]:
    """The montages that channels of one kind can be shown in, the best first."""
    names = {channel.name for channel in channels}
    tables = _tables()
    if kind == "ecg":
        standard = tables["ecg"]["12 leads"]["rows"]
        return [*tables["ecg"], AS_RECORDED] if len(names & set(standard)) >= 3 else [AS_RECORDED]
    if kind != "eeg":
        return [AS_RECORDED]
    found = [AS_RECORDED]
    for name, montage in tables["eeg"].items():
        against = montage.get("against")
        if against is None:
            rows = [row for row in montage["rows"] if row]
            fits = sum(_pair(row, names) is not None for row in rows) >= len(rows) / 2
        else:
            wanted = {"ear": ["A1", "A2"], "average": []}.get(against) if isinstance(against, str) else against
            fits = set(wanted or ()) <= names and len(names & set(tables["eeg_order"])) >= 2
        if fits:
            found.append(name)
    return found


def montage(
    name: str, kind: str, channels: Sequence[Channel], rows: Sequence[int], bad: Collection[str] = ()
) -> Montage:
    """The montage of that name of some channels of a stream.

    Parameters
    ----------
    name : str
        One of `names_for`.
    kind : str
        Of the channels.
    channels : sequence of Channel
        Those of the kind.
    rows : sequence of int
        The stream's row of each.
    bad : collection of str
        Names of channels that no average takes.

    Raises
    ------
    UsageError
        If these channels have no such montage.
    """
    if name not in names_for(kind, channels):
        raise UsageError(f"There is no montage '{name}' of these channels: {', '.join(names_for(kind, channels))}.")
    place = {channel.name: row for channel, row in zip(channels, rows, strict=True)}
    unit = {channel.name: channel.unit for channel in channels}
    if name == AS_RECORDED:
        return Montage(name, tuple(Row(c.name, {place[c.name]: 1.0}, c.unit) for c in channels))
    tables = _tables()[kind][name]
    if kind == "ecg":
        return Montage(name, tuple(_lead(lead, place, unit) for lead in tables["rows"]))
    if "against" in tables:
        return _referential(name, tables, place, unit, bad)
    made: list[Row] = []
    gap = False
    for text in tables["rows"]:
        if not text:
            gap = True
            continue
        weights = _pair(text, place)
        first = text.split("-")[0]
        missing = tuple(n for n in text.split("-") if n not in place) if weights is None else ()
        named = {place[channel]: weight for channel, weight in (weights or {}).items()}
        made.append(Row(text, named, unit.get(first, unit.get(text, "")), missing, gap_before=gap))
        gap = False
    return Montage(name, tuple(made), tables["negative_up"])


def _pair(text: str, names: Collection[str]) -> dict[str, float] | None:
    """Channels and factors of the derivation "Fp1-F7", recorded as such or from two channels; None = it lacks one."""
    if text in names:
        return {text: 1.0}
    first, second = text.split("-")
    return {first: 1.0, second: -1.0} if first in names and second in names else None


def _lead(lead: str, place: Mapping[str, int], unit: Mapping[str, str]) -> Row:
    """A limb or chest lead, derived from others where it was not recorded and can be."""
    if lead in place:
        return Row(lead, {place[lead]: 1.0}, unit[lead])
    for formula in _tables()["ecg_derived"].get(lead, []):
        units = {unit.get(channel) for channel in formula}
        if all(channel in place for channel in formula) and len(units) == 1:
            words = " ".join(f"{weight:+g}·{channel}" for channel, weight in formula.items())
            return Row(
                lead, {place[n]: float(w) for n, w in formula.items()}, units.pop() or "", (), f"derived {words}"
            )
    return Row(lead, {}, "", (lead,))


def _referential(
    name: str, table: Mapping[str, Any], place: Mapping[str, int], unit: Mapping[str, str], bad: Collection[str]
) -> Montage:
    order = _tables()["eeg_order"]
    standard = [n for n in order if n in place]
    electrodes = [*standard, *(n for n in place if n not in order and n not in ("A1", "A2", "M1", "M2"))]
    against = table["against"]
    if against == "average":
        good = [n for n in electrodes if n not in bad]
        note = f"average of {len(good)} of {len(electrodes)} electrodes"
        note += f", without {', '.join(n for n in electrodes if n in bad)}" if len(good) < len(electrodes) else ""
        rows = [_minus(f"{n}-avg", n, dict.fromkeys(good, 1 / max(len(good), 1)), place, unit) for n in electrodes]
        return Montage(name, tuple(rows), table["negative_up"], note)
    rows = []
    for n in electrodes:
        side = Row(n, {}).side
        to = ["A1", "A2"] if against == "ear" and side == "midline" else against
        to = [{"left": "A1", "right": "A2"}.get(side, "A1")] if to == "ear" else to
        if n not in to:
            rows.append(_minus(f"{n}-{'+'.join(to)}", n, dict.fromkeys(to, 1 / len(to)), place, unit))
    return Montage(name, tuple(rows), table["negative_up"])


def _minus(
    title: str, name: str, against: Mapping[str, float], place: Mapping[str, int], unit: Mapping[str, str]
) -> Row:
    weights = {place[name]: 1.0}
    for other, share in against.items():
        weights[place[other]] = weights.get(place[other], 0.0) - share
    return Row(title, weights, unit[name])
