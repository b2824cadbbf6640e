"""Signals and reports as points of one space, near where they belong together (CLIP, Radford 2021, section 2).

One encoder reads both: a window of signals alone, and a window of text alone. Two linear maps take their pooled vectors
to the common space. ECG and report are matched like this in MERL (Liu 2024, section 3.1).

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
from biosig.tensor_files import load_state, read_tensors, write_tensors
from biosig.text_files import read_json

HEAD_WEIGHTS, HEAD = "head.safetensors", "retrieval.json"

TEMPERATURE, COLDEST = 0.07, 0.01
"""At the start, and at the least (CLIP, section 2.5)."""


class RetrievalModel(nn.Module):
    """Unit vectors of signals and of reports.

    Parameters
    ----------
    encoder : Encoder
        Reads both.
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
        """One vector per window (B, D): its own token where the encoder has one, else the pooling's."""
        batch = batch.to(self.log_temperature.device)
        tokens, cls = self.encoder.encode(batch)
        if cls is not None:
            return cls.float()
        beside = self.encoder.token_batch(batch)
        return self.encoder.pool(tokens[beside.valid], beside.window[beside.valid], batch.n_windows).float()

    def loss(self, signals: Tensor, reports: Tensor, same: Tensor) -> Tensor:
        """Cross-entropy of finding each one's partner in the batch, both ways.

        Parameters
        ----------
        signals, reports : Tensor, shape (B, E)
            Unit vectors of pairs.
        same : Tensor of bool, shape (B, B)
            Which reports say the same: all of them are right answers, in equal parts.
        """
        temperature = self.log_temperature.exp().clamp(min=COLDEST)
        logits = signals @ reports.T / temperature  # (B, B)
        right = same / same.sum(dim=1, keepdim=True)
        return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def ranked(queries: Tensor, gallery: Tensor) -> Tensor:
    """For each query (Q, E) the gallery (G, E) from the nearest to the farthest, as numbers (Q, G)."""
    return torch.argsort(queries @ gallery.T, dim=1, descending=True, stable=True)


def save_retrieval_model(model: RetrievalModel, folder: Path, card: str, tokenizer: Tokenizer | None) -> Path:
    """Write a folder that is a checkpoint of the encoder (`biosig.load_model`) with the head beside it."""
    checkpoint.save(model.encoder, True, folder, card, tokenizer)
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items() if not k.startswith("encoder.")}
    write_tensors(state, folder / HEAD_WEIGHTS)
    write_guarded(folder / HEAD, json.dumps({"embed_dim": len(model.signal.weight)}) + "\n")
    return folder


def load_retrieval_model(folder: str | Path) -> RetrievalModel:
    """Read what `biosig retrieve` has saved.

    Raises
    ------
    UsageError
        If the folder is no checkpoint.
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
    state = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    state |= read_tensors(folder / HEAD_WEIGHTS)
    load_state(model, state, str(folder / HEAD_WEIGHTS))
    return model.eval()
