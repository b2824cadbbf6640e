"""Word ids of texts that are given to a model beside arrays of signals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from biosig.errors import UsageError
from biosig.models.config import EncoderConfig
from biosig.models.text import Tokenizer


def word_ids(
    config: EncoderConfig,
    tokenizer: Tokenizer | None,
    text: Sequence[str | Sequence[int] | None] | NDArray[Any] | Tensor,
    n_windows: int,
) -> list[list[int]]:
    """The word ids of each window's text, none where it has no text.

    Raises
    ------
    UsageError
        If the model reads no text, there are not as many texts as windows, a text is longer than the model reads,
        an id is not one of its words, or strings are given to a model without tokenizer.
    """
    reads = config.text
    if reads is None:
        raise UsageError(f"Model '{config.name}' has no text modality: leave text out.")
    text = text.tolist() if isinstance(text, np.ndarray | Tensor) else text
    if isinstance(text, str) or not isinstance(text, Sized) or len(text) != n_windows:
        raise UsageError(f"text needs one entry per window, {n_windows} of them: None for a window without text.")
    ids = [_words(config, tokenizer, entry) for entry in text]
    for number, words in enumerate(ids):
        if len(words) > reads.n_tokens:
            raise UsageError(
                f"The text of window {number} has {len(words)} tokens, and model '{config.name}' reads up to "
                f"{reads.n_tokens}: shorten it."
            )
        strange = [w for w in words if not (isinstance(w, int) and 0 <= w < reads.n_words)]
        if strange:
            raise UsageError(
                f"The text of window {number} has the word id {strange[0]!r}; model '{config.name}' has the words "
                f"0 to {reads.n_words - 1}: use the tokenizer that belongs to it."
            )
    return ids


def _words(
    config: EncoderConfig, tokenizer: Tokenizer | None, text: str | Sequence[int] | NDArray[Any] | Tensor | None
) -> list[int]:
    if text is None:
        return []
    if not isinstance(text, str):
        words = text.tolist() if isinstance(text, np.ndarray | Tensor) else text
        if not isinstance(words, Iterable):
            raise UsageError(
                f"The text {text!r} is not a text: give a string, word ids such as [5, 9], or None for a window "
                f"without text."
            )
        return list(words)
    if tokenizer is None:
        raise UsageError(
            f"Model '{config.name}' has no tokenizer to cut strings into words: give word ids, or set its tokenizer "
            f"to biosig.models.text.Tokenizer.load('vocab.txt') with the vocabulary that it was trained with."
        )
    return tokenizer.encode(text)
