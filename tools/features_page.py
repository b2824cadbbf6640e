"""Write the table of columns in docs/features.md anew from the registry of features."""

from __future__ import annotations

from pathlib import Path

from biosig.features import markdown

PAGE = Path(__file__).parents[1] / "docs" / "features.md"
MARK = "<!-- columns -->\n"


def with_columns(text: str) -> str:
    """The page with the registry's table behind its mark."""
    return text[: text.index(MARK) + len(MARK)] + "\n" + markdown()


if __name__ == "__main__":
    PAGE.write_text(with_columns(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
