"""Training and test people under a condition."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig.bench.conditions import N_DRAWS, known_only, read_as_named, setting_of
from biosig.bench.config import Condition, OtherSet
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.errors import UsageError


def test_so_many_records_are_known_and_the_test_part_stays(bench_config, tmp_path):
    config = bench_config(tmp_path / "out")
    task = config.tasks["sex"]
    whole, some = setting_of(config, task), setting_of(config, task, task.conditions["4 known"])
    assert len(some.parts) == N_DRAWS * len(whole.parts)
    assert some.n_folds == len(whole.parts)
    for number, part in enumerate(some.parts):
        whole_part = whole.parts[number % some.n_folds]
        np.testing.assert_array_equal(part.test, whole_part.test)
        known = np.union1d(part.train, part.validation)
        assert len(np.unique(some.task.recordings[known])) == 4
        assert set(known) <= set(np.union1d(whole_part.train, whole_part.validation))
        assert len(part.validation)
        assert set(some.task.labelled.y[part.train]) == {0, 1}
    first = [tuple(part.train) for part in some.parts]
    assert len(set(first)) > some.n_folds  # draws differ
    assert first == [tuple(part.train) for part in setting_of(config, task, task.conditions["4 known"]).parts]


def test_more_people_than_there_are_cannot_be_known(bench_config, tmp_path):
    config = bench_config(tmp_path / "out")
    setting = setting_of(config, config.tasks["sex"])
    with pytest.raises(UsageError, match="known is 500 subjects"):
        known_only(setting.parts[0], setting.task, 500, "subject", [0])


def test_another_database_is_tested_on_strangers_and_never_learned_from(bench_config, tmp_path):
    config = bench_config(tmp_path / "out")
    sexes = Target(label="sex", classes={"female": ["female"], "male": ["male"]})
    other = Condition(tested_on=OtherSet("ecg", sexes, WindowPlan(length=2.5)))
    task = replace(config.tasks["sex"], query="age < 65")
    own = setting_of(config, task).task
    setting = setting_of(config, task, other)
    (part,) = setting.parts
    n = len(own.subjects)
    assert part.test.min() >= n
    np.testing.assert_array_equal(np.union1d(part.train, part.validation), np.arange(n))
    subjects = setting.task.subjects
    assert not set(subjects[part.test]) & set(subjects[:n])  # the set holds the task's people too
    assert set(subjects[part.test]) == set(subjects[n:]) - set(subjects[:n])
    assert set(setting.task.labelled.windows.duration[part.test]) == {2.5}
    assert setting.task.labelled.windows.read(int(part.test[0])).duration == pytest.approx(2.5)
    with pytest.raises(UsageError, match="All people of ecg are among the training people"):
        setting_of(config, config.tasks["sex"], other)


def test_models_whose_weights_name_a_readout_are_read_by_it(bench_config, tmp_path):
    config = replace(bench_config(tmp_path / "out"), pooling="mean+std")
    plain, fused = biosig.build_model("biosig-tiny"), biosig.build_model("biosig-fused-tiny")
    assert read_as_named(config, [plain]) == config
    assert read_as_named(config, [fused, plain]) == config
    named = read_as_named(config, [fused])
    assert (named.layer, named.pooling) == (None, None)
    assert replace(named, layer=config.layer, pooling=config.pooling) == config
