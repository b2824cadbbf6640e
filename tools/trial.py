"""The steps that `compare_versions` runs in both versions.

Those of `CONFIGS` are spelled as in 0.1.0, which every version before 1.0 reads; `later_steps` need a version with
features, bench, weights that ship and public encoders.

Each is a command line of `biosig` that writes below a folder of its own name. Encoders are tiny and epochs few: what is
compared is that the numbers are the same, not that they are good.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Step = tuple[str, list[str]]
"""Name of the folder, and the arguments of `biosig`."""

RUN = """
import json, sys, traceback
from importlib.metadata import entry_points
import torch

torch.set_num_threads(1)
(command,) = entry_points(group="console_scripts", name="biosig")
main, failed = command.load(), []
for name, arguments in json.load(open(sys.argv[1])):
    print(f"== {name}: biosig {' '.join(arguments)}", flush=True)
    try:
        if arguments[0] == "build":
            import biosig
            biosig.build_model(arguments[1], seed=0).save(arguments[2])
        else:
            main(arguments)
        status = 0
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    if status:
        failed.append(name)
json.dump(failed, open(sys.argv[2], "w"))
"""
"""Program that runs the steps in one process, by the console entry point of the version that is first on the path.

`build NAME FOLDER` is no verb: it saves a preset with seeded weights.
"""

_SIZE = {"embed_dim": 32, "depth": 2, "num_heads": 2, "head_dim": 16}
_PRETRAIN = {
    "encoder": _SIZE,
    "decoder": {"embed_dim": 32, "depth": 1, "num_heads": 2},
    "window": 5.0,
    "steps": 30,
    "validation": 0.2,
    "validate_every": 15,
    "checkpoint_every": 10,
    "log_every": 1,
    "device": "cpu",
}
_ECG, _EEG, _BIDMC = ({"shards": f"demo/shards/{name}"} for name in ("ptbxl", "eegmmidb", "bidmc"))
_TASK = {"shards": _ECG["shards"], "n_bootstrap": 100, "device": "cpu"}
_NORMAL = {"label": "diagnostic_superclass", "classes": {"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]}}
_STAGE = {"lr": 5e-3, "epochs": 2, "warmup": 1, "patience": 9, "batch_size": 16}
_FOLDS = {"train": "strat_fold <= 4", "validation": "4 < strat_fold <= 6", "test": "strat_fold > 6"}
_MODEL = "pretrain-reconstruction/model"

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "pretrain-reconstruction": (
        "pretrain",
        _PRETRAIN
        | {
            "sources": [_ECG | {"query": "strat_fold <= 6"}, _EEG, _BIDMC],
            "model": "biosig-tiny",
            "batch_tokens": 1200,
            "masking": {"mask_ratio": 0.5, "all_channels": 0.25, "modality_dropout": 0.1},
            "text_weight": 0.2,
        },
    ),
    "pretrain-reve": (
        "pretrain",
        _PRETRAIN
        | {
            "sources": [_EEG],
            "model": "reve-small",
            "objective": "reve",
            "batch_tokens": 1000,
            "masking": {"mask_ratio": 0.55, "radius_space": 0.03, "radius_time": 2.7, "dropout_ratio": 0.1},
            "position_noise": 0.0025,
            "optimizer": {"name": "stable_adamw", "schedule": "trapezoid", "eps": 1e-9, "clip_norm": None},
        },
    ),
    "pretrain-csfm": (
        "pretrain",
        _PRETRAIN
        | {
            "encoder": _SIZE | {"n_words": 1066},
            "sources": [_ECG],
            "model": "csfm-tiny",
            "objective": "csfm",
            "batch_tokens": 2500,
            "masking": {"mask_ratio": 0.75, "span_seconds": 0.5, "text_ratio": 0.5},
        },
    ),
    "probe": (
        "probe",
        _TASK
        | {
            "model": _MODEL,
            "target": _NORMAL,
            "windows": {"length": 5.0},
            "split": {"folds": 3, "validation": 0.25},
            "layer": "validation",
            "shots": [2, "all"],
            "baselines": ["chance", "demographics", "random_weights", "handmade", "xresnet"],
            "network": _STAGE,
            "network_width": 8,
        },
    ),
    "finetune": (
        "finetune",
        _TASK
        | {
            "model": _MODEL,
            "target": _NORMAL,
            "windows": {"length": 5.0},
            "split": _FOLDS,
            "probe": _STAGE | {"mixup": True, "ema": 0.9},
            "tune": _STAGE | {"method": "lora", "rank": 2},
            "scratch": _STAGE,
            "network_width": 8,
            "soup": 2,
            "seeds": [0, 1],
            "baselines": ["chance", "demographics", "random_weights", "handmade", "from_scratch", "s4"],
        },
    ),
    "waveform": (
        "waveform",
        _TASK
        | {
            "model": _MODEL,
            "inputs": ["II"],
            "targets": ["I", "V2"],
            "split": _FOLDS,
            "length": 5.0,
            "decoder": {"embed_dim": 32, "depth": 1, "num_heads": 2},
            "training": {"epochs": 2, "optimizer": {"lr": 1e-3}},
        },
    ),
    "retrieve": (
        "retrieve",
        _TASK | {"model": _MODEL, "split": _FOLDS, "training": {"epochs": 2, "optimizer": {"lr": 1e-3}}},
    ),
    "qa": (
        "qa",
        _TASK
        | {"model": _MODEL, "questions": {"most": 4, "folds": 3}, "probe": _STAGE | {"mixup": False}}
        | {"tune": _STAGE | {"mixup": False, "epochs": 1}},
    ),
}
"""Of each step with a configuration, the verb and that configuration."""


_BENCH = {
    "title": "sex",
    "shards": "ptbxl",
    "target": {"label": "sex", "classes": {"female": ["female"], "male": ["male"]}},
    "windows": {"length": 5.0},
    "split": {"name": "folds", "folds": 3, "validation": 0.34},
    "networks": [],
    "primary": True,
}
SHIPPED = {"biosig-fused-tiny": "ptbxl", "biosig-fused-tiny-eeg": "eegmmidb"}
"""Weights that ship, and shards that they embed."""

PUBLIC = {
    "ecgfounder-12": ("ptbxl", 10.0),
    "ecgfounder-1": ("ptbxl", 10.0),
    "ecg-jepa-kim": ("ptbxl", 10.0),
    "papagei-s": ("bidmc", 10.0),
    "papagei-p": ("bidmc", 10.0),
    "labram-base": ("eegmmidb", 4.0),
    "cbramod": ("eegmmidb", 4.0),
}
"""Public encoders, built with seeded weights: shards, and seconds of a window."""


def later_steps(folder: Path) -> list[Step]:
    """Write the configuration of a bench below a folder, and name the steps that 0.1.0 did not know."""
    bench = folder / "bench"
    bench.mkdir()
    values = {"model": "biosig-fused-tiny", "shards": "demo/shards", "out": "bench", "tasks": {"sex": "sex.yaml"}}
    (bench / "bench.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    (bench / "sex.yaml").write_text(yaml.safe_dump(_BENCH), encoding="utf-8")
    steps = [("bench", ["bench", str(bench), "groups=[frozen, features]", "conditions=false", "n_bootstrap=100"])]
    for name, shards in (("features-ecg", "ptbxl"), ("features-eeg", "eegmmidb"), ("features-ppg", "bidmc")):
        steps.append((name, ["features", f"demo/shards/{shards}", "--out", f"{name}/features.parquet"]))
    for name, shards in SHIPPED.items():
        steps.append((name, _embed(name, shards, 10.0 if shards != "eegmmidb" else 4.0, name)))
    for name, (shards, seconds) in PUBLIC.items():
        steps.append((f"build-{name}", ["build", name, f"build-{name}"]))
        steps.append((name, _embed(f"build-{name}", shards, seconds, name)))
    return steps


def _embed(model: str, shards: str, seconds: float, out: str) -> list[str]:
    source = f"demo/shards/{shards}"
    windows = ["--window", str(seconds), "--stride", "20"]
    return ["embed", model, source, *windows, "--out", f"{out}/vectors.parquet", "--device", "cpu"]


def write_steps(folder: Path, tests: Path, data: Path | None, later: bool = True) -> list[Step]:
    """Write configurations and files of each format below a folder, and name the steps.

    Parameters
    ----------
    folder : Path
        Both versions read these files.
    tests : Path
        Folder of the adapters' contract test, which knows a sample file of each format.
    data : Path, optional
        Further recordings to ingest.
    later : bool
        Also the steps that 0.1.0 did not know.
    """
    steps: list[Step] = [("demo", ["demo", "--out", "demo", "--steps", "10", "--workers", "1"])]
    for name, (verb, values) in CONFIGS.items():
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**values, "out": name}, sort_keys=False), encoding="utf-8")
        steps.append((name, [verb, str(path)]))
    embed = ["embed", _MODEL, _BIDMC["shards"], "--window", "5", "--out", "embed/bidmc.parquet", "--device", "cpu"]
    steps.append(("embed", embed))
    steps += later_steps(folder) if later else []
    files = [*_sample_files(folder / "samples", tests), *([("data", data)] if data else [])]
    for name, path in files:
        options = ["--workers", "1", "--recording-names", "keep"]
        steps.append((f"ingest-{name}", ["ingest", str(path), "--out", f"ingest-{name}", *options]))
    (folder / "steps.json").write_text(json.dumps(steps), encoding="utf-8")
    return steps


def _sample_files(folder: Path, tests: Path) -> list[tuple[str, Path]]:
    """Files of every adapter's format, as its contract test makes them."""
    sys.path[:0] = [str(tests), str(tests.parent), str(tests.parents[1])]
    made: list[tuple[str, Path]] = []
    samples: dict[str, list[Any]] = importlib.import_module("test_adapter_contract").SAMPLES
    for adapter, of_adapter in samples.items():
        for number, sample in enumerate(of_adapter):
            place = folder / f"{adapter}-{number}"
            place.mkdir(parents=True)
            make: Callable[[Path], Path] = sample.make
            made.append((place.name, make(place)))
    return made
