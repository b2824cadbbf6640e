"""Configuration of splits by subject into training, validation and test parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from biosig.errors import UsageError


@dataclass(frozen=True)
class SubjectKFold:
    """Cross-validation over subjects, in which every subject is tested once.

    Parameters
    ----------
    folds : int or "subjects"
        Folds over subjects; "subjects" leaves one subject (one group of `by`) out at a time.
    validation : float
        Share of a fold's training subjects that choose the epoch; at most 0.5.
    by : str
        "subject"; or "site", "session" or any label: then recordings that share one of its values, or a subject, stay
        on one side.
    """

    name: ClassVar[str] = "folds"
    folds: int | Literal["subjects"] = "subjects"
    validation: float = 0.2
    by: str = "subject"

    def __post_init__(self) -> None:
        _check_share(self.validation)


@dataclass(frozen=True)
class QuerySplit:
    """Split into named parts, as for published splits.

    Parameters
    ----------
    train, test : str
        Pandas expressions over the index and the labels: "part == 'train'", "number <= '070'".
    validation : str or float
        An expression, or the share of the training subjects; at most 0.5.
    """

    name: ClassVar[str] = "query"
    train: str
    test: str
    validation: str | float = 0.2

    def __post_init__(self) -> None:
        if not isinstance(self.validation, str):
            _check_share(self.validation)


def _check_share(share: float) -> None:
    if not 0 < share <= 0.5:
        raise UsageError(f"split.validation is {share:g}; it is a share of the subjects, above 0 and at most 0.5.")
