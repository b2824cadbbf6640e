"""Configuration of a task's labels and of where its windows lie."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from biosig.errors import UsageError

if TYPE_CHECKING:
    from biosig.evaluate.metrics import Kind


@dataclass(frozen=True)
class Target:
    """The truth to predict: `label` (with `classes`, `labels` or none), `events`, `target_channel`, `rate`, or `time`.

    Parameters
    ----------
    label : str
        A recording label, or "age" or "sex".
    classes : dict
        Class name → the label values that mean it. A recording belongs to a class when it has one of the values; of
        a list of values those that no class names are disregarded; a recording with values of two classes, or of
        none, is left out and counted. So {normal: [NORM], abnormal: [MI, CD]} leaves out who has both NORM and MI.
    labels : dict
        As `classes`, but a recording has any number of them, each scored by itself. Who has values that no class names
        has none of them; who has no value at all is left out and counted.
    weights : str
        Of `labels` that are SNOMED CT codes, the file that says what each answer is worth where another is true, in the
        form of the PhysioNet/CinC Challenges (`biosig.evaluate.challenge`): their score is then one of the metrics.
    challenge_weights : list of list of float
        What that file holds for the labels, in their order; a saved configuration has it.
    events : dict
        Class name → annotation labels. Every such event gives one window, or those that lie within it (a rhythm, a
        stage of sleep): see `WindowPlan`.
    label_interval : float
        Of events, 0 or the seconds from one label to the next: the recording is cut into spans of this length, each
        with the class whose events fill half of it or happen in it, which a fine-tuned model reads within windows of
        `WindowPlan.length`. So 30 gives the stages of a night, 0.2 says where the R peaks are.
    background_class : str
        Name of the class of spans without event; none = they are left out and counted.
    where : dict
        Class name → the recordings in which its events count, as a pandas expression over the index and the labels;
        all, where a class is not named. So T1 can mean the left fist in one run and both fists in another.
    target_channel : str
        A channel without a modality, such as the heart rate that a monitor shows: its median in each window.
    rate : str
        An annotation label such as a beat's: how often a minute it comes in each window, 60 over the median interval.
    valid_range : tuple of float
        Least and greatest reading of `target_channel` that counts, as a monitor may show 0 where it measures nothing;
        and least and greatest `rate`.
    time, event : str
        Two labels: how long a recording's subject was observed after it, and whether (1) or not (0) the event ended
        that.
    """

    old_names: ClassVar[Mapping[str, str]] = {
        "worth": "challenge_weights",
        "every": "label_interval",
        "otherwise": "background_class",
        "measure": "target_channel",
        "plausible": "valid_range",
    }
    label: str = ""
    classes: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    weights: str = ""
    challenge_weights: list[list[float]] = field(default_factory=list)
    events: dict[str, list[str]] = field(default_factory=dict)
    label_interval: float = 0.0
    background_class: str = ""
    where: dict[str, str] = field(default_factory=dict)
    target_channel: str = ""
    rate: str = ""
    valid_range: tuple[float, float] = (-math.inf, math.inf)
    time: str = ""
    event: str = ""

    def __post_init__(self) -> None:
        given = [
            bool(self.label),
            bool(self.events),
            bool(self.target_channel),
            bool(self.rate),
            bool(self.time or self.event),
        ]
        if sum(given) != 1:
            raise UsageError(
                "A target needs one of 'label' (a recording's label), 'events' (annotations), 'target_channel' (a "
                "channel), 'rate' (annotations) and 'time' with 'event' (labels), not two of them."
            )
        if bool(self.time) != bool(self.event):
            raise UsageError("A time to an event needs two labels: 'time' and 'event'.")
        if (self.classes or self.labels) and not self.label:
            raise UsageError("'classes' and 'labels' sort the values of a recording's label: name it with 'label'.")
        if self.classes and self.labels:
            raise UsageError("A target has 'classes' (exactly one each) or 'labels' (any number of them), not both.")
        if (self.weights or self.challenge_weights) and not self.labels:
            raise UsageError(
                "'weights' and 'challenge_weights' are of 'labels', any number of which a recording has: name them."
            )
        if self.challenge_weights and [len(row) for row in self.challenge_weights] != [len(self.labels)] * len(
            self.labels
        ):
            raise UsageError(
                f"'challenge_weights' needs {len(self.labels)} rows of {len(self.labels)} numbers, one per label."
            )
        self._check_groups()

    def _check_groups(self) -> None:
        if (
            self.label_interval < 0
            or (self.label_interval and not self.events)
            or (self.background_class and not self.label_interval)
        ):
            raise UsageError(
                f"'label_interval' is {self.label_interval:g} and 'background_class' '{self.background_class}': the "
                "first is a positive number of seconds beside 'events', the second needs 'label_interval'."
            )
        groups = self.events or self.classes
        if len(groups) == 1 and not self.background_class:
            raise UsageError(f"The target has the one class '{next(iter(groups))}': name two or more.")
        unknown = [name for name in self.where if name not in self.events]
        if unknown:
            raise UsageError(f"'where' names '{unknown[0]}', which is no class of events: name one of 'events'.")
        everywhere = [values for name, values in groups.items() if name not in self.where]
        repeated = [value for value, n in Counter(v for values in everywhere for v in values).items() if n > 1]
        if repeated:
            raise UsageError(f"'{repeated[0]}' stands in two classes of the target: a value can mean one class only.")

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their numbers or columns; empty for a number and for a time."""
        return tuple(self.events or self.classes or self.labels) + (
            (self.background_class,) if self.background_class else ()
        )

    @property
    def kind(self) -> Kind:
        """What y is like."""
        if self.events or self.classes:
            return "classes"
        if self.labels:
            return "multilabel"
        return "survival" if self.time else "number"

    @property
    def unit(self) -> Literal["recording", "window"]:
        """What the truth belongs to, hence what is scored."""
        return "window" if self.events or self.target_channel or self.rate else "recording"

    @property
    def title(self) -> str:
        """For tables and cards."""
        if self.kind == "survival":
            return f"{self.time} to {self.event}"
        between = ", " if self.kind == "multilabel" else " against "
        return (
            between.join(self.class_names)
            or self.label
            or self.target_channel
            or (f"rate of {self.rate}" if self.rate else "")
        )


@dataclass(frozen=True)
class WindowPlan:
    """Where windows lie, in seconds: `before` and `after` around an event's onset, `length` and `stride` for all else.

    Parameters
    ----------
    length, stride : float, optional
        Seconds per window, and from one onset to the next (default `length`); for events within their duration.
    before, after : float, optional
        Seconds before and after an event's onset; `before` defaults to 0.
    max_windows : int, optional
        Windows that a recording gives, of events those of each class: its first ones, so that longer recordings do not
        give more.
    spread : bool
        Whether these lie evenly over the recording instead, so that the time of a window does not tell its class.
    """

    old_names: ClassVar[Mapping[str, str]] = {"at_most": "max_windows"}
    length: float | None = None
    stride: float | None = None
    before: float | None = None
    after: float | None = None
    max_windows: int | None = None
    spread: bool = False

    def __post_init__(self) -> None:
        if self.spread and self.max_windows is None:
            raise UsageError("windows.spread is on, and nothing says over how many: give windows.max_windows too.")
        if self.max_windows is not None and self.max_windows < 1:
            raise UsageError(f"windows.max_windows is {self.max_windows}: give 1 or more, or leave it out.")
