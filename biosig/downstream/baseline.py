"""Baselines, the methods that a model is compared with in a table of scores: base class, registry and titles.

To add a baseline, put one file into `biosig/downstream/baselines/`, or publish a package with an entry point in the
group ``biosig.baselines``. A module here imports neither torch nor scikit-learn until its baseline is fitted, so that a
configuration is checked quickly.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from biosig.errors import UsageError
from biosig.evaluate.metrics import Kind
from biosig.registry import Registry

if TYPE_CHECKING:
    from biosig.downstream.baselines.context import BaselineContext, FitJob, FoldPredictions

BASELINES = Registry["type[Baseline]"]("baseline", "biosig.baselines", "biosig.downstream.baselines")
"""Every baseline of a labelled task, by name."""

MODEL = "model"
"""Name in tables of the method that is compared with the baselines."""


class Baseline(ABC):
    """A method that predicts the test part of a split from its training and validation parts.

    Attributes
    ----------
    name : str
        Its name in configurations and result tables.
    title : str
        Its name in reports and pictures.
    kinds : tuple of str
        Kinds of target that it can fit.
    modalities : frozenset of str
        Modalities that it reads; windows with none of them are refused.
    needs_one_layout : bool
        True if all windows must have the same channels, at one rate, and the same length.
    seedless : bool
        True if its predictions are the same with every seed of a job, so that one run is enough.
    frozen_encoder : bool
        True if it is the model's encoder with other weights, on which a probe fits its own head.
    needs_twin : bool
        True if it builds the model's architecture anew, which a wrapped module may not support.
    rank : int
        Place among the defaults of a task, the weakest baseline first.
    seed_id : int
        Sets its random numbers apart from those of other methods. By default a hash of the name; the fixed numbers of
        members here keep the results of version 0.1.0 as they are. 0 is the model's.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]] = ("classes", "multilabel", "number", "survival")
    modalities: ClassVar[frozenset[str]] = frozenset({"ecg", "ppg", "eeg"})
    needs_one_layout: ClassVar[bool] = False
    seedless: ClassVar[bool] = False
    frozen_encoder: ClassVar[bool] = False
    needs_twin: ClassVar[bool] = False
    rank: ClassVar[int] = 100
    seed_id: ClassVar[int]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in vars(cls) and "seed_id" not in vars(cls):
            cls.seed_id = int.from_bytes(hashlib.sha256(cls.name.encode()).digest()[:4], "big")

    @classmethod
    def suits(cls, kind: Kind, modalities: Collection[str], demographics: bool) -> bool:  # noqa: ARG003
        """True if it is a default for a task.

        Parameters
        ----------
        kind : {"classes", "multilabel", "number", "survival"}
            Kind of the target.
        modalities : collection of str
            "ecg", "ppg", "eeg": modalities of the windows that the model reads.
        demographics : bool
            True if age or sex is known, and not itself the target.
        """
        return False

    @abstractmethod
    def fit_predict(self, context: BaselineContext, job: FitJob) -> FoldPredictions:
        """Fit the training part, select on the validation part, and predict the validation and the test part.

        Labels of the test part are never read, and its windows only to predict each of them.

        Parameters
        ----------
        context : BaselineContext
            Windows, labels and settings that all baselines share.
        job : FitJob
            Rows of the parts, and the seed.
        """

    def remarks(self, context: BaselineContext) -> list[str]:  # noqa: ARG002
        """Remarks on its fits for a reader of the table."""
        return []


def method_title(name: str) -> str:
    """A method's name in reports and pictures, of fused rows both; the name itself if it is not a baseline."""
    if " + " in name:
        return " + ".join(map(method_title, name.split(" + ")))
    if name == MODEL:
        return "model on trial"
    return BASELINES[name].title if name in BASELINES else name


def check_kind(names: Sequence[str], kind: Kind) -> None:
    """Refuse baselines that do not fit this kind of target.

    Raises
    ------
    UsageError
        With the first of them and the kinds that it fits; or if there is no baseline of that name.
    """
    for name in names:
        kinds = BASELINES[name].kinds
        if kind not in kinds:
            raise UsageError(
                f"The baseline {name} fits targets of kind {' or '.join(kinds)}, and this target is of kind {kind}: "
                "leave it out."
            )


def check_minutes(minutes: float) -> None:
    """Refuse a network's time budget that is not positive.

    Raises
    ------
    UsageError
        If it is not positive.
    """
    if not minutes > 0:
        raise UsageError(f"network_minutes is {minutes:g}: give a positive number of minutes, 5 by default.")
