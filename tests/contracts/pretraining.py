"""Small real runs that the contracts of objectives and maskings are tried on."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import biosig
from biosig import samples
from biosig.batches.loader import LoadedBatch, load_batches
from biosig.models.presets import preset
from biosig.pretrain.build import build_encoder, build_objective, build_words, encoder_config
from biosig.pretrain.config import EncoderSize, PretrainConfig, SourceConfig
from biosig.pretrain.draw_views import term_transform
from biosig.pretrain.objectives import TermConfig
from biosig.pretrain.objectives.base import abilities
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.target_tables import load_targets, target_names
from biosig.pretrain.windows import load_windows
from biosig.recording import Recording, Subject
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter

FUSED = "biosig-fused-tiny"
PRESETS = ("biosig-tiny", "csfm-tiny", "reve-small", FUSED)
SIZE = EncoderSize(embed_dim=64, depth=2, num_heads=2, head_dim=32)
FUSED_SIZE = replace(SIZE, depth=3)  # two pairs of convolutions, and a block that attends
KINDS = ("mixed", "ecg", "ppg", "eeg", "reports")


@functools.cache
def recordings(kind: str = "mixed") -> list[Recording]:
    """Real recordings of a few seconds: 12-lead ECGs with a gap and reports, a bedside monitor, an EEG."""
    reports = pd.read_csv(samples.path("ptbxl") / "ptbxl_database.csv").set_index("ecg_id")["report"]
    ecgs = [
        replace(biosig.read(path).crop(0, 4), subject=Subject(f"p{number}"), report=reports[int(path.name[:5])])
        for number, path in enumerate(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:4])
    ]
    gap = replace(ecgs[0].streams[0], invalid=np.array([[3, 50, 150]]))  # lead 3 for a second
    ecgs[0] = replace(ecgs[0], streams=[gap])
    bedside = biosig.read(sorted(samples.path("bidmc").rglob("*_Signals.csv.gz"))[0]).crop(0, 8)
    bedside = replace(bedside, subject=None)
    ppg = [
        stream.pick(rows)
        for stream in bedside.streams
        if (rows := [row for row, channel in enumerate(stream.channels) if channel.kind == "ppg"])
    ]
    eeg = biosig.read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0])
    parts = [eeg.crop(8 * n, 4) for n in range(2)]
    eegs = [
        replace(part, id=f"eeg{n}", subject=Subject(f"s{n}"), streams=[replace(part.streams[0], onset=0.0)])
        for n, part in enumerate(parts)
    ]
    without = [replace(ecg, report=None) for ecg in ecgs]
    return {
        "mixed": [*ecgs, bedside, *eegs],
        "ecg": without,
        "ppg": [replace(bedside, streams=ppg)],
        "eeg": eegs,
        "reports": ecgs,
    }[kind]


def write_shards(folder: Path, kind: str = "mixed") -> Path:
    """The recordings of a kind as shards, once."""
    shards = folder / f"shards-{kind}"
    if not (shards / "index.parquet").exists():
        shards.mkdir(parents=True)
        with ShardWriter(shards / "all.h5", recipe={}) as writer:
            for recording in recordings(kind):
                writer.add(recording)
        build_index(shards)
    return shards


def fitting_presets(terms: tuple[TermConfig, ...]) -> list[str]:
    """The presets that have what the terms need."""
    needs = {need for term in terms for need in term.needs}
    return [name for name in PRESETS if needs <= abilities(preset(name))]


def small_size(model: str) -> EncoderSize:
    """The size in which a preset is tried."""
    if preset(model).text:
        return replace(SIZE, n_words=1066)
    return FUSED_SIZE if preset(model).fused else SIZE


def small_run(folder: Path, *terms: TermConfig, kind: str | None = None, model: str | None = None) -> PretrainConfig:
    """Five steps with an encoder of 0.1 M parameters, on all kinds of signals where the terms look at all."""
    long = any("rate" in term.targets for term in terms)  # three rules agree on no rate of two beats
    kind = kind or ("ppg" if long else "mixed")
    model = model or fitting_presets(terms)[0]
    return PretrainConfig(
        out=folder / "run",
        sources=[SourceConfig(write_shards(folder, kind))],
        model=model,
        encoder=small_size(model),
        window=4.0 if long else 2.0,
        steps=5,
        batch_tokens=1400 if long else 700,
        objective=terms,
        validation=0.0,
        checkpoint_every=1,
        log_every=1,
        precision="float32",
        device="cpu",
    )


def small_objective(run: PretrainConfig) -> Objective:
    """The objective of a run, in training, with the weights that the run starts from."""
    targets = load_targets(run, load_windows(run)[0], target_names(run))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        return build_objective(run, build_encoder(run), targets).train()


def first_windows(run: PretrainConfig, objective: Objective, start: int = 0, most: int | None = None) -> LoadedBatch:
    """The window of each recording that comes after `start` others, as one batch."""
    windows, _ = load_windows(run)
    by_recording = pd.Series(np.arange(len(windows))).groupby(np.asarray(windows.recording))
    rows = np.array([group.iloc[start % len(group)] for _, group in by_recording])[:most]
    config = encoder_config(run)
    targets = load_targets(run, windows, target_names(run))
    transform = term_transform(objective, windows, [run.seed, 0], targets=targets)
    (loaded,) = load_batches(windows, [rows], config.contract, reports=build_words(run), transform=transform)
    return loaded
