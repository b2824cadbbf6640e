"""Test–retest: people whose signals differ are told apart and measured alike twice; copies of one are not."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig.audit.retest import retest
from biosig.models.heads.rate import RateHeadConfig
from biosig.models.model import Model
from biosig.recording import Subject
from biosig.sources import as_windows


@pytest.fixture(scope="module")
def with_rate():
    """A fused model that gives its own pulse rate, of random weights that are taken for trained ones."""
    encoder = biosig.build_model("biosig-fused-tiny", seed=1).encoder
    return Model(encoder, trained=True, heads=[RateHeadConfig().make(encoder.config.embed_dim)])


def pulses(rate, n_seconds=40.0, seed=0):
    """A PPG of one rate (per minute) and shape, with noise."""
    times = np.arange(0, n_seconds, 1 / 64)
    wave = np.sin(2 * np.pi * rate / 60 * times) + 0.02 * rate / 60 * np.sin(4 * np.pi * rate / 60 * times)
    return (wave + 0.05 * np.random.default_rng(seed).normal(size=len(times)))[None, None]


def recorded(names, rates):
    """One recording of PPG each, of these subjects."""
    from biosig.models.array_input import as_recordings

    for number, (name, rate) in enumerate(zip(names, rates, strict=True)):
        signal = pulses(rate, seed=number)
        (made,) = as_recordings(signal, 64.0, ["PPG"], "ppg", None, None, None, None, ["ppg"], check=False)
        yield replace(made, id=f"r{number}", subject=Subject(name) if name else None)


@pytest.mark.filterwarnings("ignore")
def test_people_are_measured_alike_twice_and_told_apart(with_rate):
    people = ["S1", "S1", "S2", "S2", "S3", "S3", "S4", "S4"]
    rates = [50, 50, 75, 75, 100, 100, 130, 130]
    found = retest(with_rate, as_windows(list(recorded(people, rates)), 10.0), n_resamples=100)
    assert list(found) == ["halves", "recordings"]
    halves, recordings = found.values()
    assert (halves["n_people"], halves["windows"], halves["chance"]) == (4, 1.5, 0.25)
    assert (recordings["n_people"], recordings["windows"]) == (4, 4.0)
    for measured in (halves, recordings):
        assert measured["vector"]["rank_1"]["value"] == 1.0
        assert measured["vector"]["icc"]["value"] > 0.8
        assert set(measured["random_weights"]) == {"icc", "rank_1"}
        assert measured["heads"]["ppg.heart_rate"]["n_people"] == 4


@pytest.mark.filterwarnings("ignore")
def test_people_who_are_alike_are_not_told_apart(with_rate):
    alike = retest(with_rate, as_windows(list(recorded([f"S{i}" for i in range(12)], [75] * 12)), 10.0), 100)
    assert list(alike) == ["halves"]
    assert alike["halves"]["vector"]["rank_1"]["value"] < 0.5
    assert alike["halves"]["vector"]["icc"]["value"] < 0.6


@pytest.mark.filterwarnings("ignore")
def test_recordings_without_subject_are_of_different_people_and_two_people_are_too_few(with_rate):
    assert retest(with_rate, as_windows(list(recorded([None] * 3, [50, 75, 100])), 10.0), 50)["halves"]["n_people"] == 3
    assert retest(with_rate, as_windows(list(recorded(["S1", "S2"], [50, 75])), 10.0), 50) == {}


@pytest.mark.filterwarnings("ignore")
def test_random_weights_have_no_twin():
    model = biosig.build_model("biosig-fused-tiny", seed=0)
    found = retest(model, as_windows(list(recorded("abc", [50, 75, 100])), 10.0), n_resamples=50)
    assert not {"random_weights", "more_than_random", "heads"} & set(found["halves"])
