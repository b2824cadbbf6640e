"""A label every few seconds, read in the context of a longer window: where the R peaks are."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.cli.apply import predict
from biosig.downstream.data.batch_sources import FrozenExamples, PackedExamples
from biosig.downstream.data.label_windows import label_windows
from biosig.downstream.data.sequences import SpanLayout
from biosig.downstream.data.splits import Split
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.finetune.classifier import Classifier
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.finetune.losses import TaskLoss
from biosig.errors import DataError, UsageError
from biosig.recording import Annotation, Subject
from biosig.shards import ShardWriter, build_index, open_shards

BEATS = {"events": {"beat": ["beat"]}, "background_class": "none", "label_interval": 0.4}


@pytest.fixture(scope="module")
def pulses(tmp_path_factory):
    """Lead II of sixteen ECGs, with each R peak where a plain detector finds it."""
    import neurokit2

    out = tmp_path_factory.mktemp("pulses")
    with ShardWriter(out / "ecg.h5", recipe={}) as writer:
        for number, path in enumerate(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:16]):
            recording = biosig.read(path)
            (stream,) = recording.streams
            row = [channel.name for channel in stream.channels].index("II")
            peaks = neurokit2.ecg_peaks(stream.physical()[row], int(stream.sfreq))[1]["ECG_R_Peaks"]
            beats = [Annotation(float(peak) / stream.sfreq, 0.0, "beat") for peak in peaks]
            writer.add(
                replace(
                    recording,
                    streams=[stream.pick([row])],
                    subject=Subject(f"P{number}"),
                    labels={"number": number},
                    annotations=beats,
                )
            )
    build_index(out)
    return open_shards(out)


def test_each_span_has_the_class_that_fills_half_of_it_or_happens_in_it(ecg, tmp_path):
    lasting = [("A", 0.0, 1.4), ("B", 1.4, 2.6), ("A", 7.0, 3.0)]
    at_once = [("p", onset, 0.0) for onset in (4.9, 5.0, 5.2, 8.0)]
    events = [Annotation(onset, lasts, label) for label, onset, lasts in (*lasting, *at_once)]
    recording = replace(ecg.crop(0.0, 9.7), annotations=events)
    with ShardWriter(tmp_path / "one.h5", recipe={}) as writer:
        writer.add(replace(recording, subject=Subject("P1")))
    build_index(tmp_path)
    ds, plan = open_shards(tmp_path), WindowPlan(length=3.0)
    target = Target(events={"a": ["A"], "b": ["B"], "p": ["p"]}, label_interval=1.0, background_class="none")
    labelled = label_windows(ds, target, plan)
    found = dict(zip(labelled.windows.onset.tolist(), labelled.y.tolist(), strict=True))
    assert found == {0.0: 0, 1.0: 1, 2.0: 1, 3.0: 1, 4.0: 2, 5.0: 2, 6.0: 3, 7.0: 0}
    assert labelled.notes == ["1 of 9 spans of 1 s have several classes and are left out."]  # at 8 s
    without = label_windows(ds, replace(target, background_class=""), plan)
    assert set(without.windows.onset) == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0}
    for wrong in (WindowPlan(length=2.5), WindowPlan(length=3.0, stride=1.0), WindowPlan(after=3.0)):
        with pytest.raises(UsageError, match="a multiple of that"):
            label_windows(ds, target, wrong)


def test_spans_lie_in_the_windows_of_their_recording(ecg):
    spans = fixed_length_windows(RecordingList([ecg.crop(0.0, 7.0), ecg.crop(0.0, 4.0)]), 1.0)
    chosen = spans[np.array([0, 1, 4, 6, 7, 9])]
    contexts = SpanLayout.of(chosen, 3.0, 1.0)
    assert contexts.windows.recording.tolist() == [0, 0, 0, 1]
    assert contexts.windows.onset.tolist() == [0.0, 3.0, 6.0, 0.0]
    assert contexts.windows.duration.tolist() == [3.0, 3.0, 1.0, 3.0]
    assert contexts.truth(np.arange(6)).tolist() == [[0, 1, -1], [-1, 2, -1], [3, -1, -1], [4, -1, 5]]
    parts = contexts.parts(Split(np.array([0, 1]), np.array([2, 3]), np.array([4, 5])))
    assert [rows.tolist() for rows in (parts.train, parts.validation, parts.test)] == [[0], [1, 2], [3]]
    read, where = contexts.read_for(np.array([5, 2, 4]))
    assert (read.tolist(), where.tolist()) == ([1, 3], [5, 1, 3])


def test_a_span_is_read_from_its_own_tokens_which_have_seen_the_window(ecg):
    encoder = biosig.build_model("biosig-tiny").encoder
    classifier = Classifier(encoder, TaskLoss("classes", ("a", "b"), n_spans=3, every=2.0), "mean").eval()
    prepared = PreparedWindows(
        fixed_length_windows(RecordingList([ecg.crop(0.0, 10.0)]), 6.0, 4.0), encoder.config.contract
    )
    prepared.survey()
    examples = PackedExamples(prepared, torch.device("cpu"))
    with torch.no_grad():
        batch = examples.batch([0, 1])
        values, _ = encoder.encode(batch)
        outputs = classifier(batch)
        for window in (0, 1):
            for span in (0, 1, 2):
                inside = (batch.window == window) & (batch.position[:, 3] // 2.0 == span) & batch.valid
                expected = classifier.head(values[inside].mean(0))
                torch.testing.assert_close(outputs[3 * window + span], expected, atol=1e-5, rtol=1e-4)
        frozen = FrozenExamples(prepared, encoder, torch.device("cpu"), 1e9)
        torch.testing.assert_close(classifier(frozen.batch([0, 1])), outputs, atol=1e-5, rtol=1e-4)
    loss = classifier.objective.loss(outputs, torch.tensor([[0, -1, 1], [-1, -1, 0]]))
    known = torch.nn.functional.cross_entropy(outputs[[0, 2, 5]], torch.tensor([0, 1, 0]))
    torch.testing.assert_close(loss, known)


def test_beats_are_found_and_predicted_for_every_span_of_a_recording(pulses, tmp_path):
    stage = {"epochs": 5, "warmup": 1, "batch_size": 4, "mixup": False, "dropout": 0.0}
    values = {
        "model": "biosig-tiny",
        "shards": str(pulses.folder),
        "target": BEATS,
        "windows": {"length": 4.0},
        "split": {"train": "number < 12", "validation": "number in (12, 13)", "test": "number >= 14"},
        "loss": {"balanced": True},
        "probe": {**stage, "lr": 5e-3, "epochs": 1},
        "tune": {**stage, "lr": 3e-3, "method": "full"},
        "baselines": ["chance", "handmade"],
        "n_bootstrap": 100,
        "out": str(tmp_path / "out"),
    }
    result = run_finetune(configuration.load(FineTuneConfig, values))
    scores = result.table.set_index(["method", "metric"])["value"]
    assert scores["model", "auroc"] > 0.75
    rows = result.predictions.query("method == 'model'")
    assert len(rows) == 2 * 25
    assert rows.groupby("recording")["onset"].apply(lambda t: np.allclose(np.diff(t), 0.4)).all()
    assert any("read spans of 0.4 s in windows of 4 s" in note for note in result.notes)
    weights = tmp_path / "out" / "weights" / "fold-0-seed-0"
    predict(weights, pulses.folder, out=tmp_path / "t.parquet", query="number >= 14")
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert table["duration"].eq(0.4).all()
    both = rows.merge(table, on=["recording"], suffixes=("", "_new"))
    both = both[np.isclose(both["onset"], both["onset_new"])]
    assert len(both) == len(table) == len(rows)
    np.testing.assert_allclose(both["score_beat"], both["score_beat_new"], atol=1e-5)
    with pytest.raises(DataError, match=r"spans of 0\.1 s gives the model a valid token, which takes 0\.4 s"):
        run_finetune(
            configuration.load(FineTuneConfig, {**values, "target": {**BEATS, "label_interval": 0.1}, "out": None})
        )
    with pytest.raises(UsageError, match=r"a label every 0\.4 s: leave --at and --stride out"):
        predict(weights, pulses.folder, out=tmp_path / "t.parquet", stride=1.0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target": {**BEATS, "label_interval": 0.0}}, "the second needs 'label_interval'"),
        ({"target": {"label": "age", "label_interval": 1.0}}, "beside 'events'"),
        ({"probe": {"lr": 1e-3, "epochs": 1}}, "Mixed windows have no label every 0.4 s"),
        ({"pooling": "flatten"}, "pooling=flatten reads those of the window"),
    ],
)
def test_what_has_no_sense_with_a_label_every_few_seconds_is_refused(changes, says):
    stage = {"lr": 1e-3, "epochs": 1, "mixup": False}
    values = {"model": "biosig-tiny", "shards": "x", "target": BEATS, "windows": {"length": 4.0}, "split": {"folds": 2}}
    with pytest.raises(UsageError, match=says):
        configuration.load(FineTuneConfig, {**values, "probe": stage, "tune": stage, **changes})
