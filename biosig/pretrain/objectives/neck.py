"""The pooled tokens of a view, which terms with heads read through a neck.

Shape letters: B windows, W windows that have a modality, M visible tokens, D embed_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor

from biosig.batches.input_contract import MODALITY_IDS
from biosig.models.neck import POOLING, WIDTH, Neck
from biosig.models.readouts import READOUTS, Segments
from biosig.pretrain.objectives.views import States, Views

__all__ = ["POOLING", "WIDTH", "Neck", "pooled_tokens"]


def pooled_tokens(views: Views, states: States, modality: str) -> tuple[Tensor, Tensor]:
    """The windows that have a token of a modality (W,), and the readout of these tokens (W, 3 · D).

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
