"""Public encoders with networks of their own: a file each, with its keys, contract, readouts and licence.

A file registers one family: a frozen dataclass with the sizes of its network, chosen by `name`. `biosig convert`,
`biosig.load_model`, `biosig.build_model` and the tables of models go through the registry; another package adds a
family through the entry-point group ``biosig.encoders``. No weights ship, and none were opened: keys are those that
the makers' constructors give.

Shape letters: B windows, C channels, T samples, N tokens, D width of a token, F numbers of a vector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from biosig.batches.stepped import SteppedContract
from biosig.errors import DataError
from biosig.registry import Registry


@dataclass(frozen=True)
class About:
    """Facts about a family that a user must know before anything is computed.

    Parameters
    ----------
    title : str
        As its makers call it.
    code : str
        Their repository and the commit that was read.
    licence : str
        Of the weights, as its makers state it.
    restricted : str
        Restriction of that licence, a sentence; "" = none that concerns research.
    where : str
        Address of the weights.
    trained_on : tuple of str
        Databases that its makers say it was trained on, as `biosig/evaluate` names sources: lower case.
    cannot : str
        Limitation, a sentence for the table of models.
    """

    title: str
    code: str
    licence: str
    where: str
    trained_on: tuple[str, ...]
    cannot: str
    restricted: str = ""


@dataclass(frozen=True)
class Keys:
    """Use of each tensor of a file.

    Parameters
    ----------
    names : dict of str to str
        Their key → the network's, for every tensor that it needs.
    dropped : dict of str to str
        Their key → why it has no place in the network.
    absent : dict of str to str
        The network's key → a sentence: a file may lack it, and the network's own first value stands.
    notes : tuple of str
        Sentences for the model card.
    """

    names: dict[str, str]
    dropped: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Network(nn.Module, ABC):
    """A network that gives its layers by name."""

    @abstractmethod
    def stages(self, x: Tensor, channels: Sequence[int]) -> Iterator[tuple[str, Tensor]]:
        """Named values in the order in which they are made.

        "stem", "first" (after the first block), "last" (after the last), then "tokens" (B, N, D) and "vector" (B, F),
        which is what its makers probe; any other names before or after.

        Parameters
        ----------
        x : Tensor, shape (B, C, T)
            Prepared windows.
        channels : sequence of int
            The number of each of the C rows in the contract's `ch_names`, increasing.
        """

    def parts(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """The blocks in order, and the layers after them, which fine-tuning of the last blocks trains."""
        blocks = self.get_submodule("blocks")
        children = list(self.children())
        return list(blocks.children()), children[children.index(blocks) + 1 :]

    def forward(self, x: Tensor, channels: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Tokens (B, N, D) and vectors (B, F)."""
        found: dict[str, Tensor] = {}
        for name, value in self.stages(x, channels):
            if name in ("tokens", "vector"):
                found[name] = value
            if len(found) == 2:
                break
        return found["tokens"], found["vector"]


class Encoder(ABC):
    """Sizes of one network of a family; a subclass is a frozen dataclass of them."""

    name: ClassVar[str]
    """The family, as `config.json` tells it: "ecgfounder"."""
    about: ClassVar[About]

    @property
    @abstractmethod
    def model_name(self) -> str:
        """The model's name: "ecgfounder-12"."""

    @classmethod
    @abstractmethod
    def published(cls) -> Mapping[str, Encoder]:
        """The networks whose weights its makers publish, by the name of the file."""

    @classmethod
    @abstractmethod
    def recognises(cls, state: Mapping[str, Tensor]) -> bool:
        """True if the keys are the family's; `module.` is off already."""

    @classmethod
    @abstractmethod
    def of(cls, state: Mapping[str, Tensor], where: str) -> Encoder:
        """The sizes that the shapes tell; `DataError` where they tell none."""

    @abstractmethod
    def keys(self, state: Mapping[str, Tensor]) -> Keys:
        """Use of each tensor of such a file; keys that it does not name are an error."""

    @abstractmethod
    def build(self) -> Network:
        """The network with random weights."""

    @abstractmethod
    def contract(self) -> dict[str, SteppedContract]:
        """The input contract of its one modality."""


ENCODERS: Registry[type[Encoder]] = Registry("encoder family", "biosig.encoders", __name__)


def shape_of(state: Mapping[str, Tensor], key: str, n_axes: int, where: str) -> tuple[int, ...]:
    """The shape of a tensor that a family reads its sizes from.

    Raises
    ------
    DataError
        If it is missing or has another number of axes.
    """
    if key not in state or state[key].ndim != n_axes:
        found = f"of shape {tuple(state[key].shape)}" if key in state else "missing"
        raise DataError(f"{where} does not tell the network's size: {key} is {found}, and {n_axes} axes were wanted.")
    return tuple(state[key].shape)


def weights_elsewhere(name: str) -> str:
    """Sentences for a user without the weights of a public encoder: where they are, their licence, how to convert."""
    about = known_models()[name].about
    return (
        f"They are at {about.where}, under the licence {about.licence}: download the file, run 'biosig convert FILE "
        f"--out DIR' and give DIR. biosig.build_model('{name}') has random weights."
        f"{' ' + about.restricted if about.restricted else ''}"
    )


def known_models() -> dict[str, Encoder]:
    """All published networks of all families, by the model's name."""
    return {net.model_name: net for family in ENCODERS.values() for net in family.published().values()}
