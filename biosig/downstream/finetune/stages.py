"""Two stages, as in REVE (arXiv:2510.21585, section 4): the head on a frozen encoder, then the encoder too."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from biosig.batches.packed import pack
from biosig.downstream.data.batch_sources import FrozenExamples, PackedExamples
from biosig.downstream.data.channel_subsets import ChannelSubset
from biosig.downstream.data.splits import Split
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.finetune.classifier import Classifier
from biosig.downstream.finetune.config import FineTuneStage, TrainingSpec
from biosig.downstream.finetune.fit import fit
from biosig.downstream.finetune.lora import add_lora, merge
from biosig.downstream.finetune.losses import TaskLoss
from biosig.errors import UsageError
from biosig.models.encoder import Encoder
from biosig.models.readouts import READOUTS, Pooling
from biosig.models.zoo.model import ZooEncoder
from biosig.progress import Progress
from biosig.training.seeding import seeded
from biosig.training.weights import average_state_dicts

_HEAD, _PROBE, _TUNE = 0, 1, 2  # streams of random numbers within one run


def fine_tune(
    encoder: Encoder,
    frozen: FrozenExamples,
    y: NDArray[Any],
    objective: TaskLoss,
    parts: Split,
    training: TrainingSpec,
    key: Sequence[int],
    progress: Progress | None = None,
    title: str = "model",
    resume: Path | None = None,
) -> Classifier:
    """Probe, then tune, and average the second stages if a soup is asked for.

    Parameters
    ----------
    encoder : Encoder
        The pretrained encoder, which is copied.
    frozen : FrozenExamples
        All windows, and their tokens by this encoder.
    y : ndarray, shape (N, ...)
        Their labels, as in `LabelledWindows`.
    objective : TaskLoss
        The loss and the meaning of the outputs.
    parts : Split
        Rows to train on, and rows that choose the epochs.
    training : TrainingSpec
        The stages, and the head.
    key : sequence of int
        Seeds everything random.
    progress : callable, optional
        Called after each epoch.
    title : str
        Title of the run in progress.
    resume : Path, optional
        Folder that keeps the state of the stages after each epoch; an existing state is resumed.

    Returns
    -------
    Classifier
        In evaluation mode, with ordinary layers only.
    """
    classifier = new_classifier(copy.deepcopy(encoder), objective, frozen.windows, training.pooling, [*key, _HEAD])
    classifier.train_head_only()
    fit(
        classifier,
        frozen,
        y,
        objective,
        parts,
        training.probe,
        training.optimizer,
        [*key, _PROBE],
        progress,
        f"{title}, head",
        resume and resume / "head.safetensors",
    )
    if training.tune.left_out:
        return classifier
    packed = PackedExamples(frozen.windows, frozen.device)
    states: list[dict[str, Tensor]] = []
    for member in range(training.soup):
        tuned = copy.deepcopy(classifier)
        member_key = [*key, _TUNE, member]
        adapted = make_trainable(tuned, training.tune, member_key)
        what = f"{title}, tune" + (f" {member + 1} of {training.soup}" if training.soup > 1 else "")
        kept = resume and resume / f"tune-{member}.safetensors"
        fit(tuned, packed, y, objective, parts, training.tune, training.optimizer, member_key, progress, what, kept)
        if adapted is not None:
            tuned.encoder = merge(adapted)
        states.append(tuned.state_dict())
    classifier.load_state_dict(average_state_dicts(states))
    return classifier.eval()


def new_classifier(
    encoder: Encoder,
    objective: TaskLoss,
    windows: PreparedWindows | ChannelSubset,
    pooling: Pooling,
    key: Sequence[int],
) -> Classifier:
    """A classifier with a random head, on the encoder's device."""
    n_tokens = 0
    if READOUTS[pooling].one_layout:
        n_tokens = encoder.token_batch(pack([windows[0]], windows.contract)).n_tokens
    with seeded(key):
        classifier = Classifier(encoder, objective, pooling, n_tokens)
    return classifier.to(next(encoder.parameters()).device)


def make_trainable(classifier: Classifier, stage: FineTuneStage, key: Sequence[int]) -> Any:
    """Make the stage's weights trainable, and return the adapted encoder for `merge` if there is one.

    Raises
    ------
    UsageError
        If the encoder has too few blocks, no attention for LoRA, or is a wrapped module, which can only be trained
        whole.
    """
    if stage.method == "full":
        classifier.requires_grad_(True)
        return None
    public = isinstance(classifier.encoder, ZooEncoder)
    if not public and not isinstance(classifier.encoder, Encoder):
        raise UsageError(
            f"tune.method={stage.method} changes the blocks of Biosig's own encoder, and "
            f"'{classifier.encoder.config.name}' is a wrapped module: choose full, or probe for the head alone."
        )
    classifier.train_head_only()
    if stage.method == "last":
        encoder = classifier.encoder
        blocks, after = (
            encoder.module.parts() if isinstance(encoder, ZooEncoder) else (list(encoder.blocks), [encoder.norm])
        )
        if stage.blocks > len(blocks):
            raise UsageError(f"tune.blocks is {stage.blocks}, and the model has {len(blocks)} blocks: give fewer.")
        for module in (*blocks[-stage.blocks :], *after):
            module.requires_grad_(True)
        return None
    with seeded(key):
        adapted = add_lora(classifier.encoder, stage.rank, stage.alpha)
    if classifier.pools_by_query:
        classifier.encoder.pool.requires_grad_(True)
    return adapted
