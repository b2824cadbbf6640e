"""`wrap`: any torch module as a model, with an input contract (`biosig.models.module_contract`).

Shape letters: B windows, C channels, T samples, N tokens, F numbers of a vector or of a token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from biosig.batches.contract import prepare as to_contract
from biosig.batches.input_contract import MODALITY_IDS, OnUnknown, with_unknown
from biosig.batches.ordered import OrderedContract
from biosig.batches.packed import PackedBatch, pack
from biosig.device import resolve_dtype
from biosig.errors import DataError, UsageError
from biosig.models.array_input import Encoded, as_recordings, as_they_are
from biosig.models.checkpoint import revision_of
from biosig.models.model import Model
from biosig.models.module_contract import ModuleContract
from biosig.models.tokens import Tokens
from biosig.models.wrapped_encoder import WrappedConfig, WrappedEncoder, module_output
from biosig.training.seeding import seeded

__all__ = ["ModuleContract", "WrappedConfig", "WrappedEncoder", "WrappedModel", "wrap"]

_TRIAL_SECONDS = 10.0  # of the window that a module of any length is tried on


class WrappedModel(Model):
    """A module of any architecture as a `Model`: embedding, probes, estimators and fine-tuning take it as one.

    Made by `wrap`. It is not written to a folder, has one layer, and reads no text.
    """

    no_ledger = "What the model has seen in its training is unknown: its makers did not say."
    has_patch_tokens = False
    is_kept = False

    encoder: WrappedEncoder  # type: ignore[assignment]

    def __init__(
        self, encoder: WrappedEncoder, trained: bool, make: Callable[[], nn.Module] | None, contract: ModuleContract
    ) -> None:
        super().__init__(encoder, trained)  # type: ignore[arg-type]
        self._make, self._contract = make, contract

    @property
    def device(self) -> torch.device:
        """Device of the module."""
        return self.encoder._here.device

    @property
    def refused_windows(self) -> str:
        """Likely causes of a window without a vector, and the remedy: the end of a sentence."""
        return (
            f"misses samples, or a channel in it does not move, and model '{self.name}' takes whole windows: leave it "
            "out, or wrap the module with missing='zeros'."
        )

    @property
    def revision(self) -> str:
        """Twelve hexadecimal digits that change with any weight or buffer, the module's parts, and the contract."""
        module = self.encoder.module
        facts = {
            "class": f"{type(module).__module__}.{type(module).__qualname__}",
            "parts": re.sub(r" at 0x[0-9a-f]+", "", repr(module)),
            "trained": self.trained,
            "contract": asdict(self._contract),
        }
        return revision_of(json.dumps(facts), module)

    @property
    def lacks_twin(self) -> str | None:
        """Reason why there is no such model with random weights; None where there is one."""
        if self._make is not None:
            return None
        return f"nothing builds the module of model '{self.name}' anew; give biosig.wrap a function make for that"

    def with_random_weights(self, seed: int) -> WrappedModel:
        """The same architecture and contract, as `make` builds it.

        Raises
        ------
        UsageError
            If the model was wrapped without `make`, or that gives other outputs, or no random weights.
        """
        if self._make is None:
            raise UsageError(f"There is no model with random weights: {self.lacks_twin}.")
        twin = self._built(self._make, seed)
        if (twin.config.embed_dim, twin.config.has_tokens) != (self.config.embed_dim, self.config.has_tokens):
            raise UsageError(
                f"make of model '{self.name}' builds a module that gives {twin.config.embed_dim} numbers, and the "
                f"wrapped one gives {self.config.embed_dim}: it must build the same architecture."
            )
        weights = twin.encoder.state_dict()
        if twin.encoder.module is self.encoder.module or (
            _equal(weights, self.encoder.state_dict())  # by chance too, where this module was drawn from the same seed
            and _equal(weights, self._built(self._make, seed + 1).encoder.state_dict())
        ):
            raise UsageError(
                f"make of model '{self.name}' gives the same weights again: it must build a module with random ones."
            )
        return twin.to(self.device)  # type: ignore[return-value]

    def with_unknown(self, on_unknown: OnUnknown | None) -> WrappedModel:  # noqa: ARG002 - channels are asked for by name
        """The model itself: its contract names the channels that it reads."""
        return self

    def _built(self, make: Callable[[], nn.Module], seed: int) -> WrappedModel:
        with seeded(seed):
            return wrap(make(), self._contract, make, name=self.name, trained=False)

    def with_longer_windows(self, seconds: float) -> Model:
        """Refuse: the contract fixes the length of windows."""
        raise UsageError(f"Model '{self.name}' is a wrapped module: wrap it with windows of {seconds:g} s.")

    def save(self, folder: str | Path) -> Path:
        """Refuse: the module could not be built again from a folder."""
        raise UsageError(
            f"Model '{self.name}' is a wrapped module, which is not written to {folder}: keep its weights."
        )

    def precision(self, dtype: str) -> torch.dtype:
        """Precision of matrix products; "auto" = float32, since it is not known that the module works with less."""
        return torch.float32 if dtype == "auto" else resolve_dtype(self.device, dtype)

    def read(self, batch: PackedBatch, layer: int = -1, dtype: torch.dtype = torch.float32) -> Tokens:
        """The module's output for packed windows, without gradients."""
        self._warn_if_random()
        with torch.inference_mode(), torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            return self.encoder.read(batch, layer)

    def read_layers(self, batch: PackedBatch, dtype: torch.dtype = torch.float32) -> Iterator[Tokens]:
        """The module's only layer, as `read`."""
        yield self.read(batch, -1, dtype)

    def layers(self, batch: PackedBatch, dtype: torch.dtype = torch.float32) -> Iterator[tuple[Tensor, Tensor | None]]:  # noqa: ARG002
        """Refuse: `read_layers` gives the one layer of a wrapped module."""
        raise UsageError(f"Model '{self.name}' is a wrapped module, without layers: use read_layers.")

    def _encode(self, batch: PackedBatch, layer: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:  # noqa: ARG002
        raise UsageError(f"Model '{self.name}' is a wrapped module, without a token for each patch: use read.")

    def encode(
        self,
        signals: ArrayLike | Tensor,
        sfreq: float,
        ch_names: Sequence[str] | None = None,
        kind: str | Sequence[str] | None = None,
        units: str | Sequence[str] | None = None,
        positions: ArrayLike | None = None,
        references: ArrayLike | None = None,
        scale: float | Mapping[str, float] | None = None,
        text: Sequence[str | Sequence[int] | None] | NDArray[Any] | Tensor | None = None,
        prepare: bool = True,
        layer: int = -1,
        on_unknown: OnUnknown | None = None,
    ) -> Encoded:
        """Encode arrays of signals, as `Model.encode`; `tokens` are the module's (B, N, F), of a vector (B, 1, F).

        Raises
        ------
        UsageError, DataError
            As `Model.encode`, and if channels or length are not the contract's, or a window misses samples.
        """
        from biosig.models.pooling import pooled
        from biosig.models.reading import Reading
        from biosig.models.readouts import own_pooling

        if text is not None:
            self.word_ids((), 0)
        recordings = as_recordings(
            signals, sfreq, ch_names, kind, units, positions, references, scale, self.contract, check=prepare
        )
        if not recordings:
            raise UsageError("signals hold no window: their first axis is empty.")
        ((modality, wanted),) = with_unknown(self.contract, on_unknown).items()
        assert isinstance(wanted, OrderedContract)
        (stream,) = recordings[0].streams
        wanted.check_length(stream.n_times / stream.sfreq, "A window of the array")
        wanted.check_channels(stream.channels, modality, "The array")
        windows = [to_contract(r, self.contract, 0.0) if prepare else as_they_are(r, self.contract) for r in recordings]
        for number, window in enumerate(windows):
            if not any(part.valid.any() for part in window):
                raise DataError(f"Window {number} of the array {self.refused_windows}")
        batch = pack(windows, self.contract)
        found = self.read(batch, layer)
        vectors = pooled(self, batch, Reading(own_pooling(self.config), (layer,)))  # (B, R, F)
        vectors = vectors[:, 0 if vectors.shape[1] == 1 else MODALITY_IDS[modality]]
        finite = torch.isfinite(vectors).all(dim=1)  # (B,)
        if not finite.all():
            raise DataError(
                f"{self.name} gives a vector that is not finite for window {int(finite.int().argmin())}: look for wild "
                "amplitudes in it."
            )
        tokens = found.values.unflatten(0, (batch.n_windows, -1)).float().cpu()
        return Encoded(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), vectors.float().cpu())


