"""The reports of recordings as a model reads them, for batches."""

from __future__ import annotations

from biosig.batches.windows import ReadableRecording
from biosig.errors import DataError, UsageError
from biosig.models.encoder import EncoderConfig
from biosig.models.text import Tokenizer


class RecordingWords:
    """The words of a recording's report, for `load_batches`; pickles to a worker.

    Parameters
    ----------
    tokenizer : Tokenizer
        Of the model.
    n_tokens : int
        Largest number of tokens that the model reads.
    cut : bool
        True to cut a longer report there; else it is an error. `n_cut` counts the recordings that were cut.
    """

    def __init__(self, tokenizer: Tokenizer, n_tokens: int, cut: bool = False) -> None:
        self.tokenizer, self.n_tokens, self.cut = tokenizer, n_tokens, cut
        self._too_long: set[str] = set()

    @property
    def n_cut(self) -> int:
        """Recordings so far whose report was longer."""
        return len(self._too_long)

    def __call__(self, recording: ReadableRecording) -> list[int]:
        """Word ids; none where there is no report, or none is left of it when it is cleaned.

        Raises
        ------
        DataError
            If the report is longer than the model reads, and is not to be cut.
        """
        words = self.tokenizer.encode(recording.report or "")
        if len(words) > self.n_tokens:
            if not self.cut:
                raise DataError(
                    f"The report of recording '{recording.id}' has {len(words)} tokens, and the model reads up to "
                    f"{self.n_tokens}: leave reports out, or leave this recording out with a query."
                )
            self._too_long.add(recording.id)
        return words[: self.n_tokens]


def words_for(config: EncoderConfig, tokenizer: Tokenizer | None, cut: bool = False) -> RecordingWords:
    """The words of reports for one model.

    Parameters
    ----------
    config : EncoderConfig
        Of the model.
    tokenizer : Tokenizer or None
        Its tokenizer.
    cut : bool
        True to cut a longer report to the model's length.

    Raises
    ------
    UsageError
        If the model reads no text, or has no tokenizer, or one with more words than it knows.
    """
    if config.text is None:
        raise UsageError(f"Model '{config.name}' has no text modality: leave reports out.")
    if tokenizer is None:
        raise UsageError(
            f"Model '{config.name}' has no tokenizer to cut reports into words: set its tokenizer to "
            f"biosig.models.text.Tokenizer.load('vocab.txt') with the vocabulary that it was trained with."
        )
    if tokenizer.n_words > config.text.n_words:
        raise UsageError(
            f"The tokenizer has {tokenizer.n_words} words, and model '{config.name}' has room for "
            f"{config.text.n_words}: use the tokenizer that belongs to it."
        )
    return RecordingWords(tokenizer, config.text.n_tokens, cut)
