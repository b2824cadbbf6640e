"""The bench itself: rows, tables and page; going on after a kill; people whom a model has seen."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from torch import nn

import biosig
from biosig.bench import run
from biosig.bench.config import Condition, OtherSet
from biosig.bench.plan import AS_IT_IS, plan
from biosig.bench.run import plan_bench, run_bench
from biosig.downstream.data.task import open_task
from biosig.errors import DataError, UsageError
from biosig.evaluate.ledger import Ledger
from biosig.file_sums import write_guarded
from biosig.models.checkpoint import default_card
from biosig.models.zoo.ecgfounder import ECGFounder
from biosig.models.zoo.model import random_model


@pytest.fixture(scope="module")
def finished(bench_config, tmp_path_factory):
    """A bench that ran through, and its result."""
    out = tmp_path_factory.mktemp("bench") / "out"
    config = bench_config(out)
    return config, run_bench(config)


def _tables(out):
    """All tables but that of the time that runs took."""
    return {path.name: path.read_text() for path in sorted(out.glob("*.csv")) if path.name != "runs.csv"}


def test_every_row_of_every_task_has_its_score_and_interval(finished):
    config, result = finished
    assert not result.failed
    scores = result.tables.scores
    as_it_is = scores[scores["condition"] == AS_IT_IS]
    for name in config.tasks:
        rows = as_it_is[as_it_is["task"] == name]
        wanted = {"model", "random_weights", "chance", "handmade", "handmade + model", "handmade + random_weights"}
        assert set(rows["row"]) == wanted
        assert (rows["low"] <= rows["high"]).all()
        assert rows["n_people"].nunique() == 1
    assert set(scores["condition"]) == {AS_IT_IS, "lead I", "4 known"}
    gains = result.tables.gains
    pair = (gains["row"] == "handmade + model") & (gains["against"] == "handmade + random_weights")
    assert pair.sum() == 4  # two tasks, two conditions
    assert set(result.tables.endpoints["endpoint"]) == {"sex"}
    assert set(result.tables.operating["task"]) == {"sex"}
    assert {"sex", "age_band"} & set(result.tables.subgroups["attribute"])


def test_the_page_says_who_is_best_and_how_to_read_it(finished):
    config, _ = finished
    page = (config.out / "bench.html").read_text()
    for words in ("weights</strong>: no number", "best is", "How to read", "Random twin", "Made harder", "lead I"):
        assert words in page


def test_a_second_start_skips_what_is_done(finished):
    config, result = finished
    before = _tables(config.out)
    again = run_bench(config)
    assert len(again.skipped) == len(plan_bench(config).jobs)
    assert _tables(config.out) == before
    assert not plan_bench(config).to_do
    pd.testing.assert_frame_equal(again.tables.scores, result.tables.scores)


@pytest.mark.slow
def test_vectors_that_conditions_share_change_nothing_and_are_gone_at_the_end(finished, monkeypatch, tmp_path):
    config, result = finished
    assert not (config.out / run.VECTORS).exists()
    monkeypatch.setattr(run, "_learns_from_fewer", lambda *_: False)
    alone = run_bench(replace(config, out=tmp_path / "out", groups=["frozen"], only=["sex"])).tables.scores
    shared = result.tables.scores.query("task == 'sex' and row in ['model', 'random_weights']")
    keys = ["condition", "row"]
    pd.testing.assert_frame_equal(alone.set_index(keys)[["score"]], shared.set_index(keys)[["score"]], rtol=1e-12)


@pytest.mark.slow
def test_a_bench_that_was_stopped_goes_on_and_ends_equal(finished, bench_config, tmp_path):
    config, _ = finished
    half = bench_config(tmp_path / "out")

    class Stop(BaseException):
        pass

    def stopping(stage, done, *_):
        if stage == "bench" and done == 3:  # after three runs
            raise Stop

    with pytest.raises(Stop):
        run_bench(half, stopping)
    assert 0 < len(plan_bench(half).done) < len(plan_bench(half).jobs)
    run_bench(half)
    assert _tables(half.out) == _tables(config.out)


@pytest.mark.slow
def test_two_processes_make_the_same_rows_as_one(finished, bench_config, tmp_path):
    _, result = finished
    only = {"only": ["sex"], "conditions": False}
    both = run_bench(bench_config(tmp_path / "out", processes=2, **only))
    assert not both.failed
    whole = result.tables.scores
    whole = whole[(whole["task"] == "sex") & (whole["condition"] == AS_IT_IS)].reset_index(drop=True)
    pd.testing.assert_frame_equal(both.tables.scores, whole)


def test_cheap_rows_come_first_and_times_are_expected(bench_config, tmp_path):
    config = bench_config(tmp_path / "out", groups=["frozen", "features", "finetuned", "network"])
    planned = plan(config, {"sex": 10, "hands": 10})
    as_it_is = [job.group for job in planned.jobs if job.condition == AS_IT_IS]
    assert as_it_is == ["frozen"] * 2 + ["features"] * 2 + ["finetuned"] * 2  # no network is named
    assert [job.condition for job in planned.jobs[:6]] == [AS_IT_IS] * 6
    assert all(planned.seconds[job] > 0 for job in planned.jobs)
    assert planned.table()["runs"].sum() == len(planned.jobs)


def test_a_folder_of_another_bench_is_refused(finished, bench_config):
    config, _ = finished
    with pytest.raises(UsageError, match="differs in seed"):
        run_bench(bench_config(config.out, seed=1))
    with pytest.raises(UsageError, match="differs in network_minutes"):
        run_bench(bench_config(config.out, network_minutes=1.0))
    path = config.out / "identity.json"
    text = path.read_text()
    kept = json.loads(text)
    assert {"recordings of sex", "recordings of hands"} <= set(kept)
    write_guarded(path, json.dumps({**kept, "recordings of sex": "others"}))
    with pytest.raises(UsageError, match="differs in recordings of sex"):
        run_bench(config)
    write_guarded(path, text)


def test_who_was_seen_may_not_be_scored_through_another_database_either(bench_config, tmp_path):
    base = bench_config(tmp_path / "out")
    sex = base.tasks["sex"]
    opened = open_task(f"{base.shards}/ecg", None, sex.target, sex.windows)
    model = _trained(tmp_path / "model", 0, [opened.labelled.windows.ds[0].content_hash])
    elsewhere = Condition(tested_on=OtherSet("ecg", sex.target, sex.windows))
    hands = replace(base.tasks["hands"], conditions={"elsewhere": elsewhere})
    config = replace(bench_config(tmp_path / "out", model=model), only=["hands"], tasks={"hands": hands})
    with pytest.raises(DataError, match="hands, elsewhere: Pretraining saw 1 of"):
        run_bench(config)


def _trained(folder, seed, content, subjects=(), fingerprints=()):
    """A checkpoint whose ledger holds these recordings."""
    model = biosig.build_model("biosig-tiny", seed=seed)
    trained = biosig.Model(model.encoder, trained=True, card=default_card(model.encoder, True))
    trained.save(folder)
    Ledger.of(content, subjects, fingerprints).save(folder)
    return str(folder)


@pytest.mark.parametrize("near", [False, True])
def test_a_model_that_has_seen_a_test_person_is_refused_by_name(bench_config, tmp_path, near):
    base = bench_config(tmp_path / "out")
    opened = open_task(f"{base.shards}/ecg", None, base.tasks["sex"].target, base.tasks["sex"].windows)
    seen = opened.labelled.windows.ds[0]
    content, marks = ([], [seen.fingerprint]) if near else ([seen.content_hash], [])
    model = _trained(tmp_path / "model", 0, content, fingerprints=marks)
    with pytest.raises(DataError, match=f"sex: Pretraining saw 1 of .*{seen.id}"):
        run_bench(bench_config(tmp_path / "out", model=model))


def test_of_two_halves_each_scores_whom_it_has_not_seen(bench_config, tmp_path):
    base = bench_config(tmp_path / "base")
    opened = open_task(f"{base.shards}/ecg", None, base.tasks["sex"].target, base.tasks["sex"].windows)
    people = np.unique(opened.subjects)
    halves = people[::2], people[1::2]
    models = [
        _trained(tmp_path / f"half{k}", k, opened.contents[np.isin(opened.subjects, half)].tolist())
        for k, half in enumerate(halves)
    ]
    only = {"only": ["sex"], "groups": ["frozen"], "conditions": False}
    run_bench(bench_config(tmp_path / "both", model=models, **only))
    found = pd.read_parquet(tmp_path / "both/rows/sex/as-it-is/frozen/predictions.parquet")
    own = found[found["method"] == "model"].set_index(["recording", "onset"]).sort_index()

    from biosig.bench.conditions import setting_of
    from biosig.downstream.experiments.probe import score_rows

    setting = setting_of(base, base.tasks["sex"])
    for k, half in enumerate(halves):
        model = biosig.load_model(models[k])
        alone = score_rows(setting.probe, setting.task, model, setting.parts, ["model"]).predictions
        alone = alone.set_index(["recording", "onset"]).sort_index()
        unseen = ~alone["subject"].isin(half)
        np.testing.assert_allclose(own.loc[alone.index[unseen], "score_male"], alone.loc[unseen, "score_male"])
    with pytest.raises(DataError, match="both halves have seen"):
        run_bench(bench_config(tmp_path / "same", model=[models[0], models[0]], **only))


class TheirNet(nn.Module):
    """A laboratory's network that the project does not know."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(12, 8, 15, 5), nn.ReLU(), nn.Conv1d(8, 8, 15, 5))

    def forward(self, x):
        return self.layers(x).mean(-1)


