"""Every family of tasks that CSFM names, on the data at hand: metric, interval, and what a model has to beat.

Budgets are tiny, so that all families end in about ten minutes on two cores with the smallest model: this shows that
each runs from its configuration and how far its intervals reach, not what a model can do. Families run side by side,
each in a process of its own with one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import families_diagnosis
import families_outcome
import families_qa
import families_vital
import torch

FAMILIES = {
    **families_diagnosis.FAMILIES,
    **families_vital.FAMILIES,
    **families_outcome.FAMILIES,
    **families_qa.FAMILIES,
}


def run(name: str, data: Path, work: Path, model: str) -> tuple[str, float]:
    """What a family prints, and its seconds."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    began = time.perf_counter()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        FAMILIES[name](data, work / name, model)
    return printed.getvalue(), time.perf_counter() - began


def main() -> None:
    """Run families and print their tables in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds ptbxl-500/, mitdb/ and bidmc/")
    parser.add_argument("--work", type=Path, default=Path("runs/families"))
    parser.add_argument("--model", default="biosig-tiny", help="checkpoint folder, or a preset for random weights")
    parser.add_argument("--family", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    began = time.perf_counter()
    with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as pool:
        waiting = {name: pool.submit(run, name, args.data, args.work, args.model) for name in args.family}
        for name, result in waiting.items():
            printed, seconds = result.result()
            print(f"\n## {name} ({seconds:.0f} s)\n{printed}", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s with {args.workers} processes, model {args.model}.")


if __name__ == "__main__":
    main()
