"""EEG against another reference than the one it was recorded with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biosig.electrodes.channels import has_electrode
from biosig.errors import DataError
from biosig.recording import UNKNOWN, Channel, Position, Stream, is_known


@dataclass(frozen=True)
class Reference:
    """Rows whose mean is subtracted, and the rows from which it is subtracted.

    Parameters
    ----------
    sources : tuple of int
        Rows whose mean is subtracted.
    targets : tuple of int
        Rows from which it is subtracted: those that are not bipolar derivations.
    is_average : bool
        An average is of the channels that are valid at the moment; of named electrodes, all must be.
    """

    sources: tuple[int, ...]
    targets: tuple[int, ...]
    is_average: bool

    def subtract(self, x: NDArray[Any]) -> None:
        """Re-reference physical values (C, T) in place; NaN where a channel or its reference is not a real value."""
        sources = x[list(self.sources)]
        finite = np.isfinite(sources)
        if self.is_average and not finite.all():
            total = np.sum(sources, axis=0, dtype=np.float64, where=finite)
            n = finite.sum(axis=0)
            common = np.where(n > 0, total / np.maximum(n, 1), np.nan)
        else:
            common = sources.mean(axis=0, dtype=np.float64)
        x[list(self.targets)] -= common.astype(x.dtype)


def plan_reference(wanted: Sequence[str] | str, stream: Stream, where: str) -> tuple[Reference, Stream, str]:
    """New reference of a stream of EEG, the stream with channels that state it, and a sentence for its history.

    A bipolar derivation, whose reference is known already, stays as it is. Against an average, a channel's
    reference is unknown in the body frame; against named electrodes, it is the mean of their positions.

    Parameters
    ----------
    wanted : "average" or sequence of str
        The average of all channels that are not derivations, or canonical names. Beside known electrodes, channels of
        unknown ones have no part in the average and keep their values.
    stream : Stream
        EEG channels alone.
    where : str
        Name of the recording in an error.

    Raises
    ------
    DataError
        If a named electrode is not among the channels or is there twice, or an average would be of fewer than two.
    """
    common = [row for row, channel in enumerate(stream.channels) if not is_known(channel.reference)]
    if wanted == "average":
        placed = [row for row in common if has_electrode(stream.channels[row])]
        common = placed or common
        if len(common) < 2:
            raise DataError(
                f"{where} has {len(common)} EEG channel(s) at {stream.sfreq:g} Hz that are not bipolar derivations: an "
                "average reference needs two or more; set reference: none."
            )
        reference = Reference(tuple(common), tuple(common), is_average=True)
        step = f"re-referenced to the average of {len(common)} channels"
        return reference, _with_reference(stream, common, UNKNOWN), step
    rows = {stream.channels[row].name: row for row in common}
    names = [stream.channels[row].name for row in common]
    for name in wanted:
        if names.count(name) > 1:
            raise DataError(
                f"{where} has {names.count(name)} EEG channels '{name}' at {stream.sfreq:g} Hz and does not say which "
                "is the reference: set reference to another channel, average or none."
            )
        if name not in rows:
            raise DataError(
                f"{where} has no EEG channel '{name}' at {stream.sfreq:g} Hz to refer the others to: its channels are "
                f"{', '.join(rows) or 'bipolar derivations'}; set reference to some of those, average or none."
            )
    sources = tuple(rows[name] for name in wanted)
    position = _middle([stream.channels[row] for row in sources])
    step = f"re-referenced to {' and '.join(wanted)}"
    return Reference(sources, tuple(common), is_average=False), _with_reference(stream, common, position), step


def _with_reference(stream: Stream, rows: Sequence[int], position: Position) -> Stream:
    channels = list(stream.channels)
    for row in rows:
        channels[row] = replace(channels[row], reference=position)
    return replace(stream, channels=tuple(channels))


def _middle(channels: Sequence[Channel]) -> Position:
    """The mean of positions; unknown if one of them is."""
    x, y, z = np.mean([channel.position for channel in channels], axis=0).tolist()
    return (x, y, z)
