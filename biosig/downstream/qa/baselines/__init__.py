"""Baselines of question answering, by name.

To add one, put one file into this folder, or publish a package with an entry point in the group
``biosig.qa_baselines``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from biosig.registry import Registry

if TYPE_CHECKING:
    from biosig.downstream.qa.context import QaContext
    from biosig.evaluate.metrics import Floats

QA_BASELINES = Registry["type[QaBaseline]"]("question-answering baseline", "biosig.qa_baselines", __name__)


class QaBaseline(ABC):
    """A method that answers the questions of the test part.

    Attributes
    ----------
    name : str
        Its name in configurations and result tables.
    rank : int, optional
        Place among the defaults, the weakest first; None = not a default.
    """

    name: ClassVar[str]
    rank: ClassVar[int | None] = None

    @abstractmethod
    def fit_predict(self, context: QaContext) -> Floats:
        """Scores of the answers (n, K) to the questions of the test part."""


def default_qa_baselines() -> list[str]:
    """The names of the default baselines, by rank."""
    ranked = [(member.rank, name) for name, member in QA_BASELINES.items() if member.rank is not None]
    return [name for _, name in sorted(ranked)]
