"""Weights of a real, short pretraining are put among those that ship, with a card that says what was measured."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import biosig
from biosig import samples, weights
from biosig.audit.result import FILE, Finding
from biosig.csv_table import write_csv
from biosig.errors import DataError, UsageError
from biosig.evaluate.ledger import Ledger, overlap
from biosig.models.heads.rate import RateHeadConfig
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.loop import pretrain
from biosig.recording import Subject
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter
from biosig.simulate.shards import write_simulated
from biosig.tensor_files import read_tensors

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import weights_card
from ship_weights import ship
from weights_card import Evidence

NAME = "biosig-fused-tiny"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two steps on eight ECGs, and on as many simulated pulses; called as sets of the pool."""
    folder = tmp_path_factory.mktemp("ship")
    (folder / "ptbxl").mkdir()
    with ShardWriter(folder / "ptbxl" / "all.h5", recipe={}) as writer:
        for number, path in enumerate(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:8]):
            writer.add(replace(biosig.read(path), subject=Subject(f"p{number}")))
    build_index(folder / "ptbxl")
    write_simulated("ppg", folder / "simulated-ppg", 8, seconds=12)
    config = PretrainConfig(
        out=folder / "run",
        sources=[SourceConfig(folder / "ptbxl", share=0.5), SourceConfig(folder / "simulated-ppg", share=0.5)],
        model=NAME,
        steps=2,
        batch_tokens=500,
        validation=0.0,
        precision="float32",
        device="cpu",
    )
    pretrain(config)
    model = biosig.load_model(folder / "run" / "model")
    biosig.Model(model.encoder, True, model.card, heads=[RateHeadConfig().make(128)]).save(model.folder)
    return folder / "run"