def wrap(
    module: nn.Module,
    contract: ModuleContract,
    make: Callable[[], nn.Module] | None = None,
    *,
    name: str | None = None,
    trained: bool = True,
) -> WrappedModel:
    """Make a model of any torch module that maps windows (B, C, T) to vectors (B, F) or tokens (B, N, F).

    Parameters
    ----------
    module : Module
        Used as it is, in evaluation mode. It is tried on two windows of noise.
    contract : ModuleContract
        Input contract of its windows.
    make : callable, optional
        Builds the module anew with random weights, for the rows of a table that need it: the same network never
        trained, and the network from scratch. Without it these rows are left out, with a remark.
    name : str, optional
        Default the class's.
    trained : bool
        False for random weights; the model says so when it is used.

    Returns
    -------
    WrappedModel
        A model for `biosig.embed`, `run_probe`, `run_finetune` and the estimators.

    Raises
    ------
    UsageError
        If the module fails on windows of the contract, gives something else, or gives a window another vector when
        other windows are in the batch.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"wrap takes a torch.nn.Module that is built already, not {module!r}.")
    if not isinstance(contract, ModuleContract):
        raise UsageError(f"The contract of wrap is a biosig.ModuleContract, not a {type(contract).__name__}.")
    name = name or type(module).__name__
    wanted = contract.to_input()
    n_times = wanted.patch_size if contract.seconds else round(_TRIAL_SECONDS * contract.sfreq)
    module.eval()
    noise = torch.randn(2, len(contract.ch_names), n_times, generator=torch.Generator().manual_seed(0))
    noise = noise.to(next((tensor.device for tensor in (*module.parameters(), *module.buffers())), "cpu"))
    with torch.no_grad():
        both, alone = module_output(module, noise, name), module_output(module, noise[:1], name)
    if alone.shape[1:] != both.shape[1:] or not torch.allclose(both[:1], alone, rtol=1e-2, atol=1e-3, equal_nan=True):
        raise UsageError(
            f"The module '{name}' gives a window of noise other numbers when another window is beside it, or when "
            "asked again: it must take each window by itself, without dropout, and (windows, channels, samples)."
        )
    config = WrappedConfig(name, both.shape[-1], {contract.modality: wanted}, has_tokens=both.ndim == 3)
    return WrappedModel(WrappedEncoder(module, config), trained, make, contract)


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """True if two modules have weights, and the same ones."""
    return (
        bool(one) and one.keys() == other.keys() and all(torch.equal(one[key].cpu(), other[key].cpu()) for key in one)
    )
