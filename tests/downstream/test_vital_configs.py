"""The configurations of rhythm, beats, demographics and vital signs, and the one man in two sets of MIT-BIH."""

from pathlib import Path

import pandas as pd
import pytest

from biosig import config as configuration
from biosig.downstream.settings import FineTuneConfig

CONFIGS = Path(__file__).parents[2] / "configs"
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
    of_set = {part: set(rows["patient"]) for part, rows in records.groupby("part")}
    assert of_set["DS1"] & of_set["DS2"] == {"201"}
    assert set(records.loc[records["patient"] == "201", "record"]) == {"201", "202"}
    assert set(records.loc[records["patient_in_both"], "record"]) == {"201", "202"}


def test_nobody_is_trained_on_and_tested(records):
    config = configuration.load(FineTuneConfig, CONFIGS / "finetune" / "mitdb-beats-ds1-ds2.yaml")
    used = records.query(config.query, engine="python")
    train, test = used.query(config.split.train), used.query(config.split.test)
    assert not set(train["patient"]) & set(test["patient"])
    assert (len(train), len(test)) == (21, 22)
