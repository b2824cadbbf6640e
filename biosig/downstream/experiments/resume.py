"""Resumable result folder: finished work of a killed run stays in a partial folder, which belongs to one run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from biosig import __version__
from biosig import config as configuration
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.probe.config import ProbeConfig
from biosig.errors import BiosigError, DataError, UsageError
from biosig.file_sums import DAMAGED, SUMS, DamagedWorkWarning, FileSums, remove, set_damaged_aside, write_guarded
from biosig.lock import locked
from biosig.models.checkpoint import CONFIG
from biosig.publishing import RESULT, lock_of, partial_of, refuse_existing
from biosig.termination import sigterm

if TYPE_CHECKING:
    from biosig.downstream.data.task import Task
    from biosig.models.model import Model

Resumable = FineTuneConfig | ProbeConfig

_ORDER = "order of recordings"
_OF_NO_MATTER = ("out", "cache_gb", "keep_weights")


@dataclass(frozen=True)
class PartialResult:
    """Folders that a run writes to.

    Parameters
    ----------
    result : Path
        Folder that becomes the result folder.
    work : Path
        Folder for work that is only needed to resume.
    """

    result: Path
    work: Path


@contextmanager
def resumable_folder(config: Resumable, identity: Mapping[str, Any]) -> Iterator[PartialResult]:
    """Open the folders of a run, of which one becomes `config.out` at the end; they hold the work of a killed run.

    Damaged files there are renamed and made again (`biosig.file_sums.set_damaged_aside`). An error deletes no finished
    work.

    Parameters
    ----------
    config : FineTuneConfig or ProbeConfig
        Configuration of the run, with a result folder.
    identity : mapping of str to Any
        Everything that the result depends on, as plain values (`run_fingerprint`).

    Raises
    ------
    UsageError
        If the folder is not empty or cannot be made, or an unfinished run there has other settings, or another process
        is using it.
    DataError
        If the settings of an unfinished run there cannot be read.
    SystemExit
        With status 143 after SIGTERM.

    Warns
    -----
    DamagedWorkWarning
        Of each file of an unfinished run that is damaged or gone.
    """
    folder = config.out
    assert folder is not None
    refuse_existing(folder)
    partial = partial_of(folder)
    places = PartialResult(partial / RESULT, partial / "work")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder, "run", lock_of(folder)), sigterm(at_once=True):
        manifests = (partial / "run.json", places.work / "run.json")  # two, as all work is lost without one
        if partial.is_dir():
            _refuse_old(partial, manifests, config)
            _clear_written(places.result)
            if getattr(config, "keep_weights", False):
                _repeat_without_weights(places)
            set_damaged_aside(partial)
            _refuse_another(partial, manifests, json.loads(json.dumps(identity)), config)
        for place in (places.result, places.work):
            place.mkdir(parents=True, exist_ok=True)
        for manifest in manifests:
            write_guarded(manifest, json.dumps(identity, indent=2) + "\n")
        try:
            yield places
        except BiosigError:
            if not _holds_work(partial):  # the change that the error asks for makes another run
                shutil.rmtree(partial)
            raise
        for left in places.result.rglob(f"*{DAMAGED}"):
            left.unlink()
        os.replace(places.result, folder)
        shutil.rmtree(partial)


def _holds_work(partial: Path) -> bool:
    return any(path.is_file() and path.name not in ("run.json", SUMS) for path in partial.rglob("*"))


def _clear_written(result: Path) -> None:
    """Delete the result files of a run that was killed as it ended, which writes them again; weights stay."""
    for path in result.glob("*"):
        if path.is_file():
            path.unlink()
        elif path.name != "weights":
            shutil.rmtree(path)


def _repeat_without_weights(places: PartialResult) -> None:
    """Mark a tuned model as not done if its weights are not whole any more."""
    for done in places.work.glob("model/*.safetensors"):
        weights, listed = places.result / "weights" / done.stem, FileSums.read(done.parent)
        if listed is not None and listed.sound and listed.state(done.name) == "unlisted":
            continue  # not written by this run
        sums = FileSums.read(weights)
        if (weights / CONFIG).is_file() and (sums is None or {*map(sums.state, sums.digests)} <= {"sound"}):
            continue
        warnings.warn(f"{weights} is not whole: this model is tuned again.", DamagedWorkWarning, stacklevel=3)
        done.replace(done.with_name(f"{done.name}{DAMAGED}"))
        remove(done)
        if weights.is_dir():
            (weights / SUMS).unlink(missing_ok=True)
            weights.replace(places.work / f"{weights.name}{DAMAGED}")


def run_fingerprint(config: Resumable, task: Task, model: Model) -> dict[str, Any]:
    """Everything that the numbers of a run depend on: settings, windows, labels, weights, versions, kind of device."""
    windows = task.labelled.windows
    digest = hashlib.sha256(task.shards_hash.encode())
    for column in (windows.recording, windows.onset, windows.duration, task.labelled.y):
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update("\n".join(task.subjects).encode())
    return {
        **_settings(config),
        _ORDER: "content",
        "recordings or labels": digest.hexdigest(),
        "weights of the model": model.revision,
        "kind of device": model.device.type,
        "versions": {"biosig-fm": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }


def _settings(config: Resumable) -> dict[str, Any]:
    return {key: value for key, value in configuration.to_dict(config).items() if key not in _OF_NO_MATTER}


def _refuse_old(partial: Path, manifests: Sequence[Path], config: Resumable) -> None:
    for manifest in manifests:
        try:
            left = json.loads(manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # reported when all files are checked
            continue
        if _ORDER not in left:
            raise UsageError(
                f"{partial} holds an unfinished run of version 0.1.0, whose folds depended on pseudonyms and differ "
                f"now: finish it with that version, give another folder than {config.out} with out=…, or delete it."
            )


def _refuse_another(partial: Path, manifests: Sequence[Path], identity: Mapping[str, Any], config: Resumable) -> None:
    found = [manifest for manifest in manifests if manifest.is_file()]
    if not found:
        if _holds_work(partial):
            raise DataError(
                f"{partial} holds an unfinished run, and its run.json with the settings is damaged or gone: restore "
                f"it, or give another folder than {config.out} with out=…."
            )
        return
    try:
        left = json.loads(found[0].read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{found[0]} is damaged ({error}): restore it, or give another folder with out=….") from error
    # An earlier version may have written keys in another spelling, or lacked one that now has a default.
    names = {field.name for field in fields(config)} | set(config.old_names)
    begun = configuration.load(type(config), {key: value for key, value in left.items() if key in names})
    left = _settings(begun) | {key: value for key, value in left.items() if key not in names}
    other = [key for key in {**left, **identity} if left.get(key) != identity.get(key)]
    if other:
        raise UsageError(
            f"{partial} holds an unfinished run of another kind, which differs in {', '.join(other)}: give "
            f"another folder than {config.out} with out=…, or delete it."
        )
