"""Place of a file in a BIDS tree, and the files beside and above it that describe it.

BIDS (Gorgolewski et al. 2016, Sci Data 3:160044; bids-specification.readthedocs.io) names a file by entities,
``sub-01_ses-a_task-rest_eeg.edf``; a statement in a folder above holds below (its "inheritance principle").
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biosig.errors import DataError

DESCRIPTION = "dataset_description.json"
"""Makes a folder the root of a BIDS set."""

ASIDE = frozenset(("derivatives", "sourcedata", "code", "stimuli", "phenotype"))
"""Folders of a BIDS root in which no recording of the set lies."""

_DEEPEST = 5  # root/sub-01/ses-a/eeg/a recording that is a folder/its file


@dataclass(frozen=True)
class BidsFile:
    """A recording's file in a BIDS tree.

    Parameters
    ----------
    path, root : Path
        The file, and the folder with the set's description.
    entities : dict
        Of its name: {"sub": "01", "task": "rest"}.
    """

    path: Path
    root: Path
    entities: dict[str, str]

    def sidecars(self, suffix: str) -> list[Path]:
        """Files that end in `suffix` ("_channels.tsv") and hold for this one, the nearest and most specific first."""
        found: list[tuple[int, int, Path]] = []
        folders = [folder for folder in self.path.parents if folder.is_relative_to(self.root)]
        for height, folder in enumerate(folders):
            for path in folder.glob(f"*{suffix}"):
                entities = entities_of(path.name)
                space = entities.pop("space", None)
                if entities.items() <= self.entities.items():
                    found.append((height, -len(entities) - (space is not None), path))
        return [path for *_, path in sorted(found)]


def bids_file(path: Path) -> BidsFile | None:
    """The file as part of a BIDS set, or None if its name is not one of BIDS, or no folder above is a set's root."""
    if not path.name.startswith("sub-"):
        return None
    path = path.absolute()
    root = next((folder for folder in path.parents[:_DEEPEST] if (folder / DESCRIPTION).is_file()), None)
    return None if root is None else BidsFile(path, root, entities_of(path.name))


def entities_of(name: str) -> dict[str, str]:
    """The entities of a file's name: "sub-01_task-rest_eeg.edf" → {"sub": "01", "task": "rest"}."""
    pairs = (part.partition("-") for part in name.partition(".")[0].split("_"))
    return {key: value for key, dash, value in pairs if dash}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one if there is no such file.

    Raises
    ------
    DataError
        If the file is not JSON, or another kind of value.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}): correct it.") from None
    if not isinstance(value, dict):
        raise DataError(f"{path} holds a {type(value).__name__}, where keys with values were expected: correct it.")
    return value
