"""What a pretraining run is: one typed dataclass, loaded from YAML, saved beside the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from biosig.errors import UsageError
from biosig.models import checkpoint
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.models.presets import preset
from biosig.models.reports import RecordingWords, words_for
from biosig.models.text import Tokenizer
from biosig.pretrain.csfm_masking import CsfmMasking
from biosig.pretrain.csfm_reconstruction import CsfmReconstruction
from biosig.pretrain.decoder_config import DecoderConfig
from biosig.pretrain.masking import BlockMasking
from biosig.pretrain.objective import Objective
from biosig.pretrain.reconstruction import MaskedReconstruction
from biosig.pretrain.reve_masking import ReveMasking
from biosig.pretrain.reve_reconstruction import ReveReconstruction
from biosig.training.config import OptimizerConfig


@dataclass(frozen=True)
class SourceConfig:
    """A shard folder to learn from.

    Parameters
    ----------
    shards : Path
        Folder with an index.
    query : str, optional
        A pandas expression over index and label columns ("strat_fold <= 8"): which recordings to take.
    """

    shards: Path
    query: str | None = None


@dataclass(frozen=True)
class EncoderSize:
    """What of a preset's size is another in this run; None = as in the preset.

    Parameters
    ----------
    embed_dim, depth, num_heads, head_dim : int, optional
        Width, number of blocks, attention heads, width of a head.
    n_words : int, optional
        Room for words, of a model that reads text.
    """

    embed_dim: int | None = None
    depth: int | None = None
    num_heads: int | None = None
    head_dim: int | None = None
    n_words: int | None = None

    def of(self, config: EncoderConfig) -> EncoderConfig:
        """The preset in this size, with a name that says so."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        if not given:
            return config
        n_words = given.pop("n_words", None)
        if n_words and config.text is None:
            raise UsageError(f"encoder.n_words is {n_words}, and {config.name} reads no text: leave it out.")
        text = replace(config.text, n_words=n_words) if n_words and config.text else config.text
        sized = replace(config, text=text, **given)
        return replace(sized, name=f"{config.name}-{sized.embed_dim}x{sized.depth}")


