"""Models by name: built from a preset, or loaded from a folder, the Hugging Face hub or a Python module."""

from __future__ import annotations

from pathlib import Path

from biosig import weights
from biosig.errors import UsageError
from biosig.models import checkpoint, hub
from biosig.models.build import make_encoder
from biosig.models.listing import UNTRAINED, is_model_folder, preset_meant
from biosig.models.model import Model
from biosig.models.presets import PRESETS
from biosig.models.reference import from_reference, is_reference
from biosig.models.text import Tokenizer
from biosig.training.seeding import seeded


def build_model(name: str, seed: int = 0) -> Model:
    """A preset with random weights.

    Parameters
    ----------
    name : str
        A preset: `biosig.list_models()` names them. Or a public encoder of `biosig.models.zoo`, such as
        "ecgfounder-12".
    seed : int
        Seeds the weights; the caller's random state is left as it was.
    """
    if name not in PRESETS:
        from biosig.models.zoo import known_models  # which imports this module
        from biosig.models.zoo.model import random_model

        if (public := known_models().get(name)) is not None:
            return random_model(public, seed)
    chosen = PRESETS[name]
    with seeded(seed):
        encoder = make_encoder(chosen.config)
    return Model(encoder, trained=False, tokenizer=Tokenizer.default() if chosen.tokenizer else None)


def load_model(source: str | Path, revision: str | None = None) -> Model:
    """Load a model that ships, or from a folder, the Hugging Face hub or a Python module, checking that all keys match.

    Parameters
    ----------
    source : str or Path
        A folder written by `Model.save`, by pretraining or by `biosig convert`. Or weights that come with the package,
        by name: ``biosig`` is the one to begin with, and `biosig.list_models()` names all. Or a file of weights that
        `biosig convert` takes, which is converted as it is loaded. Or ``owner/name`` on the hub, such as
        ``brain-bzh/reve-base`` or ``weighting666/CBraMod``, whose weights are converted as they are loaded; where a
        repository holds several files of weights, ``owner/name/file``. A path that exists is never looked for on the
        hub. Or ``package.module:name``, a model that a Python module holds, such as a wrapped one. Or ``untrained:``
        and a preset's name, which `build_model` gives.
    revision : str, optional
        Branch, tag or commit on the hub; pin the commit where a result must be reproducible.

    Raises
    ------
    UsageError
        If the folder does not exist or is not a checkpoint, no weights of that name ship, or the hub refuses or cannot
        be reached.
    DataError
        If weights are missing, left over, or of another shape; the sentence lists them.
    """
    if str(source).startswith(UNTRAINED):
        return build_model(str(source).removeprefix(UNTRAINED))
    if is_reference(source):
        return from_reference(str(source))
    if not hub.is_repository(source):
        if revision is not None:
            raise UsageError(f"{source} is a folder, which has no revision '{revision}': leave revision out.")
        if Path(source).is_file():
            from biosig.models.convert import convert

            return convert(source).model()
        return _from_folder(Path(source))
    fetched = hub.fetch(str(source), revision)
    folder = fetched if fetched.is_dir() else fetched.parent
    if fetched == folder and checkpoint.is_checkpoint(folder):
        return _from_folder(folder)
    from biosig.models.convert import convert  # the tables of foreign names, which few sessions need

    return convert(fetched, origin=f"{source} on the Hugging Face hub, revision {folder.name}").model(folder)


def named_model(name: str | Path, seed: int = 0) -> Model:
    """The model that a configuration or a verb names: by `load_model`, else a preset with random weights.

    Parameters
    ----------
    name : str or Path
        A folder, else weights that ship, else a preset; ``untrained:`` and a preset's name is always the preset.
    seed : int
        Seeds random weights.
    """
    preset = preset_meant(name)
    return load_model(name) if preset is None else build_model(preset, seed)


def _from_folder(folder: Path) -> Model:
    if not is_model_folder(folder):
        folder = weights.find(folder) or folder
    name = weights.ALIASES.get(str(folder), str(folder))
    if name in PRESETS and not is_model_folder(folder):
        shipped = f" Those that do are {', '.join(weights.names())}." if weights.names() else ""
        raise UsageError(
            f"No weights of '{name}' come with this version.{shipped} Load a folder of your own, which biosig pretrain "
            f"makes, or take random weights with biosig.build_model('{name}')."
        )
    if not folder.exists():
        from biosig.models.zoo import known_models, weights_elsewhere  # which import torch's networks

        if name in known_models():
            raise UsageError(f"The weights of '{name}' are not here. {weights_elsewhere(name)}")
        shipped = f", weights that ship are {', '.join(weights.names())}" if weights.names() else ""
        raise UsageError(
            f"There is no folder {folder}, and no preset of that name; presets are {', '.join(PRESETS)}{shipped}."
        )
    if (folder / checkpoint.CONFIG).is_file() and checkpoint.PUBLIC in (
        content := checkpoint.read_config(folder / checkpoint.CONFIG)
    ):
        from biosig.models.zoo.model import load

        return load(folder, content)
    encoder, trained, card = checkpoint.load(folder)
    heads = checkpoint.load_heads(folder, encoder.config.embed_dim)
    return Model(encoder, trained, card, folder, checkpoint.load_tokenizer(folder), heads)
