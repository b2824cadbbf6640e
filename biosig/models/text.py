"""Reports as word ids: a tokenizer in one file beside the weights, never a download, never a pickle."""

from __future__ import annotations

from pathlib import Path

import tokenizers

from biosig.errors import UnreadableError, UsageError


class Tokenizer:
    """Cuts a text into words of a vocabulary.

    Parameters
    ----------
    inner : tokenizers.Tokenizer
        What does it.
    """

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read a `tokenizer.json`, or the `vocab.txt` of a BERT (taken as uncased WordPiece).

        Raises
        ------
        UsageError
            If the file does not exist.
        UnreadableError
            If it is neither.
        """
        path = Path(path)
        if not path.is_file():
            raise UsageError(f"There is no tokenizer file {path}: give a tokenizer.json, or a BERT's vocab.txt.")
        try:
            if path.suffix == ".txt":
                return cls(tokenizers.BertWordPieceTokenizer(str(path), lowercase=True)._tokenizer)
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exceptions
            raise UnreadableError(f"{path} is no tokenizer ({error}): give a tokenizer.json or a vocab.txt.") from error

    @property
    def n_words(self) -> int:
        """Size of the vocabulary."""
        return self._inner.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """Word ids of a text."""
        return self._inner.encode(text, add_special_tokens=False).ids

    def save(self, path: str | Path) -> None:
        """Write it as `tokenizer.json`."""
        self._inner.save(str(path))
