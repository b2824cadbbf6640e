"""Rows of public encoders beside the model under test: their weights, the tasks that they read, comparisons."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import biosig
from biosig.batches.windows import fixed_length_windows
from biosig.bench.public import NoWeightsWarning
from biosig.bench.run import plan_bench, run_bench
from biosig.downstream.probe.frozen_features import frozen_features
from biosig.errors import DataError, UsageError
from biosig.models.zoo import known_models, weights_elsewhere
from biosig.models.zoo.ecgfounder import ECGFounder
from biosig.models.zoo.model import LicenceWarning, ZooModel, random_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with weights at hand: random ones of the seed 0, and a small tower that passes for a trained one."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("labram-base", "cbramod"):
        biosig.build_model(name, seed=0).save(folder / name)
    small = random_model(ECGFounder(n_chans=1, widths=(16,), blocks=(1,)))
    ZooModel(small.encoder, trained=True).save(folder / "ecgfounder-1")
    return folder


@pytest.fixture
def make(bench_config, tmp_path):
    """A function (groups, public, changes) → a bench of both tasks without conditions, whose ECG windows last 10 s."""

    def make(groups, public=None, **changes):
        public = {name: str(source) for name, source in (public or {}).items()}
        config = bench_config(tmp_path / "out", groups=groups, public=public, conditions=False, draws=1, **changes)
        sex = config.tasks["sex"]
        return replace(config, tasks={**config.tasks, "sex": replace(sex, windows=replace(sex.windows, length=10.0))})

    return make


def test_each_public_encoder_with_weights_has_a_row_or_the_clause_that_refuses(make, weights):
    names = ("ecgfounder-1", "labram-base", "cbramod")
    config = make(["frozen", "public"], {name: weights / name for name in names})
    runs = plan_bench(config).table()
    assert runs[runs["rows"] == "public"]["runs"].tolist() == [1, 1]
    result = run_bench(config)
    assert not result.failed
    scores, gains = result.tables.scores, result.tables.gains
    for task, encoder in (("sex", "ecgfounder-1"), ("hands", "labram-base")):
        rows = scores[scores["task"] == task]
        assert set(rows["row"]) == {"model", "random_weights", encoder}
        assert rows["n_windows"].nunique() == 1
        assert gains[(gains["task"] == task) & (gains["against"] == encoder)]["row"].tolist() == ["model"]
    notes = {task: "\n".join(found["note"]) for task, found in result.tables.notes.groupby("task")}
    assert "labram-base has no row: it reads EEG, and the windows have ECG." in notes["sex"]
    assert "ecgfounder-1 has no row: it reads ECG, and the windows have EEG." in notes["hands"]
    assert "cbramod has no row: Recording 'S001R04' has no channel FP1, FP2, F3" in notes["hands"]
    page = (config.out / "bench.html").read_text()
    for words in (
        "Licence of the weights: MIT. Its makers say that they trained on heedb. Its contract reads: Sex.",
        "It has <strong>random weights</strong>",
        "Its contract reads: no task of this bench.",
        "<strong>papagei-s</strong>: weights not here. They are at zenodo.org/records/13983110: papagei_s.pt",
        "under the licence BSD-3-Clause",
        "biosig convert FILE --out DIR",
    ):
        assert words in page
    assert set(result.tables.runs["rows"]) == {"frozen", "ecgfounder-1", "labram-base"}
    assert not plan_bench(config).to_do


def test_a_row_is_the_probe_of_what_the_makers_probe(make, weights, tmp_path):
    """The model on trial and the public row are the same weights here."""
    source = str(weights / "labram-base")
    changes = {"model": source, "layer": None, "only": ["hands"]}
    run_bench(make(["frozen", "public"], {"labram-base": source}, **changes))
    place = tmp_path / "out" / "rows" / "hands" / "as-it-is"
    frozen = pd.read_parquet(place / "frozen" / "predictions.parquet").query("method == 'model'")
    public = pd.read_parquet(place / "public" / "labram-base" / "predictions.parquet")
    assert set(public["method"]) == {"labram-base"}
    keys = ["recording", "onset"]
    scores = [table.set_index(keys)["score_left"].sort_index() for table in (frozen, public)]
    pd.testing.assert_series_equal(*scores)


def test_people_of_a_database_that_the_makers_name_and_licences_are_told(make, weights, monkeypatch):
    about = replace(ECGFounder.about, trained_on=("ecg",), licence="CC BY-NC 4.0", restricted="No commercial use.")
    monkeypatch.setattr(ECGFounder, "about", about)
    stages = []
    config = make(["public"], {"ecgfounder-1": weights / "ecgfounder-1"}, only=["sex"])
    with pytest.warns(LicenceWarning, match="No commercial use"):
        result = run_bench(config, progress=lambda stage, *_: stages.append(stage))
    scores = result.tables.scores.set_index("row")
    assert scores["may_be_seen"].to_dict() == {"ecgfounder-1": True}
    assert not len(result.tables.gains)
    page = (config.out / "bench.html").read_text()
    assert "The makers of ecgfounder-1 say that they trained on ecg: its row may have been seen" in page
    assert "CC BY-NC 4.0. No commercial use. Its makers" in page
    assert "best is" not in page


def test_a_bench_without_public_weights_keeps_its_identity_and_takes_them_later(make, weights, tmp_path):
    run_bench(make(["public"]))
    identity = json.loads((tmp_path / "out" / "identity.json").read_text())
    assert not [key for key in identity if "public" in key or "weights of" in key]
    page = (tmp_path / "out" / "bench.html").read_text()
    assert page.count("weights not here") == len(known_models())
    with_labram = make(["public"], {"labram-base": weights / "labram-base"})
    assert set(run_bench(with_labram).tables.scores["row"]) == {"labram-base"}
    biosig.build_model("labram-base", seed=1).save(tmp_path / "another")
    with pytest.raises(UsageError, match="differs in weights of labram-base"):
        run_bench(make(["public"], {"labram-base": tmp_path / "another"}))
    with pytest.warns(NoWeightsWarning, match=r"public.labram-base is .*gone, which cannot be loaded"):
        result = run_bench(make(["public"], {"labram-base": tmp_path / "gone"}))
    assert set(result.tables.scores["row"]) == {"labram-base"}  # of the earlier start
    page = (tmp_path / "out" / "bench.html").read_text()
    assert "revision" in page
    assert page.count("weights not here") == len(known_models())


def test_names_and_weights_of_other_models_are_refused(make, weights):
    with pytest.raises(UsageError, match=r"public names 'nothing'; public encoders are .*cbramod"):
        run_bench(make(["public"], {"nothing": "x"}))
    with pytest.raises(UsageError, match="which holds 'cbramod': give weights of labram-base"):
        run_bench(make(["public"], {"labram-base": weights / "cbramod"}))
    with pytest.raises(UsageError) as error:
        biosig.load_model("cbramod")
    assert str(error.value) == f"The weights of 'cbramod' are not here. {weights_elsewhere('cbramod')}"


def test_windows_that_an_encoder_never_saw_are_told_with_the_clause(eeg_shards):
    windows = fixed_length_windows(eeg_shards, 4.0)[:2]
    model = biosig.build_model("cbramod").with_options(largest=1e-6)
    with pytest.raises(DataError, match=r"None of the 2 windows gives a vector: .*where a value reaches 1e-06"):
        frozen_features(model, windows, np.zeros(2, np.int64))
