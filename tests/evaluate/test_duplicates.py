"""Recordings that hold one signal are one group, whatever they are called; those of two people are two."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.data.label_windows import LabelledWindows, Target
from biosig.downstream.data.splits import QuerySplit, SubjectKFold, make_parts
from biosig.downstream.data.task import open_windows
from biosig.downstream.results.cross_modal_scores import rate_means
from biosig.downstream.results.result_folder import Scoring
from biosig.downstream.results.scores import rate
from biosig.evaluate.duplicates import duplicates_in, find_duplicates, near_pairs
from biosig.evaluate.ledger import Ledger, overlap
from biosig.landmarks import Landmarks, fingerprint
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index, open_shards


def changed(recording, name, change):
    """A copy under another name and subject, its samples through `change`."""
    streams = [replace(s, samples=change(np.asarray(s.samples))) for s in recording.streams]
    made = replace(recording, id=name, subject=Subject(f"subject of {name}"), streams=streams, fingerprint=b"")
    return replace(made, content_hash=biosig.content_hash.content_hash(made.streams))


@pytest.fixture(scope="module")
def ecgs():
    """Twelve real ECGs, each with a subject of its own."""
    paths = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:12]
    return [replace(biosig.read(path), subject=Subject(path.stem)) for path in paths]


@pytest.fixture(scope="module")
def copied(ecgs, tmp_path_factory):
    """The twelve with an equal copy of the first and near ones of the second (coarser) and third (one lead, cut)."""
    first, second, third = ecgs[:3]
    lead = replace(third, streams=[third.streams[0].pick([1]).slice(100, 950)])
    copies = [
        changed(first, "equal", lambda x: x),
        changed(second, "coarse", lambda x: (x // 5 * 3).astype(np.int16)),
        changed(lead, "lead", lambda x: x * np.int16(2)),
    ]
    folder = tmp_path_factory.mktemp("copied")
    with ShardWriter(folder / "0.h5", recipe={}) as writer:
        for number, recording in enumerate([*ecgs, *copies]):
            writer.add(replace(recording, labels={"part": "train" if number < 12 else "test"}))
    build_index(folder)
    return open_shards(folder)


def test_all_real_recordings_are_found_in_themselves_and_in_no_other(ecgs):
    marks = Landmarks.of([fingerprint(recording.streams) for recording in ecgs])
    assert len(near_pairs(marks)) == 0
    assert near_pairs(marks, marks).tolist() == [[i, i] for i in range(len(ecgs))]


def test_a_recording_at_two_rates_is_one():
    folder = samples.path("ptbxl")
    fast = [biosig.read(path) for path in sorted(folder.rglob("*_hr.hea"))]
    slow = [biosig.read(next(folder.rglob(f"{recording.id[:5]}_lr.hea"))) for recording in fast]
    one, other = (Landmarks.of([fingerprint(r.streams) for r in recordings]) for recordings in (fast, slow))
    assert near_pairs(one, other).tolist() == [[i, i] for i in range(len(fast))]


def test_groups_of_a_folder_are_those_of_its_signals(copied):
    groups = duplicates_in(copied).group
    assert groups.tolist() == [*range(12), 0, 1, 2]
    view = copied[[13, 1, 5]]
    assert duplicates_in(view).group.tolist() == [0, 0, 2]


def test_notes_name_the_copies_and_their_number(copied):
    found = find_duplicates(copied.table["content_hash"].to_pylist(), copied.fingerprints)
    (note,) = found.notes(copied.table["recording"].to_pylist())
    assert "3 recordings are there twice (1 with equal samples, 2 as near copies), in 3 groups" in note
    assert "00001_lr = equal" in note
    assert "00003_lr = lead" in note or "= lead" in note


def test_without_fingerprints_equal_samples_are_told_and_that_near_ones_are_not(copied):
    found = find_duplicates(copied.table["content_hash"].to_pylist(), [b""] * len(copied))
    assert found.group.tolist() == [*range(12), 0, 13, 14]
    assert "15 of 15 recordings come from shards without fingerprints" in found.notes(["x"] * 15)[-1]


def test_nothing_is_said_of_what_is_there_once(ecgs):
    found = find_duplicates([r.content_hash for r in ecgs], [fingerprint(r.streams) for r in ecgs])
    assert found.notes([r.id for r in ecgs]) == []
    assert find_duplicates([], []).notes([]) == []
    assert find_duplicates(["", ""], [b"", b""]).group.tolist() == [0, 1]


def test_who_shares_a_signal_is_one_person_named_by_the_smallest_hash(copied):
    found, index = duplicates_in(copied), copied.to_pandas()
    hashes = index["content_hash"].to_numpy(str)
    people = found.people(index["subject"], hashes)
    for one, other in ((0, 12), (1, 13), (2, 14)):
        assert people[one] == people[other] == min(hashes[one], hashes[other])
    assert people[3:12].tolist() == hashes[3:12].tolist()
    renamed = [f"other {name}" for name in index["subject"]]
    assert found.people(renamed, hashes).tolist() == people.tolist()
    assert len(set(found.people(["one"] * len(copied), hashes))) == 1


def labelled(ds):
    windows = fixed_length_windows(ds, 5.0)
    return LabelledWindows(windows, np.zeros(len(windows)), Target(label="subject"), [])


@pytest.mark.parametrize("seed", range(3))
def test_no_fold_has_a_copy_on_both_sides_and_the_notes_say_so(copied, seed):
    task = labelled(copied)
    groups = duplicates_in(copied).group[task.windows.recording]
    parts, notes = make_parts(SubjectKFold(folds=5), task, seed)
    for part in parts:
        for one, other in ((part.train, part.test), (part.train, part.validation), (part.validation, part.test)):
            assert not np.intersect1d(groups[one], groups[other]).size
    assert any("kept together" in note and "coarse" in note for note in notes)


def test_intervals_draw_a_recording_and_its_copies_as_one_person(copied):
    """Fifteen recordings of as many subjects hold twelve signals."""
    task = open_windows(str(copied.folder), None, 5.0)
    rows = task.identifiers().assign(method="model", said="x", y=0.0, prediction=0.0)
    person_of = dict(zip(rows["recording"], rows["person"], strict=True))
    assert (person_of["equal"], person_of["coarse"], person_of["lead"]) == (
        person_of["00001_lr"],
        person_of["00002_lr"],
        person_of["00003_lr"],
    )
    assert (rows["subject"].nunique(), rows["person"].nunique()) == (15, 12)
    table, _ = rate(rows, Scoring(Target(label="subject"), n_bootstrap=20))
    means, _ = rate_means(rows, ["said"], ["prediction"], 20, 0)
    assert set(table["n_subjects"]) == set(means["n_subjects"]) == {12}
    assert copied.table["recording"].to_pylist()[:3] == ["00001_lr", "00002_lr", "00003_lr"]


def test_a_split_by_query_that_parts_copies_is_told(copied):
    _, notes = make_parts(QuerySplit("part == 'train'", "part == 'test'"), labelled(copied), 0)
    assert any("Copies of 3 recordings of the test part" in note for note in notes)


def test_the_ledger_knows_near_copies(copied, ecgs, tmp_path):
    seen = [fingerprint(recording.streams) for recording in ecgs[:2]]
    Ledger.of([r.content_hash for r in ecgs[:2]], [], seen).save(tmp_path)
    names, hashes = (copied.table[column].to_pylist() for column in ("recording", "content_hash"))
    found = overlap(tmp_path, hashes, [], names, copied.fingerprints)
    assert set(found.recordings) == {ecgs[0].id, ecgs[1].id, "equal", "coarse"}
    assert found.n_near == 1
    assert "(1 of them as near copies)" in found.sentence()
    exact = overlap(tmp_path, hashes, [], names)
    assert set(exact.recordings) == {ecgs[0].id, ecgs[1].id, "equal"}


def test_an_older_ledger_says_that_it_cannot_tell_near_copies(copied, ecgs, tmp_path):
    Ledger.of([ecgs[5].content_hash], []).save(tmp_path)
    found = overlap(tmp_path, [ecgs[1].content_hash], [], ["one"], [copied.fingerprints[1]])
    assert not found
    assert "near copies cannot be told" in found.sentence()


def test_ledgers_join_and_read_back_with_their_landmarks(ecgs, tmp_path):
    one, other = (Ledger.of([r.content_hash], [], [fingerprint(r.streams)]) for r in ecgs[:2])
    (one | other).save(tmp_path)
    back = Ledger.load(tmp_path)
    assert len(back.landmarks) == len(one.landmarks) + len(other.landmarks)
    asked = Landmarks.of([fingerprint(r.streams) for r in ecgs[:3]])
    assert sorted(near_pairs(asked, back.landmarks)[:, 0].tolist()) == [0, 1]


def test_many_landmarks_are_thinned_the_same_way_in_a_copy(ecgs):
    marks = Landmarks.of([fingerprint(recording.streams) for recording in ecgs])
    few = marks.thinned(len(marks) // 2)
    assert len(marks) * 0.3 < len(few) < len(marks) * 0.7
    assert near_pairs(few, few).tolist() == [[i, i] for i in range(len(ecgs))]
