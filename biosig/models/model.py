"""`Model`: an encoder with its input contract, applied to signals, and saved to a folder."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from biosig.batches.contract import InputContract, PreparedStream, prepare
from biosig.batches.input_contract import OnUnknown, with_unknown
from biosig.batches.packed import MODALITY_IDS, PackedBatch, pack
from biosig.device import resolve_dtype
from biosig.errors import DataError, UsageError
from biosig.models import checkpoint
from biosig.models.array_input import Encoded, as_recordings, as_they_are, unpack
from biosig.models.build import make_encoder
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.models.fused.encoder import FusedEncoder
from biosig.models.longer_windows import stretched
from biosig.models.text import Tokenizer
from biosig.models.tokens import Tokens
from biosig.models.word_ids import word_ids
from biosig.recording import Recording
from biosig.training.seeding import seeded


class RandomWeightsWarning(UserWarning):
    """The numbers come from a model that was never trained."""


class LongWindowWarning(UserWarning):
    """Windows reach beyond the times that the model was trained on."""


class Model:
    """An encoder with its input contract, on a device, ready to be applied.

    Parameters
    ----------
    encoder : Encoder
        The network.
    trained : bool
        False for random weights; the model says so when it is used.
    card : str
        The model card (Markdown) that is saved with it.
    folder : Path, optional
        The checkpoint folder that it was loaded from.
    tokenizer : Tokenizer, optional
        Cuts texts into words, for a model that reads text.
    heads : sequence of Module
        Heads that pretraining made beside the encoder (`biosig.models.heads`).
    """

    def __init__(
        self,
        encoder: Encoder,
        trained: bool,
        card: str = "",
        folder: Path | None = None,
        tokenizer: Tokenizer | None = None,
        heads: Sequence[nn.Module] = (),
    ) -> None:
        self.encoder = encoder.eval()
        self.heads = list(heads)
        self.trained = trained
        self.card = card
        self.folder = folder
        self.tokenizer = tokenizer
        self._fast: tuple[torch.dtype, list[tuple[int, int]], Encoder] | None = None
        self._warned = False

    no_ledger: ClassVar[str] = "The model has no ledger of what it has seen."

    has_patch_tokens: ClassVar[bool] = True
    """True if each patch has a token, which a wrapped module does not say."""

    trained_on: Sequence[str] = ()
    """Databases that the makers of foreign weights say they trained on, in lower case; our own have a ledger."""

    licence: str = ""
    """Of foreign weights, as their makers state it."""

    is_kept: ClassVar[bool] = True
    """True if the model can be written to a folder."""

    @property
    def lacks_twin(self) -> str | None:
        """Reason why there is no such model with random weights; None where there is one."""
        return None

    @property
    def config(self) -> EncoderConfig:
        """Size and contract."""
        return self.encoder.config

    @property
    def name(self) -> str:
        """The preset's name."""
        return self.config.name

    @property
    def contract(self) -> Mapping[str, InputContract]:
        """Input contract of each modality: rate, patch, unit, band, normalisation."""
        return self.config.contract

    @property
    def embed_dim(self) -> int:
        """Width of a token and of a pooled vector."""
        return self.config.embed_dim

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.encoder.parameters())

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.encoder.parameters()).device

    @property
    def revision(self) -> str:
        """Twelve hexadecimal digits that change with any weight and any entry of the configuration."""
        return checkpoint.revision_of(checkpoint.revision_json(self.config, self.trained), self.encoder)

    def __repr__(self) -> str:
        state = "trained" if self.trained else "random weights"
        return f"<Model {self.name}: {self.n_parameters:,} parameters, {state}, on {self.device}>"

    def to(self, device: str | torch.device) -> Model:
        """Move the weights; returns the model itself."""
        self.encoder.to(device)
        for head in self.heads:
            head.to(device)
        return self

    def with_random_weights(self, seed: int) -> Model:
        """The same architecture and contract with random weights: the untrained baseline."""
        with seeded(seed):
            return Model(make_encoder(self.config), trained=False, tokenizer=self.tokenizer).to(self.device)

    def with_unknown(self, on_unknown: OnUnknown | None) -> Model:
        """The same weights under a contract with another policy for channels of unknown place; None = as it is.

        A model that is fine-tuned from them, and saved, keeps the policy.
        """
        encoder = self.encoder.with_unknown(on_unknown)
        if encoder is self.encoder:
            return self
        return Model(encoder, self.trained, self.card, self.folder, self.tokenizer, self.heads)

    def with_longer_windows(self, seconds: float) -> Model:
        """The same weights for windows of `seconds`, the times that CSFM has learned spread over them.

        No patch is longer: times between the learned ones are interpolated linearly. Windows of that length were in no
        training: compare with windows of the trained length.

        Raises
        ------
        UsageError
            If the model computes its times, or has learned them for windows as long already.
        """
        encoder, remark = stretched(self.encoder, seconds)
        card = (self.card or checkpoint.default_card(encoder, self.trained)) + remark
        return Model(encoder, self.trained, card, tokenizer=self.tokenizer, heads=self.heads)

    def save(self, folder: str | Path) -> Path:
        """Write `model.safetensors`, `config.json`, `README.md` and the tokenizer; see `biosig.models.checkpoint`."""
        return checkpoint.save(self.encoder, self.trained, folder, self.card, self.tokenizer, self.heads)

    def prepare(
        self, window: Recording, window_onset: float | None = None, on_unknown: OnUnknown | None = None
    ) -> list[PreparedStream]:
        """Bring a recording, or a part of one, to the input contract; see `biosig.batches.contract.prepare`."""
        return prepare(window, self.contract, window_onset, on_unknown=on_unknown)

    def encode_batch(self, batch: PackedBatch, layer: int = -1, dtype: torch.dtype = torch.float32) -> Tensor:
        """Tokens (N, D) of a packed batch on the model's device, without gradients.

        The blocks multiply in `dtype`; the copy of their weights that is made for it is kept for the next batch.
        """
        return self._encode(batch, layer, dtype)[0]

    def encode_and_pool(
        self, batch: PackedBatch, layer: int = -1, dtype: torch.dtype = torch.float32, by_modality: bool = False
    ) -> tuple[Tensor, Tensor]:
        """As `encode_batch`, with one vector per window (B, D).

        The vector is the window's own token where the model has one, which is one for all modalities; else `pool`'s,
        also per window and modality (B, n_modalities, D).
        """
        tokens, cls = self._encode(batch, layer, dtype)
        return tokens, self.pool(tokens, batch, by_modality) if cls is None else cls

    def layers(self, batch: PackedBatch, dtype: torch.dtype = torch.float32) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Tokens (N, D) and the windows' own tokens (B, D) of layers 0 to depth - 1 and of the output, in one pass."""
        self._warn_if_random()
        encoder = self._for_inference(dtype)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            yield from encoder.layers(batch.to(self.device))

    def read(self, batch: PackedBatch, layer: int = -1, dtype: torch.dtype = torch.float32) -> Tokens:
        """As `encode_batch`, with the facts on each token that readouts need."""
        return Tokens.laid(*self._encode(batch, layer, dtype), self.token_batch(batch))

    def read_layers(self, batch: PackedBatch, dtype: torch.dtype = torch.float32) -> Iterator[Tokens]:
        """As `layers`, with the facts on each token."""
        beside = self.token_batch(batch)
        for values, own in self.layers(batch, dtype):
            yield Tokens.laid(values, own, beside)

    def read_stem(self, batch: PackedBatch, what: Literal["spectrum", "coherence"]) -> Tokens:
        """Band powers of a fused encoder's EEG stem, in the place of tokens ("spectrum") or of the windows' own."""
        beside = self.token_batch(batch)
        encoder, batch = self.encoder, batch.to(self.device)
        assert isinstance(encoder, FusedEncoder)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            if what == "spectrum":
                return Tokens.laid(encoder.spectrum(batch), None, beside)
            lines = encoder.coherence(batch)
        return Tokens.laid(lines.new_zeros(beside.n_tokens, 1), lines, beside)

    @torch.inference_mode()
    def read_heads(self, batch: PackedBatch, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Numbers of each head for each window (B, columns), NaN where a window lacks the modality."""
        tokens = self.read(batch, dtype=dtype)
        batch = batch.to(self.device)
        return [head(self.encoder, batch, tokens) for head in self.heads]

    def precision(self, dtype: str) -> torch.dtype:
        """Precision of matrix products; "auto" = bfloat16 on CUDA, float32 elsewhere."""
        return resolve_dtype(self.device, dtype)

    def _encode(self, batch: PackedBatch, layer: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        self._warn_if_random()
        self._warn_if_long(batch)
        encoder = self._for_inference(dtype)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            return encoder.encode(batch.to(self.device), layer)

    def token_batch(self, batch: PackedBatch) -> PackedBatch:
        """A batch with one row per token, on the batch's device: window, modality, time, valid.

        It is the batch itself where each channel has tokens of its own, else without channels and samples.
        """
        return self.encoder.token_batch(batch)

    @torch.inference_mode()
    def pool(self, tokens: Tensor, batch: PackedBatch, by_modality: bool = False) -> Tensor:
        """One vector per window (B, D), or per window and modality (B, n_modalities, D), over the valid tokens."""
        batch = self.token_batch(batch).to(tokens.device)
        n = len(MODALITY_IDS) if by_modality else 1
        segment = batch.window * n + batch.modality if by_modality else batch.window
        valid = batch.valid
        pooled = self.encoder.pool(tokens[valid], segment[valid], batch.n_windows * n)
        return pooled.unflatten(0, (batch.n_windows, n)) if by_modality else pooled

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
        """Encode arrays of signals.

        Parameters
        ----------
        signals : array or Tensor, shape (B, C, T)
            Windows of equal length and channels; NaN = missing.
        sfreq : float
            Sampling rate in Hz.
        ch_names : sequence of str, optional
            One name per channel; may be left out where `positions` are given.
        kind : str or sequence of str, optional
            "ecg", "ppg" or "eeg", for all channels or one each; default the model's only one.
        units : str or sequence of str, optional
            Default uV for EEG and mV for ECG, checked for plausibility.
        positions, references : array, shape (C, 3), optional
            Metres in the body frame, NaN = unknown; default from `ch_names`.
        scale : float or mapping of kind to float, optional
            The recording's robust scale, in the contract's unit; default the window's own.
        text : sequence of str, of word ids or of None, optional
            The report of each window, for a model with a text modality; None = this window has none. Strings are
            cleaned and cut into words by the model's tokenizer. Word ids may be an array (B, L) of integers.
        prepare : bool
            False feeds all numbers as they are: no resampling, scaling, normalising, flipping.
        layer : int
            0 the embedding output, k after block k, -1 the model's output.
        on_unknown : {"keep", "skip", "raise"}, optional
            Policy for channels whose place neither name nor position tells; default as in the contract, where EEG gives
            no valid token and ECG and PPG do.

        Returns
        -------
        Encoded
            `tokens` (B, C, n_patches, D), or {modality: …} where patches differ in length or number, C being 1 for a
            fused model; `valid` alike, without D; `pooled` (B, D); `text` (B, L, D) with `text_valid`, or None. CPU,
            float32.

        Raises
        ------
        UsageError
            For shapes, kinds or names that do not fit, or a rate other than the contract's with `prepare=False`.
        DataError
            For a window without a valid token, or amplitudes that another unit would explain.
        """
        recordings = as_recordings(
            signals, sfreq, ch_names, kind, units, positions, references, scale, self.contract, check=prepare
        )
        if not recordings:
            raise UsageError("signals hold no window: their first axis is empty.")
        contract = with_unknown(self.contract, on_unknown)
        windows = [self.prepare(r, 0.0, on_unknown) if prepare else as_they_are(r, contract) for r in recordings]
        batch = pack(windows, contract, None if text is None else self.word_ids(text, len(windows)))
        tokens, pooled = self.encode_and_pool(batch, layer)
        finite = torch.isfinite(pooled).all(dim=-1)  # (B,)
        if not finite.all():
            raise DataError(
                f"{self.name} gives a vector that is not finite for window {int(finite.int().argmin())}: look for wild "
                "amplitudes in it."
            )
        fused = self.config.fused is not None
        beside = self.token_batch(batch)
        return unpack(tokens.float().cpu(), pooled.float().cpu(), beside, recordings[0], contract, fused)

    def _for_inference(self, dtype: torch.dtype) -> Encoder:
        """The encoder's copy for inference, made again when a weight has changed; on a GPU float32 needs none."""
        if dtype == torch.float32 and self.device.type != "cpu":
            return self.encoder
        state = [(p.data_ptr(), p._version) for p in self.encoder.blocks.parameters()]
        if self._fast is None or self._fast[:2] != (dtype, state):
            self._fast = dtype, state, self.encoder.for_inference(dtype)
        return self._fast[2]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fast": None}  # copied and sent to workers without the copy for inference

    def __sklearn_clone__(self) -> Model:
        return self  # no estimator changes it, and cross-validation would copy the weights for every fit

    def word_ids(
        self, text: Sequence[str | Sequence[int] | None] | NDArray[Any] | Tensor, n_windows: int
    ) -> list[list[int]]:
        """The word ids of each window's text, none where it has no text.

        Raises
        ------
        UsageError
            As `biosig.models.word_ids.word_ids`.
        """
        return word_ids(self.config, self.tokenizer, text, n_windows)

    def _warn_if_random(self) -> None:
        if not self.trained and not self._warned:
            self._warned = True
            warnings.warn(
                f"Model '{self.name}' has random weights: its numbers are a baseline, not a result. "
                f"Load trained weights with biosig.load_model.",
                RandomWeightsWarning,
                stacklevel=4,  # the caller of encode
            )

    def _warn_if_long(self, batch: PackedBatch) -> None:
        trained_on = max(contract.window_seconds for contract in self.contract.values())
        if self.trained and not self._warned and float(batch.position[:, 3].max()) > trained_on:
            self._warned = True
            warnings.warn(
                f"Windows are longer than the {trained_on:g} s that model '{self.name}' was trained on: "
                f"it never saw times beyond. Use window={trained_on:g}, or pretrain on longer windows.",
                LongWindowWarning,
                stacklevel=4,  # the caller of encode
            )
