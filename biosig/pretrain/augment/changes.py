"""Record of changes in a batch, for the targets: windows whose amplitudes, or leads, are not those measured.

`extras["changed"]` is (B, 3) bool over `CHANGES`; `extras["lead_map"]` is (B, 12, 12) float32, what the standard leads
became of themselves: new = map @ measured. Where they are absent, nothing changed.

Shape letters: B windows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from biosig.batches.packed import PackedBatch

CHANGES = ("amplitude", "leads", "balance")
"""Amplitudes are other than those measured; leads are mixtures of others, in which time alone is as it was;
amplitudes of channels are others relative to each other."""

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""In the order of `lead_map`, which is that of their vocabulary ids, 0 to 11."""

N_LIMB = 6
"""Leads of these that are sums of I and II."""


def with_changes(
    batch: PackedBatch,
    amplitude: NDArray[np.bool_],
    leads: NDArray[np.bool_] | None = None,
    lead_map: NDArray[np.floating] | None = None,
    balance: NDArray[np.bool_] | None = None,
) -> PackedBatch:
    """The batch with a note of one more change.

    Parameters
    ----------
    batch : PackedBatch
        With the notes of those before.
    amplitude, leads : ndarray of bool, shape (B,)
        Windows with such a change; default none.
    lead_map : ndarray, shape (B, 12, 12), optional
        Map from the leads before this change to the leads after it.
    balance : ndarray of bool, shape (B,), optional
        Windows in which channels got gains of their own; default those of `leads`.
    """
    import torch

    extras = dict(batch.extras)
    mixed = np.zeros(batch.n_windows, bool) if leads is None else leads
    now = np.column_stack((amplitude, mixed, mixed if balance is None else balance))
    changed = torch.from_numpy(now)
    extras["changed"] = extras["changed"] | changed if "changed" in extras else changed
    if lead_map is not None:
        added = torch.from_numpy(lead_map.astype(np.float32))
        extras["lead_map"] = added @ extras["lead_map"] if "lead_map" in extras else added
    return replace(batch, extras=extras)
