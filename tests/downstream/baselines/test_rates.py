"""Rates by rule: against the monitor on bedside samples, and against beats whose amplitude breathes."""

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.baselines.models.rate_rules import heart_rate, respiratory_rate
from biosig.downstream.data.channel_targets import window_values
from biosig.recording import Channel, Recording, Stream
from biosig.shards import ShardWriter, build_index, open_shards


@pytest.mark.parametrize("kind", ["ppg", "ecg"])
def test_heart_rate_is_what_the_monitor_showed(kind, tmp_path):
    with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        for path in sorted(samples.path("bidmc").rglob("*_Signals.csv.gz")):
            writer.add(biosig.read(path))
    build_index(tmp_path)
    windows = fixed_length_windows(open_shards(tmp_path), 10.0, 60.0)
    shown = window_values(windows, "HR")
    estimates = np.array([heart_rate(windows.read(i), kind) for i in range(len(windows))])
    both = np.isfinite(shown) & np.isfinite(estimates)
    assert both.mean() > 0.9
    assert np.median(np.abs(shown - estimates)[both]) < 2


def breathing_pulses(breaths_per_minute, seconds=60.0, sfreq=125.0, rate=75.0):
    """Pulses whose height breathes by a fifth."""
    times = np.arange(0, seconds, 1 / sfreq)
    beats = np.arange(0.5, seconds - 0.5, 60 / rate)
    heights = 1 + 0.2 * np.sin(2 * np.pi * breaths_per_minute / 60 * beats)
    signal = (heights[:, None] * np.exp(-(((times - beats[:, None]) / 0.12) ** 2))).sum(0)
    channel = Channel("finger", "PLETH", "ppg", "NU")
    return Recording("r", [Stream(sfreq, (channel,), signal[None].astype(np.float32), 1.0, 0.0)])


@pytest.mark.parametrize("breaths", [8.0, 15.0, 27.0])
def test_breathing_shows_in_the_height_of_pulses(breaths):
    assert respiratory_rate(breathing_pulses(breaths), "ppg") == pytest.approx(breaths, abs=0.6)


def test_a_window_without_beats_has_no_rate(eeg):
    assert np.isnan(heart_rate(eeg, "ecg"))
    assert np.isnan(respiratory_rate(eeg, "ppg"))
    flat = breathing_pulses(15.0)
    flat.streams[0].samples[:] = 0
    assert np.isnan(heart_rate(flat, "ppg"))
