"""Objectives of pretraining: weighted sums of terms, one idea of one paper a file.

A term has two halves. Its configuration (`configs/`) is a dataclass that imports no torch: it has the term's keys, and
names the needs of the term. Its implementation is a `biosig.pretrain.objectives.base.Term`, imported when a run is
built.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from biosig.errors import UsageError
from biosig.registry import Registry, load_object


@dataclass(frozen=True)
class TermConfig:
    """A term as a configuration has it; a subclass adds the keys of its own and the class variables below.

    Parameters
    ----------
    weight : float
        Factor of the term's loss before terms are added up.

    Attributes
    ----------
    name : str
        The term in configurations, logs and model cards.
    paper : str
        Publication: "arXiv:2510.21585, section 3.3"; "" if there is none.
    summary : str
        One sentence on it for the model card; a property if the sentence depends on the keys.
    implementation : str or type
        The `Term`: "package.module:Class", or the class itself.
    masking : str
        The masking that a run has where none is given, and this is its first term.
    needs : tuple of str
        Abilities that a preset must have: names of `biosig.pretrain.objectives.base.ABILITIES`.
    extras : tuple of str
        Names that `Views.extras` must hold: "subject" and "recording" come with any batch, others from a term's
        `augment`.
    targets : tuple of str
        Targets that are measured of each window for the term: makers in `biosig.pretrain.targets.TARGETS`. The `Term`
        is built with these as a third argument, and `Views.extras` holds those of the batch under the maker's name.
    teaches : tuple of str
        The modalities whose windows it looks at; none = all.
    uses_teacher : bool
        True if the term looks at `Views.teacher`; the run then keeps a moving average of the encoder.
    mixes_windows : bool
        True if a window's loss may depend on the other windows of its batch (contrast, clusters).
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    summary: ClassVar[str]
    implementation: ClassVar[Any]
    masking: ClassVar[str] = "blocks"
    needs: ClassVar[tuple[str, ...]] = ()
    extras: ClassVar[tuple[str, ...]] = ()
    targets: ClassVar[tuple[str, ...]] = ()
    teaches: ClassVar[tuple[str, ...]] = ()
    uses_teacher: ClassVar[bool] = False
    mixes_windows: ClassVar[bool] = False

    weight: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise UsageError(f"The weight of the term {self.name} is {self.weight:g}; it must be positive.")


OBJECTIVES: Registry[type[TermConfig]] = Registry("objective", "biosig.objectives", f"{__name__}.configs")
"""The terms by name; other packages add theirs through the entry-point group `biosig.objectives`."""


def implementation_of(term: TermConfig) -> Any:
    """The `Term` class of a configuration, imported now."""
    found = term.implementation
    return load_object(found) if isinstance(found, str) else found
