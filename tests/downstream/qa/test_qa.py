import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from biosig import config as configuration
from biosig.batches.windows import fixed_length_windows
from biosig.cli.run_config import qa
from biosig.content_hash import content_hash
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.qa.batch_sources import FrozenQuestions, QuestionExamples
from biosig.downstream.qa.config import QaConfig
from biosig.downstream.qa.model import QAModel
from biosig.downstream.qa.questions import Question
from biosig.downstream.qa.run import BEATEN, run_qa
from biosig.downstream.qa.splits import make_cohort
from biosig.downstream.qa.tuning import word_ids
from biosig.errors import DataError, UsageError
from biosig.models.load import build_model
from biosig.models.model import Model
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index, open_shards


def _config(shards, model, **changes):
    values = {
        "model": str(model),
        "shards": str(shards.folder),
        "questions": {"most": 1, "folds": 3},
        "probe": {"lr": 1e-3, "epochs": 2, "mixup": False},
        "tune": {"lr": 1e-3, "epochs": 1, "mixup": False},
        "n_bootstrap": 100,
    }
    return values | changes


@pytest.fixture(scope="module")
def examples(coded_shards, small_model):
    windows = PreparedWindows(fixed_length_windows(coded_shards, 10.0), small_model.contract)
    ids = coded_shards.to_pandas()["recording"].tolist()
    a, b = ids[0], ids[7]
    ask = "Does this ECG show sinus rhythm?"
    compare = "Does the second ECG show more as compared to the first?"
    questions = [
        Question(1, 0, "single-verify", "x", text, ("yes",), recordings)
        for text, recordings in ((ask, (a,)), (ask, (b,)), ("How old?", (a,)), (compare, (a, b)), (compare, (b, a)))
    ]
    words = word_ids(small_model, [q.question for q in questions])
    window_of = {recording: row for row, recording in enumerate(ids)}
    return lambda signals=True: QuestionExamples(
        questions, words, windows, window_of, torch.device("cpu"), signals=signals
    )


def test_answers_depend_on_signal_question_and_order_and_not_on_company(examples, small_model):
    torch.manual_seed(0)
    answerer = QAModel(small_model.encoder, 3).eval()
    with torch.no_grad():
        together = answerer(examples().batch(range(5)))
        alone = torch.cat([answerer(examples().batch([row])) for row in range(5)])
        kept = answerer(FrozenQuestions(examples(), answerer).batch(range(5)))
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together, kept, rtol=1e-4, atol=1e-5)
    for one, other in ((0, 1), (0, 2), (3, 4)):
        assert not torch.allclose(together[one], together[other], atol=1e-4)


def test_without_signals_only_the_question_counts(examples, small_model):
    torch.manual_seed(0)
    answerer = QAModel(small_model.encoder, 3).eval()
    with torch.no_grad():
        blind = answerer(examples(signals=False).batch(range(5)))
    torch.testing.assert_close(blind[0], blind[1])
    torch.testing.assert_close(blind[3], blind[4])
    assert not torch.allclose(blind[0], blind[2], atol=1e-4)


def test_a_question_keeps_what_a_report_is_cleaned_of(small_model):
    (words,) = word_ids(small_model, ["Is it new, compared to the first ECG?"])
    assert "compared to the first" in small_model.tokenizer.decode(words)


@pytest.mark.slow
def test_a_run_gives_a_table_beside_what_must_be_beaten(coded_shards, small_folder, tmp_path):
    settings = configuration.load(QaConfig, _config(coded_shards, small_folder, out=str(tmp_path / "out")))
    result = run_qa(settings)
    everything = result.table[result.table["metric"] == "exact match, all"].set_index("method")
    assert list(everything.index) == ["model", *settings.baselines, BEATEN]
    assert (everything["low"] <= everything["value"]).all()
    gap = everything["value"]["model"] - everything["value"]["most_frequent"]
    assert everything["value"][BEATEN] == pytest.approx(gap)
    rows = result.predictions
    assert (rows["right"] == (rows["answer"] == rows["prediction"])).all()
    assert everything["value"]["handmade"] == pytest.approx(rows[rows["method"] == "handmade"]["right"].mean())
    assert not set(result.splits["test_subjects"]) & set(result.splits["validation_subjects"])
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["n_questions"]["test"] > 0
    assert len(pd.read_parquet(tmp_path / "out" / "predictions.parquet")) == len(rows)


