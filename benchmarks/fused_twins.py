"""Fused encoders before any training: scores of frozen vectors of random weights, read as the contract names it.

Probes as `biosig probe` fits them, five folds of people, nothing chosen here. Shards of PTB-XL and EEGMMIDB as
configs/ingest makes them for configs/tasks. Rest against imagery is rated without the electrodes in front of F (Fp*,
AF*), where the eyes may tell the task, and by the mean over people of each one's AUROC.

    OMP_NUM_THREADS=1 python benchmarks/fused_twins.py --shards DIR     # five minutes
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

import biosig
from biosig import config as configuration
from biosig.downstream.experiments.probe import run_probe
from biosig.downstream.probe.config import ProbeConfig
from biosig.downstream.results.result import ProbeResult
from biosig.models.model import RandomWeightsWarning

TASKS = Path(__file__).parents[1] / "configs" / "tasks"


def score(result: ProbeResult, per_person: bool) -> float:
    """The first AUROC of the table, or the mean over people of each one's, of imagery."""
    if not per_person:
        rows = result.table[result.table["method"] == "model"]
        return float(rows.loc[rows["metric"].isin(("auroc", "macro_auroc")), "value"].iloc[0])
    rows = result.predictions[result.predictions["method"] == "model"]
    each = [roc_auc_score(own["y"] == "imagery", own["score_imagery"]) for _, own in rows.groupby("subject")]
    return float(np.mean(each))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, required=True, help="folder with ptbxl/ and eegmmidb/")
    parser.add_argument("--models", nargs="+", default=["biosig-fused-tiny"])
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore", RandomWeightsWarning)
    eeg = biosig.open_shards(args.shards / "eegmmidb")[0].channels
    behind = [c.name for c in eeg if c.kind == "eeg" and not c.name.startswith(("Fp", "AF"))]
    rows = {
        "superclasses, macro AUROC": ("ptbxl-superclasses", "ptbxl", []),
        "sex, AUROC": ("ptbxl-sex", "ptbxl", ["shots=[]"]),
        "rest against imagery, AUROC by person": (
            "eegmmidb-rest-imagery",
            "eegmmidb",
            [f"channels=[{','.join(behind)}]"],
        ),
    }
    print("| random weights | model | mean | each draw |\n|---|---|---|---|")
    for title, (task, shards, further) in rows.items():
        for name in args.models:
            given = [f"shards={args.shards / shards}", f"model={name}", "pooling=null", "layer=null", "baselines=[]"]
            config = configuration.load(ProbeConfig, TASKS / f"{task}.yaml", [*given, *further])
            models = [biosig.build_model(name, seed) for seed in range(args.seeds)]
            found = [score(run_probe(config, model=model), "person" in title) for model in models]
            print(f"| {title} | {name} | {np.mean(found):.3f} | {' '.join(f'{v:.3f}' for v in found)} |", flush=True)


if __name__ == "__main__":
    main()
