"""Reports as word ids: cleaned, and cut by a tokenizer in one file beside the weights; no download, no pickle."""

from __future__ import annotations

import re
from pathlib import Path

import tokenizers

from biosig.errors import UnreadableError, UsageError

SHIPPED = Path(__file__).parent / "tokenizer" / "tokenizer.json"
"""A demonstration, trained on 352 reports of PTB-XL (tools.make_tokenizer)."""

_SENTENCE_END = re.compile(r"[\r\n]+|(?<!\d)\.|\.(?!\d)")  # 0.12 s is one number
_OTHER_TRACING = re.compile(r"\bprevious\s+(tracing|ecg)|\bcompared\s+(to|with)\b|\btracing\s*#\s*\d", re.IGNORECASE)


def clean_report(text: str) -> str:
    """A report as models read it: commas for ends of sentences and lines, and nothing that speaks of another tracing.

    The rules are CSFM's (arXiv:2507.01045, its public code): sentences with "previous tracing", "compared to" or
    "TRACING #2" are dropped, since no other tracing is at hand. White space is one blank each.

    Returns
    -------
    str
        Empty where nothing with a letter or a digit is left: such a recording has no report.
    """
    sentences = [" ".join(part.split()).strip(" ,;") for part in _SENTENCE_END.split(text)]
    return ", ".join(s for s in sentences if any(c.isalnum() for c in s) and not _OTHER_TRACING.search(s))


class Tokenizer:
    """Cuts a text into words of a vocabulary.

    Parameters
    ----------
    inner : tokenizers.Tokenizer
        Tokenizer of the `tokenizers` package.
    """

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner

    @classmethod
    def default(cls) -> Tokenizer:
        """The tokenizer that ships with the package: a demonstration, trained on 352 reports of PTB-XL."""
        return cls.load(SHIPPED)

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
            raise UnreadableError(
                f"{path} is not a tokenizer ({error}): give a tokenizer.json or a vocab.txt."
            ) from error

    @property
    def n_words(self) -> int:
        """Size of the vocabulary."""
        return self._inner.get_vocab_size()

    def encode(self, text: str, clean: bool = True) -> list[int]:
        """Word ids of a text, cleaned by `clean_report`, which may leave nothing of it, or as it is."""
        return self._inner.encode(clean_report(text) if clean else text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        """The text that word ids stand for."""
        return self._inner.decode(ids, skip_special_tokens=False).strip()

    def save(self, path: str | Path) -> None:
        """Write it as `tokenizer.json`."""
        self._inner.save(str(path))
