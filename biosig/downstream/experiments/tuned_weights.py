"""Tuned weights of a fine-tuning, written with their input signature, a model card and a leakage ledger."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from biosig.downstream.baselines.context import BaselineContext, FitJob
from biosig.downstream.finetune.classifier import Classifier, save_classifier
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.finetune.signature import use_of
from biosig.pretrain.model_card import ledger_of


def save_tuned(
    config: FineTuneConfig, context: BaselineContext, folder: Path, classifier: Classifier, job: FitJob
) -> None:
    """Write the tuned model of a job to a folder of its own in `folder`.

    The ledger lists the training and validation recordings, and those that pretraining saw.
    """
    own = folder / job.name
    use = use_of(config, context.windows, job.parts)
    save_classifier(classifier, use, own, _card(context, job), context.model.tokenizer)
    learned = context.windows.windows[np.concatenate((job.parts.train, job.parts.validation))]
    ledger_of(learned, context.model.folder).save(own)


def _card(context: BaselineContext, job: FitJob) -> str:
    """The model card of tuned weights."""
    name, start = context.model.name, "trained" if context.model.trained else "random"
    return "\n".join(
        [
            f"# {name}, tuned to {context.target.title}",
            "",
            f"From {start} weights of revision {context.model.revision}, on {len(job.parts.train)} windows; "
            f"{len(job.parts.validation)} chose the epoch, {len(job.parts.test)} were never seen (fold {job.fold}, "
            f"seed {job.seed}).",
            "",
            "`biosig predict` applies them, `biosig.downstream.classifier.load_classifier` reads the encoder with its "
            "head, `biosig.load_model` the encoder alone. What holds for the weights that it was tuned from holds for "
            "these, their licence included.",
            "",
            "For research, not a medical device.",
            "",
        ]
    )
