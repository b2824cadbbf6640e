"""Time per window of each public encoder, and of our own of a like size: the network alone, and preparation before it.

Weights are random, which changes no time. Each round runs all models in turn on one thread; the best round of each
counts, by the processor's time, which other work on the machine disturbs least. Two cores halve it at best.

    OMP_NUM_THREADS=1 python benchmarks/zoo_speed.py       # about two minutes
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from fused_speed import best
from numpy.typing import NDArray

import biosig
from biosig.batches.contract import PreparedStream, prepare
from biosig.batches.packed import pack
from biosig.models.array_input import as_recordings
from biosig.models.model import Model
from biosig.models.zoo import known_models

WINDOWS, SECONDS = 4, 10.0
OURS = ("biosig-fused-small", "biosig-small")
LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
SITES = "FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 FZ CZ PZ".split()  # noqa: SIM905 - a line to read
SOURCES = {"ecg": (LEADS, 500.0, "mV"), "ppg": (["finger"], 125.0, "NU"), "eeg": (SITES, 256.0, "uV")}
"""Channels, rate and unit of what is given; each model takes of it what its contract asks for."""


def jobs_of(model: Model, modality: str) -> tuple[int, Callable[[], object], Callable[[], object]]:
    """Channels that the model reads, its run on a batch, and the preparation of that batch."""
    names, sfreq, unit = SOURCES[modality]
    rng = np.random.default_rng(0)
    size = {"mV": 0.3, "NU": 1.0, "uV": 15.0}[unit]
    x: NDArray[np.float64] = size * rng.standard_normal((WINDOWS, len(names), round(SECONDS * sfreq)))
    recordings = as_recordings(x, sfreq, names, modality, unit, None, None, None, model.contract, check=False)

    def ready() -> list[list[PreparedStream]]:
        return [prepare(recording, model.contract, 0.0) for recording in recordings]

    windows = ready()
    batch = pack(windows, model.contract)
    return len(windows[0][0].channel), partial(model.read, batch), ready


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    models = {name: biosig.build_model(name) for name in (*known_models(), *OURS)}
    sides: dict[tuple[str, str], tuple[int, Callable[[], object], Callable[[], object]]] = {}
    for name, model in models.items():
        for modality in model.contract:
            if modality in SOURCES:
                sides[name, modality] = jobs_of(model, modality)
    network = best({key: run for key, (_, run, _) in sides.items()}, args.rounds)
    preparation = best({key: ready for key, (_, _, ready) in sides.items()}, args.rounds)
    print("| model | parameters | input | network (ms/window) | preparation (ms/window) |")
    print("|---|---|---|---|---|")
    for (name, modality), (n_chans, _, _) in sides.items():
        times = (1000 * part[name, modality] / WINDOWS for part in (network, preparation))
        title = f"{modality.upper()}, {n_chans} × {SECONDS:g} s"
        print(f"| `{name}` | {models[name].n_parameters:,} | {title} | " + " | ".join(f"{t:.1f}" for t in times) + " |")


if __name__ == "__main__":
    main()
