"""Results whose people and truth are real and whose scores are truth and noise."""

import numpy as np
import pandas as pd

from biosig.downstream.data.cohort import recording_table
from biosig.downstream.data.columns import prediction_columns, truth_columns
from biosig.downstream.data.label_windows import label_windows
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.downstream.experiments.probe import ProbeConfig
from biosig.downstream.results.result import ProbeResult
from biosig.downstream.results.scores import rate

SUPERCLASSES = {name: [name] for name in ("NORM", "MI", "STTC", "CD", "HYP")}
TARGETS = {
    "classes": Target("diagnostic_superclass", {"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]}),
    "multilabel": Target("diagnostic_superclass", labels=SUPERCLASSES),
    "number": Target("age"),
    "survival": Target(time="years", event="died"),
}


def make_result(shards, kind="classes", skill=2.0, seed=0, query=None, model="biosig-tiny"):
    """A result with the truth of real recordings, whose scores are truth and noise."""
    target = TARGETS[kind]
    config = ProbeConfig(model, str(shards.folder), target, WindowPlan(length=5.0), n_bootstrap=200)
    labelled = label_windows(shards.query(query) if query else shards, target, config.windows)
    windows, y = labelled.windows, labelled.y
    rng = np.random.default_rng(seed)
    ids = windows.ds.to_pandas()["recording"].to_numpy(object)[windows.recording]
    rows = pd.DataFrame({"recording": ids, "subject": windows.subjects.astype(str), "onset": windows.onset, "fold": 0})
    methods = {"model": skill, "chance": 0.0, "handmade": 1.0}
    predictions = [
        rows.assign(method=name, **truth_columns(y, target), **prediction_columns(_scores(y, kind, much, rng), target))
        for name, much in methods.items()
    ]
    scored = pd.concat(predictions, ignore_index=True)
    table, caveats = rate(scored, config)
    counts = {"n_subjects": rows["subject"].nunique(), "n_recordings": len(set(ids)), "n_windows": len(rows)}
    facts = {"model": model, "model_revision": "0" * 40, "model_trained": False, "shards_hash": shards.hash,
             "scored_per": target.unit, "cohort": {"all": counts}}  # fmt: skip
    return ProbeResult(
        table=table,
        predictions=scored,
        notes=["A caveat that a reader must see.", *caveats],
        splits={"test_subjects": [], "sha256": "5" * 64},
        facts=facts,
        config=config,
        recordings=recording_table(windows),
        tables={"shots": table[table["method"] == "model"].assign(shots="all")},
    )


def _scores(y, kind, skill, rng):
    if kind == "number":
        return 60 + skill / 2 * (y - 60) + rng.normal(0, 10, len(y))
    if kind == "survival":
        return skill * -y[:, 0] + rng.normal(0, 2, len(y))
    labels = np.eye(2)[y] if kind == "classes" else y
    logits = skill * labels + rng.normal(0, 1, labels.shape)
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True) if kind == "classes" else 1 / (1 + np.exp(-logits))
