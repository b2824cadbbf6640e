"""A text table as one array: a recording a row or a column, or channels without names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from biosig.errors import UnreadableError
from ingest.adapters.tables.array_readers import ArrayFile, InMemory, Variable
from ingest.adapters.tables.layout import Dialect
from ingest.adapters.tables.text_table import TextTable


class TextGrid(ArrayFile):
    """Rows and columns of a text table as the two axes of its one array.

    Parameters
    ----------
    path : Path
        The table.
    dialect : Dialect
        Its layout; columns that it ignores are not part of the array.
    aside : sequence of str
        Columns that are variables of their own, such as a label in the last one.

    Raises
    ------
    UnreadableError
        If the table cannot be read, or lacks a column of `aside`.
    """

    def __init__(self, path: Path, dialect: Dialect, aside: Sequence[str] = ()) -> None:
        super().__init__(path)
        self._aside = aside
        self.table = TextTable(path, dialect._replace(ignore=(*dialect.ignore, *aside)), wanted=["*"], as_text=aside)
        if absent := [name for name in aside if name not in self.table.names]:
            raise UnreadableError(
                f"{path} has no column '{absent[0]}', which the mapping names; it has "
                f"{', '.join(self.table.names[:6])} to {self.table.names[-1]}: correct either."
            )

    @property
    def names(self) -> list[str]:
        """The columns that are variables of their own."""
        return list(self._aside)

    @cached_property
    def columns(self) -> list[str]:
        """The columns that make the array."""
        return [name for name in self.table.names if name in self.table.kept]

    @cached_property
    def _array(self) -> Variable:
        if not self.columns:
            raise UnreadableError(f"{self.path} has no column of numbers: correct ignore in the mapping.")
        return InMemory(np.stack([self.table.numbers(name) for name in self.columns], axis=1))

    def only(self) -> Variable:
        """The array, shape (rows, columns)."""
        return self._array

    def _find(self, name: str) -> Variable:
        if name not in self._aside:
            raise self.absent(name)
        cells = self.table.texts(name)
        try:
            return InMemory(np.array([float(cell) for cell in cells]))
        except ValueError:
            return InMemory(np.array(cells))
