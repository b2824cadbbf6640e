"""The learning rate at every step, and settings that need no torch."""

import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from biosig.errors import UsageError
from biosig.training.config import OptimizerConfig, Training, TrainingStage


def rates(steps=100, **settings):
    return [OptimizerConfig(lr=1.0, **settings).learning_rate(step, steps) for step in range(1, steps + 1)]


def test_warm_up_and_half_a_cosine():
    one = rates()
    assert one[0] == pytest.approx(0.1)
    assert max(one) == one[9] == 1.0
    assert one[-1] == pytest.approx(0.01)
    assert all(a >= b for a, b in itertools.pairwise(one[9:]))


def test_a_trapezoid_rises_stays_and_falls():
    one = rates(schedule="trapezoid")
    assert one[:10] == pytest.approx(np.linspace(0.1, 1, 10))
    assert one[9:90] == [1.0] * 81
    assert one[89:] == pytest.approx(np.linspace(1, 0.01, 11))


@pytest.mark.parametrize("steps", [100, 103])
def test_cycles_all_end_within_the_run(steps):
    one = np.array(rates(steps, schedule="trapezoid", cycles=4))
    assert np.flatnonzero(np.isclose(one, 0.01)).size == 4
    assert one[-1] == pytest.approx(0.01)
    assert (one == 1.0).sum() > 0.7 * steps
    assert one.min() == pytest.approx(0.01)


def test_a_run_of_one_step_has_a_rate():
    assert rates(1) == [1.0]
    assert rates(1, schedule="trapezoid", cycles=3) == [1.0]


def test_impossible_schedules_are_refused():
    with pytest.raises(UsageError, match=r"warmup is 0\.7; it is a share of the steps, from 0 to 0.5"):
        OptimizerConfig(warmup=0.7)
    with pytest.raises(UsageError, match="cycles is 0; it must be at least 1"):
        OptimizerConfig(cycles=0)


def test_a_stage_rises_from_nothing_to_the_whole_rate():
    stage = TrainingStage(lr=2.0, epochs=20, warmup=2)
    assert [stage.learning_rate(step, 10) for step in (20, 21)] == [2.0, None]
    assert stage.learning_rate(10, 10) == pytest.approx(2 * (10**0.5 - 1) / 9)
    line = replace(stage, schedule="linear")
    assert [line.learning_rate(step, 10) for step in (10, 20, 110, 200)] == pytest.approx([1, 2, 1, 0])
    assert replace(stage, warmup=0).learning_rate(1, 10) is None
    assert (stage.plateau_after, line.plateau_after) == (2, np.inf)


def test_training_runs_one_schedule_over_all_epochs():
    training = Training(epochs=5, optimizer=OptimizerConfig(lr=1.0))
    assert [training.learning_rate(step, 20) for step in range(1, 101)] == rates()


def test_settings_need_no_torch():
    check = "import sys, biosig.training.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
