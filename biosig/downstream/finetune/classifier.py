"""Classifier, an encoder with a head: RMSNorm → dropout → linear over the pooled tokens (REVE, arXiv:2510.21585).

Shape letters: B windows, S spans of a window, N tokens, D embed_dim, F features, W outputs.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from torch import Tensor, nn

from biosig import config as configuration
from biosig.batches.packed import PackedBatch
from biosig.downstream.finetune.losses import TaskLoss
from biosig.downstream.finetune.signature import InputSignature
from biosig.errors import UnreadableError, UsageError
from biosig.evaluate.calibration import Calibration
from biosig.file_sums import write_guarded
from biosig.models import checkpoint
from biosig.models.encoder import Encoder
from biosig.models.load import load_model
from biosig.models.readouts import READOUTS, Pooling, Segments, check_pooling
from biosig.models.text import Tokenizer
from biosig.models.tokens import Tokens
from biosig.models.zoo.model import ZooEncoder, ZooModel
from biosig.tensor_files import load_state, read_tensors, write_tensors
from biosig.text_files import read_json

HEAD_WEIGHTS, HEAD = "head.safetensors", "classifier.json"


class Classifier(nn.Module):
    """A network with outputs for windows, which `objective.predict` turns into probabilities, values or log hazards.

    Parameters
    ----------
    encoder : Encoder
        Gives the tokens, and the query of the attention pooling.
    objective : TaskLoss
        Meaning of the W outputs. With several spans, the outputs of each are computed from the tokens of its seconds,
        which have seen the whole window.
    pooling : str
        Readout of the tokens for the head (`biosig.models.readouts`).
    n_tokens : int
        Tokens of every window, for a readout that needs one layout ("flatten").

    Raises
    ------
    UsageError
        If the encoder has no such vector.
    """

    def __init__(
        self, encoder: Encoder, objective: TaskLoss, pooling: Pooling = "attention", n_tokens: int = 0
    ) -> None:
        super().__init__()
        check_pooling(encoder.config, pooling, frozen=False)
        self.encoder = encoder
        self.objective = objective
        self.pooling = pooling
        self.n_tokens = n_tokens
        self.calibration = Calibration("none", objective.kind)
        """Calibration of the objective's probabilities; fitted on the validation part."""
        n_features = READOUTS[pooling]().n_features(encoder.config.embed_dim, n_tokens)
        self.head = nn.Sequential(
            nn.RMSNorm(n_features, eps=1e-6), nn.Dropout(0.0), nn.Linear(n_features, len(objective.names))
        )

    def forward(self, batch: PackedBatch | Tokens) -> Tensor:
        """Outputs (B, W) of packed windows, or of their tokens; with several spans (B · S, W)."""
        tokens = batch if isinstance(batch, Tokens) else Tokens.of(self.encoder, batch)
        return self.head(self.pooled(tokens))

    def pooled(self, tokens: Tokens) -> Tensor:
        """Pooled tokens of each window, shape (B, F); with several spans (B · S, F), zeros for an empty span."""
        segment, n_spans = tokens.window, self.objective.n_spans  # (N,)
        if n_spans > 1:
            segment = segment * n_spans + (tokens.time / self.objective.every).long().clamp(max=n_spans - 1)
        query = self.encoder.pool if self.pools_by_query else None
        n_segments = tokens.n_windows * n_spans
        return READOUTS[self.pooling]()(Segments(tokens.values, tokens.valid, segment, n_segments, tokens.own, query))

    def train_head_only(self) -> None:
        """Train only the head and the pool query."""
        self.requires_grad_(False)
        self.head.requires_grad_(True)
        if self.pools_by_query:
            self.encoder.pool.requires_grad_(True)

    @property
    def pools_by_query(self) -> bool:
        """True if the encoder has a pool query, and not a token of each window's own."""
        return self.encoder.config.has_query


def save_classifier(
    classifier: Classifier, use: InputSignature, folder: Path, card: str, tokenizer: Tokenizer | None = None
) -> Path:
    """Write a checkpoint folder of the encoder (`biosig.load_model`) with the head and its input signature."""
    if isinstance(classifier.encoder, ZooEncoder):
        ZooModel(classifier.encoder, True, card).save(folder)
    else:
        checkpoint.save(classifier.encoder, True, folder, card, tokenizer)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.head.state_dict().items()}
    write_tensors(state, folder / HEAD_WEIGHTS)
    facts = {
        "objective": asdict(classifier.objective),
        "pooling": classifier.pooling,
        "n_tokens": classifier.n_tokens,
        "calibration": classifier.calibration.to_dict(),
        "use": configuration.to_dict(use),
    }
    write_guarded(folder / HEAD, json.dumps(facts, indent=2) + "\n")
    return folder


def load_classifier(folder: str | Path) -> tuple[Classifier, InputSignature]:
    """Read tuned weights: a network for packed batches of `encoder.config.contract`, and its input signature.

    Raises
    ------
    UsageError
        If the folder is not a checkpoint.
    DataError
        If a file is damaged or weights do not fit.
    """
    folder = Path(folder)
    encoder = load_model(folder).encoder
    try:
        facts = read_json(folder / HEAD)
        use_facts = facts.pop("use")
        if earlier := use_facts.get("align") == "euclidean":
            use_facts["align"] = "none"  # refused below
        use = configuration.load(InputSignature, use_facts)
        calibration = Calibration.from_dict(facts.pop("calibration"))
        classifier = Classifier(encoder, configuration.load(TaskLoss, facts.pop("objective")), **facts)
    except UnreadableError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UnreadableError(
            f"{folder / HEAD} is absent or damaged ({error}): give a folder of tuned weights, such as "
            "RESULT/weights/fold-0-seed-0."
        ) from error
    if earlier:
        raise UsageError(
            f"{folder} was tuned on EEG that version 0.1.0 aligned, by the covariance of the task's windows: tune it "
            "again; its configuration is read as align=subject."
        )
    load_state(classifier.head, read_tensors(folder / HEAD_WEIGHTS), str(folder / HEAD_WEIGHTS))
    classifier.calibration = calibration
    return classifier.eval(), use
