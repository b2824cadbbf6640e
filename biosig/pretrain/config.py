"""Configuration of a pretraining run: one typed dataclass, loaded from YAML, saved beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from biosig.batches.input_contract import Align
from biosig.errors import UsageError
from biosig.pretrain.augment import AUGMENTATIONS, Augmentation
from biosig.pretrain.masking import MASKINGS, Masking
from biosig.pretrain.objectives import OBJECTIVES, TermConfig
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.training.config import OptimizerConfig

_MOVED = ("decoder", "global_weight", "text_weight")
"""Keys of the run in 0.1.0 that are keys of its term now."""


@dataclass(frozen=True)
class SourceConfig:
    """A shard folder to learn from.

    Parameters
    ----------
    shards : Path
        Folder with an index.
    query : str, optional
        A pandas expression over index and label columns ("strat_fold <= 8"): which recordings to take.
    share : float, optional
        Of the windows that are drawn, those that come from here. Sources without one divide what the others leave by
        their numbers of windows.
    copies : int
        Above 0, the source is that many copies of each recording, their leads mixed (`biosig.pretrain.lead_copies`),
        in place of the recordings; those of people who are held out are in no set.
    align : {"none", "subject", "first_minute"}
        Alignment of EEG (`biosig.batches.alignment`).
    window, stride : float, optional
        Seconds, in place of the run's: kinds of signals that are learned from together may need windows of their own.
    """

    shards: Path
    query: str | None = None
    share: float | None = None
    copies: int = 0
    align: Align = "none"
    window: float | None = None
    stride: float | None = None

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share <= 1:
            raise UsageError(f"The share of {self.shards} is {self.share:g}; it must be above 0, and at most 1.")
        if self.copies < 0:
            raise UsageError(f"copies of {self.shards} is {self.copies}; it is a number of copies, 0 or more.")


@dataclass(frozen=True)
class EncoderSize:
    """Sizes of the encoder that differ from the preset's in this run; None = as in the preset.

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


