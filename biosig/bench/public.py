"""Public encoders beside the model under test: which weights are at hand, and which tasks their contracts refuse.

The encoders are those of `biosig.models.zoo`. `BenchConfig.public` names the weights that are at hand; each of these
encoders has a row of its own, frozen, with the readout that its makers probe.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from biosig.batches.input_contract import InputContract
from biosig.batches.ordered import check_windows
from biosig.batches.windows import Windows
from biosig.bench.conditions import Setting
from biosig.bench.config import BenchConfig
from biosig.downstream.data.picked_channels import pick_channels
from biosig.downstream.data.task import Task, open_model
from biosig.errors import DataError, UsageError
from biosig.evaluate.ledger import Ledger
from biosig.file_sums import checked
from biosig.models.model import Model
from biosig.models.zoo import Encoder, known_models, weights_elsewhere

Contract = Mapping[str, InputContract]

PUBLIC_FILE = "public.json"
"""File of the bench's folder: name of a public encoder → the facts of its weights, or the reason why it has no row."""


class NoWeightsWarning(UserWarning):
    """The weights that a bench names for a public encoder cannot be loaded."""


def planned_public(config: BenchConfig, tasks: Mapping[str, Task]) -> dict[str, list[str]]:
    """Tasks that each public encoder of the configuration reads, before its weights are loaded.

    Raises
    ------
    UsageError
        If the configuration names an encoder that does not exist.
    """
    if "public" not in config.groups:
        return {}
    known = _encoders(config)
    refused = {name: _refused(config, known[name].contract(), tasks) for name in config.public}
    return tasks_read(config, {name: {"refused": reasons} for name, reasons in refused.items()})


