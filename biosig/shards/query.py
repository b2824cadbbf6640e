"""Queries over the index and the labels of shards: which recordings an expression takes, and why it takes none."""

from __future__ import annotations

import ast
import difflib
import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biosig.errors import UsageError

_OPERATORS = frozenset(("and", "or", "not", "in", "is", "True", "False", "None"))
_SHOWN = 12  # values of a column
_LONGEST = 10_000  # characters of an expression


def matching_rows(frame: pd.DataFrame, expression: str) -> NDArray[np.bool_]:
    """Rows of a table for which a pandas expression is true, shape (n,).

    A column that is called like a word of Python (``class``) may stand as it is.

    Raises
    ------
    UsageError
        If the expression cannot be evaluated or is not true or false for each row.
    """
    if len(expression) > _LONGEST:
        raise UsageError(f"The query has {len(expression):,} characters; {_LONGEST:,} is the most that is read.")
    try:
        chosen = frame.eval(_with_backticks(frame, expression), engine="python", local_dict={}, global_dict={})
        mask = np.asarray(chosen)
        if mask.shape != (len(frame),) or mask.dtype != bool:
            raise ValueError("it is not true or false for each recording")
    except Exception as error:
        raise UsageError(
            f"The query {expression!r} cannot be answered ({error}); {_remedy(frame, expression)}."
        ) from None
    return mask


def why_none(frame: pd.DataFrame, expression: str) -> str:
    """A sentence about a query that no row matches: the values that its columns have."""
    reasons = list(_mismatches(frame, expression))
    return (
        f"No recording matches the query {expression!r}: {'; '.join(reasons) or 'its conditions exclude each other'}."
    )


def _with_backticks(frame: pd.DataFrame, expression: str) -> str:
    """The expression with columns that are words of Python in backticks."""
    words = [name for name in map(str, frame) if keyword.iskeyword(name) and name not in _OPERATORS]
    if not words:
        return expression
    parts = re.split(r"(`[^`]*`|'[^']*'|\"[^\"]*\")", expression)
    pattern = re.compile(rf"\b({'|'.join(words)})\b")
    return "".join(part if i % 2 else pattern.sub(r"`\1`", part) for i, part in enumerate(parts))


def _remedy(frame: pd.DataFrame, expression: str) -> str:
    """Remedy for a query that fails: a column's values if one is compared with another type, else the columns."""
    wrong = [reason for reason in _mismatches(frame, expression) if " holds " in reason]
    if wrong:
        return "; ".join(wrong)
    names = list(map(str, frame))
    spaced = [name for name in names if not name.isidentifier() and name in expression]
    if spaced:
        return f"write the column `{spaced[0]}` in backticks"
    unknown = [name for name in _names(expression) if name not in names]
    near = difflib.get_close_matches(unknown[0], names, 1) if unknown else []
    return f"{f'did you mean {near[0]}? ' if near else ''}columns are {', '.join(names)}"


def _names(expression: str) -> list[str]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(expression).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    return [token.string for token in tokens if token.type == tokenize.NAME and not keyword.iskeyword(token.string)]


def _mismatches(frame: pd.DataFrame, expression: str) -> Iterator[str]:
    """A phrase for each column that is compared with a value which it does not have."""
    names: list[str] = []

    def hide(match: re.Match[str]) -> str:
        names.append(match[1])
        return f"_column{len(names) - 1}"

    try:
        tree = ast.parse(re.sub("`([^`]*)`", hide, _with_backticks(frame, expression)), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and len(node.ops) == 1):
            continue
        hidden = re.fullmatch(r"_column(\d+)", node.left.id)
        name = names[int(hidden[1])] if hidden else node.left.id
        try:
            value = ast.literal_eval(node.comparators[0])
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        if name in frame:
            wanted = value if isinstance(value, list | tuple | set) else [value]
            yield from filter(None, [_mismatch(frame[name], name, node.ops[0], one) for one in wanted][:_SHOWN])


def _mismatch(column: pd.Series[Any], name: str, operator: ast.cmpop, value: Any) -> str | None:
    known = column.dropna()
    if not len(known):
        return f"{name} has no values"
    is_number = pd.api.types.is_numeric_dtype(known.infer_objects()) or all(isinstance(x, int | float) for x in known)
    if isinstance(value, str) and is_number:
        return f"{name} holds numbers ({known.min():g} to {known.max():g}) and is compared with the text {value!r}"
    if isinstance(value, int | float) and not isinstance(value, bool) and not is_number:
        return f"{name} holds text ({_listed(known)}) and is compared with the number {value!r}"
    if isinstance(operator, ast.Eq | ast.In) and value not in set(map(_hashable, known)):
        span = f"{known.min():g} to {known.max():g}" if is_number else _listed(known)
        return f"{value!r} is not a value of {name}, which has {span}"
    if is_number and isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        return f"{name} lies from {known.min():g} to {known.max():g}"
    return None


def _listed(known: pd.Series[Any]) -> str:
    values = sorted({str(value)[:40] for value in known})
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | np.ndarray) else value
