"""Readouts: how a window's tokens become the vector that a head, a probe or an embedding table reads. One a file.

Pooling explains many apparent weaknesses of frozen models, so it is a choice that can be compared. Another package
adds a readout through the entry-point group ``biosig.readouts``. Listing them needs no torch.

Shape letters: N tokens, M valid tokens, S segments (windows, their modalities, or spans of seconds), D embed_dim, F
features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from biosig.errors import UsageError
from biosig.models.config import EncoderConfig
from biosig.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Segments:
    """Tokens of many segments, and the encoder's means of pooling them."""

    values: Tensor  # (N, D), window after window
    valid: Tensor  # (N,) bool: which tokens are computed from real values alone
    segment: Tensor  # (N,) int64: the segment of each token
    n_segments: int
    own: Tensor | None = None  # (S, D) the windows' own tokens, where the encoder has them
    query: Callable[[Tensor, Tensor, int], Tensor] | None = None
    """Attention pooling of (M, D) tokens with their segments to (S, D), where the encoder has a query."""
    local: Tensor | None = None  # (N, D) what the tokens were before the first block

    @property
    def real(self) -> tuple[Tensor, Tensor]:
        """The valid tokens (M, D), and the segment of each (M,)."""
        return self.values[self.valid], self.segment[self.valid]

    def mean(self) -> Tensor:
        """The mean of each segment's valid tokens (S, D); zeros where it has none."""
        values, segment = self.real
        total = values.new_zeros(self.n_segments, values.shape[1]).index_add(0, segment, values)
        return total / self.counts()

    def counts(self) -> Tensor:
        """Number of valid tokens of each segment, at least 1, shape (S, 1)."""
        return self.segment[self.valid].bincount(minlength=self.n_segments).clamp(min=1)[:, None]

    def vector(self) -> Tensor:
        """The encoder's own vector of each segment (S, D): the window's token, or the output of its query."""
        if self.own is not None:
            return self.own
        assert self.query is not None
        return self.query(*self.real, self.n_segments)


class Readout(ABC):
    """From the tokens of segments to one vector for each."""

    name: ClassVar[str]
    """Name in configurations: ``pooling: mean``."""
    needs: ClassVar[str | None] = None
    """"own": a token of each window's own, which reads all of its modalities. "query": a pool query."""
    reads: ClassVar[Literal["tokens", "local", "spectrum", "coherence"]] = "tokens"
    """The values that are read: tokens of a layer; these and the tokens before the first block; or what a fused
    encoder's EEG stem sees, which is of no layer. All but the first are for frozen features alone."""
    one_layout: ClassVar[bool] = False
    """True if all windows must have the same number of tokens, in the same places."""

    one_per_window: ClassVar[bool] = False
    """True where a window has one vector for all of its modalities."""

    def n_features(self, embed_dim: int, n_tokens: int = 0) -> int:  # noqa: ARG002
        """F, for tokens of width `embed_dim` and, where the layout is one, `n_tokens` of a window."""
        return embed_dim

    @abstractmethod
    def __call__(self, tokens: Segments) -> Tensor:
        """Vectors (S, F); invalid tokens count for nothing, and a segment without tokens gives finite numbers."""

    @classmethod
    def width(cls, config: EncoderConfig) -> int:
        """Width D of the tokens that are read."""
        if cls.reads in ("tokens", "local"):
            return config.embed_dim
        from biosig.models.fused.widths import N_LINES, N_POWERS

        return N_POWERS if cls.reads == "spectrum" else N_LINES

    @classmethod
    def fits(cls, config: EncoderConfig) -> bool:
        """True if an encoder has the tokens or vectors that this readout reads."""
        if cls.reads in ("spectrum", "coherence"):
            return config.fused is not None and "eeg" in config.contract
        if cls.reads == "local":
            return config.has_tokens and config.depth > 0
        return {None: config.has_tokens, "own": config.cls, "query": config.has_query}[cls.needs]


READOUTS: Registry[type[Readout]] = Registry("pooling", "biosig.readouts", __name__)

Pooling = Annotated[str, READOUTS]
"""The name of a readout, in a configuration."""


def own_pooling(config: EncoderConfig) -> str:
    """The model's own pooling: the window's own token or vector, or the pool query; a module with neither, the mean."""
    return "cls" if config.cls else "attention" if config.has_query else "mean"


def check_pooling(config: EncoderConfig, pooling: str, frozen: bool = True) -> None:
    """Refuse a pooling that the model has not.

    Parameters
    ----------
    config : EncoderConfig
        Of the model.
    pooling : str
        The readout's name.
    frozen : bool
        True if features are kept per modality, for which windows of one layout are not enough.

    Raises
    ------
    UsageError
        If there is no such readout, the encoder lacks the tokens that it reads, or it needs one layout where features
        are kept per modality.
    """
    cls = READOUTS[pooling]
    others = [
        name
        for name, other in READOUTS.items()
        if other.fits(config) and not (other.one_layout if frozen else other.reads != "tokens")
    ]
    if pooling in others:
        return
    others.sort(key=lambda name: name != own_pooling(config))
    lacks = {"own": "has no token per window", "query": "has no pool query"} if cls.reads == "tokens" else {}
    lacked = lacks.get(
        cls.needs or "", "has not what it reads" if config.has_tokens else "gives a vector and no tokens"
    )
    how = "tuned" if frozen else "for frozen features"
    found = f"pooling={pooling} is {how}" if cls.fits(config) else f"Model '{config.name}' {lacked}"
    choices = " or ".join(part for part in (", ".join(others[:-1]), others[-1]) if part)
    raise UsageError(f"{found}: choose pooling={choices}.")
