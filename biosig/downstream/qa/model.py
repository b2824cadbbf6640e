"""Question-answering model: one encoder reads question and signal, and a product of both vectors gives the answers.

The words of the question are tokens of the same window as the signal. The signal is pooled (the window's own token
if the model has one, else the mean of its tokens), the words are averaged, and the head is a low-rank bilinear form of
both (Hadamard product; Kim et al. 2017, arXiv:1610.04325), because an answer depends on the match of signal and
question. A comparison is two windows, each with the question; the head reads the first, and the second minus the
first, which is zero for a question about one ECG.

Shape letters: B questions, W windows, D embed_dim, K answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from biosig.batches.packed import MODALITY_IDS, PackedBatch
from biosig.models.encoder import Encoder

RANK = 256
"""Rank of the bilinear form."""


@dataclass(frozen=True)
class QuestionBatch:
    """Windows with their questions, and the windows of each question."""

    packed: PackedBatch  # W windows
    first: Tensor  # (B,) int64 window of the first ECG
    second: Tensor  # (B,) int64 window of the second, or of the first again


@dataclass(frozen=True)
class QAFeatures:
    """Vectors of each question that the head reads."""

    signal: Tensor  # (B, 2 · D): first, and second less first; zeros without a signal
    words: Tensor  # (B, D)


class QAModel(nn.Module):
    """Network with logits of answers.

    Parameters
    ----------
    encoder : Encoder
        An encoder with a text modality.
    n_answers : int
        Number of answers, K.
    """

    def __init__(self, encoder: Encoder, n_answers: int) -> None:
        super().__init__()
        self.encoder = encoder
        dim = encoder.config.embed_dim
        self.of_signal = nn.Sequential(nn.LayerNorm(2 * dim), nn.Linear(2 * dim, RANK), nn.Tanh())
        self.of_words = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, RANK), nn.Tanh())
        self.head = nn.Sequential(nn.Dropout(0.0), nn.Linear(RANK, n_answers))

    def forward(self, batch: QuestionBatch | QAFeatures) -> Tensor:
        """Logits (B, K) of questions, or of their vectors."""
        vectors = batch if isinstance(batch, QAFeatures) else self.vectors(batch)
        return self.head(self.of_signal(vectors.signal) * self.of_words(vectors.words))

    def vectors(self, batch: QuestionBatch) -> QAFeatures:
        """Encode windows with their questions."""
        packed = batch.packed
        tokens, cls = self.encoder.encode(packed)  # (N, D), (W, D)
        is_word = packed.modality == MODALITY_IDS["text"]
        words = _means(tokens, packed, is_word)
        if cls is None or is_word.all():
            cls = _means(tokens, packed, ~is_word)
        first, second = cls[batch.first], cls[batch.second]
        return QAFeatures(torch.cat((first, second - first), dim=1), words[batch.first])

    def train_head_only(self) -> None:
        """Train everything but the encoder."""
        self.requires_grad_(True)
        self.encoder.requires_grad_(False)


def _means(tokens: Tensor, packed: PackedBatch, is_kind: Tensor) -> Tensor:
    """The mean of each window's valid tokens of a kind (N,), zeros for a window without any, (W, D)."""
    kept = is_kind & packed.valid
    window = packed.window[kept]
    total = tokens.new_zeros(packed.n_windows, tokens.shape[1]).index_add(0, window, tokens[kept])
    return total / torch.bincount(window, minlength=packed.n_windows).clamp(min=1)[:, None]
