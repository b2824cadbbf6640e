"""Windows whose signals are changed as they are read: the model meets them by the same path as the true ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from biosig.batches.mapped_recordings import altered
from biosig.batches.windows import ReadableRecording, Windows
from biosig.recording import Recording

Change = Callable[[Recording, np.random.Generator], Recording]
"""A window, and random numbers that are the same for all windows of a recording → the changed window."""


def perturb(windows: Windows, change: Change, seed: int) -> Windows:
    """The same windows, each changed when it is read."""

    def alteration(part: Recording, whole: ReadableRecording, row: int) -> Recording:  # noqa: ARG001
        return change(part, np.random.default_rng((seed, row)))

    return altered(windows, alteration)
