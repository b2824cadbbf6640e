"""Figure of a model's input: normalised samples, cut into patches, some leads turned round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from biosig.plots.style import GREY, INK, INVALID, NORMAL, SMALL, new_figure, spans, tidy, unit_sign

if TYPE_CHECKING:
    from biosig.batches.contract import InputContract, PreparedStream

PATCHES = ("#eef4f9", "#ffffff")


def plot_model_input(prepared: PreparedStream, contract: InputContract, title: str | None = None) -> Figure:
    """Draw one prepared stream: every channel as the model gets it, with the borders of its patches.

    Parameters
    ----------
    prepared : PreparedStream
        From `Model.prepare`.
    contract : InputContract
        The model's contract for this modality.
    title : str, optional
        Default: the modality.

    Returns
    -------
    Figure
        One axes. A minus before a channel's name: its sign was turned to the canonical orientation. Pale bands are
        every other patch; what lies behind the last patch gives no token. Patches that hold a sample that is not real
        are shaded: they give no token either.
    """
    values, valid = prepared.values, prepared.valid  # (C, T)
    n_chans, n_times = values.shape
    times = prepared.onset + np.arange(n_times) / contract.sfreq
    figure = new_figure(10.5, 1.3 + max(0.26 if n_chans > 12 else 0.42, 0.26) * n_chans)
    ax = figure.add_subplot()
    n_patches = contract.n_patches(n_times)
    starts = np.arange(n_patches) * contract.stride
    for i, start in enumerate(starts):
        left = times[start]
        ax.axvspan(left, left + contract.patch_seconds, color=PATCHES[i % 2], lw=0, zorder=0, gid="patch")
    widths = np.ptp(np.percentile(values, [0.2, 99.8], axis=1), axis=0)  # (C,)
    row = 1.1 * float(np.percentile(widths, 90)) or 1.0
    middles = np.percentile(values, [0.2, 99.8], axis=1).mean(axis=0)
    any_invalid = False
    for channel in range(n_chans):
        x = np.where(valid[channel], values[channel] - middles[channel], np.nan)
        ax.plot(times, -channel + x / row, color=INK, lw=0.6, gid=prepared.ch_names[channel])
        lost = np.array([not valid[channel, start : start + contract.patch_size].all() for start in starts], bool)
        any_invalid |= bool(lost.any())
        for a, b in spans(lost):
            left, right = times[starts[a]], times[starts[b - 1]] + contract.patch_seconds
            ax.broken_barh([(left, right - left)], (-channel - 0.45, 0.9), facecolors=INVALID, alpha=0.7, gid="invalid")
    names = [("−" if s < 0 else "") + n for s, n in zip(prepared.sign, prepared.ch_names, strict=True)]
    ax.set_yticks([-i for i in range(n_chans)], names)
    ax.set(xlim=(times[0], times[0] + n_times / contract.sfreq), ylim=(-n_chans + 0.3, 0.8), xlabel="time (s)")
    tidy(ax, left=False)
    tokens = n_patches * n_chans
    seen = f"{contract.sfreq:g} Hz, {tokens} patches of {contract.patch_seconds:g} s = {contract.patch_size} samples"
    scale = f"1 = {prepared.scale:.3g} {unit_sign(contract.unit or '')}"
    heading = prepared.modality.upper() + " as the model sees it" if title is None else title
    ax.set_title(heading, loc="left", size=NORMAL, weight="bold", color=INK)
    ax.set_title(f"{seen}; {scale}", loc="right", size=SMALL, color=GREY)
    handles = [Patch(facecolor=PATCHES[0], edgecolor=GREY, lw=0.4, label="every other patch")]
    if any_invalid:
        handles.append(Patch(facecolor=INVALID, label="gives no token: a sample is not a real value"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    return figure
