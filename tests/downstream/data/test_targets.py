"""Targets from labels, and counts of everyone who is left out."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from biosig import config as configuration
from biosig.downstream.data.label_windows import label_windows
from biosig.downstream.data.target_config import (
    ClassTarget,
    EventTarget,
    MultiLabelTarget,
    NumberTarget,
    SurvivalTarget,
    Target,
    WindowPlan,
)
from biosig.downstream.results.saved import Scoring
from biosig.errors import DataError, UsageError
from biosig.shards import ShardWriter, open_shards

NORMAL = Target(label="diagnostic_superclass", classes={"normal": ["NORM"], "abnormal": ["MI", "STTC", "CD", "HYP"]})


def test_normal_means_norm_and_nothing_else(ecg_shards):
    labelled = label_windows(ecg_shards, NORMAL, WindowPlan(length=5.0))
    superclasses = ecg_shards.labels["diagnostic_superclass"]
    for row, y in zip(labelled.windows.recording, labelled.y, strict=True):
        assert (superclasses.iloc[row] == ["NORM"]) == (y == 0)
        assert ("NORM" not in superclasses.iloc[row]) == (y == 1)
    n_none = sum(not codes for codes in superclasses)
    n_both = sum("NORM" in codes and len(codes) > 1 for codes in superclasses)
    assert len(np.unique(labelled.windows.recording)) == len(ecg_shards) - n_none - n_both
    assert len(labelled.windows) == 2 * len(np.unique(labelled.windows.recording))
    notes = " ".join(labelled.notes)
    assert (f"{n_none} of {len(ecg_shards)} recordings belong to no class" in notes) == bool(n_none)
    assert (f"{n_both} of {len(ecg_shards)} recordings belong to several" in notes) == bool(n_both)
    assert (labelled.target.class_names, labelled.target.unit) == (("normal", "abnormal"), "recording")


def test_subject_facts_are_targets_too(ecg_shards):
    age = label_windows(ecg_shards, Target(label="age"), WindowPlan(length=10.0))
    assert (age.y == ecg_shards.to_pandas()["age"].to_numpy()[age.windows.recording]).all()
    sex = label_windows(ecg_shards, Target(label="sex", classes={"f": ["female"], "m": ["male"]}), WindowPlan(10.0))
    assert set(sex.y) == {0, 1}


def test_a_class_can_be_a_number_that_some_recordings_lack(ecg_shards, tmp_path):
    with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        for i, recording in enumerate(ecg_shards[:6]):
            writer.add(replace(recording.read(), labels={} if i == 0 else {"outcome": i % 2}))
    target = Target(label="outcome", classes={"died": ["1"], "lived": ["0"]})
    labelled = label_windows(open_shards(tmp_path / "a.h5"), target, WindowPlan(10.0))
    assert labelled.y.tolist() == [0, 1, 0, 1, 0]
    assert labelled.notes == ["1 of 6 recordings belong to no class and are left out."]


def test_events_become_windows_locked_to_them(eeg_shards):
    target = Target(events={"rest": ["T0"], "imagery": ["T1", "T2"]})
    labelled = label_windows(eeg_shards, target, WindowPlan(before=0.0, after=4.0))
    assert labelled.target.unit == "window"
    for i in range(0, len(labelled.y), 17):
        window = labelled.windows.read(i)
        starts = {a.label for a in window.annotations if abs(a.onset - labelled.windows.onset[i]) < 1e-6}
        assert starts == {str(labelled.windows.label[i])}
        assert (labelled.y[i] == 0) == (starts == {"T0"})
    n_events = eeg_shards.annotations["label"].isin(["T0", "T1", "T2"]).sum()
    left_out = n_events - len(labelled.y)
    assert left_out == 0 or f"{left_out} of {n_events} events" in labelled.notes[0]


def test_a_query_selects_one_run(eeg_shards):
    left_right = Target(events={"left": ["T1"], "right": ["T2"]})
    one = label_windows(eeg_shards.query("run == 'R04'"), left_right, WindowPlan(after=4.0))
    both = label_windows(eeg_shards, left_right, WindowPlan(after=4.0))
    assert 0 < len(one.y) < len(both.y)


def test_an_event_can_mean_one_thing_in_one_run_and_another_in_another(eeg_shards):
    """T1 is the left fist in R04 and both fists in R06."""
    events = {"left": ["T1"], "right": ["T2"], "fists": ["T1"], "feet": ["T2"]}
    fourth, sixth = "run == 'R04'", "run == 'R06'"
    target = Target(events=events, where={"left": fourth, "right": fourth, "fists": sixth, "feet": sixth})
    labelled = label_windows(eeg_shards, target, WindowPlan(after=2.0))
    runs = eeg_shards.labels["run"].to_numpy()[labelled.windows.recording]
    meant = {("R04", "T1"): 0, ("R04", "T2"): 1, ("R06", "T1"): 2, ("R06", "T2"): 3}
    assert [meant[key] for key in zip(runs, labelled.windows.label, strict=True)] == labelled.y.tolist()
    some = Target(events={"left": ["T1"], "right": ["T2"]}, where={"left": fourth, "right": fourth})
    labelled = label_windows(eeg_shards, some, WindowPlan(after=2.0))
    assert "are of events that mean no class in their recording" in labelled.notes[-1]
    both = Target(events={"left": ["T1"], "fists": ["T1"]}, where={"fists": sixth})
    with pytest.raises(UsageError, match=r"'T1' in recording '.*R06' means both 'left' and 'fists'"):
        label_windows(eeg_shards, both, WindowPlan(after=2.0))


@pytest.mark.parametrize(
    ("target", "plan", "says"),
    [
        (Target(label="diagnosis", classes={"a": ["x"], "b": ["y"]}), WindowPlan(5.0), "labels present: diagnostic_"),
        (Target(label="site"), WindowPlan(5.0), "which is not a number"),
        (NORMAL, WindowPlan(after=4.0), "needs windows.length"),
        (NORMAL, WindowPlan(length=60.0), r"class 'normal' \(.*60 s\): correct"),
        (Target(events={"a": ["T0"], "b": ["T1"]}), WindowPlan(length=4.0, after=4.0), "Events need windows.after"),
        (Target(events={"a": ["T0"], "b": ["T9"]}), WindowPlan(after=4.0), "labels present"),
    ],
)
def test_what_cannot_be_labelled_says_why(ecg_shards, target, plan, says):
    with pytest.raises((DataError, UsageError), match=says):
        label_windows(ecg_shards, target, plan)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "needs one of 'label'"),
        ({"label": "a", "events": {"x": ["1"], "y": ["2"]}}, "not two of them"),
        ({"label": "a", "classes": {"x": ["1"]}}, "one class 'x'"),
        ({"label": "a", "classes": {"x": ["1"], "y": ["1"]}}, "stands in two classes"),
        ({"events": {"x": ["1"], "y": ["2"]}, "where": {"z": "a == 1"}}, "which is not a class of events"),
    ],
)
def test_a_target_that_contradicts_itself_is_refused(options, says):
    with pytest.raises(UsageError, match=says):
        Target(**options)
    with pytest.raises(UsageError, match=says):
        configuration.load(Scoring, {"target": options})


GROUPS = {"a": ["1"], "b": ["2"]}
OLD = {
    "label": "", "classes": {}, "labels": {}, "weights": "", "worth": [], "events": {}, "every": 0.0, "otherwise": "",
    "where": {}, "measure": "", "rate": "", "plausible": [-np.inf, np.inf], "time": "", "event": "",
}  # fmt: skip
"""The keys of every target that version 0.1.0 saved."""
KINDS = [
    ({"label": "sex", "classes": GROUPS}, ClassTarget("sex", GROUPS)),
    ({"label": "code", "labels": {"a": ["1"]}, "worth": [[1.0]]}, MultiLabelTarget("code", {"a": ["1"]}, "", [[1.0]])),
    ({"label": "age"}, NumberTarget("age")),
    ({"measure": "HR", "plausible": [20.0, 300.0]}, NumberTarget(target_channel="HR", valid_range=(20.0, 300.0))),
    ({"rate": "N"}, NumberTarget(rate="N")),
    ({"events": GROUPS, "where": {"a": "run == 4"}}, EventTarget(GROUPS, where={"a": "run == 4"})),
    ({"events": {"a": ["1"]}, "every": 2.0, "otherwise": "none"}, EventTarget({"a": ["1"]}, 2.0, "none")),
    ({"time": "years", "event": "died"}, SurvivalTarget("years", "died")),
]


@pytest.mark.parametrize(("keys", "target"), KINDS, ids=[target.title for _, target in KINDS])
def test_the_kind_of_a_target_follows_from_its_keys(keys, target):
    for values in (keys, {**OLD, **keys}, {"name": target.name, **keys}):
        assert configuration.load(Scoring, {"target": values}).target == target
    saved = configuration.to_dict(target)
    assert saved["name"] == target.name
    assert configuration.load(Scoring, {"target": saved}).target == target
    assert Target(**vars(target)) == replace(target) == pickle.loads(pickle.dumps(target)) == target
    assert target.kind == (target.name if target.name != "events" else "classes")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"label": "age", "tpyo": 1}, "Unknown key 'tpyo' for a target; known keys are .*classes"),
        ({"name": "number", "label": "a", "classes": GROUPS}, r"Unknown key 'target\.classes' for NumberTarget"),
        ({"name": "classes", "label": "a"}, r"ClassTarget lacks 'target\.classes': add it"),
        (
            {"name": "star", "label": "a"},
            "there is no such target, there are classes, multilabel, number, events, surv",
        ),
        ({"label": "a", "classes": GROUPS, "plausible": [0, 1]}, "'valid_range' bounds a 'target_channel' or a 'rate'"),
        ({"label": "a", "where": {"a": "run == 4"}}, "'where' says in which recordings"),
        ({"label": "a", "weights": "w.csv"}, "are of 'labels'"),
    ],
)
def test_keys_of_no_kind_of_target_are_refused(values, says):
    with pytest.raises(UsageError, match=says):
        configuration.load(Scoring, {"target": values})


def test_a_target_without_classes_is_refused():
    with pytest.raises(UsageError, match="has no class: name two or more"):
        ClassTarget("sex", {})
    with pytest.raises(UsageError, match="has no class: name one or more"):
        MultiLabelTarget("code", {})


def test_recordings_give_at_most_so_many_windows_the_first_ones(ecg_shards, eeg_shards):
    each = label_windows(ecg_shards, NORMAL, WindowPlan(length=2.0, max_windows=3))
    assert set(np.bincount(each.windows.recording)) <= {0, 3}
    assert each.windows.onset.tolist() == [0.0, 2.0, 4.0] * (len(each.y) // 3)
    assert "Of each recording the first 3 windows take part" in each.notes[-1]
    target = Target(events={"rest": ["T0"], "imagery": ["T1", "T2"]})
    everything = label_windows(eeg_shards, target, WindowPlan(after=4.0))
    some = label_windows(eeg_shards, target, WindowPlan(after=4.0, max_windows=5))
    for row in np.unique(everything.windows.recording):
        for number in (0, 1):
            first = everything.windows.onset[(everything.windows.recording == row) & (everything.y == number)][:5]
            assert (some.windows.onset[(some.windows.recording == row) & (some.y == number)] == first).all()
    with pytest.raises(UsageError, match="max_windows is 0"):
        WindowPlan(length=2.0, max_windows=0)


def test_windows_can_lie_evenly_over_a_recording(ecg_shards):
    plan = WindowPlan(length=1.0, max_windows=3, spread=True)
    spread = label_windows(ecg_shards, NORMAL, plan)
    assert spread.windows.onset.tolist() == [0.0, 4.0, 7.0] * (len(spread.y) // 3)
    assert "the 3 windows that lie evenly over it" in spread.notes[-1]
    with pytest.raises(UsageError, match=r"give windows\.max_windows too"):
        WindowPlan(length=1.0, spread=True)
