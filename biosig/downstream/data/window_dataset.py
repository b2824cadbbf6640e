"""Windows prepared for the model's input contract, once, and kept while memory allows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from biosig.batches.contract import InputContract, PreparedStream, prepare
from biosig.batches.filtered_recordings import filter_to_contract
from biosig.batches.ordered import check_windows
from biosig.batches.packed import pack
from biosig.batches.windows import Windows
from biosig.errors import DataError, UsageError
from biosig.progress import Progress

Layout = tuple[tuple[str, int, tuple[str, ...]], ...]
"""Modality, samples and channel names of each stream."""


def layout_of(window: Sequence[PreparedStream]) -> Layout:
    """Layout of a window's streams; two windows can be mixed if their layouts are equal."""
    return tuple((stream.modality, stream.values.shape[1], tuple(stream.ch_names)) for stream in window)


def names_of(layouts: Sequence[Layout]) -> set[str]:
    """The names of all modalities and channels in layouts."""
    return {name for layout in set(layouts) for modality, _, channels in layout for name in (modality, *channels)}


def chosen(window: Sequence[PreparedStream], channels: Collection[str]) -> list[PreparedStream]:
    """Keep only the channels of these names or modalities in a window, without empty streams."""
    picked = [_picked(stream, channels) for stream in window]
    return [stream for stream in picked if stream.ch_names]


def _picked(stream: PreparedStream, channels: Collection[str]) -> PreparedStream:
    if stream.modality in channels:
        return stream
    rows = [row for row, name in enumerate(stream.ch_names) if name in channels]
    arrays = ("values", "valid", "position", "reference", "channel", "sign", "mean")
    scale = stream.scale if isinstance(stream.scale, float) else stream.scale[rows]
    picked = {name: getattr(stream, name)[rows] for name in arrays}
    return replace(stream, **picked, scale=scale, ch_names=[stream.ch_names[row] for row in rows])


class PreparedWindows:
    """The windows of a task by number, each a list of streams.

    Parameters
    ----------
    windows : Windows
        N windows.
    contract : mapping of str to InputContract
        The model's input contract.
    keep_bytes : float
        Samples that may stay in memory; windows beyond are read again each time.
    channels : sequence of str
        Names of channels, or modalities, to keep; none = all.

    Raises
    ------
    DataError, UsageError
        If an ordered contract does not take the channels or the length of a window (`biosig.batches.ordered`).
    """

    def __init__(
        self,
        windows: Windows,
        contract: Mapping[str, InputContract],
        keep_bytes: float = 4e9,
        channels: Sequence[str] = (),
    ) -> None:
        check_windows(windows, contract)
        self.stored, self.windows, self.contract = windows, filter_to_contract(windows, contract), contract
        self.channels = frozenset(channels)
        self._room = keep_bytes
        self._kept: dict[int, list[PreparedStream]] = {}
        self.layouts: list[Layout] = []
        """Layout of each window; filled by `survey`."""
        self.whole: list[bool] = []
        """True for each window without missing samples; filled by `survey`."""

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, row: int) -> list[PreparedStream]:
        known = self._kept.get(row)
        if known is not None:
            return known
        window = prepare(self.windows.read_signals(row), self.contract, float(self.windows.onset[row]))
        if self.channels:
            window = chosen(window, self.channels)
        size = sum(stream.values.nbytes + stream.valid.nbytes for stream in window)
        if size <= self._room:
            self._room -= size
            self._kept[row] = window
        return window

    def survey(self, progress: Progress | None = None) -> NDArray[np.bool_]:
        """Prepare every window, before any other use, and mark those that give the model a token, shape (N,).

        `layouts` and `whole` are filled.

        Raises
        ------
        UsageError
            If no window has one of the channels to keep.
        """
        usable = np.zeros(len(self), bool)
        for row in range(len(self)):
            window = self[row]
            usable[row] = has_token(window, self.contract)
            self.layouts.append(layout_of(window))
            self.whole.append(all(stream.valid.all() for stream in window))
            if progress:
                progress("prepare", row + 1, len(self))
        unknown = sorted(self.channels - names_of(self.layouts))
        if unknown:
            raise UsageError(f"No window has the channel or modality '{unknown[0]}': correct channels.")
        return usable


def has_token(window: Sequence[PreparedStream], contract: Mapping[str, InputContract]) -> bool:
    """True if a window gives a model of this contract a valid token."""
    try:
        pack([window], contract)
    except DataError:
        return False
    return True
