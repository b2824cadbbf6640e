"""The channels of a packed batch: one line for each channel of each window, of one modality.

Shape letters: N_m patches of the modality, n lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biosig.batches.input_contract import MODALITY_IDS, InputContract

if TYPE_CHECKING:
    from biosig.batches.packed import PackedBatch


@dataclass(frozen=True, eq=False)
class Lines:
    """Channels of one modality, window after window, each with all its patches in time.

    Parameters
    ----------
    rows : ndarray of int64, shape (N_m,)
        Rows of the packed batch.
    line : ndarray of int64, shape (N_m,)
        Number of each patch's line.
    begins : ndarray of float64, shape (N_m,)
        Seconds from the window's start to each patch's first sample.
    window, channel : ndarray of int64, shape (n,)
        The window of each line, and its vocabulary id or -1.
    valid : ndarray of bool, shape (n,)
        True if the line has a valid patch.
    scale_known : ndarray of bool, shape (n,)
        False where the recording is in a unit of its own.
    """

    rows: NDArray[np.int64]
    line: NDArray[np.int64]
    begins: NDArray[np.float64]
    window: NDArray[np.int64]
    channel: NDArray[np.int64]
    valid: NDArray[np.bool_]
    scale_known: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.window)

    @classmethod
    def of(cls, batch: PackedBatch, modality: str, contract: InputContract) -> Lines:
        """The lines of a modality."""
        rows = np.flatnonzero(batch.modality.numpy() == MODALITY_IDS[modality])
        window, index = batch.window.numpy()[rows], batch.channel_index.numpy()[rows]
        starts = (np.diff(window, prepend=-1) != 0) | (np.diff(index, prepend=-1) != 0)
        line, first = np.cumsum(starts) - 1, rows[starts]
        valid = np.bincount(line[batch.valid.numpy()[rows]], minlength=len(first)) > 0
        return cls(
            rows=rows,
            line=line,
            begins=batch.position.numpy()[rows, 3].astype(np.float64) - contract.patch_seconds / 2,
            window=batch.window.numpy()[first],
            channel=batch.channel.numpy()[first],
            valid=valid,
            scale_known=~np.isnan(batch.log_scale.numpy()[first]),
        )


def kept(batch: PackedBatch, keep: NDArray[np.bool_]) -> PackedBatch:
    """The batch with some of its patches alone, as if it had no others: channels are numbered anew.

    Parameters
    ----------
    batch : PackedBatch
        Of N tokens.
    keep : ndarray of bool, shape (N,)
        At least one of each window; all words of texts.
    """
    import torch
    from torch import Tensor

    from biosig.batches.packed import PackedBatch

    rows = torch.from_numpy(np.flatnonzero(keep))
    window, modality, index = batch.window[rows], batch.modality[rows], batch.channel_index[rows]

    def changes(x: Tensor) -> Tensor:
        return x.diff(prepend=x.new_full((1,), -1)) != 0

    group = changes(window) | changes(modality)
    line = group | changes(index)
    count = line.cumsum(0) - 1  # (n,) lines so far
    channel_index = count - count[group][group.cumsum(0) - 1]
    patch_index = batch.patch_index[rows]
    patch_index = patch_index - torch.where(modality == MODALITY_IDS["text"], 0, patch_index[line][count])
    patches, sample_valid = {}, {}
    for name, values in batch.patches.items():
        own = torch.from_numpy(np.flatnonzero(keep[batch.modality.numpy() == MODALITY_IDS[name]]))
        real = batch.sample_valid[name]
        patches[name] = values[own]
        # one True that stands for all goes on standing for all
        sample_valid[name] = real[:1].expand(len(own), -1) if real.stride() == (0, 0) and len(real) else real[own]
    return PackedBatch(
        patches=patches,
        sample_valid=sample_valid,
        modality=modality,
        position=batch.position[rows],
        reference=batch.reference[rows],
        channel=batch.channel[rows],
        log_scale=batch.log_scale[rows],
        text_ids=batch.text_ids,
        valid=batch.valid[rows],
        seqlens=torch.bincount(window, minlength=batch.n_windows),
        window=window,
        channel_index=channel_index,
        patch_index=patch_index,
        extras=batch.extras,
    )
