"""Models by name: those that come with weights, and presets, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from biosig import weights
from biosig.models.presets import PRESETS

UNTRAINED = "untrained:"
"""In front of a preset's name: its random weights, also where trained ones ship."""


class ListedModel(NamedTuple):
    """A model that has a name.

    Parameters
    ----------
    name : str
        Name for `biosig.load_model` where there are weights, and for `biosig.build_model` where it is a preset.
    weights : bool
        True if trained weights come with the package; else it is a preset, and its weights are random, or a public
        encoder, and its weights are elsewhere.
    n_parameters : int or None
        Of the encoder; None of another package's preset that does not tell it.
    modalities : tuple of str
        Modalities that it reads: "ecg", "ppg", "eeg", "text".
    licence : str
        Of the weights; empty for a preset.
    note : str
        One line of description.
    """

    name: str
    weights: bool
    n_parameters: int | None
    modalities: tuple[str, ...]
    licence: str
    note: str


def list_models(public: bool = False) -> list[ListedModel]:
    """List the models that have a name: first those with weights, then presets, installed ones too.

    Parameters
    ----------
    public : bool
        True to list public encoders (`biosig.models.zoo`) last. Their note says where the weights are. Imports torch.
    """
    shipped = [weights.facts_of(name) for name in weights.names()]
    listed = [ListedModel(one.name, True, one.n_parameters, one.modalities, one.licence, one.note) for one in shipped]
    for name, one in PRESETS.items():
        if name not in weights.names():
            reads = (*one.config.contract, *(["text"] if one.config.text else []))
            listed.append(ListedModel(name, False, one.n_parameters, reads, "", "preset"))
    if public:
        from biosig.models.zoo.table import list_public  # which imports torch

        for row in list_public():
            note = f"public encoder, weights are at {row.where}"
            reads = (row.modality.lower(),)
            listed.append(ListedModel(row.name, False, row.n_parameters, reads, row.licence, note))
    return listed


def preset_meant(name: str | Path) -> str | None:
    """The preset whose random weights a name stands for in a configuration or on the command line.

    Parameters
    ----------
    name : str or Path
        A checkpoint folder, else weights that ship, else a preset; or ``untrained:`` and a preset.

    Returns
    -------
    str or None
        None where the name stands for anything that `biosig.load_model` loads.
    """
    text = str(name)
    if text.startswith(UNTRAINED):
        return text.removeprefix(UNTRAINED)
    return text if text in PRESETS and not is_model_folder(name) and weights.find(name) is None else None


def is_model_folder(source: str | Path) -> bool:
    """True if a name is that of a folder here that holds a model, or of a pretraining run."""
    return any((Path(source) / below / "config.json").is_file() for below in (".", "model"))
