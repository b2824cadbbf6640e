"""Weights that ship with the package: one folder a set, as `biosig.models.checkpoint.save` writes it, in bfloat16.

A folder holds the configuration, the weights, the heads, the ledger of their training data, and the card (README.md).
The card begins with YAML between two lines of dashes, as on the Hugging Face hub: licence, number of parameters, note.
`tools/ship_weights.py` makes the folders; names and facts are read here without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biosig.errors import UnreadableError
from biosig.text_files import parse_yaml, read_json

ROOM = Path(__file__).parent
"""Folder of the sets. It is looked up at each call, so that tests point it at a folder of their own."""

ALIASES = {"biosig": "biosig-fused-tiny"}
"""Short names, and the set of weights that each stands for."""

MOST_BYTES = 12 * 2**20
"""All files of all sets together."""


@dataclass(frozen=True)
class ShippedWeights:
    """Facts of a set of weights, as its card and configuration tell them.

    Parameters
    ----------
    name : str
        The folder's.
    n_parameters : int
        Of the encoder.
    modalities : tuple of str
        Modalities that the encoder reads: "ecg", "ppg", "eeg", "text".
    licence : str
        Of the weights, as SPDX writes it.
    note : str
        A line for a table.
    """

    name: str
    n_parameters: int
    modalities: tuple[str, ...]
    licence: str
    note: str


def names() -> list[str]:
    """Names of the sets of weights that ship."""
    return sorted(path.parent.name for path in ROOM.glob("*/config.json"))


def find(name: str | Path) -> Path | None:
    """The folder of a set, by its name or short name; None if no such weights ship."""
    known = ALIASES.get(str(name), str(name))
    return ROOM / known if known in names() else None


def facts_of(name: str) -> ShippedWeights:
    """Facts of one set.

    Raises
    ------
    UnreadableError
        If its card does not begin with them, or its configuration is damaged.
    """
    card, config = ROOM / name / "README.md", ROOM / name / "config.json"
    front = front_matter(card.read_text(encoding="utf-8")) if card.is_file() else {}
    content = read_json(config)
    try:
        encoder = content["encoder"]
        modalities = (*encoder["contract"], *(["text"] if encoder.get("text") else []))
        return ShippedWeights(name, int(front["n_parameters"]), modalities, str(front["license"]), str(front["note"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"{card} or {config} is damaged ({error!r}): install biosig-fm anew.") from error


def front_matter(card: str) -> dict[str, Any]:
    """The YAML at the beginning of a card; empty where there is none."""
    start, mark, rest = card.partition("---\n")
    if start or not mark or "\n---\n" not in rest:
        return {}
    found = parse_yaml(rest.partition("\n---\n")[0])
    return found if isinstance(found, dict) else {}
