"""From a source's channel name and unit to a Channel and the factor that brings its values to the kind's unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from biosig.electrodes import make_channel, unplace_amplifier_inputs
from biosig.errors import UsageError
from biosig.recording import MODALITIES, Channel, Position
from biosig.signal import canonical_unit, unit_factor
from biosig.signal.units import is_voltage


def resolve_channel(
    source_name: str,
    unit: str,
    kind: str | None = None,
    position: Position | None = None,
    reference: Position | None = None,
) -> tuple[Channel, float]:
    """Resolve one channel; ECG comes out in mV and EEG in uV, other kinds in their source's unit.

    Parameters
    ----------
    source_name, unit : str
        As the file writes them.
    kind : str, optional
        One of `biosig.recording.KINDS`, where the source says it.
    position, reference : tuple of 3 float, optional
        Metres in the body frame, where the source measured them.

    Returns
    -------
    channel : Channel
        With the unit that its values have after multiplication by `factor`.
    factor : float
        Factor of scale and offset.
    """
    channel = make_channel(source_name, unit, kind=kind, position=position, reference=reference)
    wanted = canonical_unit(channel.kind)
    if wanted is None or wanted == channel.unit:
        return channel, 1.0
    try:
        return replace(channel, unit=wanted), unit_factor(channel.unit, wanted)
    except UsageError:  # "NU", "adu": not a voltage, so the source's own unit stays beside the numbers
        return channel, 1.0


def deduplicate_names(channels: Sequence[Channel]) -> tuple[list[Channel], list[str]]:
    """Rename channels that only all of a file together show to be ambiguous: inputs of an amplifier, and equal names.

    An amplifier's inputs (A1 … A32) lose the places of the electrodes that have such names; of channels that resolve
    to one name the second "II" becomes "II (2)".

    Returns
    -------
    channels : list of Channel
        In the given order.
    notes : list of str
        One sentence per renamed channel.
    """
    channels = unplace_amplifier_inputs(channels)
    seen: dict[str, int] = {}
    out, notes = [], []
    for channel in channels:
        seen[channel.name] = n = seen.get(channel.name, 0) + 1
        if n > 1:
            name = f"{channel.name} ({n})"
            notes.append(
                f"Channel '{channel.source_name}' is not the first that resolves to {channel.name}: kept as {name}."
            )
            channel = replace(channel, name=name)
        out.append(channel)
    return out, notes


def has_electrode(channel: Channel) -> bool:
    """True if the channel's place is known."""
    return channel.position_source != "unknown"


def is_unknown(channel: Channel) -> bool:
    """True if a channel that should have a place on the body has none: a modality's, or a voltage of no known kind."""
    wanted = channel.kind in MODALITIES or (channel.kind == "misc" and is_voltage(channel.unit))
    return wanted and not has_electrode(channel)


def notes_on(channels: Sequence[Channel]) -> list[str]:
    """Notes for a user on the resolution of channels: names without a place, voltages without a unit."""
    notes = []
    unknown = [c for c in channels if is_unknown(c)]
    for affected, what in (
        ([c for c in unknown if c.kind != "eeg"], "kept without a position"),
        ([c for c in unknown if c.kind == "eeg"], "kept, and no input of a model until on_unknown is keep"),
    ):
        if affected:
            names = ", ".join(repr(c.source_name) for c in affected)
            notes.append(f"No electrode position is known for {names}: {what}.")
    for kind in ("ecg", "eeg"):
        odd = [repr(c.source_name) for c in channels if c.kind == kind and not is_voltage(c.unit)]
        if odd:
            unit = canonical_unit(kind)
            notes.append(
                f"No unit of voltage is given for {', '.join(odd)}: amplitudes are as recorded; state it with "
                f"--set unit.{kind}={unit}."
            )
    return notes
