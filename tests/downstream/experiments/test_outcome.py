"""Time to an event from shards to a table, on the SIMULATED follow-up of the PTB-XL samples."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from biosig import config as configuration
from biosig import samples
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.shards import ShardWriter, build_index, open_shards
from biosig.simulate.followup import simulate_followup

CONFIG = Path(__file__).parents[3] / "configs" / "finetune" / "ptbxl-outcome-simulated.yaml"


@pytest.fixture(scope="module")
def followed_shards(ecg_shards, tmp_path_factory):
    drawn = simulate_followup(pd.read_csv(samples.path("ptbxl") / "ptbxl_database.csv"))
    labels = {Path(row.pop("filename_lr")).stem: row for row in drawn.drop(columns="filename_hr").to_dict("records")}
    out = tmp_path_factory.mktemp("followed")
    with ShardWriter(out / "ecg.h5", recipe={}) as writer:
        for number in range(len(ecg_shards)):
            recording = ecg_shards[number].read()
            writer.add(replace(recording, labels=labels.get(recording.id, {})))
    build_index(out)
    return open_shards(out)


def test_age_alone_ranks_a_fate_that_age_has_made_and_chance_does_not(followed_shards):
    cut = ["model=biosig-tiny", f"shards={followed_shards.folder}", "channels=[II]", "split.folds=3", "n_bootstrap=100"]
    stages = ["probe={lr: 1.0e-3, epochs: 1, mixup: false}", "tune={lr: 1.0e-4, epochs: 0, mixup: false}"]
    settings = configuration.load(FineTuneConfig, CONFIG, [*cut, *stages, "baselines=[chance, demographics, handmade]"])
    result = run_finetune(settings)
    scores = result.table.set_index(["method", "metric"])["value"].unstack()
    assert list(scores.columns) == ["c_index", "c_index_uno", "dynamic_auroc"]
    assert (scores.loc["chance"] == 0.5).all()
    assert (scores.loc["demographics"] > 0.65).all()
    assert "recordings have no simulated_years" in " ".join(result.notes)
