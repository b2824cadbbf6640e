"""From a name in a file to a channel: canonical name, kind, position and reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from biosig.electrodes.names import (
    ecg_lead,
    fold,
    is_auxiliary,
    kind_from_words,
    names_ecg,
    parts,
    ppg_site,
    split_prefix,
)
from biosig.electrodes.tables import INDEX, LOCATIONS, Location
from biosig.recording import UNKNOWN, Channel, Position, is_known
from biosig.signal.units import is_voltage, spell_unit

_NOT_A_SIGNAL = ("bpm", "pm", "/min", "1/min", "rpm", "ms")
"""Units of numbers that a monitor derived (a rate, an interval): they are not the waveform that their name suggests."""

_LEAD_ONLY_IN_MILLIVOLTS = ("RA", "LA", "RL", "LL", "ES", "AS", "AI", "L1", "L2", "L3")
"""Lead names that mean something else elsewhere (analogue input, left arm, left 1); so do single letters but V."""


_FRANK = ("VX", "VY", "VZ")
"""Frank's leads, which are velocities in recordings of movement."""

_ELECTRICAL = ("eeg", "ecg", "eog", "emg", "resp", "ref")
"""Kinds that a name may give to a voltage: "BP3" is an electrode then, no blood pressure."""


def make_channel(
    source_name: str,
    unit: str,
    kind: str | None = None,
    position: Position | None = None,
    reference: Position | None = None,
) -> Channel:
    """The channel that a name in a file stands for.

    Parameters
    ----------
    source_name : str
        The name in the file, to the letter. One that is not known is kept, without a position.
    unit : str
        Unit of the physical values; its spelling is made ours ("µV" → "uV"), the unit is not changed.
    kind : str, optional
        One of `biosig.recording.KINDS`, where the file says; else it is guessed from the name and the unit, and is
        "misc" where they do not decide.
    position, reference : tuple of 3 float, optional
        Measured, in metres in the body frame; they win over the tables.

    Returns
    -------
    Channel

    Raises
    ------
    DataError
        If `kind` is not one of `biosig.recording.KINDS`.
    """
    kind = kind or guess_kind(source_name, unit)
    location = locate(source_name, kind)
    place = location.position if location else UNKNOWN
    against = location.reference if location else UNKNOWN
    measured = position is not None and is_known(position)
    if position is not None and measured:
        place = position
    if reference is not None and is_known(reference):
        against = reference
    return Channel(
        name=location.name if location else source_name.strip(),
        source_name=source_name,
        kind=kind,
        unit=spell_unit(unit),
        position=place,
        reference=against,
        position_source="measured" if measured else "template" if is_known(place) else "unknown",
    )


def locate(name: str, kind: str | None = None) -> Location | None:
    """Location of the channel `name`, or None if the tables do not know it.

    Parameters
    ----------
    name : str
        As a file writes it: any case, with prefixes and suffixes ("EEG FP1-REF"), bipolar ("F3-C3") or not.
    kind : {"ecg", "ppg", "eeg"}, optional
        Table to look in; default the one that `guess_kind` chooses.
    """
    kind = kind or guess_kind(name)
    if kind == "ecg":
        return _ecg(name)
    if kind == "eeg":
        return _eeg(name) or _eeg_against_unknown(name)
    if kind == "ppg":
        return LOCATIONS["ppg"][fold(ppg_site(name))]
    return None


def guess_kind(name: str, unit: str = "") -> str:
    """The kind that name and unit give together; "misc" where they do not decide.

    A leading word decides ("EEG", "ECG", …), then a known electrode or lead, then a word in the name. A name that is
    an EEG electrode and an ECG lead in one ("C3") is EEG in microvolts, ECG in millivolts and undecided otherwise;
    short names that are much else besides ("X", "AI") are ECG leads only in millivolts.
    """
    unit = spell_unit(unit)
    if unit in _NOT_A_SIGNAL:
        return "misc"
    hint, _ = split_prefix(name)
    if hint is not None:
        return hint
    if unit in ("", "NU") or is_voltage(unit):
        known = [kind for kind, find in (("ecg", _ecg), ("eeg", _eeg)) if find(name) is not None]
        if known == ["ecg"] and (len(fold(name)) == 1 or fold(name) in _LEAD_ONLY_IN_MILLIVOLTS):
            # "I" is a lead wherever a voltage is measured, and the commonest of all
            return "ecg" if unit == "mV" or fold(name) == "I" else "misc"
        if len(known) == 2:
            return {"mV": "ecg", "uV": "eeg"}.get(unit, "misc")
        if known:
            return known[0]
    kind = kind_from_words(name) or "misc"
    electrical = kind in ("ecg", "eeg", "eog", "emg")
    return kind if unit in ("", "NU") or is_voltage(unit) or not electrical else "misc"


