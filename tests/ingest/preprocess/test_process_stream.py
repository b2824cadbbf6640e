"""A long recording processed block by block is the one processed at once, and never lies in memory as a whole."""

from dataclasses import replace

import numpy as np
import pytest

from biosig.lazy_samples import LazySamples
from biosig.recording import Stream
from biosig.signal import bandpass, notch, resample, robust_scale
from ingest.preprocess.process_stream import Chain, process_stream
from ingest.preprocess.recipe import Recipe, apply


class Counted(LazySamples):
    """Samples that are in memory, and an account of how many are asked for at once."""

    def __init__(self, samples):
        super().__init__(samples.shape, samples.dtype)
        self.samples, self.most, self.read_in_all = samples, 0, 0

    def read(self, start, stop):
        self.most = max(self.most, stop - start)
        self.read_in_all += stop - start
        return self.samples[:, start:stop].copy()


@pytest.fixture
def night(eeg):
    """Real EEG of four channels, five minutes, over a drift of many millivolts."""
    stream = eeg.streams[0].pick(range(4))
    samples = np.tile(np.asarray(stream.samples, np.float32), 5)
    drift = 20_000 * np.sin(np.arange(samples.shape[1]) / 9000) + np.array([[0], [3000], [-5000], [100]])
    return replace(stream, samples=(samples + drift).astype(np.float32))


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(Stream, "block_length", lambda self, n_bytes=0: 7001)


CHAINS = {
    "down": {"new_sfreq": 100, "low": 0.5, "high": 40, "hum": 25},
    "odd": {"new_sfreq": 128.5, "low": 1, "high": 50},
    "same": {"new_sfreq": 160, "low": 0.5, "high": None},
    "up": {"new_sfreq": 250, "low": 0.5, "high": 60, "hum": 50},
    "rate alone": {"new_sfreq": 125},
}


@pytest.mark.parametrize("options", CHAINS.values(), ids=list(CHAINS))
@pytest.mark.parametrize("gaps", [(), [(0, 6900, 7100), (1, 13_000, 30_000), (1, 30_010, 30_015), (2, 0, 14_003)]])
def test_blocks_leave_no_trace(night, small_blocks, tmp_path, options, gaps):
    stream = replace(night, samples=Counted(night.samples), invalid=gaps)
    chain = Chain(night.sfreq, n_times=night.n_times, **options)
    at_once = chain(replace(night, invalid=gaps).physical())
    processed, _ = process_stream(stream, chain, tmp_path)
    assert isinstance(processed.samples, LazySamples)
    assert stream.samples.most <= 7001 + 2 * chain.margin
    assert processed.samples.shape == at_once.shape
    got = processed.physical()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(at_once))
    worst = np.nanmax(np.abs(got - at_once), axis=1) / np.nanmax(np.abs(at_once), axis=1)
    assert worst.max() < 0.5 / 32767 + 1e-5


def test_a_chain_is_its_steps_one_after_the_other(night):
    x = night.physical()
    chain = Chain(160, 100, night.n_times, hum=25, low=0.5, high=40)
    steps = bandpass(notch(resample(x.astype(np.float64), 160, 100, cut=40 / 50), 100, 25), 100, 0.5, None)
    inner = slice(2000, -2000)
    assert np.abs(chain(x)[:, inner] - steps[:, inner]).max() < 1e-3 * np.abs(steps[:, inner]).max()
    assert [step.split()[0] for step in chain.steps] == ["resampled", "notch", "high-pass"]


def test_the_resampler_is_the_low_pass_where_it_can_be():
    chain = Chain(500, 250, 10_000, low=0.5, high=100)
    assert chain.steps == ["resampled from 500 to 250 Hz, low-pass 100 Hz", "high-pass 0.5 Hz, zero phase"]
    t = np.arange(10_000) / 500
    left = {f: chain(np.sin(2 * np.pi * f * t)[None])[0, 1000:-1000].std() * 2**0.5 for f in (10, 80, 100, 115, 124)}
    assert left == pytest.approx({10: 1, 80: 1, 100: 0.5, 115: 0, 124: 0}, abs=0.01)
    assert Chain(500, 250, 10_000, high=20).steps == ["resampled from 500 to 250 Hz", "low-pass 20 Hz, zero phase"]


def test_what_the_resampler_removes_is_not_filtered_again():
    assert Chain(500, 200, 10_000, hum=150, low=0.5, high=99.5).steps == [
        "resampled from 500 to 200 Hz",
        "high-pass 0.5 Hz, zero phase",
    ]
    assert Chain(160, 160, 10_000, high=80).steps == []