def test_files_of_ecgqa_drive_a_run_and_nobody_is_in_two_parts(coded_shards, small_folder, tmp_path, capsys):
    ids = coded_shards.to_pandas()["recording"].tolist()
    parts = {
        "train": ids[:31],
        "validation": ids[32:44],
        "test": [ids[30], *ids[44:], "99999_lr"],
    }  # ids[30:32]: one man
    for name, recordings in parts.items():
        entries = [
            {
                "template_id": 1,
                "question_id": 0,
                "question_type": "single-verify",
                "attribute_type": "scp_code",
                "question": "Does this ECG show sinus rhythm?",
                "answer": [("no", "yes")[number % 2]],
                "ecg_id": [int(recording[:5])],
            }
            for number, recording in enumerate(recordings)
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps(entries))
    files = {name: str(tmp_path / f"{name}.json") for name in parts} | {"recording": "{:05d}_lr"}
    path = tmp_path / "qa.yaml"
    changes = {"questions": files, "baselines": ["most_frequent"], "tune": {"lr": 1e-3, "epochs": 0, "mixup": False}}
    path.write_text(yaml.safe_dump(_config(coded_shards, small_folder, **changes)))
    assert qa(path) == 0
    shown = capsys.readouterr().out
    assert "1 of 18 test questions are about recordings that are not there" in shown
    assert "1 training questions are about people of the test part" in shown
    assert "17 test questions, 30 trained on" in shown


def test_copies_of_a_recording_are_asked_about_in_one_part(coded_shards, tmp_path):
    """Each of 24 recordings beside a coarser one of another subject."""
    with ShardWriter(tmp_path / "0.h5", recipe={}) as writer:
        for stored in coded_shards[range(24)]:
            recording = stored.read()
            streams = [replace(s, samples=np.asarray(s.samples) // 2 * 2) for s in recording.streams]
            copy = replace(recording, id=f"{recording.id} again", subject=Subject(f"copy of {recording.id}"))
            writer.add(replace(recording, fingerprint=b""))
            writer.add(replace(copy, streams=streams, fingerprint=b"", content_hash=content_hash(streams)))
    build_index(tmp_path)
    config = configuration.load(QaConfig, _config(coded_shards, "biosig-tiny"))
    cohort = make_cohort(open_shards(tmp_path), config)
    parts = [
        {name[:8] for row in rows.tolist() for name in cohort.questions[row].recordings}
        for rows in (cohort.parts.train, cohort.parts.validation, cohort.parts.test)
    ]
    assert all(parts)
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    assert len(set(cohort.people)) <= 12 < len(set(cohort.subjects))
    assert any("24 recordings are there twice" in note for note in cohort.notes)


def test_what_cannot_work_is_refused(coded_shards, small_model, small_folder, ecg_shards, tmp_path):
    with pytest.raises(UsageError, match="mixup to false"):
        configuration.load(QaConfig, _config(coded_shards, small_folder, tune={"mixup": True}))
    with pytest.raises(DataError, match="No recording has the labels scp_codes"):
        run_qa(configuration.load(QaConfig, _config(ecg_shards, small_folder)))
    with pytest.raises(UsageError, match="no tokenizer"):
        word_ids(Model(small_model.encoder, trained=False), ["Why?"])
    with pytest.raises(UsageError, match="no text modality"):
        word_ids(build_model("reve-small", 0), ["Why?"])
