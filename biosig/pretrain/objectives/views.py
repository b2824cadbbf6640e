"""One step's data, seen in several ways. Each view is computed when a term first asks for it, and then shared.

A mask is drawn over patches of the input. What comes out of the encoder are tokens: for per-channel presets the same
rows; for fused ones a token stands for all channels of a modality over one block of time.

Shape letters: P patches of the input, N tokens, M tokens that a pass sees, D embed_dim, B windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from biosig.batches.packed import PackedBatch
from biosig.errors import UsageError
from biosig.models.encoder import Encoder, VisibleTokens


class States:
    """States of an encoder for the tokens that it sees.

    Parameters
    ----------
    encoder : Encoder
        The encoder of the pass.
    tokens : PackedBatch
        Facts on the tokens, a row each: the encoder's `token_batch`.
    embedded : tuple of 2 Tensor, each (N, D)
        Output of the encoder's `embed`.
    visible : VisibleTokens
        The tokens that the pass sees.

    Attributes
    ----------
    tokens : PackedBatch
        As given.
    rows : Tensor, shape (M,)
        Rows of `tokens`, in the order of the tokens below.
    window : Tensor, shape (M,)
        The window of each.
    position : Tensor, shape (N, D)
        The position code of all tokens, seen or not.
    """

    def __init__(
        self, encoder: Encoder, tokens: PackedBatch, embedded: tuple[Tensor, Tensor], visible: VisibleTokens
    ) -> None:
        self.tokens, self.position = tokens, embedded[1]
        self.visible, self.rows, self.window = visible, visible.rows, tokens.window[visible.rows]
        self._encoder, self._embedded = encoder, embedded
        x, lengths, self._apart = encoder.enter(embedded[0], visible)
        self._blocks = [x]
        for block in encoder.blocks:
            self._blocks.append(block(self._blocks[-1], lengths))

    @cached_property
    def local(self) -> Tensor:
        """Embeddings of the tokens before the first block (M, D), without the code of place and time."""
        return self._encoder.local(self._embedded)[self.rows]

    @cached_property
    def layers(self) -> list[Tensor]:
        """The embedding output and the output of each block, depth + 1 tensors (M, D), before the final norm."""
        return [self._apart(x)[0] for x in self._blocks]

    @cached_property
    def _output(self) -> tuple[Tensor, Tensor | None]:
        x, cls = self._apart(self._blocks[-1])
        return self._encoder.norm(x), None if cls is None else self._encoder.norm(cls)

    @property
    def output(self) -> Tensor:
        """The encoder's output (M, D), after its final norm."""
        return self._output[0]

    @cached_property
    def pooled(self) -> Tensor:
        """Each window's vector (B, D): its own token where the encoder has one, else the attention pooling."""
        output, cls = self._output
        return self._encoder.pool(output, self.window, self.tokens.n_windows) if cls is None else cls


@dataclass(frozen=True, eq=False)
class Views:
    """A batch with its mask, and the states of the encoder and of its teacher for it.

    Parameters
    ----------
    encoder : Encoder
        The encoder in training.
    batch : PackedBatch
        The loaded batch, after the terms' `augment`.
    mask : Tensor of bool, shape (P,)
        True = hidden; valid patches only. A patch is one channel for a block of time.
    average : Encoder, optional
        The moving average of the encoder; None where no term of the run uses one.
    redraw : callable, optional
        Gives the same windows with another mask.
    """

    encoder: Encoder
    batch: PackedBatch
    mask: Tensor
    average: Encoder | None = None
    redraw: Callable[[], Views] | None = None

    @property
    def extras(self) -> Mapping[str, Tensor]:
        """Arrays that the terms ask the loader for, by name; of B windows each begins with (B, …)."""
        return self.batch.extras

    @cached_property
    def tokens(self) -> PackedBatch:
        """The batch with one row per token; the batch itself where a patch is a token."""
        return self.encoder.token_batch(self.batch)

    @cached_property
    def hidden_share(self) -> Tensor:
        """Share of each token's valid patches that are hidden (N,), 0 to 1; 0 where none is valid."""
        token, valid = self.encoder.token_of(self.batch), self.batch.valid
        none = torch.zeros(self.tokens.n_tokens, device=token.device)
        hidden, n_valid = (none.index_add(0, token, (valid & which).float()) for which in (self.mask, valid))
        return hidden / n_valid.clamp(min=1)

    @cached_property
    def _embedded(self) -> tuple[Tensor, Tensor]:
        return self.encoder.embed(self.batch)

    def _pass(self, hidden: Tensor | None = None, causal: bool = False) -> States:
        shares_samples = self.encoder.config.fused is not None  # its stem must know the hidden and the later samples
        apart = shares_samples and (hidden is not None or causal)
        embedded = self.encoder.embed(self.batch, hidden, causal) if apart else self._embedded
        return States(self.encoder, self.tokens, embedded, self.encoder.visible_tokens(self.batch, hidden, causal))

    @cached_property
    def _full(self) -> States:
        return self._pass()

    @cached_property
    def _visible(self) -> States:
        return self._pass(self.mask)

    @cached_property
    def _causal(self) -> States:
        return self._pass(causal=True)

    @cached_property
    def _teacher(self) -> States:
        average = self.average
        assert average is not None
        with torch.no_grad():
            states = States(average, self.tokens, average.embed(self.batch), average.visible_tokens(self.batch))
            _ = states.layers, states.pooled  # here, where no gradients are kept
        return states

    @cached_property
    def _second(self) -> Views:
        assert self.redraw is not None
        return self.redraw()

    def full(self) -> States:
        """The encoder over all valid tokens."""
        return self._full

    def visible(self) -> States:
        """The encoder without the hidden patches: over the tokens that are not hidden, or, if it is fused, over all.

        There hidden samples weigh nothing, and a token all of whose patches are hidden is the mask vector.
        """
        return self._visible

    def causal(self) -> States:
        """The encoder over all valid tokens, in which none, the stem included, sees a sample later than its own last.

        Words of a report stand before all signals; a window's own token sees everything and is seen by none. The input
        contract still scales a window, or a recording, as a whole.
        """
        return self._causal

    def teacher(self) -> States:
        """All valid tokens as the moving average of the encoder sees them, without gradients.

        Raises
        ------
        UsageError
            If the term that asks has not said so with `uses_teacher`.
        """
        if self.average is None:
            raise UsageError("The run keeps no teacher: set uses_teacher = True in the term's configuration class.")
        return self._teacher

    def second(self) -> Views:
        """The same windows with another mask and other position noise: the other half of a positive pair.

        Raises
        ------
        UsageError
            If these views were made without a way to draw again.
        """
        if self.redraw is None:
            raise UsageError("These views have no second one: make them with draw_views, which can draw again.")
        return self._second
