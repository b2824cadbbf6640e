"""Facts of an installation and its machine: versions, extras, backends, threads, speed of precisions, and what is slow.

Each fact is a line with a word for its state; where something can be done about it, the line says what.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

DISTRIBUTION = "biosig-fm"

State = Literal["ok", "note", "slow", "absent"]

FEW_GB = 4.0
"""GB of free memory, below which long recordings and pretraining may be refused by the system."""

CPUINFO, MEMINFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
"""Files in which Linux tells of processor and memory; on systems without them the lines are left out."""

_INSTRUCTIONS = {"amx_bf16": "AMX bfloat16", "avx512_bf16": "AVX-512 bfloat16", "avx512f": "AVX-512", "avx2": "AVX2"}
"""Of matrix products, the quickest first, by their names in /proc/cpuinfo."""


@dataclass(frozen=True)
class Fact:
    """Line of the report.

    Parameters
    ----------
    topic, name, value : str
        "extras", "peft", "0.15.2".
    state : {"ok", "note", "slow", "absent"}
        "slow" = it makes this machine slower than it could be; "absent" = not installed.
    advice : str
        What can be done, or "".
    """

    topic: str
    name: str
    value: str
    state: State = "ok"
    advice: str = ""


def examine(trial: bool = True) -> Iterator[Fact]:
    """Facts, the quick ones first.

    Parameters
    ----------
    trial : bool
        True to train a few steps of biosig-tiny on sample recordings in float32 and bfloat16, which takes seconds.
    """
    yield Fact("installation", "biosig", version_of(DISTRIBUTION) or "not installed")
    yield Fact("installation", "python", f"{platform.python_version()} on {platform.platform()}")
    yield from _packages()
    yield from _machine()
    yield from _backends()
    if trial:
        yield _precision()


def version_of(distribution: str) -> str | None:
    """Installed version of a distribution; None if it is not there."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def usable_cores() -> int:
    """Cores that this process may use, which a scheduler such as SLURM limits."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def requirements() -> dict[str, list[str]]:
    """Distributions that Biosig asks for by extra; "" = always. Empty if Biosig itself is not installed.

    Markers of platform are not looked at: xformers, say, is asked for on Linux alone.
    """
    found: dict[str, list[str]] = {}
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return found
    for line in lines:
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"]([\w-]+)", line)
        if name and name[0] != DISTRIBUTION:
            found.setdefault(extra[1] if extra else "", []).append(name[0])
    return found


def _packages() -> Iterator[Fact]:
    for extra, names in requirements().items():
        for name in names:
            there = version_of(name)
            topic, shown = ("extras", f"{name} [{extra}]") if extra else ("packages", name)
            if there:
                yield Fact(topic, shown, there)
            elif extra:
                yield Fact(topic, shown, f"not installed: pip install '{DISTRIBUTION}[{extra}]'", "absent")
            elif name != "xformers":  # which is there on Linux alone; see the backends
                yield Fact(topic, shown, "not installed", "absent", f"pip install {name}")


def _machine() -> Iterator[Fact]:
    cores = usable_cores()
    yield Fact("machine", "cores", f"{cores} for this process, of {os.cpu_count()}")
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy > cores:
        yield Fact(
            "machine", "load", f"{busy:.1f}", "slow", "Other programs share the cores: times will be longer than alone."
        )
    if names := _instructions():
        best = names[0]
        yield Fact(
            "machine",
            "matrix products",
            ", ".join(names),
            "ok" if "bfloat16" in best else "note",
            ""
            if "bfloat16" in best
            else "No bfloat16 in this processor: float32 is as quick, and `precision: auto` takes it.",
        )
    if free := _free_gb():
        few = free < FEW_GB
        yield Fact(
            "machine",
            "free memory",
            f"{free:.1f} GB",
            "slow" if few else "ok",
            "Close other programs, or lower cache_gb and batch_tokens." if few else "",
        )


def _instructions() -> list[str]:
    """Instruction sets of the processor, the quickest first; empty where the system does not tell."""
    try:
        flags = set(re.findall(r"^flags\s*:(.*)$", CPUINFO.read_text(), re.MULTILINE)[0].split())
    except (OSError, IndexError):
        return []
    return [name for flag, name in _INSTRUCTIONS.items() if flag in flags]


def _free_gb() -> float | None:
    """Memory that programs can still have, in GB; None where the system does not tell."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", MEMINFO.read_text())
    except OSError:
        return None
    return int(found[1]) / 1e6 if found else None


def _backends() -> Iterator[Fact]:
    import torch

    threads, cores = torch.get_num_threads(), usable_cores()
    fewer = threads == 1 < cores
    yield Fact(
        "backends",
        "threads of torch",
        str(threads),
        "slow" if fewer else "ok",
        f"OMP_NUM_THREADS is {os.environ.get('OMP_NUM_THREADS', 'not set')}: set it to {cores} to use all cores."
        if fewer
        else "",
    )
    if torch.cuda.is_available():
        yield Fact("backends", "GPU", torch.cuda.get_device_name(0))
        if find_spec("xformers") is None:
            yield Fact(
                "backends", "attention", "SDPA", "slow", "pip install xformers, whose kernels read packed windows."
            )
        else:
            yield Fact("backends", "attention", "xformers in half precision, else SDPA")
    else:
        yield Fact(
            "backends",
            "GPU",
            "none that torch can use",
            "note",
            "Embedding runs well without; pretraining of -base does not.",
        )
        yield Fact("backends", "attention", "SDPA in float32, plain products in bfloat16")
    import hdf5plugin

    yield Fact("backends", "codecs of shards", f"Blosc2 and Blosc by hdf5plugin {hdf5plugin.version}")


def _precision() -> Fact:
    """Seconds of a training step by precision, on sample recordings."""
    import torch

    import biosig
    from biosig import samples
    from biosig.batches.contract import prepare
    from biosig.batches.packed import pack
    from biosig.models.build import make_encoder
    from biosig.models.presets import preset
    from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
    from biosig.pretrain.objectives.objective import Objective
    from biosig.pretrain.precision import THRESHOLD, try_precisions
    from biosig.training.seeding import seeded

    config = preset("biosig-tiny")
    ecgs = [biosig.read(path).crop(0, 5) for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:2]]
    batch = pack([prepare(ecg, config.contract) for ecg in ecgs], config.contract)
    with seeded(0):
        objective = Objective(make_encoder(config), [ReconstructionConfig()])
        mask = torch.rand(batch.n_tokens) < 0.5
        found = try_precisions(objective, lambda of: of.views(batch, mask))
    assert found is not None
    quick = found.seconds["bfloat16"] < THRESHOLD * found.seconds["float32"]
    ratio = found.seconds["float32"] / found.seconds["bfloat16"]
    return Fact(
        "precision",
        "a step of biosig-tiny",
        f"{found.seconds['float32']:.3g} s in float32, {found.seconds['bfloat16']:.3g} s in bfloat16",
        "ok" if quick else "note",
        f"bfloat16 is {ratio:.1f} times as quick: dtype=bfloat16 for embeddings; pretraining finds it by itself."
        if quick
        else "Leave dtype and precision at their defaults: bfloat16 gains nothing here.",
    )