def test_a_network_that_the_project_does_not_know_is_benched_as_any_model(bench_config, tmp_path):
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    contract = biosig.ModuleContract("ecg", 100.0, leads, "mV", seconds=5.0)
    options = {"only": ["sex"], "conditions": False, "groups": ["frozen", "finetuned"]}
    options["finetune"] = {
        "pooling": "cls",
        "probe": {"lr": 5e-3, "epochs": 1, "mixup": False},
        "tune": {"lr": 1e-2, "epochs": 1, "warmup": 0, "method": "full", "mixup": False},
    }
    result = run_bench(bench_config(tmp_path / "out", **options), model=biosig.wrap(TheirNet(), contract, TheirNet))
    assert not result.failed
    assert set(result.tables.scores["row"]) == {"model", "random_weights", "finetuned"}
    without = run_bench(bench_config(tmp_path / "without", **options), model=biosig.wrap(TheirNet(), contract))
    assert set(without.tables.scores["row"]) == {"model", "finetuned"}
    assert "The baseline random_weights is left out" in (tmp_path / "without" / "bench.html").read_text()


def test_rows_on_people_whom_the_makers_of_weights_name_are_marked_and_compared_with_nothing(bench_config, tmp_path):
    config = bench_config(tmp_path / "out", only=["sex"], conditions=False)
    task = replace(config.tasks["sex"], windows=replace(config.tasks["sex"].windows, length=10.0))
    config = replace(config, tasks={"sex": task})
    model = random_model(ECGFounder(n_chans=1, widths=(16,), blocks=(1,)))
    model.trained, model.trained_on, model.licence = True, ("ecg",), "MIT"
    result = run_bench(config, model=model)
    assert not result.failed
    scores = result.tables.scores.set_index("row")["may_be_seen"]
    assert scores.to_dict() == {row: "model" in row.split(" + ") for row in scores.index}
    assert scores["model"]
    compared = result.tables.gains[["row", "against"]].to_numpy().ravel()
    assert not any("model" in row.split(" + ") for row in compared)
    assert not len(result.tables.endpoints)
    page = (tmp_path / "out" / "bench.html").read_text()
    assert "may have been seen" in page
    assert "Licence of the weights: MIT" in page


def test_a_bench_that_is_described_by_old_names_of_keys_goes_on(bench_config, tmp_path):
    config = bench_config(tmp_path)
    run._refuse_another(config, [], {}, {})
    left = json.loads((tmp_path / "identity.json").read_text(encoding="utf-8"))
    target, windows = (left["tasks"]["sex"][key] for key in ("target", "windows"))
    empty = {"labels": {}, "weights": "", "worth": [], "events": {}, "every": 0.0, "otherwise": "", "where": {}}
    empty |= {"measure": "", "rate": "", "plausible": [-np.inf, np.inf], "time": "", "event": ""}
    left["tasks"]["sex"]["target"] = {**empty, "label": target["label"], "classes": target["classes"]}
    windows["at_most"] = windows.pop("max_windows")
    write_guarded(tmp_path / "identity.json", json.dumps(left))
    run._refuse_another(config, [], {}, {})
    assert "at_most" not in (tmp_path / "identity.json").read_text(encoding="utf-8")
    tasks = {"sex": {**left["tasks"]["sex"], "title": "", "rules": ["chance"]}}
    with pytest.raises(UsageError, match="differs in tasks"):
        run._refuse_another(bench_config(tmp_path, tasks=tasks), [], {}, {})