@dataclass(frozen=True)
class TeacherConfig:
    """The moving average of the encoder that some terms look at; a run has one.

    Parameters
    ----------
    momentum : float
        Share of the average that a step leaves as it was.
    """

    momentum: float = 0.998

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise UsageError(f"teacher.momentum is {self.momentum:g}; it must be 0 or more, and less than 1.")


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
        Sizes that differ from the preset's.
    weights : Path, optional
        A checkpoint folder to go on from: its encoder, and the ledger of its training data. None = random weights.
    tokenizer : Path, optional
        A tokenizer.json, or a BERT's vocab.txt, for a model that reads text; None = the demonstration that ships.
    reports : bool
        True to give a model that reads text the reports of the recordings; one that is too long is cut.
    window : float
        Seconds per window; a source may have its own.
    stride : float, optional
        Seconds from one window to the next; default `window`.
    steps : int
        Optimiser steps.
    batch_tokens : int
        Tokens per step.
    masking : Masking
        Masking, by `name`: blocks, reve, csfm or another of `MASKINGS`; default the first term's own. REVE's
        hides no words.
    position_noise : float
        Metres: deviation of the noise on the channels' positions in training.
    augment : tuple of Augmentation
        Changes of training windows before their mask is drawn, by `name`: crop, channels, gain, noise, mains,
        lead_mix or others of `AUGMENTATIONS`, in this order. Validation looks at windows as they are.
    objective : tuple of TermConfig
        Objective of the encoder: terms by `name`, reconstruction, next_latent or others of `OBJECTIVES`, each
        with its weight and keys. In a file it may also be one name, or the keys of one term.
    teacher : TeacherConfig, optional
        The moving average of the encoder; there when a term asks for it.
    ema : float, optional
        Decay of the moving average of the weights, which is validated and published: each step leaves this share of it
        as it was (.995: of about 200 steps); at first it is their mean. None = the weights of the last step.
    optimizer : OptimizerConfig
        Optimiser and schedule.
    validation : float
        Share of each source's subjects whose windows are kept out of training and give the validation loss.
    validate_every, checkpoint_every, log_every : int
        Steps between validations, checkpoints, log lines.
    precision : {"auto", "float32", "bfloat16"}
        "auto" = the faster of both in a trial of half a second; the choice is kept in the run's `config.yaml`.
    device : str
        "auto" = CUDA where there is one.
    workers : int
        Background processes that read and prepare batches; 0 = none.
    cache_gb : float
        Memory for windows that were filtered and resampled once, all workers together.
    seed : int
        Seeds weights, order, masks and the validation subjects.
    order : {"content", "index"}
        Order that windows and subjects are drawn from: recordings in the order of their content, which is the same
        under any key, name and folder; or in that of the index, as version 0.1.0 did. A run that 0.1.0 left unfinished
        goes on with "index" by itself.
    """

    old_names: ClassVar[Mapping[str, str]] = {"keep_gb": "cache_gb"}
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
    masking: Annotated[Masking, MASKINGS] = None  # type: ignore[assignment]  # of the first term, see below
    position_noise: float = 0.0
    augment: tuple[Annotated[Augmentation, AUGMENTATIONS], ...] = ()
    objective: tuple[Annotated[TermConfig, OBJECTIVES], ...] = (ReconstructionConfig(),)
    teacher: TeacherConfig | None = None
    ema: float | None = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    validation: float = 0.1
    validate_every: int = 500
    checkpoint_every: int = 500
    log_every: int = 10
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    workers: int = 0
    cache_gb: float = 2.0
    seed: int = 0
    order: Literal["content", "index"] = "content"

    def __post_init__(self) -> None:
        if not self.objective:
            raise UsageError("The objective has no term: name one, e.g. objective=reconstruction.")
        if self.masking is None:
            object.__setattr__(self, "masking", MASKINGS[self.objective[0].masking]())
        names = [term.name for term in self.objective]
        if any(term.uses_teacher for term in self.objective):
            object.__setattr__(self, "teacher", self.teacher or TeacherConfig())
        elif self.teacher is not None:
            raise UsageError(f"No term of the objective {' + '.join(names)} looks at a teacher: leave teacher out.")
        if not self.sources:
            raise UsageError("A pretraining run needs at least one entry in sources.")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise UsageError(f"ema is {self.ema:g}; it must be 0 or more, and less than 1, or left out.")
        self._check_shares()
        if not 0 <= self.validation < 1:
            raise UsageError(f"validation is {self.validation:g}; it is a share of the subjects, from 0 to below 1.")
        if not 0 <= self.position_noise < 1:
            raise UsageError(f"position_noise is {self.position_noise:g}; it is in metres: 0.0025 moves by 2.5 mm.")
        for name in ("steps", "batch_tokens", "validate_every", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1.")

    def grid_of(self, source: SourceConfig) -> tuple[float, float | None]:
        """Length and stride in seconds of the windows of a source."""
        if source.window is None:
            return self.window, source.stride or self.stride
        return source.window, source.stride

    def _check_shares(self) -> None:
        shares = [source.share for source in self.sources]
        given = sum(share for share in shares if share is not None)
        if None not in shares and abs(given - 1) > 1e-6:
            raise UsageError(f"The shares of the sources are {given:g} together: they must be 1.")
        if None in shares and given >= 1:
            raise UsageError(
                f"The shares of the sources are {given:g} together, which leaves nothing for those without one: give "
                "less, or give each source its share."
            )

    @classmethod
    def config_defaults(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The masking of the first term that is given."""
        terms = values.get("objective")
        first = terms[0] if isinstance(terms, list | tuple) and terms else ReconstructionConfig()
        name: Any = first.get("name") if isinstance(first, Mapping) else getattr(first, "name", first)
        return {"masking": MASKINGS[OBJECTIVES[name].masking]()} if name in OBJECTIVES else {}

    @classmethod
    def upgrade(cls, values: dict[str, Any]) -> dict[str, Any]:
        """One term may stand without a list; keys of 0.1.0 that are a term's own now move below it."""
        moved = {key: values.pop(key) for key in _MOVED if key in values}
        terms = values.get("objective", ReconstructionConfig.name if moved else None)
        if terms is None:
            return values
        terms = list(terms) if isinstance(terms, list | tuple) else [terms]
        if moved and len(terms) != 1:
            raise UsageError(
                f"{', '.join(moved)} stands beside an objective of {len(terms)} terms: put it below the term that is "
                "meant."
            )
        values["objective"] = [_with_name(term) for term in terms]
        if moved:
            values["objective"] = [_below(values["objective"][0], moved)]
        return values

    @classmethod
    def override_path(cls, path: list[str], values: Mapping[str, Any]) -> list[str]:
        """An override with a key of 0.1.0 goes below the term if the file has the key there."""
        terms = values.get("objective")
        if path[0] not in _MOVED or not isinstance(terms, Mapping | list):
            return path
        return ["objective", *(["0"] if isinstance(terms, list) else []), *path]


def _with_name(term: Any) -> Any:
    """A term as a mapping with its name; anything else as it is, for the loader to refuse."""
    if isinstance(term, str):
        return {"name": term}
    return {"name": ReconstructionConfig.name, **term} if isinstance(term, Mapping) else term


def _below(term: Any, moved: Mapping[str, Any]) -> Any:
    """A term with keys that stood beside it.

    Raises
    ------
    UsageError
        If it has one of them already.
    """
    if not isinstance(term, Mapping):
        return term
    twice = [key for key in moved if key in term]
    if twice:
        raise UsageError(
            f"{', '.join(twice)} is given beside the objective and in it: leave out the first, and write "
            f"objective.{twice[0]}."
        )
    return {**term, **moved}
