"""Configuration that all tests of a model share: the model, the recordings, the seed, the bootstrap, the folder."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from biosig.batches.input_contract import OnUnknown
from biosig.errors import UsageError


@dataclass(frozen=True)
class TaskConfig:
    """The fields that a probe, a fine-tuning, an audit, a waveform, a retrieval and a question-answering run share.

    Parameters
    ----------
    model : str
        A checkpoint folder, else weights that ship, else a preset (random weights); ``untrained:`` and a preset's name
        for random weights in any case; or ``package.module:name`` for a model in a Python module, such as a wrapped
        one.
    shards : str
        Folder of shards.
    query : str, optional
        Selection of recordings: a pandas expression over the index and the labels ("run == 'R04'").
    seed : int
        Seed of the folds, the validation subjects, all draws, the bootstrap and a preset's random weights.
    n_bootstrap : int
        Resamples of subjects behind each interval, 100 or more.
    device : str
        "auto" = CUDA where there is one.
    on_unknown : {"keep", "skip", "raise"}, optional
        Treatment of channels without a known place on the body; None = as the model's contract says: EEG without a
        known electrode gives no token, ECG and PPG do.
    out : Path, optional
        Folder for the result; None = nothing is written.
    """

    model: str
    shards: str
    _: KW_ONLY
    query: str | None = None
    seed: int = 0
    n_bootstrap: int = 1000
    device: str = "auto"
    on_unknown: OnUnknown | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.n_bootstrap < 100:
            raise UsageError(f"n_bootstrap is {self.n_bootstrap}: 95 % bounds need 100 resamples or more.")
