"""Foreign weights become an encoder of ours: every tensor is taken over, or named with the reason why not.

A family of models in our own encoder is a module with `recognises` and `plan`, one with a network of its own a class of
`biosig.models.zoo`. All else, counting, comparing shapes and the model card, is the same for every family and is here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from biosig.errors import DataError
from biosig.layers.config import TextConfig
from biosig.models import convert_csfm, convert_reve
from biosig.models.build import make_encoder
from biosig.models.checkpoint import default_card
from biosig.models.encoder import Encoder
from biosig.models.model import Model
from biosig.models.read_weights import ForeignWeights, Plan, read_foreign
from biosig.models.text import Tokenizer
from biosig.models.zoo import ENCODERS, Keys
from biosig.models.zoo.model import ZooEncoder, card_of, model_with
from biosig.tensor_files import join_truncated, load_state


class Family(Protocol):
    """A module that knows the weights of one family of models."""

    def recognises(self, state: Mapping[str, Tensor]) -> bool: ...  # noqa: D102

    def plan(self, state: Mapping[str, Tensor], config: Mapping[str, Any], where: str) -> Plan: ...  # noqa: D102


FAMILIES: dict[str, Family] = {"REVE": convert_reve, "CSFM": convert_csfm}


@dataclass(frozen=True)
class Converted:
    """An encoder with foreign weights.

    Parameters
    ----------
    encoder : Encoder or ZooEncoder
        With every weight in place.
    left_out : dict of str to str
        Key of the source that has no place in an encoder → reason.
    missing : tuple of str
        Sentences on tensors that the encoder has and the source did not.
    card : str
        The model card: source, hash, licence, keys that were left out or are missing.
    """

    encoder: Encoder | ZooEncoder
    left_out: dict[str, str]
    missing: tuple[str, ...]
    card: str

    @property
    def text(self) -> TextConfig | None:
        """The tokenizer of an encoder that reads text."""
        return self.encoder.config.text

    def model(self, folder: Path | None = None, tokenizer: Tokenizer | None = None) -> Model:
        """The encoder as a model, from a folder where it was loaded from one."""
        return model_with(self.encoder, trained=True, card=self.card, folder=folder, tokenizer=tokenizer)


def convert(source: str | Path, origin: str = "") -> Converted:
    """Read weights that another project wrote.

    Parameters
    ----------
    source : str or Path
        A Hugging Face folder (`config.json`, `model.safetensors`), or a file of weights (safetensors, or a PyTorch
        state dict).
    origin : str, optional
        Origin of the weights, for the model card; default the name of the file or folder.

    Raises
    ------
    UsageError
        If `source` does not exist.
    DataError
        If the weights are of no known family, or a key is missing, left over or of another shape; the sentence lists
        them by the names that they have in the source.
    """
    foreign = read_foreign(Path(source))
    family = next((family for family in FAMILIES.values() if family.recognises(foreign.state)), None)
    if family is None:
        return _convert_public(foreign, origin or Path(source).name)
    plan = family.plan(foreign.state, foreign.config, str(foreign.path))
    encoder = make_encoder(plan.config)
    own = dict(encoder.state_dict())
    _account(foreign, plan.config.name, Keys(plan.names, plan.left_out, plan.absent), own, plan.leading_ones)
    absent = sorted(ours for theirs, ours in plan.names.items() if theirs not in foreign.state)
    taken = {ours: foreign.state[theirs] for theirs, ours in plan.names.items() if ours not in absent}
    state = {ours: tensor.to(own[ours].dtype).reshape(own[ours].shape) for ours, tensor in taken.items()}
    state |= {ours: torch.zeros_like(own[ours]) for ours in absent}
    load_state(encoder, state, where=str(foreign.path))
    left_out = plan.left_out | dict.fromkeys(foreign.beside, "entries that are not weights")
    missing = tuple(plan.absent[ours] for ours in absent)
    card = _card(encoder, foreign, left_out, (*plan.notes, *missing), origin or Path(source).name)
    return Converted(encoder, left_out, missing, card)


def _convert_public(foreign: ForeignWeights, origin: str) -> Converted:
    """Weights of a family of `biosig.models.zoo`, in the network that its shapes tell."""
    state = foreign.state
    if all(key.startswith("encoder.") for key in state):
        state = {key.removeprefix("encoder."): tensor for key, tensor in state.items()}
        foreign = replace(foreign, state=state)
    public = next((family for family in ENCODERS.values() if family.recognises(state)), None)
    if public is None:
        known = ", ".join([*FAMILIES, *(family.about.title for family in ENCODERS.values())])
        raise DataError(
            f"{foreign.path} holds the weights of no model that is known here ({known}): its keys begin with "
            f"{join_truncated(state, 4)}."
        )
    sizes = public.of(state, str(foreign.path))
    keys = sizes.keys(state)
    encoder = ZooEncoder(sizes)
    own = dict(encoder.module.state_dict())
    _account(foreign, sizes.model_name, keys, own)
    absent = sorted(ours for theirs, ours in keys.names.items() if theirs not in state)
    taken = {ours: state[theirs] for theirs, ours in keys.names.items() if theirs in state}
    load_state(encoder.module, {**{ours: own[ours] for ours in absent}, **taken}, where=str(foreign.path))
    left_out = keys.dropped | dict.fromkeys(foreign.beside, "entries that are not weights")
    missing = tuple(keys.absent[ours] for ours in absent)
    lines = [
        card_of(sizes, trained=True),
        f"Converted from {origin}, {foreign.path.name} with SHA-256 {foreign.sha256}.",
        "",
        *(f"- {note}" for note in (*keys.notes, *missing)),
        *(f"- Left out: {line}." for line in by_reason(left_out)),
        "",
    ]
    return Converted(encoder, left_out, missing, "\n".join(lines))


def by_reason(left_out: Mapping[str, str]) -> list[str]:
    """Lines on the keys that were left out, one for each reason."""
    keys: dict[str, list[str]] = {}
    for key, why in left_out.items():
        keys.setdefault(why, []).append(key)
    return [f"{len(of)} of {why} ({join_truncated(of)})" for why, of in keys.items()]


def _account(
    foreign: ForeignWeights,
    name: str,
    plan: Keys,
    own: Mapping[str, Tensor],
    leading_ones: Collection[str] = (),
) -> None:
    """Raise unless every key of the source is taken or left out, and every key that the encoder needs is there."""
    state = foreign.state
    problems = {
        "missing": [theirs for theirs, ours in plan.names.items() if theirs not in state and ours not in plan.absent],
        "missing, though nothing is read from them": plan.dropped.keys() - state.keys(),
        "left over": state.keys() - plan.names.keys() - plan.dropped.keys(),
        "of another shape": [
            f"{theirs} {tuple(state[theirs].shape)} for {tuple(own[ours].shape)}"
            for theirs, ours in plan.names.items()
            if theirs in state and not _fits(state[theirs], own[ours], theirs in leading_ones)
        ],
        "not floating-point": [k for k in plan.names.keys() & state.keys() if not state[k].is_floating_point()],
    }
    found = [f"{what}: {join_truncated(keys)}" for what, keys in problems.items() if keys]
    if found:
        raise DataError(f"The weights in {foreign.path} do not fit {name}; {'; '.join(found)}.")


def _fits(theirs: Tensor, ours: Tensor, leading_ones: bool) -> bool:
    """True if the shapes are equal, with axes of length 1 in front where the project keeps this tensor so."""
    shape, wanted = tuple(theirs.shape), tuple(ours.shape)
    if leading_ones:
        n = max(len(shape), len(wanted))
        shape, wanted = (1,) * (n - len(shape)) + shape, (1,) * (n - len(wanted)) + wanted
    return shape == wanted


def _card(
    encoder: Encoder, foreign: ForeignWeights, left_out: Mapping[str, str], notes: tuple[str, ...], origin: str
) -> str:
    return "\n".join(
        [
            default_card(encoder, trained=True),
            f"Converted from {origin}, {foreign.path.name} with SHA-256 {foreign.sha256}.",
            "",
            *(f"- {note}" for note in notes),
            *(f"- Left out: {line}." for line in by_reason(left_out)),
            "",
        ]
    )
