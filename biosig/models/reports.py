"""Reports as a model reads them: cleaned, and as word ids of a recording."""

from __future__ import annotations

from typing import Protocol

from biosig.errors import DataError
from biosig.models.text import Tokenizer


class Reported(Protocol):
    """A recording that may come with a report."""

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def report(self) -> str | None: ...  # noqa: D102


class RecordingWords:
    """The words of a recording's report, for `load_batches`; pickles to a worker.

    Parameters
    ----------
    tokenizer : Tokenizer
        Of the model.
    n_tokens : int
        What the model reads at most.
    cut : bool
        Whether a longer report is cut there; else it is an error. `n_cut` counts those that were.
    """

    def __init__(self, tokenizer: Tokenizer, n_tokens: int, cut: bool = False) -> None:
        self.tokenizer, self.n_tokens, self.cut = tokenizer, n_tokens, cut
        self._too_long: set[str] = set()

    @property
    def n_cut(self) -> int:
        """Recordings so far whose report was longer."""
        return len(self._too_long)

    def __call__(self, recording: Reported) -> list[int]:
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