def tasks_read(config: BenchConfig, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Tasks that each public encoder with weights reads."""
    return {
        name: [task for task in config.chosen if task not in facts["refused"]]
        for name, facts in entries.items()
        if "absent" not in facts
    }


def public_entries(
    config: BenchConfig,
    tasks: Mapping[str, Task],
    refuse_seen: Callable[[Sequence[Model], Mapping[str, Task]], None],
) -> dict[str, dict[str, Any]]:
    """Load each public encoder once, and return the entries of `PUBLIC_FILE`; empty without the group `public`.

    Weights whose licence forbids something warn here, before anything is computed.

    Parameters
    ----------
    config : BenchConfig
        The bench.
    tasks : mapping of str to Task
        The opened tasks by name.
    refuse_seen : callable
        Raises `DataError` if a model's ledger holds a person of the given tasks.

    Raises
    ------
    UsageError
        If `config.public` names an encoder that does not exist, or weights of another model.
    DataError
        If weights are damaged, do not fit the network, or have seen a person of a task.
    """
    if "public" not in config.groups:
        return {}
    entries: dict[str, dict[str, Any]] = {}
    earlier = read_public(config.out)
    for name, encoder in _encoders(config).items():
        model = _load(config, name)
        if isinstance(model, str):
            entries[name] = earlier.get(name, {}) | {"absent": model}  # rows of an earlier start keep their facts
            continue
        refused = _refused(config, model.contract, tasks)
        refuse_seen([model], {task: tasks[task] for task in config.chosen if task not in refused})
        facts = {"source": config.public[name], "restricted": encoder.about.restricted, "refused": refused}
        entries[name] = facts_of(model) | facts
    return entries


def facts_of(model: Model) -> dict[str, Any]:
    """Facts of a model that the page states."""
    ledger = Ledger.load(model.folder) if model.folder else None
    return {
        "name": model.name,
        "revision": model.revision,
        "n_parameters": model.n_parameters,
        "trained": model.trained,
        "ledger": len(ledger.recordings) if ledger else None,
        "trained_on": list(model.trained_on),
        "licence": model.licence,
    }


def public_setting(setting: Setting) -> Setting:
    """Setting of a public encoder's row: its own readout, and no alignment that its makers did not use."""
    return replace(setting, probe=replace(setting.probe, layer=None, pooling=None, align=None))


def read_public(out: Path) -> dict[str, dict[str, Any]]:
    """Entries of a bench's `PUBLIC_FILE`; empty without the file."""
    path = out / PUBLIC_FILE
    if not path.is_file():
        return {}
    with checked(path, "delete it, and run the bench again"):
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def public_notes(config: BenchConfig, task: str) -> list[str]:
    """Notes of a task on public encoders with weights: who does not read its windows, and who may have seen them."""
    found, database = [], Path(config.tasks[task].shards).name
    for name, facts in read_public(config.out).items():
        if name not in config.public or "revision" not in facts:
            continue
        if task in facts["refused"]:
            found.append(f"{name} has no row: {facts['refused'][task]}")
        elif database.casefold() in facts["trained_on"]:
            found.append(
                f"The makers of {name} say that they trained on {database}: its row may have been seen in training, "
                "and takes part in no comparison."
            )
    return found


def about_public(config: BenchConfig) -> list[str]:
    """Paragraphs on the public encoders: weights, licence and training, or where the weights are."""
    texts = []
    for name, facts in read_public(config.out).items():
        text = f"**{name}**: "
        if name in config.public and "revision" in facts:
            text += f"{facts['n_parameters']:,} parameters, revision {facts['revision']}, from {facts['source']}. "
            if facts["trained"]:
                text += (
                    f"Licence of the weights: {facts['licence']}. {facts['restricted']} Its makers say that they "
                    f"trained on {', '.join(facts['trained_on']) or 'nothing that they name'}. "
                ).replace("  ", " ")
            else:
                text += "It has **random weights**: its row is no evidence for its makers' training. "
            reads = [task.title for key, task in config.chosen.items() if key not in facts["refused"]]
            text += f"Its contract reads: {', '.join(reads) or 'no task of this bench'}. "
        texts.append(f"{text}{'weights not here. ' + facts['absent'] if 'absent' in facts else ''}".strip())
    return texts


def _load(config: BenchConfig, name: str) -> Model | str:
    """Load a public encoder whose weights are at hand; else return the sentence that says where they are."""
    source = config.public.get(name)
    if source is None:
        return weights_elsewhere(name)
    try:
        model = open_model(source, config.seed, config.device)
    except UsageError as error:
        reason = f"public.{name} is {source}, which cannot be loaded: {error}"
        warnings.warn(f"{reason} The bench goes on without a row of {name}.", NoWeightsWarning, stacklevel=2)
        return f"{weights_elsewhere(name)} {reason}"
    if model.name != name:
        raise UsageError(f"public.{name} is {source}, which holds '{model.name}': give weights of {name}.")
    return model


def _encoders(config: BenchConfig) -> dict[str, Encoder]:
    """All public encoders by name; `UsageError` if the configuration names another."""
    known = known_models()
    if unknown := [name for name in config.public if name not in known]:
        raise UsageError(f"public names '{unknown[0]}'; public encoders are {', '.join(known)}.")
    return known


def _refused(config: BenchConfig, contract: Contract, tasks: Mapping[str, Task]) -> dict[str, str]:
    """Name of each task that an encoder does not read → the clause of its contract that refuses the task's windows."""
    reasons = {
        name: _refusal(contract, tasks[name].labelled.windows, task.channels) for name, task in config.chosen.items()
    }
    return {name: reason for name, reason in reasons.items() if reason}


def _refusal(contract: Contract, windows: Windows, channels: list[str]) -> str:
    """The sentence with which an encoder's contract refuses windows; "" = it reads them."""
    try:
        windows = pick_channels(windows, channels)
        kinds = set(windows.ds.to_pandas()["kinds"].explode().dropna())
        if not kinds & contract.keys():
            (modality,) = contract
            return f"it reads {modality.upper()}, and the windows have {', '.join(sorted(kinds)).upper()}."
        check_windows(windows, contract)
    except (DataError, UsageError) as error:
        return str(error)
    return ""
