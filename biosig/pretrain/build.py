"""Parts of a run that its configuration stands for: encoder, words of reports, objective."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from biosig.errors import UsageError
from biosig.models import checkpoint
from biosig.models.build import make_encoder
from biosig.models.encoder import Encoder, EncoderConfig
from biosig.models.presets import preset
from biosig.models.report_tokens import RecordingWords, words_for
from biosig.models.text import Tokenizer
from biosig.pretrain.config import EncoderSize, PretrainConfig
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.targets import Targets
from biosig.tensor_files import load_state


def resize(config: EncoderConfig, size: EncoderSize) -> EncoderConfig:
    """A preset in another size, with a name that says so.

    Raises
    ------
    UsageError
        If there shall be room for words in a model that reads none.
    """
    given = {name: value for name, value in asdict(size).items() if value is not None}
    if not given:
        return config
    n_words = given.pop("n_words", None)
    if n_words and config.text is None:
        raise UsageError(f"encoder.n_words is {n_words}, and {config.name} reads no text: leave it out.")
    text = replace(config.text, n_words=n_words) if n_words and config.text else config.text
    sized = replace(config, text=text, **given)
    return replace(sized, name=f"{config.name}-{sized.embed_dim}x{sized.depth}")


def encoder_config(run: PretrainConfig) -> EncoderConfig:
    """The preset in the run's size, with the run's window in its contract."""
    size = resize(preset(run.model), run.encoder)
    contract = {m: replace(wanted, window_seconds=run.window) for m, wanted in size.contract.items()}
    return replace(size, contract=contract)


def build_encoder(run: PretrainConfig) -> Encoder:
    """The encoder to begin with: random weights from torch's generator, or those of `weights`.

    Raises
    ------
    UsageError
        If `weights` is not a checkpoint folder, or one of an encoder of another form.
    """
    encoder = make_encoder(encoder_config(run))
    if run.weights is None:
        return encoder
    theirs, _, _ = checkpoint.load(run.weights)
    ours, other = _form(encoder.config), _form(theirs.config)
    differing = [key for key in ours if ours[key] != other[key]]
    if differing:
        raise UsageError(
            f"The encoder in {run.weights} has another {', '.join(differing)} than this run's: change model or "
            "encoder, or begin with other weights."
        )
    load_state(encoder, theirs.state_dict(), str(run.weights))
    return encoder


def build_words(run: PretrainConfig) -> RecordingWords | None:
    """The words of the recordings' reports; None where the model reads no text, or is given none."""
    if preset(run.model).text is None or not run.reports:
        return None
    tokenizer = Tokenizer.load(run.tokenizer) if run.tokenizer else Tokenizer.default()
    return words_for(encoder_config(run), tokenizer, cut=True)


def build_objective(run: PretrainConfig, encoder: Encoder, targets: Targets | None = None) -> Objective:
    """Build the objective of a run, with the targets of its training windows where a term names some.

    Raises
    ------
    UsageError
        If a term is not for an encoder of this kind, or lacks its targets.
    """
    momentum = {} if run.teacher is None else {"momentum": run.teacher.momentum}
    return Objective(encoder, run.objective, **momentum, targets=targets)


def _form(config: EncoderConfig) -> dict[str, Any]:
    """Configuration entries that two encoders must share for one to use the other's weights."""
    contract = {m: replace(wanted, window_seconds=0.0) for m, wanted in config.contract.items()}
    form = asdict(replace(config, contract=contract))
    return {key: value for key, value in form.items() if key not in ("name", "initialisation")}
