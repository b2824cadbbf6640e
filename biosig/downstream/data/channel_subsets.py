"""Channel subsets: the same windows with some of their channels, to test a model on fewer leads or on one signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from biosig.batches.contract import InputContract, PreparedStream
from biosig.downstream.data.window_dataset import Layout, PreparedWindows, chosen, has_token, names_of
from biosig.errors import UsageError


class ChannelSubset:
    """Windows by number, each with a subset of its channels.

    Parameters
    ----------
    windows : PreparedWindows
        All windows of the task, surveyed.
    keep : sequence of str
        Names of channels, or modalities, which mean all their channels.

    Raises
    ------
    UsageError
        If no window has a channel or modality of one of these names.
    """

    def __init__(self, windows: PreparedWindows, keep: Sequence[str]) -> None:
        known = names_of(windows.layouts)
        unknown = [name for name in keep if name not in known]
        if unknown:
            raise UsageError(f"No window has '{unknown[0]}', which inputs names; there are {', '.join(sorted(known))}.")
        self.windows, self.keep = windows, frozenset(keep)

    @property
    def contract(self) -> Mapping[str, InputContract]:
        """The model's input contract."""
        return self.windows.contract

    @property
    def layouts(self) -> list[Layout]:
        """The layout of each window with all its channels."""
        return self.windows.layouts

    @property
    def whole(self) -> list[bool]:
        """True for each window without missing samples."""
        return self.windows.whole

    def __getitem__(self, row: int) -> list[PreparedStream]:
        return chosen(self.windows[row], self.keep)

    def usable(self) -> NDArray[np.bool_]:
        """Mark the windows that still give the model a token, shape (N,)."""
        return np.array([has_token(self[row], self.contract) for row in range(len(self.windows))])
