"""Input contracts of networks that know channels by their row: names and order of channels, length of windows.

Shape letters: C channels of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from biosig.batches.input_contract import InputContract
from biosig.batches.windows import Windows
from biosig.electrodes import make_channel
from biosig.electrodes.names import fold, parts, split_prefix
from biosig.errors import DataError, UsageError
from biosig.recording import Channel

_LEFT_OVER = 0.02  # s at a window's end that may stay unread: one sample more, as MNE's epochs have, at 50 Hz and above
_NAMED = 12  # channels that a message lists


@dataclass(frozen=True)
class OrderedContract(InputContract):
    """An input contract whose channels are given by name and have a fixed order.

    A window is a patch of each channel, or, where any length will do, whole patches of a fraction of a second. The
    montage numbers channels by their place here, and turns none round.

    Parameters
    ----------
    ch_names : tuple of str
        C names, as a file writes them or canonical.
    missing : {"refuse", "zeros", "subset"}
        "refuse": a recording without one of the channels is an error, and a window with a sample that is not a real
        value gives no vector. "zeros": both are 0 after normalisation. "subset": the network reads any of the channels,
        each by its number, as in its training; a window with a sample that is not a real value gives no vector.
    any_length : bool
        True if a window may have any whole number of patches; else it has one.
    aliases : bool
        True if another name of the same electrode counts (T7 for T3); else names count as they are spelt, whatever
        their case, prefix and common reference.
    """

    ch_names: tuple[str, ...] = ()
    missing: Literal["refuse", "zeros", "subset"] = "refuse"
    any_length: bool = False
    aliases: bool = True

    def places(self, channels: Sequence[Channel], modality: str) -> dict[int, int]:
        """Rows of the contract's channels among `channels`: number in the contract → row.

        A name is looked for as the file writes it, then as a canonical name, or, without `aliases`, as the file writes
        it without prefix and common reference.
        """
        found = {}
        if not self.aliases:
            spelt = {_spelt(c.source_name): row for row, c in enumerate(channels) if c.kind == modality}
            rows = ((number, spelt.get(fold(name))) for number, name in enumerate(self.ch_names))
            return {number: row for number, row in rows if row is not None}
        given = {fold(c.source_name): row for row, c in enumerate(channels) if c.kind == modality}
        canonical = {c.name: row for row, c in enumerate(channels) if c.kind == modality}
        for number, (written, name) in enumerate(_names(self.ch_names, modality)):
            row = given.get(written, canonical.get(name))
            if row is not None:
                found[number] = row
        return found

    def check_channels(self, channels: Sequence[Channel], modality: str, where: str) -> None:
        """Refuse a recording that has channels of the modality, and not those of the contract.

        Raises
        ------
        DataError
            Naming the channels that are missing, or one that is asked for twice.
        """
        present = [c.source_name for c in channels if c.kind == modality]
        if not present:
            return
        places = self.places(channels, modality)
        rows = list(places.values())
        twice = [name for number, name in enumerate(self.ch_names) if rows.count(places.get(number, -1)) > 1]
        if twice:
            raise DataError(
                f"{where}: the contract's channels {' and '.join(twice)} are one channel, "
                f"'{channels[places[self.ch_names.index(twice[0])]].source_name}': give each of ch_names a channel."
            )
        for number, row in places.items():
            same = [c.source_name for c in channels if c.kind == modality and c.name == channels[row].name]
            if len(same) > 1 and self.aliases and fold(channels[row].source_name) != fold(self.ch_names[number]):
                raise DataError(
                    f"{where} has several channels {self.ch_names[number]} ({_listed(same)}), of which the model reads "
                    "one: pick that one, or give it that name."
                )
        absent = [name for number, name in enumerate(self.ch_names) if number not in places]
        if self.missing == "subset" and not places:
            raise DataError(
                f"{where} has no channel that the model knows (it has {_listed(present)}; the model knows "
                f"{_listed(self.ch_names)}): correct the names, or leave the recording out."
            )
        strange = [c.source_name for row, c in enumerate(channels) if c.kind == modality and row not in rows]
        if self.missing == "subset" and strange and self.on_unknown != "skip":
            raise DataError(
                f"{where} has channels that the model has learned no place for ({_listed(strange)}): pick the others, "
                "or leave these out by on_unknown='skip'."
            )
        if absent and (self.missing == "refuse" or not places):
            remedy = ", or give the contract missing='zeros'" if self.missing == "refuse" else ""
            raise DataError(
                f"{where} has no channel {_listed(absent)}, which the model needs (it has {_listed(present)}): "
                f"correct the names, leave the recording out{remedy}."
            )

    def check_length(self, seconds: float, where: str) -> None:
        """Refuse a window of a length that the network does not take.

        Raises
        ------
        UsageError
            With the length that it takes.
        """
        step = self.patch_seconds
        rounding = 0.5 / self.sfreq
        whole = max(int((seconds + rounding) / step), 1) if self.any_length else 1
        if not -rounding <= seconds - whole * step <= _LEFT_OVER:
            wanted = f"a whole number of {step:g} s" if self.any_length else f"{step:g} s"
            raise UsageError(
                f"{where} lasts {seconds:g} s, and the model takes windows of {wanted}: cut windows of that length."
            )


def _spelt(source_name: str) -> str:
    """A channel's name as a file writes it, folded, without prefix and common reference: "EEG T3-REF" → "T3"."""
    electrode, reference = parts(split_prefix(source_name)[1])
    return fold(electrode if reference is None else f"{electrode}-{reference}")


@lru_cache(maxsize=256)
def _names(ch_names: tuple[str, ...], modality: str) -> list[tuple[str, str]]:
    """Of each channel the name as a file may write it, folded, and the canonical name."""
    return [(fold(name), make_channel(name, "", modality).name) for name in ch_names]


def check_windows(windows: Windows, contract: Mapping[str, InputContract]) -> None:
    """Hold windows to the channels and length of an ordered contract, from the index alone.

    Raises
    ------
    DataError
        If a recording lacks channels.
    UsageError
        If a window has another length.
    """
    ordered = {m: wanted for m, wanted in contract.items() if isinstance(wanted, OrderedContract)}
    if not ordered:
        return
    _, first = np.unique(windows.duration, return_index=True)
    for number in first.tolist():
        recording = windows.ds[int(windows.recording[number])]
        for wanted in ordered.values():
            where = f"The window at {windows.onset[number]:g} s of recording '{recording.id}'"
            wanted.check_length(float(windows.duration[number]), where)
    for row in np.unique(windows.recording):
        recording = windows.ds[int(row)]
        for modality, wanted in ordered.items():
            wanted.check_channels(recording.channels, modality, f"Recording '{recording.id}'")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