def test_spooled_samples_read_anywhere(night, small_blocks, tmp_path):
    chain = Chain(night.sfreq, 100, night.n_times, low=1)
    processed, _ = process_stream(replace(night, samples=Counted(night.samples)), chain, tmp_path)
    everything = np.asarray(processed.samples)
    assert np.abs(everything).max() == 32767
    for start, stop in ((0, 1), (4375, 4377), (4300, 9000), (5, 5)):
        np.testing.assert_array_equal(processed.samples.read(start, stop), everything[:, start:stop])


def test_a_long_recording_goes_through_a_recipe_like_a_short_one(eeg, small_blocks, tmp_path, monkeypatch):
    recipe = Recipe(sfreq={"eeg": 100}, band={"eeg": (0.5, 40)}, reference="average", flat_seconds={"eeg": 1})
    lazy = replace(eeg, streams=[replace(eeg.streams[0], samples=Counted(np.asarray(eeg.streams[0].samples)))])
    blockwise = apply(recipe, lazy, tmp_path)
    monkeypatch.undo()
    at_once = apply(recipe, eeg, tmp_path)
    assert isinstance(blockwise.streams[0].samples, LazySamples)
    assert isinstance(at_once.streams[0].samples, np.ndarray)
    assert blockwise.history == at_once.history
    assert blockwise.robust_scale == pytest.approx(at_once.robust_scale, rel=1e-4)
    np.testing.assert_allclose(blockwise.streams[0].samples, at_once.streams[0].samples, atol=1)


def test_native_reads_and_keeps_its_hands_off(eeg, small_blocks, tmp_path):
    samples = Counted(np.asarray(eeg.streams[0].samples))
    out = apply(Recipe(), replace(eeg, streams=[replace(eeg.streams[0], samples=samples)]), tmp_path)
    assert out.streams[0].samples is samples
    assert samples.most <= 7001
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("blockwise", [False, True])
@pytest.mark.parametrize(("beside", "dtype"), [("nothing", "int16"), ("offset", "int16"), ("pop", "int32")])
def test_what_lies_far_beside_a_signal_does_not_cost_its_resolution(
    eeg, beside, dtype, blockwise, tmp_path, monkeypatch
):
    if blockwise:
        monkeypatch.setattr(Stream, "block_length", lambda self, n_bytes=0: 3001)
    clean = eeg.streams[0].physical()
    clean[1, 500:700] = np.nan
    x = clean.copy()
    if beside == "offset":
        x[1] += 150_000
    if beside == "pop":
        x[1, 4000:4010] = 200_000
    n = len(x)
    stream = replace(eeg.streams[0], samples=x, scale=np.ones(n), offset=np.zeros(n))
    recording = replace(eeg, streams=[stream])
    out = apply(Recipe(sfreq={"eeg": 80}, check_units=False), recording, tmp_path)
    got = out.streams[0]
    assert isinstance(got.samples, LazySamples) == blockwise
    assert got.samples.dtype == dtype
    inner = slice(0, 1900) if beside == "pop" else slice(None)
    values = got.physical()[:, inner]
    wanted = resample(x, 160, 80)[:, inner]
    error = np.nanstd(values[1] - wanted[1])
    assert error < 0.004 * robust_scale(clean[1:2])
    assert np.isnan(values[1, 260:340]).all()
    others = [row for row in range(n) if row != 1]
    assert not got.offset[others].any()
    np.testing.assert_allclose(np.abs(got.samples)[others].max(axis=1), 32767, atol=1)
    about = [line for line in out.history if f"1 of {n} channels counted from the middle" in line]
    assert len(about) == (beside != "nothing")
    assert np.abs(got.offset / got.scale - np.rint(got.offset / got.scale)).max() < 1e-6  # as WFDB wants it


def test_long_margins_do_not_make_most_of_the_work(night, tmp_path, monkeypatch):
    chain = Chain(night.sfreq, 100, night.n_times, low=0.5)
    for usual, most_read in ((3000, 2.2 * night.n_times), (2000, np.inf)):
        monkeypatch.setattr(Stream, "block_length", lambda self, n_bytes=2**24, n=usual: n_bytes // 2**24 * n)
        samples = Counted(night.samples)
        process_stream(replace(night, samples=samples), chain, tmp_path)
        assert samples.read_in_all < most_read
        assert samples.most <= 8 * usual


def test_what_is_left_of_a_signal_may_be_less_than_a_sample(night, small_blocks, tmp_path):
    chain = Chain(160, 16, 28_003, low=None)
    samples = night.samples[:, :28_003]
    processed, _ = process_stream(replace(night, samples=Counted(samples)), chain, tmp_path)
    assert processed.n_times == 2800
