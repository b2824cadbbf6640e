"""Leakage ledger: the recordings and subjects that weights saw in pretraining, to compare with a test set.

A checkpoint holds it as `seen.safetensors`: the content hashes of the recordings that the weights were trained on, and
SHA-256 of their subjects' pseudonyms. The content hash (`biosig.content_hash`) does not depend on name, file format,
order of channels and integer gain. The landmarks of their signals (`biosig.landmarks`) are kept beside it, to find a
copy that was re-saved, rescaled, resampled or cropped too; older ledgers have none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from biosig.content_hash import is_comparable
from biosig.errors import DataError, UnreadableError
from biosig.evaluate.duplicates import marks_of, near_pairs
from biosig.evaluate.hash_set import DigestSet
from biosig.file_sums import checked, guarded
from biosig.landmarks import Landmarks
from biosig.models.checkpoint import LEDGER, OLD_LEDGER

if TYPE_CHECKING:
    from biosig.batches.windows import Windows

_NAMED = 5

MOST_LANDMARKS = 2**22
"""Landmarks of a ledger, 18 bytes each: about 30,000 ten-second ECGs of 12 leads with all of them. Of more recordings
each keeps a part, so that copies of a single lead, or short ones, may be missed."""

_EXACT = "near copies cannot be told, as the ledger or a shard has no landmarks that tell them"


@dataclass(frozen=True)
class Ledger:
    """The recordings and subjects that weights have seen.

    Parameters
    ----------
    recordings : DigestSet
        Content hashes.
    subjects : DigestSet
        SHA-256 of pseudonyms, which agree under one key only.
    complete : bool
        False where the weights have seen recordings that are not listed: without a content hash, or in an earlier
        training by someone else.
    landmarks : Landmarks
        Landmarks of the recordings, to find near copies; recordings without a fingerprint have none.
    """

    recordings: DigestSet
    subjects: DigestSet
    complete: bool = True
    landmarks: Landmarks = field(default_factory=lambda: Landmarks.of([]))

    @classmethod
    def of(
        cls, content_hashes: Sequence[str], subjects: Sequence[str | None], fingerprints: Sequence[bytes] = ()
    ) -> Ledger:
        """The ledger of these recordings and of the subjects that are known.

        Parameters
        ----------
        content_hashes : sequence of str
            One per recording; one that is empty or keyed makes the ledger incomplete.
        subjects : sequence of str or None
            Pseudonyms, in any number.
        fingerprints : sequence of bytes
            Landmark fingerprints of the recordings, in any number and order.
        """
        known = [content for content in content_hashes if is_comparable(content)]
        people = [_digest(subject) for subject in dict.fromkeys(subjects) if subject]
        landmarks = Landmarks.of(sorted(set(fingerprints)))
        return cls(DigestSet.of(known), DigestSet.of(people), len(known) == len(content_hashes), landmarks)

    @classmethod
    def load(cls, folder: Path) -> Ledger | None:
        """The ledger of a checkpoint folder; None where it has none.

        Raises
        ------
        UnreadableError
            If the file is damaged.
        """
        path = folder / LEDGER
        if not path.is_file():
            return _old(folder / OLD_LEDGER) if (folder / OLD_LEDGER).is_file() else None
        try:
            with checked(path):
                with safe_open(path, "numpy") as file:
                    complete = file.metadata()["complete"] == "true"
                arrays = load_file(path)
            recordings, subjects = (DigestSet.from_arrays(name, arrays) for name in ("recordings", "subjects"))
            landmarks = Landmarks.from_arrays("landmarks", arrays)
        except UnreadableError:
            raise
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise UnreadableError(f"{path} is damaged or not a ledger ({error}): copy it again.") from error
        return cls(recordings, subjects, complete, landmarks)

    def save(self, folder: Path) -> Path:
        """Write `seen.safetensors`, whole or not at all; its header gives counts, formats and false-positive rates."""
        header = {
            "recordings": f"{len(self.recordings)} content hashes",
            "recordings.false_positive_rate": f"{self.recordings.false_positive_rate:.2g}",
            "subjects": f"{len(self.subjects)} SHA-256 of pseudonyms",
            "subjects.false_positive_rate": f"{self.subjects.false_positive_rate:.2g}",
            "complete": str(self.complete).lower(),
        }
        folder.mkdir(parents=True, exist_ok=True)
        digests = self.recordings.to_arrays("recordings") | self.subjects.to_arrays("subjects")
        with guarded(folder / LEDGER) as temporary:
            save_file(digests | self.landmarks.thinned(MOST_LANDMARKS).to_arrays("landmarks"), temporary, header)
        return folder / LEDGER

    def __or__(self, other: Ledger) -> Ledger:
        return Ledger(
            self.recordings | other.recordings,
            self.subjects | other.subjects,
            self.complete and other.complete,
            self.landmarks | other.landmarks,
        )

    def sentence(self) -> str:
        """The content of the ledger and its false-positive rate in words, for a model card."""
        rate = self.recordings.false_positive_rate
        sure = f"one that was not seen is taken for seen with a chance of {rate:.2g}" if rate else "no false positives"
        text = f"`{LEDGER}` lists the content hashes of {len(self.recordings):,} recordings seen ({sure})"
        text += f" and digests of {len(self.subjects):,} subjects' pseudonyms, "
        n = len(self.landmarks)
        text += f"with {n:,} landmarks of signals, by which copies are known." if n else "without landmarks of signals."
        return text if self.complete else f"{text} More was seen than is listed."


@dataclass(frozen=True)
class Overlap:
    """Recordings and subjects of a test that are in a checkpoint's ledger.

    Parameters
    ----------
    n_recordings, n_subjects : int
        Number of those tested.
    recordings, subjects : tuple of str
        Names of those that pretraining saw.
    false_positive_rate : float
        Chance that a recording is named which was not seen.
    complete : bool
        True if the ledger lists all that was seen.
    n_nameless : int
        Recordings tested without a content hash, which the ledger cannot be searched for.
    n_near : int
        Number of the seen recordings that are near copies, and not equal ones.
    knows_near : bool
        True if the ledger and all recordings have landmarks, so that near copies are found.
    """

    n_recordings: int
    n_subjects: int
    recordings: tuple[str, ...]
    subjects: tuple[str, ...]
    false_positive_rate: float = 0.0
    complete: bool = True
    n_nameless: int = 0
    n_near: int = 0
    knows_near: bool = True

    def __bool__(self) -> bool:
        return bool(self.recordings or self.subjects)

    def sentence(self) -> str:
        """The overlap in words, to print beside a score."""
        if not self:
            text = (
                f"Pretraining saw none of the {self.n_recordings} recordings and, as far as pseudonyms under one key "
                f"tell, none of the {self.n_subjects} subjects"
            )
            text += "" if self.complete else "; but it saw more than the model's ledger lists"
            text += f"; {self.n_nameless} have no content hash to tell by, or a keyed one" if self.n_nameless else ""
            return text + ("." if self.knows_near else f"; {_EXACT}.")
        chance = f", each by chance with {self.false_positive_rate:.2g}" if self.false_positive_rate else ""
        return (
            f"Pretraining saw {self._seen()}{chance}, without their labels: so the model's row is no test on people "
            "unknown to it."
        )

    def warning(self) -> str:
        """The overlap in words, for predictions of recordings that pretraining saw."""
        return f"The model's ledger holds {self._seen()}: what it gives for them is no test on people unknown to it."

    def _seen(self) -> str:
        near = f" ({self.n_near} of them as near copies)" if self.n_near else ""
        near += "" if self.knows_near else f" ({_EXACT})"
        return (
            f"{len(self.recordings)} of the {self.n_recordings} recordings{_named(self.recordings)}{near} and "
            f"{len(self.subjects)} of the {self.n_subjects} subjects{_named(self.subjects)}"
        )

    def refuse(self) -> None:
        """Raise a DataError that names the recordings and subjects that were seen, if there are any."""
        if self:
            raise DataError(
                f"{self.sentence().removesuffix('.')}; take another model, leave these out with a query, or set "
                "leakage: flag."
            )


def overlap(
    folder: Path,
    content_hashes: Sequence[str],
    subjects: Sequence[str],
    names: Sequence[str] | None = None,
    fingerprints: Sequence[bytes] | None = None,
) -> Overlap | None:
    """Compare recordings with the ledger of a checkpoint folder.

    Parameters
    ----------
    folder : Path
        The checkpoint folder.
    content_hashes : sequence of str
        Of the recordings tested; unkeyed, so they agree across sites, names and file formats.
    subjects : sequence of str
        Their subjects' pseudonyms, each as often as it comes; comparable only under one key.
    names : sequence of str, optional
        Names of the recordings; default the first digits of their content hash.
    fingerprints : sequence of bytes, optional
        Their landmark fingerprints, by which near copies are found; default equal samples alone.

    Returns
    -------
    Overlap or None
        None where the folder has no ledger.
    """
    ledger = Ledger.load(folder)
    if ledger is None:
        return None
    called = [content[:12] for content in content_hashes] if names is None else list(names)
    people = sorted(set(subjects))
    known = [is_comparable(content) for content in content_hashes]
    asked = [content if comparable else "0" * 64 for content, comparable in zip(content_hashes, known, strict=True)]
    seen = ledger.recordings.contains(asked)
    near = np.zeros(len(called), bool)
    if fingerprints is not None:
        near[near_pairs(Landmarks.of(fingerprints), ledger.landmarks)[:, 0]] = True
    known_seen = seen & np.array(known, bool)
    seen_people = ledger.subjects.contains([_digest(subject) for subject in people])
    return Overlap(
        len(content_hashes),
        len(people),
        tuple(sorted(name for name, was in zip(called, known_seen | near, strict=True) if was)),
        tuple(person for person, was in zip(people, seen_people, strict=True) if was),
        ledger.recordings.false_positive_rate,
        ledger.complete,
        known.count(False),
        int((near & ~known_seen).sum()),
        fingerprints is not None and all(fingerprints) and len(ledger.landmarks) > 0,
    )


def overlap_of(folder: Path, windows: Windows) -> Overlap | None:
    """`overlap` of the recordings and subjects of windows; missing hashes are computed from their samples."""
    if Ledger.load(folder) is None:
        return None
    rows = [windows.ds[int(row)] for row in np.unique(windows.recording)]
    marked = [(row.content_hash, row.fingerprint) if row.content_hash else marks_of(row) for row in rows]
    hashes, marks = zip(*marked, strict=True)
    subjects = [str(subject) for subject in windows.subjects if subject is not None]
    return overlap(folder, hashes, subjects, [row.id for row in rows], marks)


def _digest(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()


def _old(path: Path) -> Ledger:
    """Read a ledger of the old format: a table of content hashes and pseudonyms."""
    try:
        seen = pq.read_table(path, columns=["content_hash", "subject"])
    except (OSError, ValueError, KeyError) as error:
        raise UnreadableError(f"{path} is damaged or not a ledger ({error}): copy it again.") from error
    return Ledger.of(seen["content_hash"].to_pylist(), seen["subject"].to_pylist())


def _named(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f" ({', '.join(names[:_NAMED])}{more})"
