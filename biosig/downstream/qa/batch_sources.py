"""Batch sources of questions: windows with words, or their vectors from a frozen encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from biosig.batches.contract import PreparedStream
from biosig.batches.packed import pack
from biosig.device import autocast
from biosig.downstream.data.mixup import MixupDraw
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.qa.model import QAFeatures, QAModel, QuestionBatch
from biosig.downstream.qa.questions import Question
from biosig.errors import UsageError


class QuestionExamples:
    """Questions with their signals, for `biosig.downstream.finetune.fit.fit`.

    Parameters
    ----------
    questions : sequence of Question
        All questions of the task.
    words : sequence of sequence of int
        Word ids of each question.
    windows : PreparedWindows
        One window per recording.
    window_of : mapping of str to int
        Recording → number of its window.
    device : torch.device
        Device of the batches.
    signals : bool
        False to leave the signals out, so that the network reads only the question.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        words: Sequence[Sequence[int]],
        windows: PreparedWindows,
        window_of: Mapping[str, int],
        device: torch.device,
        signals: bool = True,
    ) -> None:
        self.questions, self.words, self.windows, self.window_of = questions, words, windows, window_of
        self.device, self.signals = device, signals

    def batch(self, rows: Sequence[int], mix: MixupDraw | None = None) -> Any:
        """A `QuestionBatch` of these questions."""
        if mix is not None:
            raise UsageError("Questions are not mixed: set mixup to false in the stage.")
        shown: list[list[PreparedStream]] = []
        texts, first, second = [], [], []
        for row in rows:
            first.append(len(shown))
            for recording in self.questions[row].recordings if self.signals else [None]:
                shown.append([] if recording is None else self.windows[self.window_of[recording]])
                texts.append(self.words[row])
            second.append(len(shown) - 1)
        packed = pack(shown, self.windows.contract, texts).to(self.device)
        return QuestionBatch(packed, *(torch.tensor(places, device=self.device) for places in (first, second)))

    def draw_mix(self, rows: Sequence[int], rng: np.random.Generator) -> MixupDraw:  # noqa: ARG002
        """Refuse mixup: questions cannot be averaged."""
        raise UsageError("Questions are not mixed: set mixup to false in the stage.")


class FrozenQuestions:
    """Questions that are encoded once by a frozen encoder, and kept.

    Parameters
    ----------
    examples : QuestionExamples
        The questions.
    answerer : QAModel
        The model with this encoder.
    """

    def __init__(self, examples: QuestionExamples, answerer: QAModel) -> None:
        self.examples, self.answerer = examples, answerer
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def batch(self, rows: Sequence[int], mix: MixupDraw | None = None) -> Any:
        """`QAFeatures` of these questions."""
        missing = [row for row in rows if row not in self._kept]
        if missing:
            self.answerer.encoder.eval()  # kept vectors must not depend on dropout
            with torch.no_grad(), autocast(self.examples.device, "auto"):
                made = self.answerer.vectors(self.examples.batch(missing, mix))
            self._kept |= zip(missing, zip(made.signal.float(), made.words.float(), strict=True), strict=True)
        signal, words = zip(*(self._kept[row] for row in rows), strict=True)
        return QAFeatures(torch.stack(signal), torch.stack(words))

    def draw_mix(self, rows: Sequence[int], rng: np.random.Generator) -> MixupDraw:
        """Refuse mixup, as the examples do."""
        return self.examples.draw_mix(rows, rng)
