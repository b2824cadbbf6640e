"""From tokens to a narrow vector per window: what heads on top of the encoder read, whatever they are taught.

Shape letters: B windows, W windows that have a modality, M visible tokens, D embed_dim, E width of the neck.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.batches.input_contract import MODALITY_IDS
from biosig.models.readouts import READOUTS, Segments
from biosig.pretrain.objectives.views import States, Views

POOLING = "mean+max+std"
"""The readout of the last layer: what happens in one beat only is in the maximum, and is lost in the mean."""

WIDTH = 128


def pooled_tokens(views: Views, states: States, modality: str) -> tuple[Tensor, Tensor]:
    """The windows that have a token of a modality (W,), and what the readout makes of these tokens (W, 3 · D).

    Parameters
    ----------
    views : Views
        The batch.
    states : States
        One of its passes: `views.full()`.
    modality : str
        "ecg", "ppg" or "eeg".
    """
    of_modality = views.encoder.token_batch(views.batch).modality[states.rows] == MODALITY_IDS[modality]  # (M,)
    tokens, window = states.output[of_modality].float(), states.window[of_modality]
    present, segment = torch.unique(window, return_inverse=True)  # (W,)
    valid = torch.ones_like(segment, dtype=torch.bool)
    return present, READOUTS[POOLING]()(Segments(tokens, valid, segment, len(present)))


class Neck(nn.Module):
    """Standardisation of the pooled tokens by their mean and deviation over a batch, and one linear layer.

    Mean and deviation are averaged while training, and are buffers. A batch of one window, which has no deviation, is
    standardised by these averages too.

    Parameters
    ----------
    embed_dim : int
        D.
    width : int
        E.
    """

    def __init__(self, embed_dim: int, width: int = WIDTH) -> None:
        super().__init__()
        n_features = READOUTS[POOLING]().n_features(embed_dim)
        self.norm = nn.BatchNorm1d(n_features, affine=False)
        self.linear = nn.Linear(n_features, width)

    def forward(self, pooled: Tensor) -> Tensor:
        """Vectors (W, E) of the pooled tokens (W, 3 · D)."""
        norm = self.norm
        if self.training and len(pooled) < 2:
            return self.linear(F.batch_norm(pooled, norm.running_mean, norm.running_var, eps=norm.eps))
        return self.linear(norm(pooled))
