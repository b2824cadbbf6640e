"""Identifiers in the header of a source file: who was recorded, when and with which device; no sample is read.

Only `biosig inspect --privacy` asks, each adapter for its own format (`Adapter.identifiers`).
"""

from __future__ import annotations

import re
from pathlib import Path

from biosig.reading import Adapter, Identifier

_SHOWN = 4  # words of a value
_LONGEST = 48  # characters of it


def identifiers_in_header(adapter: Adapter, path: Path) -> list[Identifier] | None:
    """Identifiers in a file's header; None if the adapter cannot say.

    Raises
    ------
    biosig.errors.UnreadableError
        If the file is damaged.
    """
    found = adapter.identifiers(path)
    return None if found is None else [identifier for identifier in found if identifier.value.strip()]


def mask(value: str) -> str:
    """The shape of a value without its letters and digits: "Mustermann 12.03.1994" → "M… (10 letters) 99.99.9999"."""

    def hidden(match: re.Match[str]) -> str:
        word = match[0]
        if word.isalpha() and len(word) > 1:
            return f"{word[0]}… ({len(word)} letters)"
        return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "9", word))

    words = value.split()
    first = " ".join(words[:_SHOWN])[:_LONGEST]
    more = len(words) > _SHOWN or len(first) == _LONGEST
    return re.sub(r"[^\W_]+", hidden, first) + (" and more" if more else "")
