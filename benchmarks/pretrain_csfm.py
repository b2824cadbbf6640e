"""Losses on held-out subjects before and after a short pretraining as CSFM's: ECG, PPG and reports, a small width.

Ingests PTB-XL with its reports, the CinC 2021 samples (12 leads without reports; PTB-XL's own are left out, since they
come with the first set) and BIDMC (II and others, PPG), pretrains for some minutes on a CPU, and hides parts of the
windows of held-out subjects, with the same masks for all:

- signals: mean squared error over hidden patches, in deviations of the window, beside predicting the window's mean;
- words: cross-entropy of the hidden words in nats, beside the frequencies of words in the training reports (add-one),
  and beside the same model with the signals taken away: what is left are the words around the hidden ones.

Most reports are one of a few sentences, so that words alone tell most of the hidden ones.

    python benchmarks/pretrain_csfm.py --data DIR --minutes 20   # DIR holds ptbxl-500/, cinc2021-smoke/, bidmc/
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pretrain_eeg import steps_in
from rich.console import Console

from biosig import config as configuration
from biosig.batches.contract import prepare
from biosig.batches.packed import MODALITY_IDS, PackedBatch, pack
from biosig.batches.windows import Windows
from biosig.evaluate.intervals import bootstrap
from biosig.evaluate.metrics import METRICS
from biosig.models.encoder import Encoder
from biosig.models.report_tokens import RecordingWords
from biosig.pretrain.build import build_objective, build_words, encoder_config
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.loop import pretrain
from biosig.pretrain.objectives.objective import Objective
from biosig.pretrain.state import load_objective
from biosig.pretrain.windows import load_windows
from biosig.progress import show_progress
from ingest.cli.ingest import ingest

CONFIGS = Path(__file__).parents[1] / "configs"


def ingest_all(data: Path, shards: Path) -> list[SourceConfig]:
    """The three sets as shards, each once."""
    spec, ptbxl, cinc = CONFIGS / "ingest", data / "ptbxl-500", data / "cinc2021-smoke" / "smoke_data"
    sources = {
        "ptbxl": (
            (ptbxl / "records100",),
            {"labels": (ptbxl / "ptbxl_database.csv",), "labels_spec": spec / "ptbxl-labels.yaml"},
        ),
        "cinc": (tuple(sorted(f for f in cinc.rglob("*.hea") if not f.name.startswith("HR"))), {}),
        "bidmc": ((data / "bidmc",), {"mapping": spec / "bidmc.yaml"}),
    }
    for name, (source, options) in sources.items():
        if not (shards / name / "index.parquet").exists():
            ingest(source, out=shards / name, workers=1, **options)
    return [SourceConfig(shards / name) for name in sources]


def untrained(config: PretrainConfig) -> Objective:
    """What the run starts from."""
    torch.manual_seed(config.seed)
    return build_objective(config, Encoder(encoder_config(config))).eval()


def word_frequencies(train: Windows, words: RecordingWords) -> NDArray[np.float64]:
    """How likely each word is in the training reports, shape (W,), none impossible."""
    counts = np.ones(words.tokenizer.n_words)
    for row in np.unique(train.recording):
        counts += np.bincount(words(train.ds[int(row)]), minlength=len(counts))
    return counts / counts.sum()


def without_signals(batch: PackedBatch, mask: torch.Tensor) -> torch.Tensor:
    """The mask with all signals hidden too."""
    return mask | (batch.valid & (batch.modality != MODALITY_IDS["text"]))


@torch.inference_mode()
def measure(
    objectives: dict[str, Objective], config: PretrainConfig, held_out: Windows, frequencies: NDArray[np.float64]
) -> pd.DataFrame:
    """The losses of each held-out window: subject, what is hidden, method, loss."""
    contract, words = objectives["after"].encoder.config.contract, build_words(config)
    assert words is not None
    rows = []
    for number, subject in enumerate(held_out.subjects):
        recording = held_out.ds[int(held_out.recording[number])]
        window = prepare(held_out.read_signals(number), contract, float(held_out.onset[number]))
        if not any(prepared.valid.any() for prepared in window):
            continue
        batch = pack([window], contract, [words(recording)])
        mask = config.masking(batch, np.random.default_rng([config.seed, 1, number]))
        losses: dict[str, dict[str, float]] = defaultdict(dict)
        for method, objective in objectives.items():
            for name, value in objective(objective.views(batch, mask)).items():
                if name.startswith("loss_") and name != "loss_global":
                    losses[name.removeprefix("loss_")][method] = value.item()
                elif name.startswith("mean_predictor_"):
                    losses[name.removeprefix("mean_predictor_")]["mean"] = value.item()
        if "text" in losses:
            ids = batch.text_ids[mask[batch.modality == MODALITY_IDS["text"]]]
            losses["text"]["word frequencies"] = float(-np.log(frequencies[ids]).mean())
            after = objectives["after"]
            alone = after(after.views(batch, without_signals(batch, mask)))
            losses["text"]["after, words alone"] = alone["loss_text"].item()
        who = recording.id if subject is None else str(subject)
        rows += [(who, what, method, loss) for what, by in losses.items() for method, loss in by.items()]
    return pd.DataFrame(rows, columns=["subject", "hidden", "method", "loss"])


def report(table: pd.DataFrame) -> None:
    """Means over windows with 95 % intervals over subjects."""
    print("\n| hidden | method | loss on held-out subjects | windows | subjects |\n|---|---|---|---|---|")
    for (what, method), part in table.groupby(["hidden", "method"], sort=False):
        found = bootstrap(METRICS["mae"], np.zeros(len(part)), part["loss"].to_numpy(), part["subject"])
        unit = "nats" if what == "text" else "squared deviations"
        cell = f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f}) {unit}"
        print(f"| {what} | {method} | {cell} | {len(part)} | {found.n_subjects} |")


def main() -> None:
    """Pretrain, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ptbxl-500/, cinc2021-smoke/ and bidmc/")
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain-csfm"))
    parser.add_argument("--config", type=Path, default=CONFIGS / "pretrain" / "csfm-narrow.yaml")
    parser.add_argument("--minutes", type=float, default=20.0, help="of pretraining; 0 = the configuration's steps")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("overrides", nargs="*", help="key=value pairs for the configuration")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # of monitors' leads that CSFM has no name for
    torch.set_num_threads(args.threads)
    sources = ingest_all(args.data, args.out / "shards")
    config = configuration.load(PretrainConfig, args.config, args.overrides)
    config = replace(config, out=args.out / "run", sources=sources)
    if (config.out / "config.yaml").exists():  # a run that was stopped goes on, and a finished one is measured again
        config = configuration.load(PretrainConfig, config.out / "config.yaml")
    elif args.minutes:
        config = replace(config, steps=steps_in(args.minutes, config))
    with show_progress(Console(stderr=True)) as progress:
        began = time.perf_counter()
        pretrain(config, progress)
        minutes = (time.perf_counter() - began) / 60
    train, held_out = load_windows(config)
    words = build_words(config)
    assert words is not None
    objectives = {"before": untrained(config), "after": load_objective(config.out)[1]}
    table = measure(objectives, config, held_out, word_frequencies(train, words))
    n_weights = sum(p.numel() for p in objectives["after"].encoder.parameters())
    print(f"{encoder_config(config).name}, {n_weights:,} parameters: {config.steps} steps of {config.batch_tokens}")
    print(
        f"tokens in {minutes:.1f} min on {args.threads} threads; windows of {config.window:g} s, {len(train)} to train"
    )
    print(f"and {len(held_out)} held out.")
    report(table)


if __name__ == "__main__":
    main()
