"""`WrappedEncoder`: a torch module of any architecture behind the interface of an encoder.

Shape letters: B windows, C channels, T samples, N tokens, F numbers of a vector or of a token.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from biosig.batches.input_contract import MODALITY_IDS, InputContract
from biosig.batches.ordered import OrderedContract
from biosig.batches.packed import PackedBatch
from biosig.errors import DataError, UsageError
from biosig.models.tokens import Tokens


@dataclass(frozen=True)
class WrappedConfig:
    """Input contract and output size of a wrapped module; the counterpart of `biosig.models.config.EncoderConfig`."""

    name: str
    embed_dim: int
    contract: dict[str, InputContract]
    has_tokens: bool
    """True if the module gives tokens (B, N, F)."""
    has_vector: bool = False
    """True if it gives each window's vector (B, F) beside its tokens; without tokens it always does."""
    depth: ClassVar[int] = 0
    text: ClassVar[None] = None
    fused: ClassVar[None] = None
    has_query: ClassVar[bool] = False

    @property
    def cls(self) -> bool:
        """True if the module gives each window's vector itself."""
        return self.has_vector or not self.has_tokens


class WrappedEncoder(nn.Module):
    """A module behind the interface of an encoder: packed windows in, tokens or vectors out.

    Parameters
    ----------
    module : Module
        Maps (B, C, T) to (B, F) or (B, N, F).
    config : WrappedConfig
        With one modality.
    """

    _here: Tensor

    def __init__(self, module: nn.Module, config: WrappedConfig) -> None:
        super().__init__()
        self.module = module
        self.config = config
        ((self._modality, wanted),) = config.contract.items()
        assert isinstance(wanted, OrderedContract)
        self._wanted = wanted
        self.register_buffer("_here", torch.empty(0), persistent=False)  # a module without weights has a device too

    def train(self, mode: bool = True) -> WrappedEncoder:
        """Training mode where something is trained: a frozen module's batch statistics stay as they are."""
        super().train(mode and any(parameter.requires_grad for parameter in self.parameters()))
        return self

    def read(self, batch: PackedBatch, layer: int = -1) -> Tokens:
        """The module's tokens; where it gives vectors, one token per window, which is the window's own.

        Raises
        ------
        UsageError
            If another layer than -1 is asked for, or windows lack channels of the contract.
        DataError
            If the module's output has another shape than when it was wrapped.
        """
        if layer != -1:
            raise UsageError(
                f"Model '{self.config.name}' is a wrapped module, of which only the output can be read: give layer -1."
            )
        device = self._here.device
        batch = batch.to(device)
        tokens: dict[int, Tensor] = {}
        own: dict[int, Tensor] = {}
        for windows, channels, signal in self._signals(batch):
            found, vectors = self._run(signal, channels)
            tokens |= dict(zip(windows.tolist(), found, strict=True))
            own |= {} if vectors is None else dict(zip(windows.tolist(), vectors, strict=True))
        each = [tokens[window] for window in range(batch.n_windows)]  # (N, F)
        values = torch.cat(each)
        n_tokens = torch.tensor([len(of) for of in each], device=device)
        window = torch.repeat_interleave(torch.arange(batch.n_windows, device=device), n_tokens)
        return Tokens(
            values,
            torch.ones(len(values), dtype=torch.bool, device=device),
            window,
            batch.n_windows,
            torch.stack([own[window] for window in range(batch.n_windows)]) if own else None,
            values.new_full((len(values),), math.nan),
            torch.full_like(window, MODALITY_IDS[self._modality]),
        )

    def _run(self, signal: Tensor, channels: list[int]) -> tuple[Tensor, Tensor | None]:  # noqa: ARG002
        """The module's tokens (b, N, F), or its vectors as one token each and as the windows' own (b, F)."""
        found = module_output(self.module, signal, self.config.name)
        if found.shape[-1] != self.config.embed_dim or (found.ndim == 3) != self.config.has_tokens:
            what = "token" if self.config.has_tokens else "vector"
            raise DataError(
                f"Model '{self.config.name}' gave {tuple(found.shape)} for windows {tuple(signal.shape)}, and "
                f"{self.config.embed_dim} numbers in a {what} when it was wrapped: it must always give the same shape."
            )
        return (found, None) if found.ndim == 3 else (found[:, None], found)

    def _signals(self, batch: PackedBatch) -> Iterator[tuple[Tensor, list[int], Tensor]]:
        """Groups of windows of equal length, and of equal channels where they may differ.

        Each group has the windows' numbers (b,), the numbers of their C channels, and their signals (b, C, T).
        """
        n_chans = len(self._wanted.ch_names)
        n_patches = batch.seqlens.new_zeros(batch.n_windows)
        n_patches.scatter_reduce_(0, batch.window, batch.patch_index + 1, "amax")  # (B,)
        present = n_patches.new_zeros(batch.n_windows, n_chans)  # (B, C)
        present[batch.window, batch.channel] = 1
        if self._wanted.missing != "subset":
            present[:] = 1
        kinds, kind = torch.cat((n_patches[:, None], present), 1).unique(dim=0, return_inverse=True)
        for which, (length, *has) in enumerate(kinds.tolist()):
            windows = (kind == which).nonzero().squeeze(1)  # (b,)
            channels = [number for number, has_it in enumerate(has) if has_it]
            rank = windows.new_full((batch.n_windows,), -1)
            rank[windows] = torch.arange(len(windows), device=windows.device)
            mine = rank[batch.window] >= 0  # (N,)
            place = rank[batch.window[mine]], batch.channel[mine], batch.patch_index[mine]
            patches = batch.patches[self._modality][mine]  # (n, P)
            signal = patches.new_zeros(len(windows), n_chans, length, patches.shape[1])
            filled = windows.new_zeros(len(windows), n_chans, length)
            filled.index_put_(place, torch.ones_like(place[0]), accumulate=True)
            self._check(filled[:, channels], channels)
            signal[place] = patches
            yield windows, channels, signal[:, channels].flatten(2)

    def _check(self, filled: Tensor, channels: list[int]) -> None:
        """Refuse windows (b, C, patches) with two values for one channel, or with none where zeros do not stand in."""
        twice, absent = (filled > 1).any(0).any(1), (filled == 0).any(0).any(1)  # (C,)
        wrong = twice if self._wanted.missing == "zeros" else twice | absent
        if wrong.any():
            number = int(wrong.int().argmax())
            channel = self._wanted.ch_names[channels[number]]
            raise UsageError(
                f"Model '{self.config.name}' needs channel {channel} once in each window, and it is there "
                f"{'twice' if twice[number] else 'not at all'}: choose other channels"
                f"{'' if twice[number] else ', or wrap the module with missing=zeros'}."
            )


def module_output(module: nn.Module, signal: Tensor, name: str) -> Tensor:
    """Output of a module for windows (B, C, T), checked to be vectors or tokens."""
    try:
        found = module(signal)
    except Exception as error:
        raise UsageError(
            f"The module '{name}' fails on windows of shape {tuple(signal.shape)} (windows, channels, samples): "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, Tensor):
        raise UsageError(f"The module '{name}' gives a {type(found).__name__}: it must give one tensor.")
    if found.ndim not in (2, 3) or len(found) != len(signal) or not found.is_floating_point() or 0 in found.shape:
        raise UsageError(
            f"The module '{name}' gives {found.dtype} of shape {tuple(found.shape)} for windows {tuple(signal.shape)}: "
            "it must give vectors (windows, numbers) or tokens (windows, tokens, numbers)."
        )
    return found
