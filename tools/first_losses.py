"""The losses of a pretraining configuration's first steps on the sample recordings, which stand beside it as JSON.

    OMP_NUM_THREADS=1 python tools/first_losses.py configs/pretrain/NAME.yaml

The run is the configuration's own, but for 60 steps, float32, one thread, and its sources: each folder becomes shards
of sample or simulated recordings of the signals that `pool_sets.csv` names for it. `make test-slow` runs each
configuration that has such a file again and compares.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Literal, cast

import pandas as pd
import torch

import biosig
from biosig import config, samples
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.loop import pretrain
from biosig.recording import Recording, Subject
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter
from biosig.simulate.shards import write_simulated

SETS = Path(__file__).with_name("pool_sets.csv")
STEPS, EVERY = 60, 10
SIMULATED = {"ecg": (12, 10.0), "ppg": (12, 32.0), "eeg": (4, 24.0)}
"""Recordings, and seconds of each."""

PATTERNS = {"ecg": ("ptbxl", "*_lr.hea"), "eeg": ("eegmmidb", "*.edf"), "ppg": ("bidmc", "*_Signals.csv.gz")}
LONGEST = 60.0
"""s of a sample recording that are taken."""


def losses_of(path: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Run the first steps of a configuration.

    Parameters
    ----------
    path : Path
        The YAML file.
    folder : Path
        Empty folder to work in.

    Returns
    -------
    dict
        "train": the loss at each step that is logged; "validation": that of the last step, where anybody is held out.
    """
    run = config.load(PretrainConfig, path)
    sets = list(dict.fromkeys(source.shards.name for source in run.sources))
    table = pd.read_csv(SETS).set_index("set")
    kinds = {name: str(table.loc[name, "signals"]).lower() for name in sets}
    simulated = {name for name in sets if table.loc[name, "basis"] == "own"}
    for name in sets:
        if name in simulated:
            kind = cast("Literal['ecg', 'ppg', 'eeg']", kinds[name])
            n, seconds = SIMULATED[kind]
            write_simulated(kind, folder / name, n, seconds=seconds)
        else:
            alike = [one for one in sets if kinds[one] == kinds[name] and one not in simulated]
            _write(kinds[name], folder / name, alike.index(name), len(alike))
    run = replace(
        run,
        out=folder / "run",
        sources=[replace(source, shards=folder / source.shards.name) for source in run.sources],
        steps=STEPS,
        log_every=EVERY,
        validate_every=STEPS,
        checkpoint_every=STEPS,
        precision="float32",
        device="cpu",
        workers=0,
    )
    torch.set_num_threads(1)
    pretrain(run)
    lines = [json.loads(line) for line in (run.out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return {
        part: {str(line["step"]): line["loss"] for line in lines if line["part"] == part and "loss" in line}
        for part in ("train", "validation")
    }


def _write(kind: str, folder: Path, number: int, of: int) -> None:
    """Sample recordings of a kind as shards: of several sets each has other people."""
    place, pattern = PATTERNS[kind]
    folder.mkdir(parents=True)
    with ShardWriter(folder / "samples.h5", recipe={}) as writer:
        for path in sorted(samples.path(place).rglob(pattern)):
            recording = biosig.read(path)
            person = f"{place}-{path.name.split('R')[0] if kind == 'eeg' else path.name[:8]}"
            if sum(person.encode()) % of == number:
                writer.add(replace(_only(kind, recording.crop(0, LONGEST)), subject=Subject(person)))
    build_index(folder)


def _only(kind: str, recording: Recording) -> Recording:
    """A recording with the channels of one kind."""
    rows = [[row for row, channel in enumerate(s.channels) if channel.kind == kind] for s in recording.streams]
    streams = [s.pick(chosen) for s, chosen in zip(recording.streams, rows, strict=True) if chosen]
    return replace(recording, streams=streams)


def beside(path: Path) -> Path:
    """File of the losses of a configuration."""
    return path.with_suffix(".json")


def main() -> None:
    """Write the losses of each configuration beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", type=Path, nargs="+")
    for path in parser.parse_args().configs:
        with tempfile.TemporaryDirectory() as folder:
            found = losses_of(path, Path(folder))
        beside(path).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
