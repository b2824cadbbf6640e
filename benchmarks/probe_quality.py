"""What frozen embeddings are worth after a short pretraining on a CPU: three probes beside their baselines.

Ingests PTB-XL (100 Hz), EEGMMIDB and BIDMC, pretrains on PTB-XL's folds 1-4, on EEGMMIDB and on BIDMC, and probes
PTB-XL's folds 5-8 (other patients) and EEGMMIDB (the same subjects, seen without labels; the table says so).
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console

from biosig import demo
from biosig.downstream.experiments.probe import ProbeConfig, run_probe
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.loop import pretrain
from biosig.pretrain.masking.blocks import BlockMasking
from biosig.progress import show_progress
from ingest.cli.ingest import ingest

SPEC = Path(__file__).parents[1] / "configs" / "ingest"


def ingest_all(data: Path, out: Path) -> None:
    """The three sets as shards, each once."""
    ptbxl = data / "ptbxl-500"
    labels = {"labels": (ptbxl / "ptbxl_database.csv",), "labels_spec": SPEC / "ptbxl-labels.yaml"}
    sources = {
        "ptbxl": (ptbxl / "records100", labels),
        "eegmmidb": (data / "eegmmidb", {"subject_pattern": r"(?P<subject>S\d{3})(?P<run>R\d{2})"}),
        "bidmc": (data / "bidmc", {"mapping": SPEC / "bidmc.yaml"}),
    }
    for name, (source, options) in sources.items():
        if not (out / "shards" / name / "index.parquet").exists():
            ingest((source,), out=out / "shards" / name, workers=1, **options)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ptbxl-500/, eegmmidb/ and bidmc/")
    parser.add_argument("--out", type=Path, default=Path("runs/probe-quality"))
    parser.add_argument("--model", default="biosig-tiny")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(args.threads)
    ingest_all(args.data, args.out)
    shards = args.out / "shards"
    sources = [SourceConfig(shards / "ptbxl", demo.PRETRAIN_FOLDS)]
    sources += [SourceConfig(shards / name) for name in ("eegmmidb", "bidmc")]
    config = PretrainConfig(
        out=args.out / f"{args.model}-{args.steps}",
        sources=sources,
        model=args.model,
        window=demo.WINDOW,
        steps=args.steps,
        batch_tokens=2048,
        masking=BlockMasking(mask_ratio=0.4, all_channels=0.0),
        validate_every=max(args.steps // 4, 1),
        checkpoint_every=200,
        device="cpu",
    )
    with show_progress(Console(stderr=True)) as progress:
        folder = pretrain(config, progress)
        results = []
        for task in demo.TASKS:
            probe = ProbeConfig(
                model=str(folder),
                shards=str(shards / task.shards),
                target=task.target,
                windows=task.windows,
                query=task.query,
                device="cpu",
            )
            results.append((task.title, run_probe(probe, progress)))

    log = pd.read_json(config.out / "log.jsonl", lines=True)
    last = log[log["part"] == "validation"].iloc[-1]
    print(
        f"Masked reconstruction on held-out subjects after {args.steps} steps, mean absolute error / that of the mean:"
    )
    print(", ".join(f"{m} {last[f'loss_{m}'] / last[f'mean_predictor_{m}']:.3f}" for m in ("ecg", "ppg", "eeg")) + "\n")
    print("| task | method | balanced accuracy | AUROC |\n|---|---|---|---|")
    for title, result in results:
        for method, rows in result.table.groupby("method", sort=False):
            by = {row.metric: f"{row.value:.3f} ({row.low:.3f}–{row.high:.3f})" for row in rows.itertuples()}
            print(f"| {title} | {method} | {by['balanced_accuracy']} | {by['auroc']} |")
    for title, result in results:
        n = result.facts["cohort"]["all"]
        print(f"\n{title}: {n['n_subjects']} subjects, {n['n_recordings']} recordings, {n['n_windows']} windows.")
        print("\n".join(f"- {note}" for note in result.notes))


if __name__ == "__main__":
    main()
