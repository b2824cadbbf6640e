"""The configurations of rhythm, beats, demographics and vital signs, and the one man in two sets of MIT-BIH."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.evaluate.agreement import agreement_table
from biosig.shards import ShardWriter, build_index

CONFIGS = Path(__file__).parents[3] / "configs"
NAMES = sorted(
    path.stem
    for pattern in ("mitdb-*", "bidmc-*", "ptbxl-age", "ptbxl-sex")
    for path in (CONFIGS / "finetune").glob(f"{pattern}.yaml")
)

AAMI = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F"}
"""ANSI/AAMI EC57, as in de Chazal et al. 2004, table I; without Q."""


@pytest.mark.parametrize("name", NAMES)
def test_the_configuration_loads(name):
    config = configuration.load(FineTuneConfig, CONFIGS / "finetune" / f"{name}.yaml")
    assert config.target.unit == ("recording" if name.startswith("ptbxl") else "window")
    assert config.target.kind == ("number" if name.startswith("bidmc") or name.endswith("age") else "classes")


@pytest.mark.parametrize("name", ["mitdb-beats", "mitdb-beats-ds1-ds2"])
def test_beats_are_sorted_as_the_standard_does(name):
    config = configuration.load(FineTuneConfig, CONFIGS / "finetune" / f"{name}.yaml")
    assert {aami: "".join(symbols) for aami, symbols in config.target.events.items()} == AAMI


@pytest.fixture(scope="module")
def records():
    return pd.read_csv(CONFIGS / "ingest" / "mitdb-records.csv", dtype={"record": str, "patient": str})


def test_the_records_are_those_of_the_two_sets(records):
    assert records["part"].value_counts().to_dict() == {"DS1": 22, "DS2": 22, "paced": 4}
    assert records["record"].is_unique
    assert set(records.loc[records["part"] == "paced", "record"]) == {"102", "104", "107", "217"}


def test_one_man_is_in_both_sets_and_the_table_says_so(records):
    patients = {part: set(rows["patient"]) for part, rows in records.groupby("part")}
    assert patients["DS1"] & patients["DS2"] == {"201"}
    assert set(records.loc[records["patient"] == "201", "record"]) == {"201", "202"}
    assert set(records.loc[records["patient_in_both"], "record"]) == {"201", "202"}


def test_nobody_is_trained_on_and_tested(records):
    config = configuration.load(FineTuneConfig, CONFIGS / "finetune" / "mitdb-beats-ds1-ds2.yaml")
    used = records.query(config.query, engine="python")
    train, test = used.query(config.split.train), used.query(config.split.test)
    assert not set(train["patient"]) & set(test["patient"])
    assert (len(train), len(test)) == (21, 22)


def test_a_vital_sign_from_its_configuration_to_limits_of_agreement(tmp_path):
    with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        for path in sorted(samples.path("bidmc").rglob("*_Signals.csv.gz")):
            writer.add(biosig.read(path))
    build_index(tmp_path)
    stage = "{lr: 1.0e-3, epochs: 1, warmup: 0, mixup: false}"
    overrides = [
        *(f"shards={tmp_path}", "model=biosig-tiny", "device=cpu", "windows.stride=60.0", "n_bootstrap=100"),
        *("split={folds: 2, validation: 0.5}", f"probe={stage}", f"tune={stage}", "baselines=[chance]"),
    ]
    result = run_finetune(configuration.load(FineTuneConfig, CONFIGS / "finetune" / "bidmc-heart-rate.yaml", overrides))
    assert set(result.predictions["method"]) == {"model", "model, PPG alone", "model, ECG alone", "chance"}
    assert np.isfinite(result.predictions["prediction"]).all()
    assert result.predictions["y"].between(20, 300).all()
    table = agreement_table(result.predictions, n_resamples=100).set_index(["method", "measure"])["value"]
    for method in ("model", "chance"):
        mae = result.table.query("method == @method and metric == 'mae'")["value"].item()
        assert table[method, "mae"] == pytest.approx(mae)
        assert table[method, "lower_limit"] < table[method, "bias"] < table[method, "upper_limit"]
