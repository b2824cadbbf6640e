"""The result folder and its report: real recordings and their truth, scores drawn beside it."""

import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_results import TARGETS, make_result

from biosig.cli.apply import evaluate
from biosig.downstream.data.cohort import cohort_table, groups, recording_table
from biosig.downstream.data.label_windows import label_windows
from biosig.downstream.data.target_config import WindowPlan
from biosig.downstream.results.analysis import check_scores
from biosig.downstream.results.environment import environment, revision
from biosig.downstream.results.report import write_report
from biosig.downstream.results.result import write_result
from biosig.downstream.results.result_folder import open_result
from biosig.errors import DataError, UnreadableError, UsageError
from biosig.shards import ShardWriter, open_shards


@pytest.fixture(scope="module")
def shards(ecg_shards, tmp_path_factory):
    """The samples with a follow-up that means nothing, and one with a gap."""
    out = tmp_path_factory.mktemp("followed")
    with ShardWriter(out / "ecg.h5", recipe={}) as writer:
        for number, stored in enumerate(ecg_shards):
            recording = stored.read()
            labels = {**recording.labels, "years": 1.0 + number % 7, "died": number % 3 == 0}
            if number == 0:
                (stream,) = recording.streams
                recording.streams[0] = replace(stream, invalid=np.array([[0, 0, stream.n_times]]))
            writer.add(replace(recording, labels=labels))
    return open_shards(out)


@pytest.fixture(scope="module")
def saved(shards, tmp_path_factory):
    result = make_result(shards)
    return result, result.save(tmp_path_factory.mktemp("results") / "run")


def test_the_report_says_what_a_reviewer_asks(saved):
    result, folder = saved
    page = (folder / "report.html").read_text()
    row = result.table.set_index(["method", "metric"]).loc[("model", "auroc")]
    assert f"AUROC {row['value']:.3f}" in page
    assert f"{row['low']:.3f} to {row['high']:.3f}" in page
    for words in (
        "hand-made features", "Against hand-made features: better", "random weights", "Who was tested",
        "Can its probabilities be believed",
        "Decisions by the largest probability", "calibration error (ECE) 0.", "Left: of cases", "65 and over",
        "A caveat that a reader must see",
        "With fewer labels",
        "None was run on this result", "biosig probe config.yaml out=NEW", result.facts["shards_hash"],
        "5" * 64, "length: 5.0", "Not a medical device",
    ):  # fmt: skip
        assert words in page, words
    assert "http" not in page
    assert page.count("<img") == len(list((folder / "plots").glob("*.png"))) == 5


@pytest.mark.parametrize("kind", ["multilabel", "number", "survival"])
def test_every_kind_of_target_has_a_report(shards, tmp_path, kind):
    folder = make_result(shards, kind).save(tmp_path / "run")
    page = (folder / "report.html").read_text()
    assert ("Can its probabilities be believed" in page) == (kind == "multilabel")
    assert ("limits of agreement" in page) == (kind == "number")
    check_scores(open_result(folder))


def test_the_cohort_is_counted_by_class_with_age_and_sex(saved, shards):
    result, _ = saved
    own = result.predictions[result.predictions["method"] == "model"]
    table = cohort_table(own, result.config.target, result.recordings).set_index("class")
    index = shards.to_pandas().set_index("recording")
    for name in ("normal", "abnormal"):
        recordings = own.loc[own["y"] == name, "recording"].unique()
        row, class_index = table.loc[name], index.loc[recordings]
        assert row["recordings"] == len(recordings)
        assert row["subjects"] == class_index["subject"].nunique()
        assert row["windows"] == 2 * len(recordings)
        assert row["female"] == f"{(class_index['sex'] == 'female').mean():.0%}"
        assert row["age (median, quartiles)"].startswith(f"{class_index['age'].median():.0f} ")
    assert table.loc["all", "recordings"] == table.loc[["normal", "abnormal"], "recordings"].sum()


def test_groups_are_named_and_what_all_share_is_left_out(shards):
    windows = label_windows(shards, TARGETS["multilabel"], WindowPlan(length=5.0)).windows
    table = recording_table(windows)
    assert (table["n_leads"] == 12).all()
    assert sorted(set(table["quality"])) == [pytest.approx(11 / 12), 1.0]  # one lead of one recording is not real
    table.loc[0, ["age", "sex"]] = [np.nan, None]
    table.loc[1:5, "age"] = [17.9, 18.0, 39.9, 65.0, 90.0]
    found = groups(table)
    assert list(found.columns) == ["sex", "age_band", "site", "quality"]
    bands = ["under 18", "18 to 39", "18 to 39", "65 and over", "65 and over"]
    assert found["age_band"].iloc[1:6].tolist() == bands
    assert found.iloc[0][["age_band", "sex"]].isna().all()
    assert (found["quality"] == "under 95 % valid").sum() == 1


