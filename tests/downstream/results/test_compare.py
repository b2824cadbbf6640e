"""Runs side by side: one table, and differences only where the same people were tested."""

import pytest
from made_results import make_result

from biosig.cli import apply
from biosig.downstream.results.compare import compare
from biosig.downstream.results.saved import open_result
from biosig.errors import UsageError


@pytest.fixture(scope="module")
def runs(ecg_shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    make_result(ecg_shards, model="weak", skill=1.0).save(out / "weak")
    make_result(ecg_shards, model="strong", skill=3.0, seed=1).save(out / "strong")
    make_result(ecg_shards, model="others", query="age > 40").save(out / "older")
    make_result(ecg_shards, "number", model="aged").save(out / "age")
    return out


def test_one_table_holds_all_and_equal_test_rows_are_subtracted_in_pairs(runs):
    found = compare([runs / "weak", runs / "strong"])
    assert list(dict.fromkeys(found.table["model"])) == ["weak", "strong"]
    assert found.table["tested"].nunique() == 1
    assert found.notes == []
    values = found.table.set_index(["model", "metric"])["value"]
    for row in found.differences.itertuples():
        assert row.run.endswith("strong")
        assert row.minus.endswith("weak")
        assert row.value == pytest.approx(values["strong", row.metric] - values["weak", row.metric], abs=1e-12)
        assert row.low <= row.value <= row.high
    auroc = found.differences.set_index("metric").loc["auroc"]
    assert auroc["low"] > 0


def test_runs_on_other_people_or_another_truth_are_named_and_not_subtracted(runs):
    found = compare([runs / name for name in ("weak", "older", "age", "strong")])
    assert set(found.differences["run"]) == {str(runs / "strong")}
    assert [note.split(" was")[0] for note in found.notes] == [str(runs / "older"), str(runs / "age")]
    assert found.table.groupby("run")["tested"].first().nunique() == 3


def test_other_folds_over_the_same_people_are_said(runs, tmp_path, ecg_shards):
    other = make_result(ecg_shards)
    other.splits["sha256"] = "6" * 64
    other.save(tmp_path / "folds")
    found = compare([runs / "weak", tmp_path / "folds"])
    assert len(found.differences)
    assert "different folds" in found.notes[0]


def test_the_order_of_rows_does_not_matter(runs, tmp_path, ecg_shards):
    turned = make_result(ecg_shards, skill=1.0)
    object.__setattr__(turned, "predictions", turned.predictions.iloc[::-1].reset_index(drop=True))
    folder = turned.save(tmp_path / "turned")
    assert open_result(folder).test_rows == open_result(runs / "weak").test_rows
    assert compare([runs / "weak", folder]).differences["value"].abs().max() < 1e-12


def test_the_verb_prints_tables_by_what_was_tested_and_writes_one(runs, tmp_path, capsys):
    assert apply.compare((runs / "weak", runs / "age", runs / "strong"), out=tmp_path / "runs.csv") == 0
    shown = capsys.readouterr().out
    assert f"C: {runs / 'strong'} (strong, 97 people, split 55555555" in shown
    assert shown.count("metric") == 2
    assert "C − A" in shown
    assert "+0." in shown
    assert (tmp_path / "runs.csv").read_text().startswith("run,task,model,metric,value,low,high")


def test_one_run_twice_is_refused(runs):
    with pytest.raises(UsageError, match="2 to 26 that differ"):
        compare([runs / "weak", f"{runs / 'weak'}/"])
