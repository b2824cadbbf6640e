"""The pulse rate that is taught: where intervals, autocorrelation and spectrum agree, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from biosig.electrodes import make_channel
from biosig.features.window import window_of
from biosig.pretrain.targets.rate import RateTargets, agreed_rate, spectral_rate
from biosig.recording import Recording, Stream

SFREQ = 64.0


def pulse(rate, seconds=10.0, noise=0.0, seed=0):
    """A pulse of two waves at `rate` beats per minute (T,)."""
    phase = np.arange(round(seconds * SFREQ)) / SFREQ * rate / 60 % 1
    wave = np.exp(-(((phase - 0.2) / 0.08) ** 2)) + 0.4 * np.exp(-(((phase - 0.5) / 0.1) ** 2))
    return wave + noise * np.random.default_rng(seed).normal(size=len(wave))


def recorded(x, kind="ppg", unit="NU"):
    one = np.ones(1)
    channel = make_channel("PLETH" if kind == "ppg" else "II", unit, kind)
    return Recording("a", [Stream(SFREQ, (channel,), x[None].astype(np.float32), one, 0 * one)])


@pytest.mark.parametrize("rate", [57.0, 72.0, 110.0, 160.0])
def test_the_rate_of_a_simulated_pulse_is_found(rate):
    assert RateTargets()(recorded(pulse(rate, noise=0.05)))[0] == pytest.approx(rate, rel=0.01)


def test_the_spectrum_counts_the_fundamental_and_not_a_stronger_second_harmonic():
    t = np.arange(640) / SFREQ
    x = np.sin(2 * np.pi * 1.2 * t) + 1.2 * np.sin(2 * np.pi * 2.4 * t + 0.5)
    assert spectral_rate(x, SFREQ) == pytest.approx(72, abs=0.5)


def test_where_rules_do_not_agree_there_is_no_target():
    assert RateTargets()(recorded(pulse(72, noise=5.0))) is None
    two = np.concatenate((pulse(60, 5.0), pulse(110, 5.0)))
    assert RateTargets()(recorded(two)) is None
    assert RateTargets()(recorded(np.zeros(640))) is None


def test_other_signals_have_no_pulse(bedside):
    window = bedside.crop(5, 10)
    ecg = [s.pick([i for i, c in enumerate(s.channels) if c.kind == "ecg"]) for s in window.of_kind("ecg")]
    assert RateTargets()(replace(window, streams=ecg)) is None
    assert 60 < RateTargets()(window)[0] < 120
    assert agreed_rate(window_of(window, "ppg")) == RateTargets()(window)[0]
