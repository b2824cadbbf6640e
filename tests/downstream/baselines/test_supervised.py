"""Supervised networks with an input of their own: amplitudes, missing leads, unknown units, budgets, repeatability."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.baselines import BASELINES, _budget
from biosig.downstream.baselines._supervised import NetworkSpec
from biosig.downstream.baselines.context import BaselineContext, FitJob
from biosig.downstream.baselines.features_network import hidden_width
from biosig.downstream.baselines.models import eeg_network
from biosig.downstream.data.batch_sources import FrozenExamples
from biosig.downstream.data.label_windows import Target
from biosig.downstream.data.splits import Split
from biosig.downstream.data.window_dataset import PreparedWindows
from biosig.downstream.finetune.config import FineTuneStage, LossConfig, TrainingSpec
from biosig.electrodes.locate import make_channel
from biosig.recording import Recording, Stream, Subject
from biosig.shards import ShardWriter, build_index, open_shards
from biosig.training.config import TrainingStage

N, SFREQ, SECONDS = 60, 125.0, 4.0
PARTS = Split(np.arange(30), np.arange(30, 40), np.arange(40, N))
TWO = Target(label="x", classes={"a": ["a"], "b": ["b"]})
STAGE = TrainingStage(lr=1e-3, epochs=1, mixup=False)


def beats(rng, height, n_chans=3, rate=75.0):
    """Narrow beats of a height in noise, shape (C, T)."""
    times = np.arange(0, SECONDS, 1 / SFREQ)
    at = np.arange(rng.uniform(0, 60 / rate), SECONDS, 60 / rate)
    one = height * np.exp(-(((times - at[:, None]) / 0.02) ** 2)).sum(0)
    return (one + 0.05 * rng.normal(size=(n_chans, len(times)))).astype(np.float32)


def context_of(folder, signals, y, names=("I", "II", "V1"), unit="mV", kind="ecg", target=TWO, **settings):
    """A context of recordings (C, T), one window each."""
    with ShardWriter(folder / "a.h5", recipe={}) as writer:
        for number, x in enumerate(signals):
            channels = tuple(make_channel(name, kind=kind, unit=unit) for name in names[: len(x)])
            stream = Stream(SFREQ, channels, x, 1.0, 0.0)
            writer.add(Recording(f"{number:03d}", [stream], subject=Subject(f"S{number:03d}")))
    build_index(folder)
    model = biosig.build_model("biosig-tiny", seed=0)
    windows = PreparedWindows(fixed_length_windows(open_shards(folder), SECONDS), model.contract)
    assert len(windows) == len(signals)
    frozen = FrozenExamples(windows, model.encoder, model.device, 1e9)
    spec = TrainingSpec(STAGE, FineTuneStage(lr=0.0, epochs=0, mixup=False, method="probe"))
    return BaselineContext(model, windows, y, target, frozen, spec, STAGE, STAGE, LossConfig(), **settings)


def fitted(context, name, parts=PARTS, seed=0):
    baseline = BASELINES[name]
    return baseline().fit_predict(context, FitJob(name, parts, seed=seed, seed_id=baseline.seed_id))


def pulses(rng, rate):
    """Rounded pulses at a rate per minute, in any unit, shape (1, T)."""
    times = np.arange(0, SECONDS, 1 / SFREQ)
    phase = 2 * np.pi * (rate / 60 * times + rng.uniform())
    noise = 0.1 * rng.normal(size=len(times))
    return (rng.uniform(1, 100) * (np.sin(phase) + 0.3 * np.sin(2 * phase) + noise))[None].astype(np.float32)


def rhythm(rng, of_b):
    """Noise, with a rhythm of 10 Hz over C4 in class b and over C3 in class a, shape (4, T)."""
    times = np.arange(0, SECONDS, 1 / SFREQ)
    x = rng.normal(size=(4, len(times)))
    x[2 if of_b else 0] += 2 * np.sin(2 * np.pi * (10 * times + rng.uniform()))
    return (20 * x).astype(np.float32)


@pytest.fixture(scope="module")
def by_height(tmp_path_factory):
    """Two classes whose beats have one shape and two heights in mV, which a scale per recording takes away."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    signals = [beats(rng, 1.5 if of_b else 0.5) for of_b in y]
    return context_of(tmp_path_factory.mktemp("height"), signals, y, network_minutes=0.1)


def test_the_ecg_network_learns_what_millivolts_tell(by_height):
    predictions = fitted(by_height, "ecg_network")
    assert (predictions.test.argmax(1) == by_height.y[PARTS.test]).mean() > 0.9
    assert (predictions.validation.argmax(1) == by_height.y[PARTS.validation]).mean() > 0.8
    assert BASELINES["ecg_network"]().remarks(by_height) == []


