"""Time to an event, on a SIMULATED follow-up: death after an ECG of PTB-XL, from hazards made up of age, sex and codes.

What is run is configs/finetune/ptbxl-outcome-simulated.yaml, cut down to leads I, II and V2 and few epochs.
`benchmarks/task_families.py` calls the function in `FAMILIES`.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

from biosig import config as configuration
from biosig.cli import main as command_line
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.simulate.followup import main as simulate

CONFIGS = Path(__file__).parents[1] / "configs"

BUDGET = (
    "channels=[I, II, V2]",
    "split.folds=3",
    "probe={lr: 2.0e-3, epochs: 10, warmup: 1, patience: 4, batch_size: 128, mixup: false}",
    "tune={method: full, lr: 2.0e-4, epochs: 2, warmup: 1, patience: 2, batch_size: 64, mixup: false}",
    "scratch={lr: 1.0e-3, epochs: 4, warmup: 1, patience: 3, batch_size: 64, mixup: false}",
    "network_width=16",
    "device=cpu",
)


def outcome(data: Path, work: Path, model: str) -> None:
    """Simulate, ingest, fine-tune, print."""
    result = run_finetune(
        configuration.load(
            FineTuneConfig,
            CONFIGS / "finetune" / "ptbxl-outcome-simulated.yaml",
            [*BUDGET, f"model={model}", f"shards={ingested(data, work)}"],
        )
    )
    print("SIMULATED follow-up, no finding about anybody\n")
    print(result.table.round(3).to_string(index=False))
    print("\n".join(f"- {note}" for note in result.notes))


def ingested(data: Path, work: Path) -> Path:
    """Shards of PTB-XL with the SIMULATED labels, made by the commands that a user would give."""
    out, tables = work / "ptbxl-followup-simulated", work / "tables"
    if not (out / "index.parquet").exists():
        shutil.rmtree(tables, ignore_errors=True)
        tables.mkdir(parents=True)
        for name in ("ptbxl_database.csv", "scp_statements.csv"):
            shutil.copy(data / "ptbxl-500" / name, tables)
        simulate([str(tables / "ptbxl_database.csv"), str(tables / "followup.csv")])
        labels = [str(tables / name) for name in ("ptbxl_database.csv", "followup.csv")]
        spec = CONFIGS / "ingest" / "ptbxl-followup-simulated.yaml"
        source = str(data / "ptbxl-500" / "records100")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            command_line(["ingest", source, "--labels", *labels, "--labels-spec", str(spec), "--out", str(out)])
    return out


FAMILIES: dict[str, Callable[[Path, Path, str], None]] = {"outcome-simulated": outcome}
"""Name → function of the folder with the data, a folder to work in, and a model."""
