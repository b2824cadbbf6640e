"""What opens each kind of file that is no recording; run as a program, it opens cases and tells how each ended.

A line in is a kind and a folder; a line out, as JSON, is what was raised, in how many seconds, and at what peak memory.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path

import torch

import biosig
from biosig import config as configuration
from biosig.downstream.finetune.classifier import load_classifier
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.probe.config import ProbeConfig
from biosig.downstream.qa.config import QaConfig
from biosig.downstream.results.analysis import check_scores
from biosig.downstream.results.result_folder import open_result
from biosig.downstream.retrieval.config import RetrievalConfig
from biosig.downstream.waveform.config import WaveformConfig
from biosig.errors import BiosigError
from biosig.evaluate.ledger import Ledger
from biosig.models import checkpoint
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.state import load_objective
from biosig.shards.verify import check_shards
from biosig.training.config import OptimizerConfig
from biosig.training.optimizer import make_optimizer, make_plateau
from biosig.training.state import TrainingState
from biosig.training.weights import MovingAverage
from ingest.adapters.tables.mapping import load_mapping
from ingest.metadata.labels.labels import load_labels
from ingest.preprocess.recipe import Recipe

CONFIGS = {
    "pretrain": PretrainConfig, "finetune": FineTuneConfig, "probe": ProbeConfig, "qa": QaConfig,
    "waveform": WaveformConfig, "retrieval": RetrievalConfig, "ingest": Recipe,
}  # fmt: skip


def peak_mb():
    """The most memory that this process held, in MB; `ru_maxrss` would begin with what its parent held."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) // 1024


def only(folder: Path) -> Path:
    """The one file of a folder."""
    return next(path for path in sorted(folder.iterdir()) if path.name != "spec.yaml")


def table(folder: Path) -> None:
    joins = load_labels([only(folder)], folder / "spec.yaml" if (folder / "spec.yaml").exists() else None, ["file"])
    assert joins is not None
    joins.check([Path("a/00001_lr.hea"), Path("a/00002_lr.hea")])


def mapping(folder: Path) -> None:
    load_mapping(only(folder))


def config(folder: Path) -> None:
    path = only(folder)
    configuration.load(CONFIGS[path.name.partition("-")[0]], path)


def model(folder: Path) -> None:
    biosig.load_model(folder)
    checkpoint.load_tokenizer(folder)
    Ledger.load(folder)


def tuned(folder: Path) -> None:
    load_classifier(folder)
    Ledger.load(folder)


def run(folder: Path) -> None:
    load_objective(folder)


def state(folder: Path) -> None:
    network = small_network()
    optimizer = make_optimizer(network, OptimizerConfig())
    TrainingState(network, optimizer, make_plateau(optimizer), MovingAverage(network, 0.9)).load(only(folder))


def small_network() -> torch.nn.Module:
    """The network whose training state is written and read."""
    return torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))


def result(folder: Path) -> None:
    saved = open_result(folder)
    check_scores(saved)
    _ = saved.recordings, saved.audit, saved.tables, saved.test_rows, saved.labels, saved.environment


def shards(folder: Path) -> None:
    check_shards(folder)
    ds = biosig.open_shards(folder)
    _ = ds.labels, ds.fingerprints
    for recording in ds:
        recording.read()


DOORS = {door.__name__: door for door in (table, mapping, config, model, tuned, run, state, result, shards)}


def tell(**what: object) -> None:
    """Write a line of JSON."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Open each case that the standard input names."""
    for line in sys.stdin:
        kind, folder = line.split()
        tell(begin=line.strip())
        start, raised = time.process_time(), ""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                DOORS[kind](Path(folder))
        except BiosigError as error:
            raised = f"BiosigError: {error}"
        except BaseException as error:  # what should not be: the test tells
            raised = f"{type(error).__name__}: {error}"
        seconds = time.process_time() - start
        peak = peak_mb()
        tell(end=line.strip(), raised=raised, seconds=seconds, peak=peak)


if __name__ == "__main__":
    main()
