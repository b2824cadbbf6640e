"""Configuration of a task's labels, a class for each kind of target, and of where its windows lie."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from biosig.errors import UsageError

if TYPE_CHECKING:
    from biosig.evaluate.metrics import Kind

Groups = dict[str, list[str]]
"""Name of a class or label → the values that mean it."""


class Target:
    """Base of the five kinds of target; a configuration holds one of them (`AnyTarget`), told by `name` or by its keys.

    Called itself, as in ``Target("sex", {"female": ["F"], "male": ["M"]})`` or ``Target(events=...)``, it gives an
    instance of the class that its arguments belong to.

    Class attributes
    ----------------
    name : str
        Name of the class in a configuration.
    kind : str
        Form of y, for which metrics and heads exist (`biosig.evaluate.metrics.Kind`).
    """

    name: ClassVar[str]
    old_names: ClassVar[Mapping[str, str]] = {
        "worth": "challenge_weights",
        "every": "label_interval",
        "otherwise": "background_class",
        "measure": "target_channel",
        "plausible": "valid_range",
    }
    if TYPE_CHECKING:
        kind: ClassVar[Kind]

    def __new__(cls, *args: Any, **keys: Any) -> Target:  # noqa: D102
        chosen: type[Target] = cls
        if cls is Target:
            given = dict(zip(("label", "classes"), args, strict=False)) | keys
            _check_keys(given)
            chosen = next((kind for key, kind in _KIND_BY_KEY.items() if given.get(key)), NumberTarget)
        return object.__new__(chosen)

    def __post_init__(self) -> None:
        _check_keys(vars(self))

    @classmethod
    def upgrade(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Leave out keys without a value: files of 0.1.0 have those of every kind.

        Raises
        ------
        UsageError
            If the others are of two kinds, or of none.
        """
        unknown = sorted(set(map(str, values)) - _KEYS - {"name"})
        if unknown:
            raise UsageError(
                f"Unknown key {', '.join(map(repr, unknown))} for a target; known keys are {', '.join(sorted(_KEYS))}."
            )
        values = {key: value for key, value in values.items() if value not in _NO_VALUE}
        _check_keys(values)
        return values

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their numbers or columns; empty for a number and for a time."""
        return ()

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of a model's outputs: the classes, or the one quantity."""
        return self.class_names

    @property
    def label_interval(self) -> float:
        """Seconds from one label to the next within a window; 0 for one label per window."""
        return 0.0

    @property
    def unit(self) -> Literal["recording", "window"]:
        """The unit that the truth belongs to, hence the one that is scored."""
        return "recording"

    @property
    def title(self) -> str:
        """Title in tables and cards."""
        return " against ".join(self.class_names)


@dataclass(frozen=True)
class ClassTarget(Target):
    """One class of several for each recording, by one of its labels.

    Parameters
    ----------
    label : str
        A recording label, or "age" or "sex".
    classes : dict
        Class name → the label values that mean it. A recording belongs to a class when it has one of the values; of
        a list of values those that no class names are disregarded; a recording with values of two classes, or of
        none, is left out and counted. So {normal: [NORM], abnormal: [MI, CD]} leaves out who has both NORM and MI.
    """

    name: ClassVar[str] = "classes"
    kind = "classes"
    label: str
    classes: Groups

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_number(self.classes, least=2)
        _check_once(self.classes.values())

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their numbers."""
        return tuple(self.classes)


@dataclass(frozen=True)
class MultiLabelTarget(Target):
    """Any number of classes for each recording, by the values of one of its labels, each class scored by itself.

    Parameters
    ----------
    label : str
        A recording label.
    labels : dict
        Class name → the label values that mean it. A recording with values that no class names has none of the
        classes; one that has no value at all is left out and counted.
    weights : str
        Of classes that are SNOMED CT codes, the file of the credit that each answer earns where another is true, in
        the form of the PhysioNet/CinC Challenges (`biosig.evaluate.challenge`): their score is then one of the metrics.
    challenge_weights : list of list of float
        The numbers of that file for the classes, in their order; a saved configuration has them.
    """

    name: ClassVar[str] = "multilabel"
    kind = "multilabel"
    label: str
    labels: Groups
    weights: str = ""
    challenge_weights: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_number(self.labels, least=1)
        n = len(self.labels)
        if self.challenge_weights and [len(row) for row in self.challenge_weights] != [n] * n:
            raise UsageError(f"'challenge_weights' needs {n} rows of {n} numbers, one per label.")

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their columns."""
        return tuple(self.labels)

    @property
    def title(self) -> str:
        """Title in tables and cards."""
        return ", ".join(self.labels)


