"""The verb `biosig demo`: the whole line on the recordings that ship with the package, ending in one HTML report."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from biosig import samples
from biosig.cli.data import verify
from biosig.cli.tables import print_lines, print_result
from biosig.downstream.data.target_config import AnyTarget, ClassTarget, EventTarget, WindowPlan
from biosig.downstream.probe.config import ProbeConfig
from biosig.errors import DataError, UsageError
from biosig.progress import Progress, show_progress

if TYPE_CHECKING:
    import pandas as pd

    from biosig.downstream.results.result import ProbeResult
    from biosig.pretrain.config import PretrainConfig

MARKER = ".biosig-demo"

WEIGHTS = "biosig"
"""The weights that are embedded with and probed: those that ship; none of these people is known to be in their data."""

WINDOW = 5.0
"""s: short, so that a batch that fits two cores holds enough windows to learn from."""

PRETRAIN_FOLDS, PROBE_FOLDS = "strat_fold <= 4", "strat_fold > 4"
"""PTB-XL's own folds hold each patient once: the patients that are probed are not those of the demo's pretraining."""


@dataclass(frozen=True)
class Task:
    """A claim to test: its name in the report, and the probe that tests it."""

    title: str
    shards: str
    target: AnyTarget
    windows: WindowPlan
    query: str | None = None


_EVENT = WindowPlan(before=0.0, after=4.0)
TASKS = (
    Task(
        "12-lead ECG: normal against abnormal",
        "ptbxl",
        ClassTarget("diagnostic_superclass", {"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]}),
        WindowPlan(length=WINDOW),
        PROBE_FOLDS,
    ),
    Task(
        "EEG: rest against imagined movement",
        "eegmmidb",
        EventTarget({"rest": ["T0"], "imagery": ["T1", "T2"]}),
        _EVENT,
    ),
    Task(
        "EEG: imagined left against right fist",
        "eegmmidb",
        EventTarget({"left": ["T1"], "right": ["T2"]}),
        _EVENT,
        "run == 'R04'",
    ),
)


def demo(*, out: Path = Path("runs/demo"), steps: int = 600, workers: int = 0) -> int:
    """Run the whole line on the shipped recordings: ingest, verify, pretrain, embed, probe, report.

    A small model is pretrained for a minute, to show how; the weights that ship are embedded with and probed.

    Parameters
    ----------
    out : Path
        Folder for everything; an earlier demo there is replaced, anything else is left alone.
    steps : int
        Pretraining steps.
    workers : int
        Processes for ingest; 0 = one per core.
    """
    from biosig.cli.demo_report import write_report
    from biosig.embedding import embed_to_file
    from biosig.models.load import load_model
    from biosig.pretrain.loop import pretrain
    from biosig.sources import as_windows

    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    _clear(out)

    def say(text: str) -> None:
        print_lines(console, f"[{time.monotonic() - began:4.0f} s] {text}")

    say("ingest: files → shards")
    _ingest(out, workers)
    say("verify: every byte of the shards against its checksum")
    for folder in sorted((out / "shards").iterdir()):
        _must_succeed(verify(folder), f"verify of {folder.name}")
    with show_progress(Console(stderr=True)) as progress:
        say(f"pretrain: biosig-tiny, {steps} steps of masked reconstruction")
        pretrain(_run_config(out, steps), progress)
        model = load_model(WEIGHTS)
        say(f"embed: one vector per {WINDOW:g}-s window of ECG, by {model.name}, which ships")
        embeddings = out / "embeddings" / "ptbxl.parquet"
        embeddings.parent.mkdir()
        embed_to_file(model, as_windows(out / "shards" / "ptbxl", WINDOW), embeddings, progress=progress)
        results = [_probe(task, out, say, progress) for task in TASKS]
    for _, result in results:
        print_result(result, console)
    say("report")
    report = write_report(out, cohort(out), results, model.name)
    say(f"done. For research, not a medical device. Open {report.resolve()}")
    return 0


def _clear(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).exists():
            raise UsageError(f"{out} holds something else than a demo: give another --out.")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).touch()


def _must_succeed(status: int, what: str) -> None:
    if status:
        raise DataError(f"The demo's {what} failed; its messages are above.")


def _ingest(out: Path, workers: int) -> None:
    # The samples are public, so their key may be too: with a fixed one, every demo splits subjects alike.
    key = out / "demo.key"
    key.write_text(hashlib.sha256(b"biosig demo").hexdigest() + "\n", encoding="ascii")
    ptbxl = samples.path("ptbxl")
    sources: dict[str, tuple[Path, dict[str, Any]]] = {
        "ptbxl": (
            ptbxl / "records100",
            {"labels": (ptbxl / "ptbxl_database.csv",), "labels_spec": ptbxl / "labels.yaml"},
        ),
        "eegmmidb": (samples.path("eegmmidb"), {"subject_pattern": r"(?P<subject>S\d{3})(?P<run>R\d{2})"}),
        "bidmc": (samples.path("bidmc"), {}),
    }
    (point,) = entry_points(group="biosig.verbs", name="ingest")  # of a package that this one does not import
    ingest = point.load()
    for name, (source, options) in sources.items():
        status = ingest((source,), out=out / "shards" / name, key=key, workers=workers, **options)
        _must_succeed(status, f"ingest of {name}")


def _run_config(out: Path, steps: int) -> PretrainConfig:
    from biosig.pretrain.config import PretrainConfig, SourceConfig
    from biosig.pretrain.masking.blocks import BlockMasking

    shards = out / "shards"
    return PretrainConfig(
        out=out / "pretrain",
        sources=[
            SourceConfig(shards / "ptbxl", PRETRAIN_FOLDS),
            SourceConfig(shards / "eegmmidb"),
            SourceConfig(shards / "bidmc"),
        ],
        model="biosig-tiny",
        window=WINDOW,
        steps=steps,
        batch_tokens=1536,
        # An easier task than the default, so that a model of this size gets somewhere in a minute or two.
        masking=BlockMasking(mask_ratio=0.4, all_channels=0.0),
        validation=0.15,
        validate_every=max(steps // 6, 1),
        checkpoint_every=max(steps // 3, 1),
        log_every=1,
        precision="float32",
        device="cpu",  # so that every machine shows the same demo
    )


def _probe(task: Task, out: Path, say: Callable[[str], None], progress: Progress) -> tuple[str, ProbeResult]:
    from biosig.downstream.experiments.probe import run_probe

    say(f"probe: {task.title}")
    name = task.title.split(":")[1].strip().replace(" ", "-")
    config = ProbeConfig(
        model=WEIGHTS,
        shards=str(out / "shards" / task.shards),
        target=task.target,
        windows=task.windows,
        query=task.query,
        baselines=["chance", "random_weights", "handmade"],  # those that two cores compute in a minute
        device="cpu",
        out=out / "probes" / name,
    )
    return task.title, run_probe(config, progress)


def cohort(out: Path) -> pd.DataFrame:
    """Table of the ingested recordings: one row per set."""
    import pandas as pd

    from biosig.shards.dataset import open_shards

    rows = []
    for folder in sorted((out / "shards").iterdir()):
        table = open_shards(folder).to_pandas()
        rates = sorted({rate for rates in table["sfreqs"] for rate in rates})
        rows.append(
            {
                "set": folder.name,
                "recordings": len(table),
                "subjects": table["subject"].nunique(),
                "kinds": ", ".join(sorted({kind for kinds in table["kinds"] for kind in kinds})),
                "channels": int(table["n_chans"].max()),
                "rates (Hz)": ", ".join(f"{rate:g}" for rate in rates),
                "minutes": round(float(table["duration"].sum()) / 60, 1),
            }
        )
    return pd.DataFrame(rows)
