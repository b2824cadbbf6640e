"""Heads that pretraining made: named numbers that a model gives beside its vectors. A kind of head a file.

A head has two halves: a configuration without torch, which a model's folder keeps in `heads.json`, and a module, whose
weights are in `heads.safetensors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from biosig.registry import Registry, load_object


@dataclass(frozen=True)
class HeadConfig:
    """A head as a model's folder keeps it; a subclass adds sizes.

    Parameters
    ----------
    modality : str
        "ecg", "ppg" or "eeg": what it reads.
    columns : tuple of str
        Names of its numbers: "ecg.rate".

    Attributes
    ----------
    name : str
        The kind of head.
    implementation : str
        "package.module:Class" of a module that is made of a configuration and embed_dim, and called with an encoder, a
        batch and its output (`biosig.models.tokens.Tokens`): it gives (B, columns), NaN where there is nothing to read.
    """

    name: ClassVar[str]
    implementation: ClassVar[str]

    modality: str
    columns: tuple[str, ...]

    def make(self, embed_dim: int) -> Any:
        """The module, with weights to be loaded."""
        return load_object(self.implementation)(self, embed_dim)


HEADS: Registry[type[HeadConfig]] = Registry("head", "biosig.heads", __name__)
"""The kinds of heads by name; other packages add theirs through the entry-point group `biosig.heads`."""


@dataclass(frozen=True)
class Heads:
    """Content of `heads.json`."""

    heads: tuple[Annotated[HeadConfig, HEADS], ...]