def test_evaluating_gives_the_saved_scores_and_the_report_again(saved, capsys):
    result, folder = saved
    pd.testing.assert_frame_equal(check_scores(open_result(folder)), result.table)
    page = (folder / "report.html").read_text().split("<footer>")[0]
    assert evaluate(folder) == 0
    assert (folder / "report.html").read_text().split("<footer>")[0] == page
    shown = capsys.readouterr().out
    assert "Scores are as saved" in shown
    assert "handmade" in shown


def test_scores_that_the_predictions_do_not_give_are_refused(saved, tmp_path):
    folder = shutil.copytree(saved[1], tmp_path / "run")
    (folder / "SHA256SUMS").unlink()
    content = json.loads((folder / "metrics.json").read_text())
    content["scores"][0]["value"] += 0.01
    (folder / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"metrics.json has .* of 'model', and the predictions beside it give"):
        evaluate(folder)
    content["scores"][0] |= {"method": "unheard of"}
    (folder / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="of 'unheard of', and the predictions beside it give nan"):
        evaluate(folder)


def test_an_audit_that_was_run_on_the_folder_stands_in_its_report(saved, tmp_path):
    folder = shutil.copytree(saved[1], tmp_path / "run")
    finding = {"check": "subject identity", "value": 0.9, "low": 0.8, "high": 0.95, "expected": "no matter",
               "verdict": "warn", "sentence": "Embeddings tell people apart."}  # fmt: skip
    (folder / "audit.json").write_text(json.dumps({"findings": [finding], "notes": ["One check was left out."]}))
    page = write_report(folder).read_text()
    assert "<strong>warn</strong>, subject identity: Embeddings tell people apart." in page
    assert "One check was left out." in page
    assert "None was run" not in page


def test_what_is_no_result_folder_is_refused(saved, tmp_path):
    with pytest.raises(UsageError, match="is not a result folder"):
        open_result(tmp_path)
    folder = shutil.copytree(saved[1], tmp_path / "run")
    (folder / "metrics.json").write_text("{")
    with pytest.raises(UnreadableError, match=r"metrics\.json is damaged: its SHA-256 is not the one in SHA256SUMS"):
        open_result(folder)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(UnreadableError, match="not valid JSON"):
        open_result(folder)
    (folder / "config.yaml").write_text("inputs: [I]\n")
    with pytest.raises(UsageError, match="no target"):
        open_result(folder)


def test_a_folder_saved_without_recordings_still_has_a_report(saved, tmp_path):
    folder = shutil.copytree(saved[1], tmp_path / "run")
    (folder / "recordings.parquet").unlink()
    page = write_report(folder).read_text()
    assert "For whom" not in page
    assert "female" not in page
    assert "Who was tested" in page


def test_what_goes_wrong_leaves_nothing_behind(saved, tmp_path):
    def fail(folder):
        (folder / "weights").mkdir()
        raise DataError("no")

    with pytest.raises(DataError):
        write_result(tmp_path / "run", fail)
    assert list(tmp_path.iterdir()) == []
    assert write_result(None, lambda folder: saved[0]) is saved[0]
    write_result(tmp_path / "run", lambda folder: replace(saved[0], config=WindowPlan()))
    assert not (tmp_path / "run" / "report.html").exists()  # of a run without one target
    with pytest.raises(UsageError, match="already holds something"):
        write_result(tmp_path / "run", fail)


def test_the_revision_is_that_of_the_checkout_with_its_changes(tmp_path):
    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert revision(tmp_path) == {}
    git("init", "-q")
    (tmp_path / "a.py").write_text("1\n")
    git("add", "a.py")
    git("commit", "-qm", "first")
    head = git("rev-parse", "HEAD")
    assert revision(tmp_path) == {"git_revision": head, "git_changed_files": "0"}
    (tmp_path / "a.py").write_text("2\n")
    (tmp_path / "notes.txt").write_text("not tracked\n")
    assert revision(tmp_path) == {"git_revision": head, "git_changed_files": "1"}
    (tmp_path / "package").mkdir()
    assert revision(tmp_path / "package") == {}  # somebody else's repository around an installed package
    assert {"torch", "command", "python"} <= set(environment())
