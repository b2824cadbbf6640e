"""The position code of CSFM: a learned vector per lead and one per patch of a 10-s window (arXiv:2507.01045).

Shape letters: N tokens, D embed_dim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.electrodes.leads import LEADS, lead_of_channel
from biosig.errors import UsageError
from biosig.layers.config import LeadCode

if TYPE_CHECKING:
    from biosig.batches.packed import PackedBatch


class LeadPositions(nn.Module):
    """lead + time, both learned: twelve ECG leads and PPG as the thirteenth; text has its own code and gets none.

    Parameters
    ----------
    embed_dim : int
        Width of a token.
    code : LeadCode
        Number of patches.
    patch_seconds, stride_seconds : float
        Length of a patch, and the step from one to the next.
    """

    lead_of_channel: Tensor

    def __init__(self, embed_dim: int, code: LeadCode, patch_seconds: float, stride_seconds: float) -> None:
        super().__init__()
        self.first, self.stride = patch_seconds / 2, stride_seconds
        # As large as the normed patches, or attention takes thousands of steps to find what is of the same time.
        self.lead = nn.Parameter(nn.init.normal_(torch.empty(len(LEADS), embed_dim)))
        self.time = nn.Parameter(nn.init.normal_(torch.empty(code.n_patches, embed_dim)))
        self.register_buffer("lead_of_channel", torch.tensor(lead_of_channel()), persistent=False)

    def forward(self, batch: PackedBatch) -> Tensor:
        """The code of each token of a packed batch (N, D).

        Raises
        ------
        UsageError
            If a window is longer than the learned times.
        """
        signal = batch.channel >= 0  # (N,)
        lead = self.lead_of_channel[batch.channel[signal]]
        patch = ((batch.position[signal, 3] - self.first) / self.stride).round().long()
        if len(patch) and int(patch.max()) >= len(self.time):
            longest = len(self.time) * self.stride
            raise UsageError(
                f"A window lasts {(int(patch.max()) + 1) * self.stride:g} s, and this model has learned times up to "
                f"{longest:g} s: cut it into windows of {longest:g} s, or interpolate the times with "
                f"model.with_longer_windows(seconds)."
            )
        code = self.lead.new_zeros(batch.n_tokens, self.lead.shape[1])
        return code.index_copy(0, signal.nonzero().squeeze(1), self.lead[lead] + self.time[patch.clamp(min=0)])

    def stretch(self, n_patches: int) -> None:
        """Spread the learned times over a window of `n_patches`, with linear interpolation between neighbours."""
        times = F.interpolate(self.time.detach().T[None], size=n_patches, mode="linear")  # (1, D, H)
        self.time = nn.Parameter(times[0].T.contiguous(), requires_grad=self.time.requires_grad)
