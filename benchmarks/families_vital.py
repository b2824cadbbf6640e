"""Task families beside diagnosis: beats and rhythm, age and sex, vital signs. Each in a few minutes on two cores.

What is run are the shipped configurations (configs/finetune/), cut down: few epochs, three leads instead of twelve, and
a cap on the beats of a patient in a class. `benchmarks/task_families.py` calls the functions in `FAMILIES`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from biosig import config as configuration
from biosig.cli import main as command_line
from biosig.downstream.baselines.models.rate_rules import heart_rate, respiratory_rate
from biosig.downstream.data.task import open_task
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.results.result import ProbeResult
from biosig.evaluate.agreement import agreement_table, subject_errors
from biosig.recording import Annotation, Recording
from biosig.shards import ShardWriter, build_index, open_shards

CONFIGS = Path(__file__).parents[1] / "configs"

INGEST = {
    "mitdb": ["mitdb", "--labels", "{configs}/mitdb-records.csv", "--labels-spec", "{configs}/mitdb-labels.yaml"],
    "bidmc": ["bidmc", "--mapping", "{configs}/bidmc.yaml"],
    "ptbxl": [
        "ptbxl-500/records100",
        *("--labels", "{data}/ptbxl-500/ptbxl_database.csv"),
        *("--labels-spec", "{configs}/ptbxl-labels.yaml"),
    ],
}
"""Words after ``biosig ingest``, of which the first is a folder in the data."""

MOST_BEATS = 12
"""Of a patient in an AAMI class."""

BASELINES = ("chance", "random_weights", "handmade", "from_scratch")

BUDGET = (
    "probe={lr: 5.0e-3, epochs: 10, warmup: 1, patience: 4, batch_size: 32, mixup: false}",
    "tune={lr: 5.0e-4, epochs: 2, warmup: 1, patience: 2, batch_size: 32, mixup: false}",
    "scratch={lr: 1.0e-3, epochs: 5, warmup: 1, patience: 3, batch_size: 32, mixup: false}",
    "network_width=16",
    "keep_weights=false",
    "device=cpu",
)


def beats(data: Path, work: Path, model: str) -> None:
    """AAMI classes of MIT-BIH's beats, and its rhythms, cross-validated over the patients of DS1."""
    groups = configuration.load(FineTuneConfig, CONFIGS / "finetune" / "mitdb-beats.yaml").target.events.values()
    whole, shards = ingested("mitdb", data, work), work / "mitdb-thinned"
    if not (shards / "index.parquet").exists():
        shards.mkdir(parents=True)
        with ShardWriter(shards / "all.h5", recipe={}) as writer:
            for recording in open_shards(whole):
                writer.add(_thinned(recording.read(), groups))
        build_index(shards)
    _report("mitdb-beats", _finetuned("mitdb-beats", shards, model, "split.folds=3"))
    _report("mitdb-rhythm", _finetuned("mitdb-rhythm", shards, model, "windows.stride=30.0"))


def demographics(data: Path, work: Path, model: str) -> None:
    """Age and sex from PTB-XL's leads I, II and V2."""
    shards = ingested("ptbxl", data, work)
    for name in ("ptbxl-age", "ptbxl-sex"):
        _report(name, _finetuned(name, shards, model, "channels=[I, II, V2]", "split.folds=3"))


def vital_signs(data: Path, work: Path, model: str) -> None:
    """Heart rate, respiratory rate and oxygen saturation of BIDMC, from PPG, from ECG, and from both."""
    shards = ingested("bidmc", data, work)
    for name, channels, rule in (
        ("bidmc-heart-rate", "[finger]", heart_rate),
        ("bidmc-heart-rate", "[II]", heart_rate),
        ("bidmc-heart-rate", "[finger, II]", heart_rate),
        ("bidmc-respiratory-rate", "[finger]", respiratory_rate),
        ("bidmc-respiratory-rate", "[finger, II]", respiratory_rate),
        ("bidmc-spo2", "[finger]", None),
    ):
        # A network that takes arrays needs one rate, and ECG and PPG may have two.
        alone = [] if "," in channels else ["inputs={}", f"baselines=[{', '.join((*BASELINES, 'xresnet'))}]"]
        cut = ("windows.stride=30.0", "split.folds=4", f"channels={channels}", *alone)
        result = _finetuned(name, shards, model, *cut)
        _report(f"{name} from {channels}", result)
        kinds = [kind for kind, channel in (("ppg", "finger"), ("ecg", "II")) if channel in channels]
        ruled = [_by_rule(result, rule, kind) for kind in kinds if rule is not None]
        _report_agreement(pd.concat([result.predictions, *ruled], ignore_index=True))


