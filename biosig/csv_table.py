"""CSV files whose text no spreadsheet takes for a formula: cells that begin like one get an apostrophe in front.

A label or a name comes from somebody's file, and ``=HYPERLINK(…)`` in a cell is run where the table is opened (OWASP,
"CSV Injection"). `read_csv` takes the apostrophes away again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table without its row numbers; numbers stay numbers, text that begins like a formula is quoted."""
    quoted = table.rename(columns=_quote)
    for column in quoted.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in quoted.dtypes]]:
        quoted[column] = quoted[column].map(_quote)
    quoted.to_csv(path, index=False)


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a table that `write_csv` wrote, with its text as it was."""
    table = pd.read_csv(path).rename(columns=_unquote)
    for column in table.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]]:
        table[column] = table[column].map(_unquote)
    return table


def _quote(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip("'").startswith(_FORMULA) else cell


def _unquote(cell: Any) -> Any:
    is_quoted = isinstance(cell, str) and cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA)
    return cell[1:] if is_quoted else cell
