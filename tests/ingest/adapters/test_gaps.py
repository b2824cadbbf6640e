"""Time stamps as computers give them: jitter, buffers, gaps, and clocks that cannot be right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig.errors import UnreadableError
from ingest.adapters.common.gaps import spans_of

SFREQ = 200.0


def even(n_times=4000, sfreq=SFREQ):
    return 100 + np.arange(n_times) / sfreq


def jittered(stamps, how, seed=0):
    """As recorders stamp: not at all, late by a few ms, in chunks of 40 at the time of the last, early and late."""
    rng = np.random.default_rng(seed)
    if how == "late":
        return np.maximum.accumulate(stamps + rng.exponential(0.004, len(stamps)))
    if how == "chunks":
        return np.repeat(stamps[39::40], 40)[: len(stamps)]
    return stamps + rng.normal(0, 0.002, len(stamps)) if how == "both" else stamps


JITTER = ("none", "late", "chunks", "both")


@pytest.mark.parametrize("how", JITTER)
def test_jitter_alone_is_one_run_at_its_rate(how):
    for seed in range(20):
        (span,) = spans_of(jittered(even(), how, seed), "it")
        assert abs(1 / span.period - SFREQ) < 0.05
        assert abs(span.onset) < 0.3


@pytest.mark.parametrize("how", JITTER)
@settings(deadline=None, max_examples=25)
@given(at=st.integers(600, 3400), seconds=st.floats(0.3, 500))
def test_a_gap_splits_where_it_is(how, at, seconds):
    at -= at % 40
    stamps = even()
    stamps[at:] += seconds
    first, second = spans_of(jittered(stamps, how), "it")
    assert (first.stop, second.first) == (at, at)
    assert abs(second.onset - first.onset - at / SFREQ - seconds) < 0.02


@pytest.mark.parametrize("how", JITTER)
@settings(deadline=None, max_examples=25)
@given(at=st.integers(600, 3400), seconds=st.floats(0.3, 500))
def test_a_clock_that_goes_back_is_refused_with_the_place(how, at, seconds):
    at -= at % 40
    stamps = jittered(even(), how)
    stamps[at:] -= seconds
    with pytest.raises(UnreadableError, match=r"^it goes back .* split the recording there") as error:
        spans_of(stamps, "it")
    assert abs(float(str(error.value).split(" at ")[1].split(" s:")[0]) - at / SFREQ) < 1.5


@pytest.mark.parametrize("how", JITTER)
@pytest.mark.parametrize("caught_up", [False, True])
@settings(deadline=None, max_examples=15)
@given(at=st.integers(600, 3000), n_times=st.integers(80, 900))
def test_a_clock_that_stands_still_is_refused(how, caught_up, at, n_times):
    stamps = jittered(even(), how)
    stopped = min(at + n_times, 3900)
    if not caught_up:
        stamps[stopped:] -= stamps[stopped] - stamps[at]
    stamps[at:stopped] = stamps[at]
    with pytest.raises(UnreadableError, match="stands still"):
        spans_of(stamps, "it")


@pytest.mark.parametrize("pause", [0.3, 1.0, 4.0])
def test_samples_that_come_late_and_catch_up_stay_in_their_place(pause):
    stamps = even()
    n_held = round(pause * SFREQ)
    stamps[1000 : 1000 + n_held] = stamps[1000 + n_held]
    (span,) = spans_of(stamps, "it")
    assert abs(span.seconds - 3999 / SFREQ) < pause
    lost = even()
    lost[1000:] += 2.0  # and 2 s are lost on top
    lost[1000 : 1000 + n_held] = lost[1000 + n_held]
    first, second = spans_of(lost, "it")
    assert (first.stop, second.first) == (1000, 1000)


def test_what_a_buffer_held_at_the_beginning_is_no_fault():
    stamps = even()
    stamps[:60] = stamps[60]
    (span,) = spans_of(stamps, "it")
    assert abs(1 / span.period - SFREQ) < 0.5


def test_few_samples():
    assert [s.n_times for s in spans_of(even(1), "it")] == [1]
    assert [s.n_times for s in spans_of(even(2), "it")] == [2]
    with pytest.raises(UnreadableError, match="stands still"):
        spans_of(np.full(9, 5.0), "it")