@dataclass(frozen=True)
class NumberTarget(Target):
    """A number: a recording's label, the reading of a channel in each window, or the rate of an annotation there.

    Parameters
    ----------
    label : str
        A recording label, or "age".
    target_channel : str
        A channel without a modality, such as the heart rate that a monitor shows: its median in each window.
    rate : str
        An annotation label such as a beat's: its rate per minute in each window, 60 over the median interval.
    valid_range : tuple of float
        Least and greatest reading of `target_channel` that counts, as a monitor may show 0 where it measures nothing;
        and least and greatest `rate`.
    """

    name: ClassVar[str] = "number"
    kind = "number"
    label: str = ""
    target_channel: str = ""
    rate: str = ""
    valid_range: tuple[float, float] = (-math.inf, math.inf)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The label, the channel or the annotation."""
        return (self.label or self.target_channel or self.rate,)

    @property
    def unit(self) -> Literal["recording", "window"]:
        """The unit that the truth belongs to, hence the one that is scored."""
        return "recording" if self.label else "window"

    @property
    def title(self) -> str:
        """Title in tables and cards."""
        return self.label or self.target_channel or f"rate of {self.rate}"


@dataclass(frozen=True)
class EventTarget(Target):
    """One class of several for each annotated event, or for each span of a window.

    Parameters
    ----------
    events : dict
        Class name → annotation labels. Every such event gives one window, or those that lie within it (a rhythm, a
        stage of sleep): see `WindowPlan`.
    label_interval : float
        0, or the seconds from one label to the next: the recording is cut into spans of this length, each with the
        class whose events fill half of it or happen in it, which a fine-tuned model reads within windows of
        `WindowPlan.length`. So 30 gives the stages of a night, 0.2 says where the R peaks are.
    background_class : str
        Name of the class of spans without event; none = they are left out and counted.
    where : dict
        Class name → the recordings in which its events count, as a pandas expression over the index and the labels;
        all, where a class is not named. So T1 can mean the left fist in one run and both fists in another.
    """

    name: ClassVar[str] = "events"
    kind = "classes"
    events: Groups
    label_interval: float = 0.0
    background_class: str = ""
    where: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.background_class:
            _check_number(self.events, least=2)
        unknown = [name for name in self.where if name not in self.events]
        if unknown:
            raise UsageError(f"'where' names '{unknown[0]}', which is not a class of events: name one of 'events'.")
        _check_once([labels for name, labels in self.events.items() if name not in self.where])

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their numbers, that of the background last."""
        return (*self.events, *([self.background_class] if self.background_class else []))

    @property
    def unit(self) -> Literal["recording", "window"]:
        """The unit that the truth belongs to, hence the one that is scored."""
        return "window"


@dataclass(frozen=True)
class SurvivalTarget(Target):
    """The time to an event, perhaps censored, by two labels of a recording.

    Parameters
    ----------
    time : str
        Label of the time for which the recording's subject was observed after it.
    event : str
        Label that is 1 if the event ended that time and 0 if not.
    """

    name: ClassVar[str] = "survival"
    kind = "survival"
    time: str
    event: str

    @property
    def output_names(self) -> tuple[str, ...]:
        """The event."""
        return (self.event,)

    @property
    def title(self) -> str:
        """Title in tables and cards."""
        return f"{self.time} to {self.event}"