def guess_kinds(names: Sequence[str], units: Sequence[str]) -> list[str]:
    """The kinds of all channels of one file that does not say them, from names and units (C,), shape (C,).

    As `guess_kind`, but the file as a whole decides what a bare lead name means. Beside EEG electrodes it is a lead
    only in millivolts, and "vx" or "X", which are velocities and coordinates too, are none; "vx" outside millivolts
    wants another lead beside it.
    """
    kinds = [guess_kind(name, unit) for name, unit in zip(names, units, strict=True)]
    has_eeg = any(kind == "eeg" and locate(name, kind) for name, kind in zip(names, kinds, strict=True))
    bare = [kind == "ecg" and not names_ecg(name) for name, kind in zip(names, kinds, strict=True)]
    has_leads = any(kind == "ecg" and fold(name) not in _FRANK for name, kind in zip(names, kinds, strict=True))
    for i, (name, unit) in enumerate(zip(names, units, strict=True)):
        in_millivolts = spell_unit(unit) == "mV"
        ambiguous = fold(name) in _FRANK or (len(fold(name)) == 1 and fold(name) != "I")
        believed = in_millivolts and not ambiguous if has_eeg else in_millivolts or has_leads or not ambiguous
        if bare[i] and not believed:
            kinds[i] = "misc"
    return kinds


def kind_beside_eeg(name: str) -> str:
    """The kind of a channel that a file counts as EEG, as readers do that know no other type, by its name alone.

    A word in it must say so ("ECG", "EOG left", "STATUS", "targetPosX"); else it is "eeg". No bare name of a lead is
    believed: "vx" is a velocity and "V1" an electrode.
    """
    hint = split_prefix(name)[0]
    if hint in _ELECTRICAL or hint == "stim":
        return hint
    if locate(name, "eeg") is not None:
        return "eeg"
    kind = kind_from_words(name)
    if kind in _ELECTRICAL and (kind != "ecg" or names_ecg(name)):
        return kind
    if kind == "stim":
        return kind
    if is_auxiliary(name):
        return "acc" if kind == "acc" else "misc"
    return "eeg"


def unplace_amplifier_inputs(channels: Sequence[Channel]) -> list[Channel]:
    """Take the template's places from channels that are named after an amplifier's inputs, for one file's channels.

    BioSemi numbers its inputs in banks of 32 (A1 … A32, B1 …), and "A1", "C3", "F8" there are not the 10-20 electrodes
    of those names. One name alone cannot tell; a file can, since the 10-20 system has no A3. Measured positions stay.

    Parameters
    ----------
    channels : sequence of Channel
        All channels of one file.

    Returns
    -------
    list of Channel
        In the same order; the inputs under their names in the file, without position or reference, and of the kind
        that A3 is of: as the file states its inputs, with nothing guessed from a name.
    """
    kind = next((channel.kind for channel in channels if channel.source_name.strip().upper() == "A3"), None)
    if kind is None:
        return list(channels)
    return [
        replace(
            c, name=c.source_name.strip(), kind=kind, position=UNKNOWN, reference=UNKNOWN, position_source="unknown"
        )
        if c.position_source == "template" and re.fullmatch(r"[A-I]\d{1,2}", c.source_name.strip(), re.I)
        else c
        for c in channels
    ]


def channel_id(channel: Channel) -> int:
    """The channel's index in `VOCABULARY`, or −1 if its name is not in it (bipolar pairs are not)."""
    return INDEX.get((channel.kind, channel.name), -1)


def _ecg(name: str) -> Location | None:
    table = LOCATIONS["ecg"]
    lead = ecg_lead(split_prefix(name)[1])
    found = table.get(lead) or table.get(ecg_lead(name))
    if found is not None:
        return found
    return _pair("ecg", *parts(split_prefix(name)[1]))


def _eeg(name: str) -> Location | None:
    electrode, reference = parts(split_prefix(name)[1])
    if reference is None:
        return LOCATIONS["eeg"].get(fold(electrode))
    return _pair("eeg", electrode, reference)


def _eeg_against_unknown(name: str) -> Location | None:
    """A known electrode against one that the table does not have: its place is known, its reference is not."""
    electrode, reference = parts(split_prefix(name)[1])
    plus, minus = (LOCATIONS["eeg"].get(fold(part or "")) for part in (electrode, reference))
    if plus is None or reference is None or minus is not None:
        return None
    return Location("eeg", f"{plus.name}-{reference}", plus.position, UNKNOWN, plus.source)


def _pair(kind: str, electrode: str, reference: str | None) -> Location | None:
    """The bipolar channel `electrode` − `reference`, both in the table and not one and the same."""
    table = LOCATIONS[kind]
    plus, minus = table.get(fold(electrode)), table.get(fold(reference or ""))
    if plus is None or minus is None or plus == minus:
        return None
    if kind == "ecg" and not (_is_electrode(plus) and _is_electrode(minus)):
        return None
    return Location(kind, f"{plus.name}-{minus.name}", plus.position, minus.position, plus.source)


def _is_electrode(location: Location) -> bool:
    """True if an ECG name is an electrode's (RA, V1, V4R), so that a difference of two is a measurement."""
    return location.name in ("RA", "LA", "RL", "LL") or location.name[:2] in {f"V{n}" for n in range(1, 10)}