@dataclass(frozen=True)
class PretrainConfig:
    """A pretraining run.

    Parameters
    ----------
    out : Path
        The run folder: config, log, checkpoint while it runs, and in the end `model/`.
    sources : list of SourceConfig
        Recordings to learn from; kinds may be mixed at will.
    model : str
        Preset.
    encoder : EncoderSize
        What of its size is another.
    weights : Path, optional
        A checkpoint folder to go on from: its encoder, and its ledger of what that has seen. None = random weights.
    tokenizer : Path, optional
        A tokenizer.json, or a BERT's vocab.txt, for a model that reads text; None = the demonstration that ships.
    reports : bool
        Whether a model that reads text is given the reports of the recordings; one that is too long is cut.
    window : float
        Seconds per window.
    stride : float, optional
        Seconds from one window to the next; default `window`.
    steps : int
        Optimiser steps.
    batch_tokens : int
        Tokens per step.
    masking : BlockMasking, ReveMasking or CsfmMasking
        What is hidden, told by `name`: blocks, reve or csfm; default the objective's own. REVE's hides no words.
    position_noise : float
        Metres: deviation of the noise on the channels' positions in training.
    objective : {"reconstruction", "reve", "csfm"}
        What the encoder is trained for.
    decoder : DecoderConfig
        Size of the decoder.
    global_weight : float
        Weight of the reconstruction from the pooled token.
    text_weight : float
        Weight of the cross-entropy of hidden words, in nats.
    optimizer : OptimizerConfig
        Optimiser and schedule.
    validation : float
        Share of each source's subjects whose windows are kept out of training and give the validation loss.
    validate_every, checkpoint_every, log_every : int
        Steps between validations, checkpoints, log lines.
    precision : {"auto", "float32", "bfloat16"}
        "auto" = bfloat16 on CUDA, float32 elsewhere.
    device : str
        "auto" = CUDA where there is one.
    workers : int
        Background processes that read and prepare batches; 0 = none.
    seed : int
        Seeds weights, order, masks and the validation subjects.
    order : {"content", "index"}
        What windows and subjects are drawn from: recordings in the order of their content, which is the same under any
        key, name and folder; or in that of the index, as version 0.1.0 did. A run that 0.1.0 left unfinished goes on
        with "index" by itself.
    """

    out: Path
    sources: list[SourceConfig]
    model: str = "biosig-small"
    encoder: EncoderSize = field(default_factory=EncoderSize)
    weights: Path | None = None
    tokenizer: Path | None = None
    reports: bool = True
    window: float = 10.0
    stride: float | None = None
    steps: int = 10000
    batch_tokens: int = 16384
    masking: BlockMasking | ReveMasking | CsfmMasking = None  # type: ignore[assignment]  # of the objective, see below
    position_noise: float = 0.0
    objective: Literal["reconstruction", "reve", "csfm"] = "reconstruction"
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    global_weight: float = 0.1
    text_weight: float = 0.1
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    validation: float = 0.1
    validate_every: int = 500
    checkpoint_every: int = 500
    log_every: int = 10
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    workers: int = 0
    seed: int = 0
    order: Literal["content", "index"] = "content"

    def __post_init__(self) -> None:
        if self.masking is None:
            object.__setattr__(self, "masking", _MASKING_OF[self.objective]())
        if not self.sources:
            raise UsageError("A pretraining run needs at least one entry in sources.")
        if not 0 <= self.validation < 1:
            raise UsageError(f"validation is {self.validation:g}; it is a share of the subjects, from 0 to below 1.")
        if not 0 <= self.position_noise < 1:
            raise UsageError(f"position_noise is {self.position_noise:g}; it is in metres: 0.0025 moves by 2.5 mm.")
        for name in ("steps", "batch_tokens", "validate_every", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1.")

    @classmethod
    def config_defaults(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The masking of the objective that is given."""
        masking = _MASKING_OF.get(values.get("objective", cls.objective))
        return {"masking": masking()} if masking else {}

    def encoder_config(self) -> EncoderConfig:
        """The preset in this run's size, with the run's window in its contract."""
        size = self.encoder.of(preset(self.model))
        contract = {m: replace(wanted, window_seconds=self.window) for m, wanted in size.contract.items()}
        return replace(size, contract=contract)

    def make_encoder(self) -> Encoder:
        """The encoder to begin with: random weights from torch's generator, or those of `weights`.

        Raises
        ------
        UsageError
            If `weights` is no checkpoint folder, or one of an encoder of another form.
        """
        encoder = Encoder(self.encoder_config())
        if self.weights is None:
            return encoder
        theirs, _, _ = checkpoint.load(self.weights)
        ours, other = _form(encoder.config), _form(theirs.config)
        differing = [key for key in ours if ours[key] != other[key]]
        if differing:
            raise UsageError(
                f"The encoder in {self.weights} has another {', '.join(differing)} than this run's: change model or "
                "encoder, or begin with other weights."
            )
        checkpoint.load_state(encoder, theirs.state_dict(), str(self.weights))
        return encoder

    def words(self) -> RecordingWords | None:
        """The words of the recordings' reports; None where the model reads no text, or is given none."""
        if preset(self.model).text is None or not self.reports:
            return None
        tokenizer = Tokenizer.load(self.tokenizer) if self.tokenizer else Tokenizer.default()
        return words_for(self.encoder_config(), tokenizer, cut=True)

    def make_objective(self, encoder: Encoder) -> Objective:
        """What this run trains `encoder` with.

        Raises
        ------
        UsageError
            If the objective is not for an encoder of this kind.
        """
        if self.objective == "csfm":
            return CsfmReconstruction(encoder, self.decoder, self.global_weight, self.text_weight)
        if encoder.config.cls:
            raise UsageError(
                f"The objective {self.objective} trains a pooling, and '{encoder.config.name}' has a token per window "
                f"instead: choose objective csfm."
            )
        cls = {"reconstruction": MaskedReconstruction, "reve": ReveReconstruction}[self.objective]
        return cls(encoder, self.decoder, self.global_weight, self.text_weight)


_MASKING_OF: dict[str, Callable[[], BlockMasking | ReveMasking | CsfmMasking]] = {
    "reconstruction": BlockMasking,
    "reve": ReveMasking,
    "csfm": CsfmMasking,
}


def _form(config: EncoderConfig) -> dict[str, Any]:
    """What two encoders must share for one to take the other's weights and mean the same by them."""
    contract = {m: replace(wanted, window_seconds=0.0) for m, wanted in config.contract.items()}
    form = asdict(replace(config, contract=contract))
    return {key: value for key, value in form.items() if key not in ("name", "initialisation")}
