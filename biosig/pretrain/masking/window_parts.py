"""The tokens of a packed batch by window and modality, which maskings draw from.

Shape letters: N tokens of the packed row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biosig.batches.input_contract import MODALITY_IDS

if TYPE_CHECKING:
    from biosig.batches.packed import PackedBatch


def window_parts(batch: PackedBatch) -> Iterator[dict[str, NDArray[np.int64]]]:
    """For each window the rows of the valid tokens of each modality, text among them, where it has any."""
    names = {number: name for name, number in MODALITY_IDS.items()}
    window, modality, valid = (column.cpu().numpy() for column in (batch.window, batch.modality, batch.valid))
    starts = np.flatnonzero(np.diff(window, prepend=-1) | np.diff(modality, prepend=-1))
    parts: dict[int, dict[str, NDArray[np.int64]]] = {}
    for start, stop in zip(starts, [*starts[1:], batch.n_tokens], strict=True):
        rows = start + np.flatnonzero(valid[start:stop])
        if len(rows):
            parts.setdefault(int(window[start]), {})[names[int(modality[start])]] = rows
    yield from parts.values()


def valid_rows(batch: PackedBatch) -> Iterator[NDArray[np.int64]]:
    """The rows of the valid tokens of each window and modality of signals, where there are any."""
    for parts in window_parts(batch):
        yield from (rows for name, rows in parts.items() if name != "text")


def hide_words(mask: NDArray[np.bool_], batch: PackedBatch, ratio: float, rng: np.random.Generator) -> None:
    """Hide a share of each text's words in `mask` (N,), rounded to whole words: the only word of a text is left."""
    if not len(batch.text_ids):
        return
    for parts in window_parts(batch):
        rows = parts.get("text", np.empty(0, np.int64))
        mask[rng.permutation(rows)[: round(ratio * len(rows))]] = True
