"""Configurations of the encoder's parts: the style of a block, the position code, the text.

They stand apart from the layers so that reading a configuration or listing presets does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BlockStyle:
    """Norm, feed-forward and dropout of a block.

    Parameters
    ----------
    norm : {"rms", "layer"}
        RMSNorm, or LayerNorm.
    mlp : {"geglu", "gelu"}
        `biosig.layers.block.GEGLU` without biases, or `MLP` with them; the attention's output has one where the
        feed-forward does.
    dropout : float
        Share of the output of either half that training leaves out.
    """

    norm: Literal["rms", "layer"] = "rms"
    mlp: Literal["geglu", "gelu"] = "geglu"
    dropout: float = 0.0

    def make_norm(self, embed_dim: int) -> nn.Module:
        """A norm of this style."""
        from torch import nn

        return nn.RMSNorm(embed_dim, eps=1e-6) if self.norm == "rms" else nn.LayerNorm(embed_dim)


@dataclass(frozen=True)
class BodyCode:
    """Chooses `biosig.layers.positions.BodyPositions`.

    Parameters
    ----------
    n_space, n_time : int
        Frequencies per spatial axis, and in time (beside the four long ones).
    """

    name: ClassVar[str] = "body"
    n_space: int = 8
    n_time: int = 16


@dataclass(frozen=True)
class ReveCode:
    """Chooses `biosig.layers.reve_positions.RevePositions`.

    Parameters
    ----------
    n_frequencies : int
        F: each axis is seen at 0 to F − 1 turns, all combinations of the four axes.
    """

    name: ClassVar[str] = "reve"
    n_frequencies: int = 4


@dataclass(frozen=True)
class LeadCode:
    """Chooses `biosig.layers.lead_positions.LeadPositions`.

    Parameters
    ----------
    n_patches : int
        Patches of the longest window.
    """

    name: ClassVar[str] = "leads"
    n_patches: int = 100


@dataclass(frozen=True)
class TextConfig:
    """The text that a model reads.

    Parameters
    ----------
    n_words : int
        Size of the vocabulary.
    n_tokens : int
        Longest text, in tokens; a longer one is an error.
    """

    n_words: int
    n_tokens: int = 64
