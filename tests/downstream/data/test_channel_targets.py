"""Monitor readings in each window, and windows within rhythms, on the bedside samples."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.data.channel_targets import event_rates, window_values
from biosig.downstream.data.interval_windows import windows_in_intervals
from biosig.downstream.data.label_windows import label_windows
from biosig.downstream.data.target_config import Target, WindowPlan
from biosig.errors import DataError, UsageError
from biosig.recording import Annotation
from biosig.shards import ShardWriter, build_index, open_shards


@pytest.fixture(scope="module")
def bedsides(tmp_path_factory):
    """The bedside samples, with two rhythms of which the second lasts to the end."""
    out = tmp_path_factory.mktemp("bedsides")
    with ShardWriter(out / "a.h5", recipe={}) as writer:
        for path in sorted(samples.path("bidmc").rglob("*_Signals.csv.gz")):
            recording = biosig.read(path)
            rhythms = [Annotation(5.0, 25.0, "(N"), Annotation(30.0, recording.duration - 30.0, "(AFIB")]
            writer.add(replace(recording, annotations=rhythms))
    build_index(out)
    return open_shards(out)


def numerics(ds, row, name):
    stream = next(s for s in ds[row].read().streams if name in s.ch_names)
    return stream.physical()[stream.ch_names.index(name)]


@pytest.mark.parametrize("channel", ["HR", "SpO2", "RR"])
def test_a_windows_value_is_the_median_that_the_monitor_showed(bedsides, channel):
    windows = fixed_length_windows(bedsides, 10.0, 7.0)
    values = window_values(windows, channel)
    for i in range(0, len(windows), 9):
        start = round(windows.onset[i])
        shown = numerics(bedsides, int(windows.recording[i]), channel)[start : start + 10]
        expected = np.nanmedian(shown) if np.isfinite(shown).sum() >= 5 else np.nan
        np.testing.assert_allclose(values[i], expected)
    assert np.isfinite(values).mean() > 0.9


def test_readings_out_of_range_are_no_readings(bedsides):
    windows = fixed_length_windows(bedsides, 10.0)
    values = window_values(windows, "HR")
    limit = float(np.median(values[np.isfinite(values)]))
    bounded = window_values(windows, "HR", (0.0, limit))
    assert np.nanmax(bounded) <= limit
    assert 0 < np.isfinite(bounded).sum() < np.isfinite(values).sum()


def test_a_measure_must_be_there_and_out_of_the_models_sight(bedsides):
    windows = fixed_length_windows(bedsides, 10.0)
    with pytest.raises(DataError, match=r"No recording has the channel 'BP'; .*HR, PULSE, RR, SpO2"):
        window_values(windows, "BP")
    with pytest.raises(UsageError, match=r"'II' of recording .* is ecg, which a model reads"):
        window_values(windows, "II")


def test_windows_lie_whole_within_their_rhythm(bedsides):
    windows = windows_in_intervals(bedsides, ["(N", "(AFIB"], 10.0, 5.0)
    start, end = {"(N": 5.0, "(AFIB": 30.0}, {"(N": 30.0, "(AFIB": float(bedsides.to_pandas()["duration"].min())}
    for onset, duration, label in zip(windows.onset, windows.duration, windows.label, strict=True):
        assert start[label] <= onset
        assert onset + duration <= end[label] + 1e-6
    first_recording = windows[windows.recording == 0]
    assert first_recording.onset[first_recording.label == "(N"].tolist() == [5, 10, 15, 20]
    whole = bedsides.to_pandas()["duration"][0] - 30.0
    assert (first_recording.label == "(AFIB").sum() == int((whole - 10) / 5 + 1e-9) + 1
    assert set(windows_in_intervals(bedsides, ["(N", "(AFIB"], 26.0).label) == {"(AFIB"}  # "(N" lasts 25 s


def test_a_rhythm_that_nobody_has_is_an_error(bedsides):
    with pytest.raises(DataError, match=r"No annotation is labelled '\(SVTA'; labels that last: \(AFIB, \(N"):
        windows_in_intervals(bedsides, ["(SVTA"], 10.0)
    with pytest.raises(UsageError, match="positive length"):
        windows_in_intervals(bedsides, ["(N"], 0.0)


def test_events_that_last_are_filled_with_windows(bedsides):
    target = Target(events={"sinus": ["(N"], "fibrillation": ["(AFIB"]})
    labelled = label_windows(bedsides, target, WindowPlan(length=10.0, stride=5.0))
    assert set(labelled.windows.label[labelled.y == 0]) == {"(N"}
    assert set(labelled.windows.label[labelled.y == 1]) == {"(AFIB"}
    assert (labelled.y == 0).sum() == 4 * len(bedsides)
    assert labelled.notes == []
    longer = replace(target, events={"a": ["(AFIB"], "b": ["(N"]})
    with pytest.raises(DataError, match=rf"class 'b' \({len(bedsides)} of {2 * len(bedsides)} events are shorter than"):
        label_windows(bedsides, longer, WindowPlan(length=26.0))
    with pytest.raises(UsageError, match=r"one window around each, or windows\.length"):
        label_windows(bedsides, target, WindowPlan(length=10.0, after=1.0))


def test_a_measure_is_a_target(bedsides):
    labelled = label_windows(bedsides, Target(target_channel="RR", valid_range=(12.0, 60.0)), WindowPlan(length=30.0))
    assert labelled.target.unit == "window"
    assert labelled.y.min() >= 12
    n_left_out = int(labelled.notes[0].split()[0]) if labelled.notes else 0
    assert len(labelled.y) + n_left_out == len(fixed_length_windows(bedsides, 30.0))


def test_a_rate_is_sixty_over_the_median_interval_of_the_events_in_a_window(tmp_path):
    recording = biosig.read(sorted(samples.path("bidmc").rglob("*_Signals.csv.gz"))[0])
    beats = [*np.arange(0.0, 10.0, 0.8), *np.arange(10.0, 20.0, 0.5), 25.0]
    beats.remove(1.6)  # one that was missed does not change a median
    with ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        writer.add(replace(recording, annotations=[Annotation(float(t), 0.0, "RR") for t in beats]))
    build_index(tmp_path)
    windows = fixed_length_windows(open_shards(tmp_path), 10.0)[np.arange(3)]
    np.testing.assert_allclose(event_rates(windows, "RR"), [75.0, 120.0, np.nan])
    assert np.isnan(event_rates(windows, "RR", (20, 100))[1])
    with pytest.raises(DataError, match="No recording has the annotation 'N'; there are RR"):
        event_rates(windows, "N")
    labelled = label_windows(open_shards(tmp_path), Target(rate="RR"), WindowPlan(length=10.0))
    assert labelled.y.tolist() == pytest.approx([75.0, 120.0])
    assert "have no RR and are left out" in labelled.notes[0]
