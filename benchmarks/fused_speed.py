"""Fused presets and a per-channel one on the same windows: embedding, and a training step on crops.

Each round runs all models in turn on one thread; the best round of each counts, by the processor's time, which other
work on the machine disturbs least.

    OMP_NUM_THREADS=1 python benchmarks/fused_speed.py     # about a minute
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

import biosig
from biosig import samples
from biosig.batches.packed import PackedBatch, pack
from biosig.models.build import make_encoder
from biosig.models.model import Model, RandomWeightsWarning
from biosig.models.presets import preset


def best(jobs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The shortest time of each job in seconds of the processor, in interleaved rounds after one to warm up."""
    found = dict.fromkeys(jobs, float("inf"))
    for round_ in range(rounds + 1):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            if round_:
                found[name] = min(found[name], time.process_time() - start)
    return found


def six_million() -> Model:
    """A fused encoder as large as biosig-small."""
    config = replace(preset("biosig-fused-small"), embed_dim=256, head_dim=32, name="fused of 6 M")
    return Model(make_encoder(config), trained=False)


def training_step(model: Model, batch: PackedBatch, rounded: bool) -> Callable[[], None]:
    """Forwards and backwards through the encoder, without an objective's own cost."""
    encoder = make_encoder(model.config).train()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            tokens, _ = encoder.embed(batch)
            out, _ = encoder.encode_windows(tokens, encoder.visible_tokens(batch))
        out.float().square().mean().backward()
        encoder.zero_grad()

    return step


def profiled(step: Callable[[], None], most: int = 9) -> str:
    """The operations that take most of a step's time by torch's profiler, each with its share."""
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        for _ in range(4):
            step()
    rows = sorted(found.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    return ", ".join(f"{row.key.removeprefix('aten::')} {row.self_cpu_time_total / total:.0%}" for row in rows[:most])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", RandomWeightsWarning)
    models = [biosig.build_model(n) for n in ("biosig-small", "biosig-fused-tiny", "biosig-fused-small")]
    models.append(six_million())
    ecg = biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0])
    eeg = biosig.read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0])
    nineteen = replace(eeg, streams=[eeg.streams[0].pick(list(range(19)))]).crop(0, 10)
    tables = {
        "12 leads × 10 s": [pack([model.prepare(ecg)] * 16, model.contract) for model in models],
        "19 EEG channels × 10 s": [pack([model.prepare(nineteen)] * 8, model.contract) for model in models],
    }
    for title, batches in tables.items():
        print(f"\n| {title} | parameters | float32 windows/s | times {models[0].name} | bfloat16 windows/s |")
        print("|---" * 5 + "|")
        jobs: dict[str, Callable[[], object]] = {}
        for model, batch in zip(models, batches, strict=True):
            for dtype in (torch.float32, torch.bfloat16):
                jobs[f"{model.name} {dtype}"] = partial(model.encode_batch, batch, dtype=dtype)
        seconds = best(jobs, rounds)
        speed = {
            (m.name, d): b.n_windows / seconds[f"{m.name} {d}"]
            for m, b in zip(models, batches, strict=True)
            for d in (torch.float32, torch.bfloat16)
        }
        for model in models:
            quick, rounded = speed[model.name, torch.float32], speed[model.name, torch.bfloat16]
            times = quick / speed[models[0].name, torch.float32]
            print(f"| {model.name} | {model.n_parameters:,} | {quick:.1f} | {times:.1f} | {rounded:.1f} |")
    crops = pack([models[1].prepare(ecg.crop(0, 5.12))] * 32, models[1].contract)
    seconds = best({str(rounded): training_step(models[1], crops, rounded) for rounded in (False, True)}, rounds)
    speeds = f"{32 / seconds['False']:.0f} in float32, {32 / seconds['True']:.0f} in bfloat16"
    print(f"\nTraining of {models[1].name}, crops of 5.12 s of 12 leads a second: {speeds}.")
    for rounded, name in ((False, "float32"), (True, "bfloat16")):
        print(f"\nShares of that time, {name}: {profiled(training_step(models[1], crops, rounded))}.")


if __name__ == "__main__":
    main()