AnyTarget = ClassTarget | MultiLabelTarget | NumberTarget | EventTarget | SurvivalTarget

_KIND_BY_KEY: dict[str, type[Target]] = {
    "classes": ClassTarget,
    "labels": MultiLabelTarget,
    "events": EventTarget,
    "time": SurvivalTarget,
}
"""Keys that one kind has alone and must have; a number is what has none of them."""

_KEYS = frozenset(part.name for kind in get_args(AnyTarget) for part in fields(kind))
"""Keys of all kinds."""

_NO_VALUE: tuple[Any, ...] = ("", 0.0, [], {}, [-math.inf, math.inf])


def _check_keys(given: Mapping[str, Any]) -> None:
    """Refuse keys of two kinds of target, of none, and keys that need another.

    Raises
    ------
    UsageError
        If there are such.
    """
    has = {key for key in _KEYS if given.get(key)}
    sources = has & {"label", "events", "target_channel", "rate"} | ({"time"} if has & {"time", "event"} else set())
    if len(sources) != 1:
        raise UsageError(
            "A target needs one of 'label' (a recording's label), 'events' (annotations), 'target_channel' (a "
            "channel), 'rate' (annotations) and 'time' with 'event' (labels), not two of them."
        )
    if len(has & {"time", "event"}) == 1:
        raise UsageError("A time to an event needs two labels: 'time' and 'event'.")
    if has & {"classes", "labels"} and "label" not in has:
        raise UsageError("'classes' and 'labels' sort the values of a recording's label: name it with 'label'.")
    if {"classes", "labels"} <= has:
        raise UsageError("A target has 'classes' (exactly one each) or 'labels' (any number of them), not both.")
    if has & {"weights", "challenge_weights"} and "labels" not in has:
        raise UsageError(
            "'weights' and 'challenge_weights' are of 'labels', any number of which a recording has: name them."
        )
    interval, background = given.get("label_interval") or 0.0, given.get("background_class") or ""
    if (
        (isinstance(interval, int | float) and interval < 0)
        or (interval and "events" not in has)
        or (background and not interval)
    ):
        raise UsageError(
            f"'label_interval' is {interval} and 'background_class' '{background}': the first is a positive number of "
            "seconds beside 'events', the second needs 'label_interval'."
        )
    if "valid_range" in has and has & _KIND_BY_KEY.keys():
        raise UsageError(
            "'valid_range' bounds a 'target_channel' or a 'rate', and the target has neither: leave it out."
        )
    if "where" in has and "events" not in has:
        raise UsageError("'where' says in which recordings classes of events count: name them with 'events'.")


def _check_number(groups: Groups, least: int) -> None:
    if len(groups) < least:
        found = f"the one class '{next(iter(groups))}'" if groups else "no class"
        raise UsageError(f"The target has {found}: name {'two' if least > 1 else 'one'} or more.")


def _check_once(groups: Iterable[Sequence[str]]) -> None:
    repeated = [value for value, n in Counter(value for values in groups for value in values).items() if n > 1]
    if repeated:
        raise UsageError(f"'{repeated[0]}' stands in two classes of the target: a value can mean one class only.")


@dataclass(frozen=True)
class WindowPlan:
    """Positions of windows in seconds: `before` and `after` an event's onset, `length` and `stride` for all else.

    Parameters
    ----------
    length, stride : float, optional
        Seconds per window, and from one onset to the next (default `length`); for events within their duration.
    before, after : float, optional
        Seconds before and after an event's onset; `before` defaults to 0.
    max_windows : int, optional
        Windows that a recording gives, and each class of events in it: its first ones, so that longer recordings do
        not give more.
    spread : bool
        True if these lie evenly over the recording instead, so that the time of a window does not tell its class.
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
