"""Tables of the public encoders: which model takes which data, and where its weights are."""

from __future__ import annotations

from typing import NamedTuple

import torch

from biosig.batches.stepped import describe_steps
from biosig.models.zoo import known_models
from biosig.models.zoo.model import length_text

_NAMED = 12  # channels that a row lists

_MISSING = {"refuse": "refused", "zeros": "zeros", "subset": "as in training: any subset"}


class PublicModel(NamedTuple):
    """A public encoder, all cells as texts.

    Parameters
    ----------
    name : str
        Name for `biosig.build_model`.
    modality, channels, sfreq, length, unit, missing, steps : str
        Its input contract: kind, channels in order, Hz, windows, unit, policy for a missing channel, preparation.
    n_parameters : int
        Of the network.
    licence, where, trained_on, cannot : str
        As its family tells (`biosig.models.zoo.About`).
    """

    name: str
    modality: str
    channels: str
    sfreq: str
    length: str
    unit: str
    missing: str
    steps: str
    n_parameters: int
    licence: str
    where: str
    trained_on: str
    cannot: str


def list_public() -> list[PublicModel]:
    """All published networks of the families that are registered; nothing is downloaded."""
    rows = []
    for name, sizes in known_models().items():
        ((modality, wanted),) = sizes.contract().items()
        with torch.device("meta"):  # counted without memory
            n_parameters = sum(parameter.numel() for parameter in sizes.build().parameters())
        about, channels = sizes.about, wanted.ch_names
        listed = ", ".join(channels) if len(channels) <= _NAMED else f"{len(channels)} by name"
        rows.append(
            PublicModel(
                name=name,
                modality=modality.upper(),
                channels=listed,
                sfreq=f"{wanted.sfreq:g} Hz",
                length=length_text(wanted),
                unit=wanted.unit or "any",
                missing=_MISSING[wanted.missing],
                steps=describe_steps(wanted.steps),
                n_parameters=n_parameters,
                licence=about.licence,
                where=about.where,
                trained_on=", ".join(about.trained_on),
                cannot=about.cannot,
            )
        )
    return rows


def markdown() -> str:
    """Two tables for docs/models.md: the input of each, and its steps, licence and training."""
    rows = list_public()
    first = [
        "| model | reads | channels | rate | length | a missing channel | parameters | licence | cannot |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    first += [
        f"| `{r.name}` | {r.modality} | {r.channels} | {r.sfreq} | {r.length} | {r.missing} | {r.n_parameters:,} "
        f"| {r.licence} | {r.cannot} |"
        for r in rows
    ]
    second = ["| model | unit | steps, in order | weights are at | its makers trained on |", "|---|---|---|---|---|"]
    second += [f"| `{r.name}` | {r.unit} | {r.steps} | {r.where} | {r.trained_on} |" for r in rows]
    return "\n".join([*first, "", *second])
