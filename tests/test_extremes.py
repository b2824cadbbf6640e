"""Samples that no sensor gives: which they are, what is told of them, and that nothing else is touched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biosig import build_model
from biosig.errors import DataError
from biosig.extremes import mark_extremes
from biosig.lazy_samples import LazySamples
from biosig.recording import Channel, Recording, Stream

SFREQ = 100.0


def recording(values, kinds="ecg", unit="mV", scale=1.0, offset=0.0, invalid=(), onset=0.0):
    kinds = [kinds] * values.shape[0] if isinstance(kinds, str) else kinds
    channels = tuple(Channel(f"C{i}", f"c{i}", kind, unit) for i, kind in enumerate(kinds))
    runs = np.array(invalid, np.int64).reshape(-1, 3)
    return Recording("r", [Stream(SFREQ, channels, values, scale, offset, runs, onset)])


def noise(n_chans=2, n_times=3000, size=1.0):
    return (size * np.random.default_rng(0).normal(size=(n_chans, n_times))).astype(np.float32)


def test_a_clean_recording_is_the_same_object():
    for kind, unit, size in (("ecg", "mV", 1), ("eeg", "uV", 50), ("ppg", "NU", 1e5), ("abp", "mmHg", 90)):
        clean = recording(noise(size=size), kind, unit)
        assert mark_extremes(clean) is clean


@pytest.mark.parametrize(
    ("kind", "unit", "size", "spike"),
    [
        ("ecg", "mV", 0.3, 5e3),
        ("ecg", "mV", 0.3, -1e30),
        ("eeg", "uV", 30, 3e6),
        ("eog", "uV", 80, np.inf),
        ("emg", "V", 1e-4, 2),
        ("abp", "mmHg", 90, 1e5),
        ("acc", "g", 1, -1e6),
        ("ppg", "NU", 2, 1e9),
        ("spo2", "%", 0, 1e12),
        ("resp", "Ohm", 3, 3e38),
        ("stim", "", 0, np.inf),
    ],
)
def test_a_spike_is_invalid_and_told_by_channel_time_and_value(kind, unit, size, spike):
    values = noise(size=size)
    values[1, 1234] = spike
    before = recording(values, kind, unit, onset=2.0)
    after = mark_extremes(before)
    assert after.streams[0].invalid.tolist() == [[1, 1234, 1235]]
    (note,) = after.notes
    assert "1 sample of 'c1' from 14.34 s" in note
    assert ("infinite" if np.isinf(spike) else f"({spike:.3g}") in note
    assert before.streams[0].invalid.tolist() == [] == list(before.notes)
    assert mark_extremes(after).streams[0].invalid.tolist() == after.streams[0].invalid.tolist()


@pytest.mark.parametrize(
    ("kind", "unit", "values"),
    [
        ("ecg", "mV", noise() + 1650),  # half the supply of an amplifier with one voltage
        ("eeg", "uV", np.linspace(-3e5, 3e5, 6000, dtype=np.float32).reshape(2, -1)),  # DC drift
        ("ppg", "NU", (noise(size=30) + 2**23).round()),
        ("stim", "", np.where(np.arange(3000) % 999 == 0, 2.0**31, 0).astype(np.float32)[None]),
        ("misc", "V", np.where(np.arange(3000) % 300 == 0, 5, 0).astype(np.float32)[None]),
        ("spo2", "%", np.full((1, 3000), 98, np.float32)),
        ("misc", "ns", np.full((1, 3000), 1.7e18, np.float32)),
    ],
)
def test_what_sensors_do_give_stays(kind, unit, values):
    clean = recording(values, kind, unit)
    assert mark_extremes(clean) is clean


def test_a_wrong_unit_is_told_and_left_to_plausibility_but_one_bad_channel_is_not():
    volts = recording(noise(4, size=1e5))
    after = mark_extremes(volts)
    assert after.streams[0].invalid.tolist() == []
    assert "4 of 4 ecg channels are mostly beyond 1000 mV" in after.notes[0]
    values = noise(4)
    values[2] *= 1e5
    (stream,) = mark_extremes(recording(values)).streams
    assert set(stream.invalid[:, 0].tolist()) == {2}
    assert stream.valid()[2].mean() < 0.02


def test_samples_that_are_known_to_be_none_are_not_told_again():
    values = noise()
    values[0, 100:200] = 1e30
    values[1, 5] = np.nan
    clean = recording(values, invalid=[(0, 100, 200)])
    assert mark_extremes(clean) is clean


class Counted(LazySamples):
    """Samples that count how often they are read."""

    def __init__(self, values):
        super().__init__(values.shape, values.dtype)
        self.values, self.n_reads = values, 0

    def read(self, start, stop):
        self.n_reads += 1
        return self.values[:, start:stop]


def test_integers_that_cannot_reach_the_limit_stay_in_their_file():
    counts = np.full((1, 3000), 7, np.int16)
    counts[0, 50] = 32767
    within, beyond = Counted(counts), Counted(counts)
    mark_extremes(recording(within, scale=0.01))
    mark_extremes(recording(within, "ppg", "NU", scale=1e9))
    assert within.n_reads == 0
    assert mark_extremes(recording(beyond, scale=0.1)).streams[0].invalid.tolist() == [[0, 50, 51]]


@settings(deadline=None)
@given(
    st.sets(st.integers(0, 1999), min_size=1, max_size=20),
    st.floats(4e3, 1e38),
    st.integers(0, 2),
    st.integers(1, 4),
)
def test_planted_samples_are_all_found_and_nothing_else(places, size, row, blocks):
    values = noise(3, 2000)
    values[row, sorted(places)] = size
    before = recording(values)
    before.streams[0].samples = Counted(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream.blocks, "__defaults__", (values.nbytes // blocks,))
        after = mark_extremes(before)
    expected = np.zeros(values.shape, bool)
    expected[row, sorted(places)] = True
    np.testing.assert_array_equal(~after.streams[0].valid(), expected)
    assert f"{len(places)} sample" in after.notes[0]


def test_an_array_with_such_a_sample_is_refused_by_window_channel_and_time():
    model = build_model("biosig-tiny")
    x = noise(2, 2000)[None].repeat(3, axis=0)
    x[2, 1, 150] = 1e30
    with pytest.raises(DataError, match=r"Window 2 of the array: .* 'II' from 1\.5 s \(1e\+30 mV\).* to NaN"):
        model.encode(x, sfreq=100, ch_names=["I", "II"], kind="ecg")
    x[2, 1, 150] = np.nan
    assert model.encode(x, sfreq=100, ch_names=["I", "II"], kind="ecg") is not None
    wide = x.astype(np.float64)
    wide[1, 0, 7] = 1e40
    with pytest.raises(DataError, match=r"Window 1 of the array has 1e\+40 in channel 0 at 0\.07 s, beyond float32"):
        model.encode(wide, sfreq=100, ch_names=["I", "II"], kind="ecg")
