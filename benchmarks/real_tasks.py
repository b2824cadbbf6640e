"""The tasks of configs/tasks/ on real recordings: model, baselines, intervals and audit of each, as tables.

Each set is ingested once, each task is probed as its configuration says but with a small supervised network, and its
result is audited; the result folders with their reports stay under --work. With the smallest model all tasks take about
half an hour on two cores.

    python benchmarks/real_tasks.py --data DIR [--only NAME …] [--model FOLDER]

DIR holds ptbxl-500/, mitdb/, bidmc/, eegmmidb/, eegmat/, chagas2025-b/ and cinc2021-smoke/.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import shlex
import time
import warnings
from pathlib import Path

import torch

from biosig import config as configuration
from biosig.audit.config import read_config
from biosig.audit.run import run_audit
from biosig.cli import main as command_line
from biosig.downstream.probe import ProbeConfig, run_probe
from biosig.plots.scores import headline_metrics

CONFIGS = Path(__file__).parents[1] / "configs"

INGEST = {
    "ptbxl": "{data}/ptbxl-500/records500 --labels {data}/ptbxl-500/ptbxl_database.csv "
    "--labels-spec {configs}/ptbxl-labels.yaml",
    "mitdb": "{data}/mitdb --labels {configs}/mitdb-records.csv --labels-spec {configs}/mitdb-labels.yaml",
    "bidmc": "{data}/bidmc --mapping {configs}/bidmc.yaml",
    "eegmmidb": r"{data}/eegmmidb --subject-pattern '(?P<subject>S\d{{3}})(?P<run>R\d{{2}})'",
    "eegmat": r"{data}/eegmat --subject-pattern '(?P<subject>Subject(?P<number>\d{{2}}))_(?P<part>\d)'",
    "chagas": "{data}/chagas2025-b",
    "cinc2021": "{data}/cinc2021-smoke --mapping {configs}/sph.yaml --labels-spec {configs}/cinc2021-labels.yaml "
    "--labels {data}/cinc2021-smoke/scored_diagnoses_2021.csv {data}/cinc2021-smoke/smoke_data/SPH/metadata.csv",
}
"""What follows ``biosig ingest``; {data} is the folder, {configs} is configs/ingest."""

SETTINGS = {"cinc2021": ("target.weights={data}/cinc2021-smoke/physionet2021_weights.csv",)}
"""What a configuration must be told of the data at hand."""

BUDGET = ("network={lr: 1.0e-3, epochs: 10, warmup: 1, patience: 4, mixup: false}", "network_width=16")
"""Of the supervised network, which takes most of the time on a CPU."""


def shards_of(name: str, data: Path, work: Path) -> Path:
    """A set's shards, ingested where they are not there yet."""
    out = work / "shards" / name
    if not (out / "index.parquet").exists():
        words = shlex.split(INGEST[name].format(data=data, configs=CONFIGS / "ingest"))
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.suppress(SystemExit),
        ):
            command_line(["ingest", *words, "--out", str(out)])
        if not (out / "index.parquet").exists():
            raise SystemExit(f"{name} did not go in: run biosig ingest {shlex.join(words)} --out {out}")
    return out


def run(path: Path, data: Path, work: Path, model: str) -> None:
    """Probe, audit, print."""
    began = time.perf_counter()
    shards = shards_of(path.stem.split("-")[0], data, work)
    out = work / "results" / path.stem
    at_hand = [setting.format(data=data) for setting in SETTINGS.get(path.stem, ())]
    settings = [*BUDGET, *at_hand, f"model={model}", f"shards={shards}", f"out={out}", "device=cpu"]
    result = run_probe(configuration.load(ProbeConfig, path, settings))
    audit = run_audit(read_config(out, ()))
    cohort = result.facts["cohort"]["all"]
    print(f"\n### {path.stem}: {result.config.target.title}\n")
    print(
        f"{cohort['n_subjects']} subjects, {cohort['n_recordings']} recordings, {cohort['n_windows']} windows; ", end=""
    )
    print(f"{time.perf_counter() - began:.0f} s, audit included.\n")
    metrics = headline_metrics(result.table)
    print(f"| method | {' | '.join(metrics)} |\n|---|{'---|' * len(metrics)}")
    for method, rows in result.table.groupby("method", sort=False):
        cells = {row.metric: f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})" for row in rows.itertuples()}
        print(f"| {method} | {' | '.join(cells[name] for name in metrics)} |")
    print(f"\nAudit: {audit.verdict}.\n")
    for finding in audit.findings:
        print(f"- {finding.verdict}: {finding.sentence}")
    print(flush=True)


def main() -> None:
    """Run the tasks one after the other."""
    tasks = {path.stem: path for path in sorted((CONFIGS / "tasks").glob("*.yaml"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the sets")
    parser.add_argument("--work", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--model", default="biosig-tiny", help="checkpoint folder, or a preset for random weights")
    parser.add_argument("--only", nargs="+", choices=list(tasks), default=list(tasks))
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # random weights: the notes say so
    print(f"{args.model}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for name in args.only:
        run(tasks[name], args.data, args.work, args.model)


if __name__ == "__main__":
    main()
