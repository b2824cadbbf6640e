"""Diagnoses that a simulated heart can have: each stands for a published criterion of `biosig.features` and fulfils it.

To add one, write a function of a heart into a module of this package and decorate it with `diagnosis`. It gets a
severity, about 1, which is raised until the criterion is met in the noise-free twelve leads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from biosig.registry import Registry
from biosig.simulate.ecg_heart import Heart

Change = Callable[[Heart, np.random.Generator, float], None]

GROUPS = ("conduction", "pr", "voltage", "infarction", "st", "t", "atria")
"""In the order in which they change a heart. A heart has at most one diagnosis of each group."""


@dataclass(frozen=True)
class Diagnosis:
    """A diagnosis.

    Parameters
    ----------
    name : str
    criterion : str
        Column of `biosig.features` without its kind ("score_lbbb"); formula and source stand there.
    group : str
        One of `GROUPS`.
    share : float
        Of hearts that are drawn with diagnoses. Rare ones are met more often than in any population.
    change : callable
        Changes a healthy heart in place, given random numbers and a severity.
    """

    name: str
    criterion: str
    group: str
    share: float
    change: Change


DIAGNOSES: Registry[Diagnosis] = Registry("simulated diagnosis", "biosig.simulated_diagnoses", __name__)


def diagnosis(name: str, criterion: str, group: str, share: float) -> Callable[[Change], Change]:
    """Register the decorated function as the change that a diagnosis makes."""

    def register(change: Change) -> Change:
        DIAGNOSES.register(Diagnosis(name, f"score_{criterion}", group, share, change))
        return change

    return register
