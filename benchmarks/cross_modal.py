"""Rebuilding eleven leads from lead II, and finding reports by their signals, on PTB-XL: two tables, minutes on a CPU.

Ingests the 100-Hz recordings of PTB-XL that are under --data, each ECG once; trains on folds 1-5, chooses the epoch on
fold 6 and tests on folds 7 and 8, other patients all. The model is biosig-tiny from random weights unless --model says
otherwise; the two tasks start from the same weights.

    python benchmarks/cross_modal.py --data DIR      # DIR holds ptbxl_database.csv, scp_statements.csv and records100/
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import torch
from rich.console import Console

from biosig import config as configuration
from biosig.cli.tables import print_retrieval, print_waveform
from biosig.downstream.retrieval.config import RetrievalConfig
from biosig.downstream.retrieval.run import run_retrieval
from biosig.downstream.waveform.config import WaveformConfig
from biosig.downstream.waveform.run import run_waveform
from biosig.progress import show_progress
from ingest.cli.ingest import ingest

SPEC = Path(__file__).parents[1] / "configs" / "ingest" / "ptbxl-labels.yaml"
SPLIT = {"train": "strat_fold <= 5", "validation": "strat_fold == 6", "test": "strat_fold >= 7"}
CHEST_AND_LIMB = ["I", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def main() -> None:
    """Train, rate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL's folder")
    parser.add_argument("--out", type=Path, default=Path("runs/cross-modal"))
    parser.add_argument("--model", default="biosig-tiny", help="checkpoint folder, or a preset for random weights")
    parser.add_argument("--waveform-epochs", type=int, default=20)
    parser.add_argument("--retrieval-epochs", type=int, default=40)
    parser.add_argument("--retrieval-encoder", choices=["frozen", "tuned"], default="frozen")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(args.threads)
    shards = args.out / "shards"
    if not (shards / "index.parquet").exists():
        labels = {"labels": (args.data / "ptbxl_database.csv",), "labels_spec": SPEC}
        ingest((args.data / "records100",), out=shards, workers=1, **labels)
    task = {"model": args.model, "shards": str(shards), "split": SPLIT, "device": "cpu"}
    waveform = {
        **task,
        "inputs": ["II"],
        "targets": CHEST_AND_LIMB,
        "training": {"epochs": args.waveform_epochs, "patience": 5, "batch_size": 16},
    }
    optimizer = {"lr": 3e-3, "weight_decay": 0.05}
    matching = {"epochs": args.retrieval_epochs, "patience": 20, "batch_size": 64, "optimizer": optimizer}
    retrieval = {**task, "embed_dim": 64, "training": {**matching, "encoder": args.retrieval_encoder}}
    console = Console()
    with show_progress(Console(stderr=True)) as progress:
        began = time.perf_counter()
        rebuilt = run_waveform(configuration.load(WaveformConfig, waveform), progress)
        middle = time.perf_counter()
        found = run_retrieval(configuration.load(RetrievalConfig, retrieval), progress)
        ended = time.perf_counter()
    print_waveform(rebuilt, console)
    print_retrieval(found, console)
    console.print(f"waveform {middle - began:.0f} s, retrieval {ended - middle:.0f} s")


if __name__ == "__main__":
    main()
