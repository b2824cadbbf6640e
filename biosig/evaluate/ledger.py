"""The leakage ledger: which of the recordings on trial the weights have seen in pretraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from biosig.models.checkpoint import LEDGER


@dataclass(frozen=True)
class Overlap:
    """How many of the recordings and subjects on trial are in a checkpoint's ledger."""

    n_recordings: int
    n_seen: int
    n_subjects: int
    n_subjects_seen: int

    def sentence(self) -> str:
        """What to print beside a score."""
        if not self.n_seen and not self.n_subjects_seen:
            return (
                f"Pretraining saw none of the {self.n_recordings} recordings and, as far as pseudonyms under one key "
                f"tell, none of the {self.n_subjects} subjects."
            )
        return (
            f"Pretraining saw {self.n_seen} of the {self.n_recordings} recordings and {self.n_subjects_seen} of the "
            f"{self.n_subjects} subjects, without their labels: so the model's row is no test on people unknown to it."
        )


def overlap(folder: Path, content_hashes: Sequence[str], subjects: Sequence[str]) -> Overlap | None:
    """Compare recordings with the ledger of a checkpoint folder.

    Parameters
    ----------
    folder : Path
        The checkpoint folder.
    content_hashes : sequence of str
        Of the recordings on trial; unkeyed, so they agree across sites, names and file formats.
    subjects : sequence of str
        Their subjects' pseudonyms; comparable only under one key.

    Returns
    -------
    Overlap or None
        None where the folder has no ledger.
    """
    path = folder / LEDGER
    if not path.is_file():
        return None
    seen = pq.read_table(path, columns=["content_hash", "subject"])
    hashes, people = set(seen["content_hash"].to_pylist()), set(seen["subject"].to_pylist()) - {None}
    n_seen, persons = sum(content in hashes for content in content_hashes), set(subjects)
    return Overlap(len(content_hashes), n_seen, len(persons), len(persons & people))
