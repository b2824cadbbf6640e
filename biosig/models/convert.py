"""Foreign weights become an encoder of ours: every tensor is taken over, or named with the reason why not.

A family of models is a module with `recognises` and `plan`. All else, counting, comparing shapes and the model card, is
the same for every family and is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from biosig.errors import DataError
from biosig.models import convert_csfm, convert_reve
from biosig.models.build import make_encoder
from biosig.models.checkpoint import default_card, listed, load_state
from biosig.models.encoder import Encoder
from biosig.models.foreign import ForeignWeights, Plan, read_foreign


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
    encoder : Encoder
        With every weight in place.
    left_out : dict of str to str
        What of the source has no place in an encoder → why.
    missing : tuple of str
        What the encoder has and the source did not: a sentence each.
    card : str
        The model card: source, hash, licence, what was left out or is missing.
    """

    encoder: Encoder
    left_out: dict[str, str]
    missing: tuple[str, ...]
    card: str


def convert(source: str | Path, origin: str = "") -> Converted:
    """Read weights that another project wrote.

    Parameters
    ----------
    source : str or Path
        A Hugging Face folder (`config.json`, `model.safetensors`), or a file of weights (safetensors, or a PyTorch
        state dict).
    origin : str, optional
        Where they came from, for the model card; default the name of the file or folder.

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
        raise DataError(
            f"{foreign.path} holds the weights of no model that is known here ({', '.join(FAMILIES)}): its keys begin "
            f"with {listed(foreign.state, 4)}."
        )
    plan = family.plan(foreign.state, foreign.config, str(foreign.path))
    encoder = make_encoder(plan.config)
    own = dict(encoder.state_dict())
    _account(foreign, plan, own)
    absent = sorted(ours for theirs, ours in plan.names.items() if theirs not in foreign.state)
    taken = {ours: foreign.state[theirs] for theirs, ours in plan.names.items() if ours not in absent}
    state = {ours: tensor.to(own[ours].dtype).reshape(own[ours].shape) for ours, tensor in taken.items()}
    state |= {ours: torch.zeros_like(own[ours]) for ours in absent}
    load_state(encoder, state, where=str(foreign.path))
    left_out = plan.left_out | dict.fromkeys(foreign.beside, "what is no weight")
    missing = tuple(plan.absent[ours] for ours in absent)
    card = _card(encoder, foreign, left_out, (*plan.notes, *missing), origin or Path(source).name)
    return Converted(encoder, left_out, missing, card)


def by_reason(left_out: Mapping[str, str]) -> list[str]:
    """What was left out, a line for each reason."""
    keys: dict[str, list[str]] = {}
    for key, why in left_out.items():
        keys.setdefault(why, []).append(key)
    return [f"{len(of)} of {why} ({listed(of)})" for why, of in keys.items()]


def _account(foreign: ForeignWeights, plan: Plan, own: Mapping[str, Tensor]) -> None:
    """Raise unless every key of the source is taken or left out, and every key that the encoder needs is there."""
    state = foreign.state
    problems = {
        "missing": [theirs for theirs, ours in plan.names.items() if theirs not in state and ours not in plan.absent],
        "left over": state.keys() - plan.names.keys() - plan.left_out.keys(),
        "of another shape": [
            f"{theirs} {tuple(state[theirs].shape)} for {tuple(own[ours].shape)}"
            for theirs, ours in plan.names.items()
            if theirs in state and not _fits(state[theirs], own[ours], theirs in plan.leading_ones)
        ],
        "not floating-point": [k for k in plan.names.keys() & state.keys() if not state[k].is_floating_point()],
    }
    found = [f"{what}: {listed(keys)}" for what, keys in problems.items() if keys]
    if found:
        raise DataError(f"The weights in {foreign.path} do not fit {plan.config.name}; {'; '.join(found)}.")


def _fits(theirs: Tensor, ours: Tensor, leading_ones: bool) -> bool:
    """Whether the shapes are equal, with axes of length 1 in front where that is how the project keeps this tensor."""
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
