"""Signal batches of supervised networks: channels by place, with marks for missing ones, and their augmentation.

Shape letters: B windows, C channels, T samples, N tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class SignalBatch:
    """Windows of one modality at one rate; shorter ones are padded with zeros.

    Parameters
    ----------
    values : Tensor, shape (B, C, T)
        Zeros where nothing was measured.
    present : Tensor, shape (B, C)
        Weight of each channel: 1 if it was measured, 0 if it is missing.
    measured : Tensor, shape (B, T)
        1 where any channel has a real value, 0 inside gaps of all channels and after a window's end.
    n_times : Tensor of int64, shape (B,)
        Samples of each window.
    """

    values: Tensor
    present: Tensor
    measured: Tensor
    n_times: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device) -> SignalBatch:
        """The batch on a device."""
        return SignalBatch(*(x.to(device) for x in (self.values, self.present, self.measured, self.n_times)))

    def tokens(self, stride: int) -> Tensor:
        """Mark tokens of `stride` samples with a real value, shape (B, T // stride), bool."""
        return F.max_pool1d(self.measured[:, None], stride)[:, 0] > 0

    def padded(self, multiple: int) -> SignalBatch:
        """The batch with T rounded up to a multiple."""
        rest = -self.values.shape[2] % multiple
        values, measured = F.pad(self.values, (0, rest)), F.pad(self.measured, (0, rest))
        return SignalBatch(values, self.present, measured, self.n_times)


class Augmentation(nn.Module):
    """Augmentation of windows in training; in evaluation windows stay unchanged.

    Each window is cropped at random, multiplied by a random gain and given noise; of some, channels are left out.

    Parameters
    ----------
    crop : int
        Samples to keep of a longer window; 0 = all.
    gain : float
        Standard deviation of the gain's logarithm.
    noise : float
        Standard deviation of white noise, in the unit of the values.
    missing : float
        Share of the windows that keep a random few of their channels, from one to three quarters.
    """

    def __init__(self, crop: int = 0, gain: float = 0.1, noise: float = 0.0, missing: float = 0.0) -> None:
        super().__init__()
        self.crop, self.gain, self.noise, self.missing = crop, gain, noise, missing

    def forward(self, batch: SignalBatch) -> SignalBatch:
        """The augmented batch in training, and the batch itself in evaluation."""
        if not self.training:
            return batch
        if 0 < self.crop < batch.values.shape[2]:
            batch = self._cropped(batch)
        x = batch.values
        x = x * torch.exp(self.gain * torch.randn(len(x), 1, 1, device=x.device))
        if self.noise:
            x = x + self.noise * torch.randn_like(x) * batch.measured[:, None]
        return SignalBatch(x, self._some_channels(batch.present), batch.measured, batch.n_times)

    def _cropped(self, batch: SignalBatch) -> SignalBatch:
        room = (batch.n_times - self.crop).clamp(min=0)
        start = (torch.rand(len(batch), device=room.device) * (room + 1)).long().clamp(max=room)  # (B,)
        at = start[:, None] + torch.arange(self.crop, device=room.device)  # (B, crop)
        values = batch.values.gather(2, at[:, None].expand(-1, batch.values.shape[1], -1))
        return SignalBatch(values, batch.present, batch.measured.gather(1, at), batch.n_times.clamp(max=self.crop))

    def _some_channels(self, present: Tensor) -> Tensor:
        if not self.missing or present.shape[1] == 1:
            return present
        order = torch.where(present > 0, torch.rand_like(present), 2.0).argsort(dim=1).argsort(dim=1)  # (B, C) ranks
        most = (0.75 * (present > 0).sum(dim=1)).clamp(min=1)
        kept = (torch.rand_like(most) * most).ceil().clamp(min=1)
        thinned = torch.rand(len(present), device=present.device) < self.missing
        return torch.where(thinned[:, None] & (order >= kept[:, None]), 0.0, present)