@pytest.fixture
def room(tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    monkeypatch.setattr(weights, "ROOM", tmp_path / "room")
    return tmp_path / "room"


def test_a_run_ships_in_bfloat16_with_heads_ledger_and_card(run, room, ecg):
    printed = "\n".join(ship(run, Evidence()))
    assert "Largest difference by rounding: ecg 0.00" in printed
    lacking = "--bench, --audit, --retest, --timing, --seeds, --machine, --minutes"
    assert f"The card lacks what {lacking} would give." in printed
    assert {tensor.dtype for tensor in read_tensors(room / NAME / "model.safetensors").values()} == {torch.bfloat16}
    model = biosig.load_model(NAME)
    assert model.trained
    assert [head.config.name for head in model.heads] == ["rate"]
    (listed,) = [one for one in biosig.list_models() if one.weights]
    assert listed[:5] == (NAME, True, model.n_parameters, ("ecg", "ppg"), "Apache-2.0")  # nothing was taught of EEG
    table = biosig.embed(model, ecg)
    assert table["model_revision"][0].as_py() in printed
    ledger = Ledger.load(room / NAME)
    assert (len(ledger.recordings), len(ledger.subjects)) == (8, 8)  # of whom none is simulated
    assert overlap(room / NAME, [ecg.content_hash], ["x"], ["ecg"], [ecg.fingerprint]).recordings == ("ecg",)
    card = (room / NAME / "README.md").read_text(encoding="utf-8")
    for words in (
        "| `ptbxl` | ECG: clinical, 12 leads, 10 s, 250 Hz | 1,420 | not given | 3.9 | PTB-XL (folds 1 to 8; ids above",
        "CC BY 4.0 (as the original database gives it)",
        "Of `ptbxl` that is very likely for a few, and nobody can say for whom.",
        "2 steps, 2 windows drawn, seed 0, float32.",
        "it also gives `ppg.heart_rate`",
        "16 named subjects (8 of them simulated)",
        "content hashes of 8 recordings seen",
        "No EEG was in the training",
        "No scores stand here",
        "For research, not a medical device.",
    ):
        assert words in card
    for title in ("## Scores", "## Identity", "## Test–retest", "## Time per vector"):
        assert title not in card


def test_measurements_become_sections(run, room, tmp_path):
    revision = biosig.load_model(run / "model").revision
    bench = tmp_path / "bench"
    bench.mkdir()
    place = {"task": "ptbxl-sex", "condition": "as it is", "metric": "auroc"}
    rows = [
        {**place, "title": "PTB-XL sex", "primary": True, "row": row, "score": score, "low": 0.5, "high": 0.9}
        for row, score in (("model", 0.8123), ("random_weights", 0.7), ("ecg_network", 0.75))
    ]
    lead = {**rows[0], "condition": "lead I", "score": 0.111}
    write_csv(pd.DataFrame([*rows, lead]).assign(n_people=33), bench / "scores.csv")
    gain = {**place, "row": "model", "against": "random_weights", "gain": 0.11, "low": 0.01, "high": 0.2}
    write_csv(pd.DataFrame([gain]), bench / "gains.csv")
    group = {"task": "ptbxl-sex", "method": "model", "attribute": "age_band", "n_subjects": 5, "metric": "auroc"}
    groups = [
        {**group, "group": "40 to 64", "value": 0.66, "low": 0.6, "high": 0.7, "remark": ""},
        {**group, "group": "under 18", "value": None, "low": None, "high": None, "remark": "too few"},
    ]
    write_csv(pd.DataFrame(groups), bench / "subgroups.csv")
    (bench / "models.json").write_text(json.dumps([{"revision": revision}]))
    findings = [
        Finding("subject in the embeddings", 0.9, "0.03", "warn", "A subject is told from 33 with .9."),
        Finding("permutation", 0.5, "0.5", "ok", "Nothing is left."),
    ]
    (tmp_path / FILE).write_text(
        json.dumps(
            {"findings": [{"check": f.check, "sentence": f.sentence} for f in findings], "model_revision": "abc"}
        )
    )
    write_csv(pd.DataFrame({"pairs": ["halves of a recording"], "ICC": [0.98765]}), tmp_path / "retest.csv")
    write_csv(pd.DataFrame({"machine": ["laptop"], "ms": [12]}), tmp_path / "timing.csv")
    (tmp_path / "seeds.md").write_text("Of two seeds this one has the smaller loss on held-out people.\n")
    evidence = Evidence(
        (bench,),
        (tmp_path,),
        tmp_path / "retest.csv",
        tmp_path / "timing.csv",
        tmp_path / "seeds.md",
        "one core of a CPU",
        12.5,
    )
    assert not [line for line in ship(run, evidence, name="biosig-fused-tiny-2") if "lacks" in line]
    card = (room / "biosig-fused-tiny-2" / "README.md").read_text(encoding="utf-8")
    for words in (
        "# biosig-fused-tiny-2\n",
        "Measured with these weights before they were rounded to bfloat16. Intervals",
        "| PTB-XL sex * | AUROC | 33 | 0.812 (0.5 to 0.9) | 0.7 (0.5 to 0.9) | 0.75 (0.5 to 0.9) | +0.11 (+0.01 to ",
        "| PTB-XL sex | age_band | 40 to 64 | 5 | 0.66 (0.6 to 0.7) |\n",
        "| PTB-XL sex | age_band | under 18 | 5 | too few |\n",
        "## Identity\n\nMeasured with other weights (revision abc) than these",
        "- A subject is told from 33 with .9.",
        "| halves of a recording | 0.988 |",
        "| laptop | 12 |",
        "## Seeds and tries\n\nOf two seeds this one",
        "2 steps, 2 windows drawn, seed 0, float32, 12.5 minutes, on one core of a CPU.",
    ):
        assert words in card
    assert "Nothing is left." not in card
    assert "0.111" not in card
    assert biosig.load_model("biosig-fused-tiny-2").name == "biosig-fused-tiny-2"


def test_what_may_not_ship_is_refused_and_leaves_the_room_as_it_was(run, room, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="no finished pretraining"):
        ship(tmp_path, Evidence())
    monkeypatch.setattr(weights, "MOST_BYTES", 1_000_000)
    with pytest.raises(UsageError, match=r"would take 2,\d+,\d+ bytes, and 1,000,000 are allowed.*--without-landmarks"):
        ship(run, Evidence())
    assert list(room.iterdir()) == []
    monkeypatch.setattr(weights, "MOST_BYTES", 4_000_000)
    ship(run, Evidence(), landmarks=False)
    assert len(Ledger.load(room / NAME).landmarks) == 0
    assert "no near copies" in (room / NAME / "README.md").read_text()
    with pytest.raises(UsageError, match="is there already: give --replace"):
        ship(run, Evidence())
    revision = biosig.load_model(NAME).revision
    ship(run, Evidence(), replacing=True)
    assert biosig.load_model(NAME).revision == revision
    monkeypatch.setattr(weights_card, "SETS", tmp_path / "sets.csv")
    pd.read_csv(Path(weights_card.__file__).with_name("pool_sets.csv")).iloc[:3].to_csv(tmp_path / "sets.csv")
    with pytest.raises(UsageError, match="has no row for ptbxl, simulated-ppg: add what it is"):
        ship(run, Evidence(), replacing=True)


def test_a_file_that_is_not_what_it_should_be_is_refused(run, room, tmp_path):
    with pytest.raises(UsageError, match=r"has no scores\.csv: give a folder that 'biosig bench' wrote"):
        ship(run, Evidence(bench=(tmp_path,)))
    with pytest.raises(UsageError, match=r"audit\.json does not exist: give a folder that 'biosig audit' wrote"):
        ship(run, Evidence(audit=(tmp_path,)))
    (tmp_path / FILE).write_text(json.dumps({"findings": [], "model_revision": "abc"}))
    with pytest.raises(UsageError, match="has no finding on identity"):
        ship(run, Evidence(audit=(tmp_path,)))


def test_rounding_that_changes_vectors_is_refused(run, room, monkeypatch):
    monkeypatch.setattr("ship_weights.MOST_APART", 1e-6)
    with pytest.raises(DataError, match=r"give other numbers \(ecg"):
        ship(run, Evidence())


def test_sources_that_are_gone_are_told_and_the_runs_ledger_stays(run, room):
    away = run.parent / "ptbxl-away"
    (run.parent / "ptbxl").rename(away)
    try:
        printed = ship(run, Evidence())
    finally:
        away.rename(run.parent / "ptbxl")
    assert any("Windows were not counted and the ledger is the run's" in line for line in printed)
    assert "2 steps, seed 0" in (room / NAME / "README.md").read_text()
