"""A recording's fingerprint is that of its signal: whatever the gain, the rate, the name or the part."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.errors import UnreadableError
from biosig.evaluate.duplicates import near_pairs
from biosig.landmarks import MOST, Landmarks, fingerprint
from biosig.recording import Channel, Stream
from biosig.signal import resample


def stream(x, sfreq=250.0, kind="ecg", **options):
    channels = tuple(Channel(f"c{i}", f"c{i}", kind, "mV") for i in range(len(x)))
    return Stream(sfreq, channels, np.asarray(x, np.float32), 1, 0, **options)


def noise(n_chans=2, seconds=20, sfreq=250.0, seed=0):
    return np.random.default_rng(seed).normal(size=(n_chans, int(seconds * sfreq))).cumsum(axis=1)


def is_copy(original, copy):
    return len(near_pairs(Landmarks.of([original]), Landmarks.of([copy]))) == 1


COPIES = {
    "re-saved": lambda x: stream(np.round(x / (0.02 * x.std()))),
    "other gain, upside down": lambda x: stream(-37 * x + 1000),
    "lower rate": lambda x: stream(resample(x, 250, 100), 100.0),
    "higher rate": lambda x: stream(resample(x, 250, 360), 360.0),
    "cropped": lambda x: stream(x[:, 1111 : 1111 + 8 * 250]),
    "one channel": lambda x: stream(x[1:]),
    "one channel, cropped, lower rate": lambda x: stream(resample(x[1:, 777 : 777 + 9 * 250], 250, 125), 125.0),
    "channels in another order": lambda x: stream(x[::-1]),
}


@pytest.mark.parametrize("kind", ["ecg", "ppg", "eeg"])
@pytest.mark.parametrize("name", COPIES)
def test_a_copy_has_the_landmarks_of_its_original(name, kind, ecg, eeg, bedside):
    """Real signals of each kind, and noise."""
    source = {"ecg": ecg, "eeg": eeg, "ppg": bedside}[kind]
    (real,) = source.of_kind(kind)
    x = resample(real.physical()[:2].astype(float), real.sfreq, 250)[:, : 20 * 250]
    for signal in (np.vstack((x, x[:1])) if len(x) == 1 else x, noise()):
        assert is_copy(fingerprint([stream(signal)]), fingerprint([COPIES[name](signal)]))


@given(st.integers(0, 10_000))
def test_other_noise_is_no_copy(seed):
    assert not is_copy(fingerprint([stream(noise(12, 10))]), fingerprint([stream(noise(12, 10, seed=seed + 1))]))


def test_the_fingerprint_of_a_long_recording_is_bounded_and_found_by_a_part():
    x = noise(64, 200)
    whole = fingerprint([stream(x, kind="eeg")])
    assert len(Landmarks.of([whole])) <= MOST
    assert is_copy(whole, fingerprint([stream(x[:, 20_000:22_500], kind="eeg")]))


def test_blocks_do_not_matter(monkeypatch):
    x = noise(2, 60)
    whole = Landmarks.of([fingerprint([stream(x)])])
    monkeypatch.setattr(Stream.blocks, "__defaults__", (9_000,))
    lazily = replace(stream(x), samples=x.astype(np.float32))
    parts = Landmarks.of([fingerprint([lazily])])
    assert len(whole) == pytest.approx(len(parts), rel=0.03)
    assert is_copy(fingerprint([lazily]), fingerprint([stream(x)]))


def test_what_repeats_itself_tells_nothing():
    t = np.arange(30 * 250) / 250
    for frequency in (3, 5.5, 10):
        tone = fingerprint([stream([np.sin(2 * np.pi * frequency * t)])])
        assert len(Landmarks.of([tone])) <= 1
    other = fingerprint([stream([2 * np.sin(2 * np.pi * 10 * t[: 15 * 250])])])
    assert not is_copy(tone, other)


@pytest.mark.parametrize(
    "x", [np.zeros((2, 5000)), np.full((2, 5000), np.nan), np.full((1, 5000), 1e38), noise(2, 1), np.zeros((1, 0))]
)
def test_nothing_to_tell_gives_no_landmarks(x):
    data = fingerprint([stream(x)])
    assert data
    assert len(Landmarks.of([data])) == 0


def test_slow_channels_and_other_kinds_have_none():
    assert len(Landmarks.of([fingerprint([stream(noise(), 20.0)])])) == 0
    assert len(Landmarks.of([fingerprint([stream(noise(), kind="stim")])])) == 0


def test_no_landmark_stands_on_a_gap():
    x = noise(1, 30)
    x[:, 3000:3500] = np.nan
    times = Landmarks.of([fingerprint([stream(x)])]).time
    assert len(times)
    assert not ((times > 12 - 1.1) & (times < 14 + 1.1)).any()


@given(st.binary(min_size=1, max_size=80))
def test_what_is_no_fingerprint_is_told_in_a_sentence(data):
    with contextlib.suppress(UnreadableError):  # some few bytes are one
        assert len(Landmarks.of([data])) <= 6


def test_a_fingerprint_cut_short_is_told():
    data = fingerprint([stream(noise())])
    for end in (1, 2, 6, len(data) - 1):
        with pytest.raises(UnreadableError, match="damaged"):
            Landmarks.of([data[:end]])