FAMILIES: dict[str, Callable[[Path, Path, str], None]] = {
    "beats": beats,
    "demographics": demographics,
    "vital-signs": vital_signs,
}
"""Name → function of the folder with the data, a folder to work in, and a model."""


def ingested(name: str, data: Path, work: Path) -> Path:
    """Shards of a set, made by the command that a user would give."""
    out = work / name
    if not (out / "index.parquet").exists():
        folder, *options = (word.format(data=data, configs=CONFIGS / "ingest") for word in INGEST[name])
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            command_line(["ingest", str(data / folder), *options, "--out", str(out)])
    return out


def _thinned(recording: Recording, groups: Iterable[Sequence[str]]) -> Recording:
    """The recording with its rhythms, and of each class at most so many beats, spread over its whole length."""
    kept = [event for event in recording.annotations if event.duration > 0]
    for symbols in groups:
        kept += _spread([event for event in recording.annotations if event.label in symbols], MOST_BEATS)
    return replace(recording, annotations=sorted(kept, key=lambda event: event.onset))


def _spread(events: Sequence[Annotation], most: int) -> list[Annotation]:
    """At most so many events, evenly spread."""
    chosen = np.unique(np.linspace(0, len(events) - 1, min(most, len(events))).round().astype(int))
    return [events[i] for i in chosen]


def _finetuned(name: str, shards: Path, model: str, *overrides: str) -> ProbeResult:
    settings = [*BUDGET, f"model={model}", f"shards={shards}", *overrides]
    return run_finetune(configuration.load(FineTuneConfig, CONFIGS / "finetune" / f"{name}.yaml", settings))


def _by_rule(result: ProbeResult, rule: Callable[[Recording, str], float], kind: str) -> pd.DataFrame:
    """Estimates without fitting, of the windows that the model was tested on.

    Where no beats are found a rule has nothing to say, and the median of its other estimates stands in.
    """
    config = result.config
    task = open_task(config.shards, config.query, config.target, config.windows)
    estimate = np.array([rule(task.labelled.windows.read(i), kind) for i in range(len(task.labelled.windows))])
    estimate[~np.isfinite(estimate)] = np.nanmedian(estimate)
    tested = result.predictions.loc[result.predictions["method"] == "model", ["recording", "onset"]]
    return task.rows().assign(prediction=estimate, method=f"rule on {kind}", seed=0).merge(tested)


def _report(title: str, result: ProbeResult) -> None:
    """Print the score table and what must be said beside it."""
    print(
        f"\n### {title}: {result.config.target.title}\n\n| method | metric | value | 95 % interval |\n|---|---|---|---|"
    )
    for row in result.table.itertuples():
        print(f"| {row.method} | {row.metric} | {row.value:.3f} | {row.low:.3f} to {row.high:.3f} |")
    print()
    for note in result.notes:
        print(f"- {note}")


def _report_agreement(predictions: pd.DataFrame) -> None:
    """Print errors and limits of agreement, and the subject with the greatest error."""
    table = agreement_table(predictions)
    measures = list(dict.fromkeys(table["measure"]))
    print(f"\n| method | {' | '.join(measures)} | worst subject (mae) |\n|---|{'---|' * (len(measures) + 1)}")
    for method, rows in table.groupby("method", sort=False):
        cells = [f"{row.value:.2f} ({row.low:.2f} to {row.high:.2f})" for row in rows.itertuples()]
        of_method = predictions[predictions["method"] == method]
        worst = subject_errors(of_method["y"], of_method["prediction"], of_method["subject"]).iloc[0]
        print(f"| {method} | {' | '.join(cells)} | {worst['mae']:.2f} |")
