"""`wrap`: any torch module as a model, with an input contract that says what its numbers must be.

Shape letters: B windows, C channels, T samples, N tokens, F numbers of a vector or of a token.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from biosig.batches.contract import prepare as to_contract
from biosig.batches.input_contract import MODALITY_IDS, InputContract, OnUnknown, with_unknown
from biosig.batches.ordered import OrderedContract
from biosig.batches.packed import PackedBatch, pack
from biosig.device import resolve_dtype
from biosig.errors import DataError, UsageError
from biosig.models.array_input import Encoded, as_recordings, as_they_are
from biosig.models.model import Model, revision_of
from biosig.models.tokens import Tokens
from biosig.training.seeding import seeded

_TRIAL_SECONDS = 10.0  # of the window that a module of any length is tried on
_FRACTIONS = range(10, 0, -1)  # of a second, of which windows of any length are made


@dataclass(frozen=True)
class ModuleContract:
    """What the windows (B, C, T) are that a module takes.

    Parameters
    ----------
    modality : {"ecg", "ppg", "eeg"}
        Kind of all channels.
    sfreq : float
        Sampling rate in Hz; other rates are resampled.
    ch_names : sequence of str
        The C channels in order. Each is looked for by the name that a file writes, then by its canonical name.
    unit : str or None
        Unit of the values before normalisation: "uV", "mV"; None = as recorded, which a module of ECG or EEG may have
        only where a normalisation takes the unit out.
    seconds : float, optional
        Length of a window; others are refused. None = any whole number of the tenths of a second (or of the largest
        fraction of one that is a whole number of samples).
    band : tuple of (float or None), optional
        Pass band in Hz (low, high), zero-phase; None = as recorded.
    normalisation : {"none", "constant", "window", "zscore", "robust"}
        "none": values in `unit`. "constant": over `divisor`. "window": each channel less its mean in the window, over
        its deviation there. "zscore": the same by mean and deviation in the recording. "robust": each channel less its
        mean in the window, over one robust scale of the recording (`biosig.signal.robust_scale`).
    divisor : float
        In `unit`, for "constant": 100 for microvolts over 100.
    clip : float
        Values after normalisation are limited to ± this.
    missing : {"refuse", "zeros"}
        "refuse": a recording without one of the channels is an error, and a window that misses a sample, or in which a
        channel does not move, gives no vector. "zeros": such samples are 0 after normalisation.

    Raises
    ------
    UsageError
        If the parts contradict each other.
    """

    modality: Literal["ecg", "ppg", "eeg"]
    sfreq: float
    ch_names: Sequence[str]
    unit: str | None
    seconds: float | None = None
    band: tuple[float | None, float | None] | None = None
    normalisation: Literal["none", "constant", "window", "zscore", "robust"] = "none"
    divisor: float = 1.0
    clip: float = math.inf
    missing: Literal["refuse", "zeros"] = "refuse"

    def __post_init__(self) -> None:
        choices = {
            "modality": ("ecg", "ppg", "eeg"),
            "normalisation": ("none", "constant", "window", "zscore", "robust"),
            "missing": ("refuse", "zeros"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} is {getattr(self, name)!r}; give {', '.join(allowed)}.")
        for name in ("sfreq", "clip", *(["seconds"] if self.seconds is not None else [])):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name)!r}; it must be positive.")
        names = self.ch_names
        if isinstance(names, str) or not names or len(set(names)) < len(names):
            raise UsageError(f"ch_names is {names!r}: give a list with one name for each channel, none twice.")
        object.__setattr__(self, "ch_names", tuple(names))  # so that the contract cannot change, and can be a key
        if self.divisor != 1.0 and self.normalisation != "constant":
            raise UsageError(f"divisor={self.divisor:g} has no effect with normalisation={self.normalisation}.")
        if self.unit is None and self.modality != "ppg" and self.normalisation in ("none", "constant"):
            raise UsageError(
                f"unit is None, and with normalisation={self.normalisation} the module sees the unit of each "
                f"recording: give the unit, such as 'uV', or a normalisation that takes it out."
            )

    def to_input(self) -> OrderedContract:
        """The contract of the modality, as windows are prepared by."""
        step = self.seconds
        if step is None and self.sfreq % 1:
            raise UsageError(f"A rate of {self.sfreq:g} Hz has no whole number of samples a second: give seconds.")
        if step is None:
            step = 1 / next(k for k in _FRACTIONS if self.sfreq % k == 0)
        if round(step * self.sfreq) < 1:
            raise UsageError(f"seconds is {step:g}, which is no sample at {self.sfreq:g} Hz: give more.")
        return OrderedContract(
            sfreq=float(self.sfreq),
            patch_seconds=step,
            stride_seconds=step,
            unit=self.unit,
            band=self.band,
            normalisation="constant" if self.normalisation == "none" else self.normalisation,
            divisor=self.divisor,
            clip=self.clip,
            window_seconds=math.inf if self.seconds is None else self.seconds,
            ch_names=tuple(self.ch_names),
            missing=self.missing,
            any_length=self.seconds is None,
        )


@dataclass(frozen=True)
class WrappedConfig:
    """What a wrapped module takes and gives; the counterpart of `biosig.models.config.EncoderConfig`."""

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
        """Whether the module gives each window's vector itself."""
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
            If the module does not give what it gave when it was wrapped.
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
        found = _output(self.module, signal, self.config.name)
        if found.shape[-1] != self.config.embed_dim or (found.ndim == 3) != self.config.has_tokens:
            what = "token" if self.config.has_tokens else "vector"
            raise DataError(
                f"Model '{self.config.name}' gave {tuple(found.shape)} for windows {tuple(signal.shape)}, and "
                f"{self.config.embed_dim} numbers in a {what} when it was wrapped: it must give the same always."
            )
        return (found, None) if found.ndim == 3 else (found[:, None], found)

    def _signals(self, batch: PackedBatch) -> Iterator[tuple[Tensor, list[int], Tensor]]:
        """Windows of equal length, and of equal channels where they may differ, together.

        Their numbers (b,), the numbers of their channels, C of them, and their signals (b, C, T).
        """
        n_chans = len(self._wanted.ch_names)
        n_patches = batch.seqlens.new_zeros(batch.n_windows)
        n_patches.scatter_reduce_(0, batch.window, batch.patch_index + 1, "amax")  # (B,)
        there = n_patches.new_zeros(batch.n_windows, n_chans)  # (B, C)
        there[batch.window, batch.channel] = 1
        if self._wanted.missing != "subset":
            there[:] = 1
        kinds, kind = torch.cat((n_patches[:, None], there), 1).unique(dim=0, return_inverse=True)
        for which, (length, *has) in enumerate(kinds.tolist()):
            windows = (kind == which).nonzero().squeeze(1)  # (b,)
            channels = [number for number, there_is in enumerate(has) if there_is]
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
        """Where the module is."""
        return self.encoder._here.device

    @property
    def refused_windows(self) -> str:
        """Likely causes of a window without a vector, and what to do: the end of a sentence."""
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
        """Why there is no such model with random weights; None where there is one."""
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
        """Refused: the contract says how long windows are."""
        raise UsageError(f"Model '{self.name}' is a wrapped module: wrap it with windows of {seconds:g} s.")

    def save(self, folder: str | Path) -> Path:
        """Refused: nobody could build the module from a folder."""
        raise UsageError(
            f"Model '{self.name}' is a wrapped module, which is not written to {folder}: keep its weights."
        )

    def precision(self, dtype: str) -> torch.dtype:
        """What matrix products run in; "auto" = float32: who made the module did not say that less will do."""
        return torch.float32 if dtype == "auto" else resolve_dtype(self.device, dtype)

    def read(self, batch: PackedBatch, layer: int = -1, dtype: torch.dtype = torch.float32) -> Tokens:
        """The module's output for packed windows, without gradients."""
        self._warn_if_random()
        with torch.inference_mode(), torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            return self.encoder.read(batch, layer)

    def read_layers(self, batch: PackedBatch, dtype: torch.dtype = torch.float32) -> Iterator[Tokens]:
        """The one layer that there is."""
        yield self.read(batch, -1, dtype)

    def layers(self, batch: PackedBatch, dtype: torch.dtype = torch.float32) -> Iterator[tuple[Tensor, Tensor | None]]:  # noqa: ARG002
        """Refused: `read_layers` gives what there is."""
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
        What its windows are.
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
        What `biosig.embed`, `run_probe`, `run_finetune` and the estimators take.

    Raises
    ------
    UsageError
        If the module fails on windows of the contract, gives something else, or gives a window another vector in other
        company.
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
        both, alone = _output(module, noise, name), _output(module, noise[:1], name)
    if alone.shape[1:] != both.shape[1:] or not torch.allclose(both[:1], alone, rtol=1e-2, atol=1e-3, equal_nan=True):
        raise UsageError(
            f"The module '{name}' gives a window of noise other numbers when another window is beside it, or when "
            "asked again: it must take each window by itself, without dropout, and (windows, channels, samples)."
        )
    config = WrappedConfig(name, both.shape[-1], {contract.modality: wanted}, has_tokens=both.ndim == 3)
    return WrappedModel(WrappedEncoder(module, config), trained, make, contract)


def _output(module: nn.Module, signal: Tensor, name: str) -> Tensor:
    """What a module gives for windows (B, C, T), seen to be vectors or tokens."""
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


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two modules have the same weights, of which there are some."""
    return (
        bool(one) and one.keys() == other.keys() and all(torch.equal(one[key].cpu(), other[key].cpu()) for key in one)
    )
