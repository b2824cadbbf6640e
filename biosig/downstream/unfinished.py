"""A result folder that a killed run goes on with: what is done stays in a partial folder, which belongs to one run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from biosig import __version__
from biosig import config as configuration
from biosig.downstream.result import refuse_existing
from biosig.errors import BiosigError, DataError, UsageError

if TYPE_CHECKING:
    from biosig.downstream.settings import FineTuneConfig
    from biosig.downstream.task import Task
    from biosig.models.model import Model

_ORDER = "order of recordings"
_OF_NO_MATTER = ("out", "keep_gb", "keep_weights")


@dataclass(frozen=True)
class Unfinished:
    """Where a run writes.

    Parameters
    ----------
    result : Path
        Folder that becomes the result folder.
    work : Path
        Folder for what is only needed to go on.
    """

    result: Path
    work: Path


@contextmanager
def resumable(folder: Path, identity: Mapping[str, Any]) -> Iterator[Unfinished]:
    """Places to write to, of which one becomes `folder` at the end; what a killed run has left there is there again.

    Parameters
    ----------
    folder : Path
        The result folder.
    identity : mapping of str to Any
        All that the result depends on, as plain values (`identity_of`).

    Raises
    ------
    UsageError
        If the folder holds something already or cannot be made, or an unfinished run there is of something else.
    """
    refuse_existing(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    manifest = partial / "run.json"
    if manifest.exists():
        _refuse_another(manifest, json.loads(json.dumps(identity)), folder)
    places = Unfinished(partial / "result", partial / "work")
    for place in (places.result, places.work):
        place.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
    try:
        yield places
    except BiosigError:  # it would fail again, and what it is told to change makes it another run
        shutil.rmtree(partial)
        raise
    os.replace(places.result, folder)
    shutil.rmtree(partial)


def identity_of(config: FineTuneConfig, task: Task, model: Model) -> dict[str, Any]:
    """What the numbers of a run depend on: settings, windows and their truth, weights, versions, kind of device."""
    windows = task.labelled.windows
    digest = hashlib.sha256(task.shards_hash.encode())
    for column in (windows.recording, windows.onset, windows.duration, task.labelled.y):
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update("\n".join(task.subjects).encode())
    return {
        **{key: value for key, value in configuration.to_dict(config).items() if key not in _OF_NO_MATTER},
        _ORDER: "content",
        "recordings or labels": digest.hexdigest(),
        "weights of the model": model.revision,
        "kind of device": model.device.type,
        "versions": {"biosig-fm": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }


def _refuse_another(manifest: Path, identity: Mapping[str, Any], folder: Path) -> None:
    try:
        left = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{manifest} is damaged ({error}): delete {manifest.parent}.") from error
    if _ORDER not in left:
        raise UsageError(
            f"{manifest.parent} holds an unfinished run of version 0.1.0, whose folds hung on pseudonyms and are other "
            f"ones now: finish it with that version, give another folder than {folder} with out=…, or delete it."
        )
    other = [key for key in {**left, **identity} if left.get(key) != identity.get(key)]
    if other:
        raise UsageError(
            f"{manifest.parent} holds an unfinished run of another kind, which differs in {', '.join(other)}: give "
            f"another folder than {folder} with out=…, or delete it."
        )
