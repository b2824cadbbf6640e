"""Splits by subject: nobody on both sides, everybody tested once, cheats refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig.downstream.data.splits import Split
from biosig.errors import DataError, UsageError
from biosig.evaluate.splits import (
    Fold,
    check_disjoint,
    check_subjects,
    connected_groups,
    group_folds,
    held_out_fold,
    manifest,
    people,
)


@given(
    n_subjects=st.integers(12, 40),
    per_subject=st.integers(1, 6),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 1000),
    stratified=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_subject_is_tested_once_and_never_trained_on_then(n_subjects, per_subject, n_folds, seed, stratified):
    subjects = np.repeat([f"S{i}" for i in range(n_subjects)], per_subject)
    y = np.arange(n_subjects).repeat(per_subject) % 2 if stratified else None
    folds = group_folds(subjects, n_folds, seed, y=y)
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == list(range(len(subjects)))
    for fold in folds:
        assert not set(subjects[fold.train]) & set(subjects[fold.test])
        assert len(fold.train) + len(fold.test) == len(subjects)
    names = [set(subjects[fold.test]) for fold in folds]
    assert sum(map(len, names)) == n_subjects


def test_classes_are_spread_over_the_folds():
    subjects = np.array([f"S{i:02d}" for i in range(50)])
    y = (np.arange(50) < 20).astype(int)
    for fold in group_folds(subjects, 5, 0, y=y):
        assert y[fold.test].sum() == 4


def test_a_planted_subject_on_both_sides_is_refused_by_name():
    subjects = np.array(["ann", "bob", "ann", "cid"])
    with pytest.raises(DataError, match="Subject 'ann' is in both"):
        check_disjoint(subjects, [Fold(np.array([1, 2]), np.array([0, 3]))])
    check_disjoint(subjects, [Fold(np.array([1]), np.array([0, 2, 3]))])


@pytest.mark.parametrize("unknown", [None, "", float("nan")])
def test_recordings_without_a_subject_are_refused_with_the_remedy(unknown):
    with pytest.raises(DataError, match=r"1 recordings have no subject \(the first is 'r2'\).*--subject-column"):
        check_subjects(["ann", unknown, unknown], ["r1", "r2", "r2"])


def test_impossible_splits_say_why():
    with pytest.raises(UsageError, match="5 folds over 3 subjects"):
        group_folds(["a", "b", "c"], 5)
    with pytest.raises(UsageError, match="one subject only"):
        group_folds(["a", "b", "c", "d"], 2, y=np.array([0, 0, 0, 1]))


def test_the_seed_decides_the_folds_and_the_manifest_tells():
    subjects = [f"S{i}" for i in range(20)]
    first, again, other = (manifest(subjects, group_folds(subjects, 4, seed)) for seed in (0, 0, 1))
    assert first == again
    assert first["sha256"] != other["sha256"]
    assert sorted(name for fold in first["test_subjects"] for name in fold) == sorted(subjects)


def test_rows_that_share_a_subject_or_a_site_are_of_one_group():
    subjects = ["ann", "bob", "bob", "cid", "dan", "eve"]
    sites = ["1", "1", "2", "2", "3", "4"]
    groups = connected_groups(subjects, sites)
    assert groups.tolist() == ["ann"] * 4 + ["dan", "eve"]  # bob was at both 1 and 2
    assert connected_groups(subjects).tolist() == subjects


def test_the_manifest_lists_everyone_of_every_part():
    subjects = np.array(["ann", "ann", "bob", "cid"])
    listed = manifest(subjects, [Split(np.array([0, 1]), np.array([2]), np.array([3]))])
    assert listed["train_subjects"] == [["ann"]]
    assert listed["validation_subjects"] == [["bob"]]
    assert listed["test_subjects"] == [["cid"]]
    other = manifest(subjects, [Split(np.array([2]), np.array([0, 1]), np.array([3]))])
    assert listed["sha256"] != other["sha256"]


PEOPLE = st.lists(
    st.tuples(st.sampled_from([(0,), (1,), (0, 1), (0, 2), (2,)]), st.integers(1, 4)), min_size=20, max_size=60
)
"""Of each person the classes, and how many rows there are of each class."""


def _rows(people):
    """Names and classes of the rows of people P000, P001 …"""
    rows = [(f"P{number:03d}", k) for number, (classes, n) in enumerate(people) for k in classes for _ in range(n)]
    return np.array([name for name, _ in rows]), np.array([k for _, k in rows])


def _tested_in(names, folds):
    return {name: number for number, fold in enumerate(folds) for name in names[fold.test]}


@given(people=PEOPLE, n_folds=st.integers(2, 5), seed=st.integers(0, 100), data=st.data())
@settings(max_examples=60, deadline=None)
def test_neither_the_order_nor_the_number_of_rows_moves_anybody(people, n_folds, seed, data):
    names, y = _rows([*people, *[((k,), 1) for k in (0, 1, 2) for _ in range(n_folds)]])
    before = _tested_in(names, group_folds(names, n_folds, seed, y=y))
    more = np.concatenate((np.arange(len(y)), data.draw(st.lists(st.integers(0, len(y) - 1), max_size=20))))
    rows = np.random.default_rng(seed).permutation(more.astype(int))
    assert _tested_in(names[rows], group_folds(names[rows], n_folds, seed, y=y[rows])) == before


@given(n_people=st.integers(20, 60), n_folds=st.integers(2, 5), seed=st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_folds_hold_as_many_people_of_each_pattern_of_classes_as_can_be(n_people, n_folds, seed):
    names, y = _rows([(((0,), (1,), (0, 1))[number % 3], 1 + number % 4) for number in range(n_people)])
    folds = group_folds(names, n_folds, seed, y=y)
    for classes in ({0}, {1}, {0, 1}):
        members = [name for name in np.unique(names) if set(y[names == name]) == classes]
        counts = [len(set(names[fold.test]) & set(members)) for fold in folds]
        assert max(counts) - min(counts) <= 1
    counts = [len(set(names[fold.test])) for fold in folds]
    assert max(counts) - min(counts) <= 2


def test_another_person_moves_few_of_the_others():
    names, y = _rows([((number % 2,), 3) for number in range(200)])
    before = _tested_in(names, group_folds(names, 5, 0, y=y))
    moved = []
    for number in range(20):
        others, z = np.append(names, f"new {number}"), np.append(y, 0)
        after = _tested_in(others, group_folds(others, 5, 0, y=z))
        moved.append(sum(after[name] != fold for name, fold in before.items()))
    assert np.mean(moved) < 5
    assert max(moved) < 15


def test_names_by_content_are_the_same_under_other_pseudonyms():
    tables = [
        pd.DataFrame({"subject": subjects, "content": ["c", "a", "b", "d"]})
        for subjects in (["ann", "ann", "bob", "bob"], ["zoe", "zoe", "abe", "abe"])
    ]
    assert [people(rows).tolist() for rows in tables] == [["a", "a", "b", "b"]] * 2
    listed = [manifest(rows["subject"], [Fold(np.array([0, 1]), np.array([2, 3]))], people(rows)) for rows in tables]
    assert listed[0]["sha256"] != listed[1]["sha256"]
    assert listed[0]["content_sha256"] == listed[1]["content_sha256"]


def test_whose_rows_of_a_table_are_is_what_newer_tables_say_and_older_ones_tell():
    rows = pd.DataFrame({"subject": ["ann", "ann", "bob", "cyd"], "content": ["c", "b", "c", "d"]})
    assert people(rows.assign(person=["b", "b", "b", "b"])).tolist() == ["b", "b", "b", "b"]  # d is near one of them
    assert people(rows).tolist() == ["b", "b", "b", "d"]
    assert people(rows[["subject"]]).tolist() == ["ann", "ann", "bob", "cyd"]


def test_the_held_out_fold_is_one_with_most_classes():
    names, y = _rows([((0,), 1)] * 4 + [((1,), 1)] * 4)
    for seed in range(20):
        fold = held_out_fold(names, 0.2, seed, y)
        assert set(y[fold.test]) == {0, 1}
        assert set(y[fold.train]) == {0, 1}
