"""Retrieval model: signals and reports as points of one space, near if they match (CLIP, Radford 2021, section 2).

One encoder reads both: a window of signals alone, and a window of text alone. Two linear maps project their pooled
vectors to the common space. MERL matches ECG and report in this way (Liu 2024, section 3.1).

Shape letters: B recordings, Q queries, G gallery, E width of the common space.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from biosig.batches.contract import PreparedStream
from biosig.batches.packed import PackedBatch, pack
from biosig.errors import UnreadableError
from biosig.file_sums import write_guarded
from biosig.models import checkpoint
from biosig.models.encoder import Encoder
from biosig.models.text import Tokenizer
from biosig.text_files import read_json

HEAD_WEIGHTS, HEAD = "head.safetensors", "retrieval.json"

TEMPERATURE, COLDEST = 0.07, 0.01
"""Initial and smallest temperature (CLIP, section 2.5)."""


class RetrievalModel(nn.Module):
    """Network with unit vectors of signals and of reports.

    Parameters
    ----------
    encoder : Encoder
        Encoder of both.
    embed_dim : int
        Width of the common space.
    """

    def __init__(self, encoder: Encoder, embed_dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.signal = nn.Linear(encoder.config.embed_dim, embed_dim, bias=False)
        self.report = nn.Linear(encoder.config.embed_dim, embed_dim, bias=False)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(TEMPERATURE)))

    def of_signals(self, windows: Sequence[Sequence[PreparedStream]]) -> Tensor:
        """Unit vectors (B, E) of prepared windows."""
        return F.normalize(self.signal(self._pooled(pack(windows, self.encoder.config.contract))), dim=1)

    def of_reports(self, words: Sequence[Sequence[int]]) -> Tensor:
        """Unit vectors (B, E) of reports, given by the ids of their words."""
        batch = pack([[]] * len(words), self.encoder.config.contract, words)
        return F.normalize(self.report(self._pooled(batch)), dim=1)

    def _pooled(self, batch: PackedBatch) -> Tensor:
        """One vector per window (B, D): its own token if the encoder has one, else the pooled vector."""
        batch = batch.to(self.log_temperature.device)
        tokens, cls = self.encoder.encode(batch)
        if cls is not None:
            return cls.float()
        beside = self.encoder.token_batch(batch)
        return self.encoder.pool(tokens[beside.valid], beside.window[beside.valid], batch.n_windows).float()

    def loss(self, signals: Tensor, reports: Tensor, same: Tensor) -> Tensor:
        """Cross-entropy of finding the partner of each in the batch, in both directions.

        Parameters
        ----------
        signals, reports : Tensor, shape (B, E)
            Unit vectors of pairs.
        same : Tensor of bool, shape (B, B)
            Pairs of equal reports: all of them are right answers, in equal parts.
        """
        temperature = self.log_temperature.exp().clamp(min=COLDEST)
        logits = signals @ reports.T / temperature  # (B, B)
        right = same / same.sum(dim=1, keepdim=True)
        return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def ranked(queries: Tensor, gallery: Tensor) -> Tensor:
    """Rank the gallery (G, E) for each query (Q, E) from the nearest to the farthest, as numbers (Q, G)."""
    return torch.argsort(queries @ gallery.T, dim=1, descending=True, stable=True)


def save_retrieval_model(model: RetrievalModel, folder: Path, card: str, tokenizer: Tokenizer | None) -> Path:
    """Write a checkpoint folder of the encoder (`biosig.load_model`) with the head."""
    checkpoint.save(model.encoder, True, folder, card, tokenizer)
    checkpoint.save_head(model, folder / HEAD_WEIGHTS)
    write_guarded(folder / HEAD, json.dumps({"embed_dim": len(model.signal.weight)}) + "\n")
    return folder


def load_retrieval_model(folder: str | Path) -> RetrievalModel:
    """Read a model that `biosig retrieve` has saved.

    Raises
    ------
    UsageError
        If the folder is not a checkpoint.
    DataError
        If a file is damaged or weights do not fit.
    """
    folder = Path(folder)
    encoder, _, _ = checkpoint.load(folder)
    try:
        model = RetrievalModel(encoder, **read_json(folder / HEAD))
    except UnreadableError:
        raise
    except (OSError, ValueError, TypeError) as error:
        raise UnreadableError(f"{folder / HEAD} is absent or damaged ({error}): give a folder of weights.") from error
    checkpoint.load_head(model, folder / HEAD_WEIGHTS)
    return model.eval()
