"""The patches of a modality as dense arrays: windows of equal channels and length side by side.

Shape letters: P patches, b windows that share a layout, C channels, T samples, L tokens of a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from biosig.batches.input_contract import MODALITY_IDS, InputContract
from biosig.batches.packed import PackedBatch
from biosig.models.fused.grid import Grid


@dataclass(frozen=True)
class Signals:
    """Windows of one modality that have as many channels and samples."""

    values: Tensor  # (b, C, T) float32, 0 where not real or hidden
    weight: Tensor | None  # (b, C, T) 1 where a sample counts, else 0; None = all of them do
    position: Tensor  # (b, C, 3) metres, NaN = unknown
    reference: Tensor  # (b, C, 3)
    log_scale: Tensor  # (b,) NaN = unknown
    tokens: Tensor  # (b, L) rows of the token batch


def signals(
    batch: PackedBatch, grid: Grid, modality: str, contract: InputContract, hidden: Tensor | None = None
) -> Iterator[Signals]:
    """The windows of a batch that have a modality.

    Parameters
    ----------
    batch : PackedBatch
        Of P patches.
    grid : Grid
        Its tokens.
    modality : str
        Which.
    contract : InputContract
        Of the modality.
    hidden : Tensor of bool, shape (P,), optional
        Patches whose samples do not count.
    """
    if modality not in batch.patches:
        return
    rows = (batch.modality == MODALITY_IDS[modality]).nonzero().squeeze(1)  # (P_m,) in the order of its patches
    patches, real = batch.patches[modality], batch.sample_valid[modality]
    if not len(rows):
        return
    group, start, channel = grid.group[rows], grid.start[rows], batch.channel_index[rows]
    size = contract.patch_size
    slot_of = torch.empty_like(grid.n_tokens)  # (G,)
    layouts = _layouts(grid, MODALITY_IDS[modality])
    for (n_chans, n_tokens), groups in layouts.items():
        slot_of[groups] = torch.arange(len(groups), device=rows.device)
        of_kind = (grid.n_channels[group] == n_chans) & (grid.n_tokens[group] == n_tokens)
        among = None if len(layouts) == 1 else of_kind.nonzero().squeeze(1)
        chosen = [x if among is None else x[among] for x in (rows, group, start, channel, patches, real)]
        own_rows, own_group, own_start, own_channel, own_patches, own_real = chosen
        n_times = n_tokens * size
        line = slot_of[own_group] * n_chans + own_channel  # which channel of which window
        step = size if not (own_start % size).any() else 1
        at = (line * n_times + own_start)[:, None] // step + torch.arange(size // step, device=rows.device)
        values = _laid(own_patches, at, step, len(groups) * n_chans * n_times)
        weight = None
        if hidden is not None or not _all(own_real) or own_patches.numel() < values.numel():
            counts = own_real if hidden is None else own_real & ~hidden[own_rows, None]
            weight = _laid(counts.to(values.dtype), at, step, values.numel()).view(len(groups), n_chans, n_times)
        values = values.view(len(groups), n_chans, n_times)
        place = torch.cat((batch.position[own_rows, :3], batch.reference[own_rows]), dim=1)  # (P_m, 6)
        place = place.new_full((len(groups) * n_chans, 6), torch.nan).index_copy(0, line, place)
        position, reference = place.view(len(groups), n_chans, 6).split(3, dim=2)
        tokens = grid.before[groups][:, None] + torch.arange(n_tokens, device=rows.device)
        yield Signals(
            values if weight is None else values * weight,
            weight,
            position,
            reference,
            grid.tokens.log_scale[tokens[:, 0]],
            tokens,
        )


def _layouts(grid: Grid, modality: int) -> dict[tuple[int, int], Tensor]:
    """The groups (b,) of a modality by their numbers of channels and of tokens."""
    found: dict[tuple[int, int], list[int]] = {}
    n_chans, n_tokens = (x.view(-1, len(MODALITY_IDS))[:, modality] for x in (grid.n_channels, grid.n_tokens))
    for window, layout in enumerate(zip(n_chans.tolist(), n_tokens.tolist(), strict=True)):
        if layout[1]:
            found.setdefault(layout, []).append(window * len(MODALITY_IDS) + modality)
    return {layout: torch.tensor(groups, device=grid.n_tokens.device) for layout, groups in found.items()}


def _laid(patches: Tensor, at: Tensor, step: int, n: int) -> Tensor:
    """Patches (P, size) at their places in a flat array of n samples, in pieces of `step` samples."""
    pieces = patches.reshape(-1, step)
    return pieces.new_zeros(n // step, step).index_copy(0, at.flatten(), pieces).flatten()


def _all(real: Tensor) -> bool:
    """True where all are; one value that stands for all is looked at once."""
    return bool(real[:1, :1].all() if real.stride() == (0, 0) else real.all())