def test_the_ppg_network_learns_a_rate(tmp_path):
    rng = np.random.default_rng(3)
    rates = rng.uniform(50, 120, N)
    signals = [pulses(rng, rate) for rate in rates]
    number = Target(label="x")
    context = context_of(tmp_path, signals, rates, ("PLETH",), "NU", "ppg", number, network_minutes=0.1)
    error = np.abs(fitted(context, "ppg_network").test - rates[PARTS.test]).mean()
    assert error < 0.5 * np.abs(rates[PARTS.train].mean() - rates[PARTS.test]).mean()


def test_the_eeg_network_learns_where_a_rhythm_is_in_another_montage_too(tmp_path):
    rng = np.random.default_rng(4)
    y = np.arange(N) % 2
    signals = [rhythm(rng, of_b) for of_b in y]
    context = context_of(tmp_path, signals, y, ("C3", "Cz", "C4", "Pz"), "uV", "eeg", network_minutes=0.1)
    assert (fitted(context, "eeg_network").test.argmax(1) == y[PARTS.test]).mean() > 0.8
    near = BASELINES["eeg_network"]().examples(context, FitJob("eeg_network", PARTS)).batch([0]).present[0]
    weights = dict(zip(eeg_network.SITES, near.tolist(), strict=True))
    assert weights["C3"] == pytest.approx(1)
    assert weights["AF7"] < 0.2


def test_the_features_network_has_the_models_size_and_learns(by_height):
    predictions = fitted(replace(by_height, network_minutes=0.02), "features_network")
    assert (predictions.test.argmax(1) == by_height.y[PARTS.test]).mean() > 0.9
    n_features, n_outputs = 1000, 5
    width = hidden_width(1_000_000, n_features, n_outputs)
    n_parameters = (n_features + 1) * width + (width + 1) * width + (width + 1) * n_outputs
    assert n_parameters == pytest.approx(1_000_000, rel=0.01)


def test_the_same_seed_gives_the_same_fit(by_height):
    context = replace(by_height, network_minutes=0.01)
    first, again, other = (fitted(context, "ecg_network", seed=seed).test for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_lead_that_is_missing_or_flat_or_new_weighs_nothing(tmp_path):
    rng = np.random.default_rng(1)
    y = np.arange(N) % 2
    signals = [beats(rng, 1.5 if of_b else 0.5) for of_b in y]
    results = []
    for name, last in (("flat", np.zeros_like(signals[-1][:1])), ("missing", None)):
        folder = tmp_path / name
        folder.mkdir()
        short = signals[-1][:2]
        changed = short if last is None else np.concatenate((short, last))
        results.append(fitted(context_of(folder, [*signals[:-1], changed], y, network_minutes=0.01), "ecg_network"))
    np.testing.assert_array_equal(results[0].test, results[1].test)


def test_an_ecg_of_unknown_unit_has_its_own_scale_and_is_remarked(tmp_path):
    rng = np.random.default_rng(2)
    y = np.arange(N) % 2
    signals = [rng.uniform(1e2, 1e5) * beats(rng, 1.0, 1, 110.0 if of_b else 55.0) for of_b in y]
    context = context_of(tmp_path, signals, y, names=("ECG",), unit="", network_minutes=0.1)
    assert (fitted(context, "ecg_network").test.argmax(1) == y[PARTS.test]).mean() > 0.8
    (remark,) = BASELINES["ecg_network"]().remarks(context)
    assert "own scale" in remark


def test_the_number_of_epochs_follows_from_the_number_of_windows():
    recipe = NetworkSpec(TrainingStage(lr=1e-3, epochs=30), per_minute=600.0, longest=5.0)
    assert recipe.within(1.0, np.full(4, 10.0)).epochs == 30
    assert recipe.within(1.0, np.full(40, 10.0)).epochs == 3
    assert recipe.within(1.0, np.full(40, 2.5)).epochs == 6
    assert recipe.within(1e-3, np.full(40, 2.5)).epochs == 1
    assert [recipe.batches_for(n) for n in (10, 80, 1000)] == [4, 10, 32]


def test_a_fit_that_takes_too_long_is_ended_and_remarked(by_height, monkeypatch):
    now = iter(range(0, 10_000, 100))
    monkeypatch.setattr(_budget, "minutes_worked", lambda: next(now) / 60)
    calls = []
    context = replace(by_height, stopped=[], progress=lambda title, done, total, note="": calls.append((title, done)))
    predictions = fitted(context, "ecg_network")
    assert np.isfinite(predictions.test).all()
    assert calls[-1] == ("ecg_network, fold 0, seed 0, choose", 1)
    (remark,) = BASELINES["ecg_network"]().remarks(context)
    assert "1 fits took longer than 0.1 minutes" in remark
