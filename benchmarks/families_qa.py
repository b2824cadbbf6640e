"""Questions about ECGs, made from PTB-XL: exact match by type, beside the usual answer and the question alone.

What is run is configs/qa/ptbxl-made.yaml, cut down to few questions and epochs. `benchmarks/task_families.py` calls the
function in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from families_outcome import CONFIGS, ingested

from biosig import config as configuration
from biosig.downstream.qa.config import QaConfig
from biosig.downstream.qa.run import run_qa

BUDGET = (
    "channels=[I, II, aVF, V2]",
    "questions.most=4",
    "probe={lr: 1.0e-3, epochs: 40, warmup: 2, patience: 10, batch_size: 64, mixup: false}",
    "tune={lr: 2.0e-4, epochs: 1, warmup: 1, mixup: false}",
    "device=cpu",
)


def question_answering(data: Path, work: Path, model: str) -> None:
    """Make questions, tune, print."""
    overrides = [*BUDGET, f"model={model}", f"shards={ingested(data, work)}"]
    result = run_qa(configuration.load(QaConfig, CONFIGS / "qa" / "ptbxl-made.yaml", overrides))
    print(f"questions: {result.facts['n_questions']}\n")
    print(result.table.round(3).to_string(index=False))
    print("\n".join(f"- {note}" for note in result.notes))


FAMILIES: dict[str, Callable[[Path, Path, str], None]] = {"question-answering": question_answering}
"""Name → function of the folder with the data, a folder to work in, and a model."""
