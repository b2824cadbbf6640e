"""Splits by subject: nobody on both sides, everybody tested once, cheats refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig.downstream.parts import Parts
from biosig.errors import DataError, UsageError
from biosig.evaluate.splits import Fold, check_disjoint, check_subjects, connected_groups, group_folds, manifest


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
    listed = manifest(subjects, [Parts(np.array([0, 1]), np.array([2]), np.array([3]))])
    assert listed["train_subjects"] == [["ann"]]
    assert listed["validation_subjects"] == [["bob"]]
    assert listed["test_subjects"] == [["cid"]]
    other = manifest(subjects, [Parts(np.array([2]), np.array([0, 1]), np.array([3]))])
    assert listed["sha256"] != other["sha256"]
