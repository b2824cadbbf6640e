"""Every cheat that is planted in a corpus of real signals is caught; without one nothing fails."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import audit_config, by_check, coin

import biosig
from biosig.audit.leakage import split_on_file
from biosig.audit.run import run_audit
from biosig.errors import DataError
from biosig.evaluate.ledger import Ledger
from biosig.evaluate.splits import Fold, manifest
from biosig.export.recording_files import export_recording
from biosig.recording import Subject


def with_hum(recording, hertz, microvolts=300.0):
    (stream,) = recording.streams
    times = np.arange(stream.n_times) / stream.sfreq
    hum = np.round(microvolts / stream.scale[:, None] * np.sin(2 * np.pi * hertz * times))
    return replace(recording, streams=[replace(stream, samples=(stream.samples + hum).astype(np.int16))])


def with_gain(recording, gain):
    (stream,) = recording.streams
    return replace(recording, streams=[replace(stream, scale=stream.scale * gain)])


def test_a_corpus_whose_classes_differ_only_in_line_frequency(eegs, plant):
    labels = coin(len(eegs))
    hummed = [with_hum(eeg, 50 if label == "a" else 60) for eeg, label in zip(eegs, labels, strict=True)]
    found = by_check(run_audit(audit_config(plant(hummed, labels), ["acquisition"])))
    assert found["score"].value > 0.9
    assert found["line frequency alone"].verdict == "fail"
    assert found["line frequency alone"].value > 0.99
    assert "no evidence of anything else" in found["line frequency alone"].sentence
    assert found["score without line hum"].verdict == "fail"
    assert found["gain alone"].verdict == "ok"
    assert found["score at one gain"].verdict == "ok"


def test_a_corpus_whose_classes_differ_only_in_gain(ecgs, plant):
    labels = coin(len(ecgs), 1)
    louder = [with_gain(ecg, 1 if label == "a" else 6) for ecg, label in zip(ecgs, labels, strict=True)]
    found = by_check(run_audit(audit_config(plant(louder, labels), ["acquisition"])))
    assert found["gain alone"].verdict == "fail"
    assert found["gain alone"].value > 0.95
    assert found["score at one gain"].value < 0.75 < found["score"].value
    assert found["score at one gain"].verdict == "fail"
    assert found["line frequency alone"].verdict == "ok"


def test_a_label_that_is_the_subject(eegs, plant):
    people = sorted({eeg.subject.id for eeg in eegs})
    folder = plant(eegs, [eeg.subject.id for eeg in eegs])
    result = run_audit(audit_config(folder, ["identity"], people))
    assert result.verdict == "fail"
    assert "the label is who the person is" in result.findings[0].sentence


def test_a_label_that_is_drawn_for_each_subject_tells_nothing_but_who_that_is(ecgs, plant):
    folder = plant(ecgs, coin(len(ecgs), 3))
    found = by_check(run_audit(audit_config(folder, ["identity"], windows={"length": 2.0})))
    assert found["label as identity"].verdict == "fail"
    assert found["label as identity"].value > 0.8
    assert "all that the label tells of these people is who they are" in found["label as identity"].sentence
    assert found["subjects of smallest class"].value == len(ecgs) / 2


@pytest.fixture
def pretrained(tmp_path_factory):
    """A trained model that has seen the recordings it is asked for."""
    folder = tmp_path_factory.mktemp("pretrained")
    model = biosig.build_model("biosig-tiny")
    model.trained = True
    model.save(folder)

    def seen(recordings):
        Ledger.of([recording.content_hash for recording in recordings], []).save(folder)
        return str(folder)

    return seen


def test_test_recordings_in_pretraining_renamed_and_saved_in_another_format(ecgs, plant, pretrained, tmp_path):
    model = pretrained(ecgs[:3])
    disguised = []
    for number, ecg in enumerate(ecgs[:12]):
        (path,) = export_recording(ecg, tmp_path, "edf", f"other-{number:02d}").files
        disguised.append(replace(biosig.read(path), id=path.stem, subject=Subject(f"X{number}")))
    found = by_check(run_audit(audit_config(plant(disguised, coin(12)), ["leakage"], model=model)))
    assert found["seen in pretraining"].verdict == "fail"
    assert found["seen in pretraining"].value == 3
    assert "other-00, other-01, other-02" in found["seen in pretraining"].sentence


def test_weights_that_have_seen_nothing_of_the_task_pass(ecgs, plant, pretrained):
    found = by_check(run_audit(audit_config(plant(ecgs[:12], coin(12)), ["leakage"], model=pretrained(ecgs[20:]))))
    assert found["seen in pretraining"].verdict == "ok"
    assert found["one recording, two subjects"].verdict == "ok"


def test_one_recording_under_two_names_puts_a_person_on_both_sides(ecgs, plant):
    twin = replace(ecgs[0], id="twin", subject=Subject("somebody else"))
    found = by_check(run_audit(audit_config(plant([*ecgs[:12], twin], coin(13)), ["leakage"])))
    assert found["one recording, two subjects"].verdict == "fail"
    assert "'twin'" in found["one recording, two subjects"].sentence


def test_a_subject_on_both_sides_of_the_split_in_a_result_folder(tmp_path):
    subjects = np.array(["ann", "bob", "ann", "cid"])
    path = tmp_path / "splits.json"
    path.write_text(
        json.dumps(manifest(subjects, [Fold(np.array([1]), np.array([0, 2])), Fold(np.array([2]), np.array([1]))]))
    )
    assert split_on_file(tmp_path).verdict == "ok"
    path.write_text(json.dumps(manifest(subjects, [Fold(np.array([1, 2]), np.array([0, 3]))])))
    finding = split_on_file(tmp_path)
    assert finding.verdict == "fail"
    assert "'ann', in the train and the test part of fold 0" in finding.sentence
    path.write_text(path.read_text().replace('"bob"', '"ben"'))
    with pytest.raises(DataError, match="it was changed"):
        split_on_file(tmp_path)


def test_the_length_of_a_recording_that_tells_the_class_is_a_warning_where_windows_are_equal(ecgs, plant):
    labels = coin(len(ecgs))
    cropped = [ecg if label == "a" else ecg.crop(0, 9.0) for ecg, label in zip(ecgs, labels, strict=True)]
    found = by_check(run_audit(audit_config(plant(cropped, labels), ["acquisition"])))
    assert found["recording length and window count alone"].verdict == "warn"
    assert found["recording length and window count alone"].value == 1.0
    assert found["missing samples alone"].verdict == "ok"


def test_labels_drawn_at_random_fail_nothing_and_are_said_to_be_no_better_than_chance(eegs, plant):
    result = run_audit(
        audit_config(plant(eegs, coin(len(eegs), 3)), ["identity", "permutation", "acquisition", "spectrum"])
    )
    assert result.verdict == "warn"
    found = by_check(result)
    assert found["score"].verdict == "warn"
    assert found["permuted labels: p"].value > 0.05
    assert "may well be an accident" in found["permuted labels: p"].sentence


def test_too_few_permutations_to_find_anything_are_said(ecgs, plant):
    labels = coin(len(ecgs))
    cropped = [ecg if label == "a" else ecg.crop(0, 9.0) for ecg, label in zip(ecgs, labels, strict=True)]
    result = run_audit(audit_config(plant(cropped, labels), ["acquisition"], n_permutations=20))
    assert by_check(result)["recording length and window count alone"].verdict == "ok"
    assert any("20 permutations cannot tell" in note for note in result.notes)
