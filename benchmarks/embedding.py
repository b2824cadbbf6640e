"""`biosig embed` from shards to parquet against the model's bare forward pass, and its memory over many windows.

The first table has interleaved rounds: the whole of `embed_to_file`, and `Model.encode_and_pool` on the same batches
prepared beforehand. The second embeds overlapping windows of the same shards with biosig-tiny and reads the process's
memory on the way.

    python benchmarks/embedding.py --data DIR            # DIR holds ptbxl-500/; 10 minutes on two cores
"""

from __future__ import annotations

import argparse
import logging
import platform
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import torch

import biosig
from biosig.batches.loader import count_tokens, in_order, load_batches
from biosig.batches.windows import Windows, fixed_length_windows
from biosig.embedding import BATCH_TOKENS, embed_to_file
from biosig.models.model import Model
from ingest.cli.ingest import ingest


def ready_batches(model: Model, windows: Windows) -> list:
    """What the forward pass is given, prepared beforehand."""
    batches = in_order(count_tokens(windows, model.contract), BATCH_TOKENS)
    return [loaded.batch for loaded in load_batches(windows, batches, model.contract)]


def forward(model: Model, batches: list) -> None:
    for batch in batches:
        model.encode_and_pool(batch, by_modality=True)


def timed(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def resident_mb() -> float:
    """Memory of this process that is in RAM, as Linux counts it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


def throughput(shards: Path, work: Path, name: str, n_windows: int, rounds: int, workers: int) -> None:
    model, windows = biosig.build_model(name), fixed_length_windows(biosig.open_shards(shards), 10.0)[:n_windows]
    batches = ready_batches(model, windows)
    times: dict[str, list[float]] = {"forward": [], "embed": []}
    for number in range(rounds + 1):  # the first is not counted
        out = work / f"round-{number}.parquet"
        round_times = {
            "forward": timed(lambda: forward(model, batches)),
            "embed": timed(lambda out=out: embed_to_file(model, windows, out, workers=workers)),
        }
        for side, seconds in round_times.items() if number else ():
            times[side].append(seconds)
    bare, whole = (statistics.median(times[side]) for side in ("forward", "embed"))
    print(f"\n{name}, {len(windows)} windows of 12 leads × 10 s, {rounds} rounds, {workers} workers")
    print("\n| side | seconds | windows per second | share of the forward pass |\n|---|---|---|---|")
    for side, seconds in (("forward pass", bare), ("shards to parquet", whole)):
        print(f"| {side} | {seconds:.2f} | {len(windows) / seconds:.1f} | {bare / seconds:.2f} |")


def memory(shards: Path, work: Path, n_windows: int) -> None:
    model, ds = biosig.build_model("biosig-tiny"), biosig.open_shards(shards)
    stride = float(sum(ds.to_pandas()["duration"] - 1.0)) / n_windows
    windows, seen = fixed_length_windows(ds, 1.0, stride)[:n_windows], {}

    def watch(_: str, done: int, total: int) -> None:
        share = done * 10 // total
        seen.setdefault(share, resident_mb())

    seconds = timed(lambda: embed_to_file(model, windows, work / "many.parquet", progress=watch))
    print(f"\nbiosig-tiny, {len(windows)} windows of 1 s, {seconds:.0f} s")
    print(f"\n| windows done | {' | '.join(f'{share * 10} %' for share in seen)} |\n|{'---|' * (len(seen) + 1)}")
    print(f"| memory (MB) | {' | '.join(f'{mb:.0f}' for mb in seen.values())} |")


def main() -> None:
    """Ingest, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds ptbxl-500/")
    parser.add_argument("--model", default="biosig-base", help="for the first table")
    parser.add_argument("--windows", type=int, default=64, help="for the first table")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare")
    parser.add_argument("--many", type=int, default=100_000, help="windows for the second table; 0 leaves it out")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # random weights
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        ingest((args.data / "ptbxl-500" / "records500",), out=work / "shards", workers=1)
        throughput(work / "shards", work, args.model, args.windows, args.rounds, args.workers)
        if args.many:
            memory(work / "shards", work, args.many)


if __name__ == "__main__":
    main()
