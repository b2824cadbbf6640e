"""Recordings made worse: by the same samples however they are read, on the test parts alone, for every row alike."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import welch

from biosig import config as configuration
from biosig.batches.alignment import aligned
from biosig.batches.mapped_recordings import original
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.downstream.data.degradations import DEGRADATIONS, MISSING, SNR, degraded, with_degraded_test
from biosig.downstream.data.split_config import SubjectKFold
from biosig.downstream.data.splits import groups_of, make_parts
from biosig.downstream.data.task import open_model, open_task
from biosig.downstream.experiments.probe import ProbeConfig, score_rows
from biosig.errors import UsageError
from biosig.recording import Subject
from biosig.signal import robust_scale


def _values(windows, row=0):
    return windows.read(row).streams[0].physical()


@pytest.mark.parametrize("name", ["missing", "noise"])
def test_a_window_meets_the_same_samples_as_the_whole_recording(eeg, name):
    scaled = replace(eeg, robust_scale={"eeg": 30.0})
    windows = degraded(fixed_length_windows(RecordingList([scaled]), 4.0), name)
    whole = windows.ds[0].read().streams[0].physical()
    for row in (0, 3):
        start = round(windows.onset[row] * 160)
        np.testing.assert_array_equal(_values(windows, row), whole[:, start : start + 640])
        signals = windows.read_signals(row).streams[0].physical()
        np.testing.assert_array_equal(signals, whole[:, start : start + 640])
    again = degraded(fixed_length_windows(RecordingList([replace(scaled, id="renamed")]), 4.0), name)
    np.testing.assert_array_equal(_values(again), _values(windows))
    other = degraded(fixed_length_windows(RecordingList([replace(scaled, content_hash="another")]), 4.0), name)
    assert not np.array_equal(np.nan_to_num(other.ds[0].read().streams[0].physical()), np.nan_to_num(whole))


def test_half_the_rate_keeps_what_it_has_room_for(eeg):
    plain, half = (one.read(2).streams[0] for one in (fixed_length_windows(RecordingList([eeg]), 4.0), _half(eeg)))
    assert (half.sfreq, half.n_times, half.onset) == (80.0, 320, plain.onset)
    powers = [welch(s.physical(), s.sfreq, nperseg=int(2 * s.sfreq))[1][:, 2:60] for s in (plain, half)]
    np.testing.assert_allclose(powers[0], powers[1], rtol=0.2)  # 1 to 30 Hz


def _half(eeg):
    return degraded(fixed_length_windows(RecordingList([eeg]), 4.0), "half_rate")


def test_a_tenth_is_missing_on_all_channels_at_once(eeg):
    values = degraded(fixed_length_windows(RecordingList([eeg]), 4.0), "missing").ds[0].read().streams[0].physical()
    gone = np.isnan(values)
    assert (gone == gone[0]).all()
    assert 0.3 * MISSING < gone.mean() < 2 * MISSING


def test_noise_has_its_power_and_its_hum(eeg):
    scale = 30.0
    plain = fixed_length_windows(RecordingList([replace(eeg, robust_scale={"eeg": scale})]), 60.0)
    added = _values(degraded(plain, "noise")) - _values(plain)
    assert added.std() == pytest.approx(scale * 10 ** (-SNR / 20), rel=0.02)
    freqs, power = welch(added, 160.0, nperseg=320)
    at_50 = np.abs(freqs - 50) < 1.1
    np.testing.assert_allclose(power[:, at_50].sum(axis=1) / power.sum(axis=1), 0.5, atol=0.1)
    assert abs(np.corrcoef(added)[0, 1] - 0.5) < 0.1  # the hum is common, the rest is not


def test_other_signals_are_left_alone_and_noise_follows_each_modality(bedside):
    windows = fixed_length_windows(RecordingList([bedside]), 10.0)
    for name in DEGRADATIONS:
        mine, its = degraded(windows, name).read(1), windows.read(1)
        for one, other in zip(mine.streams, its.streams, strict=True):
            if not any(c.kind in ("ecg", "ppg") for c in other.channels):
                np.testing.assert_array_equal(one.physical(), other.physical())
    noisy, plain = (one.read(1).streams[0] for one in (degraded(windows, "noise"), windows))
    for row, channel in enumerate(plain.channels):
        added = (noisy.physical() - plain.physical())[row]
        scale = robust_scale(plain.physical()[[row]]) if channel.kind in ("ecg", "ppg") else 0.0
        n_of_kind = sum(c.kind == channel.kind for c in plain.channels)
        if n_of_kind == 1:
            assert np.nanstd(added) == pytest.approx(scale * 10 ** (-SNR / 20), rel=0.1)


def test_unknown_degradations_are_refused(eeg):
    with pytest.raises(UsageError, match="no degradation 'fog'; there are half_rate, missing, noise"):
        degraded(fixed_length_windows(RecordingList([eeg]), 4.0), "fog")


@pytest.fixture(scope="module")
def probe(few_channels):
    values = {
        "model": "biosig-tiny",
        "shards": str(few_channels.folder),
        "target": {"events": {"left": ["T1"], "right": ["T2"]}},
        "windows": {"after": 2.0},
        "split": {"folds": 2, "validation": 0.34},
        "n_bootstrap": 100,
    }
    config = configuration.load(ProbeConfig, values)
    task = open_task(config.shards, config.query, config.target, config.windows)
    return config, task, make_parts(config.split, task.labelled, config.seed)[0], open_model(config.model, 0, "cpu")


def test_the_test_part_alone_is_made_worse_and_rows_can_be_paired(probe, monkeypatch):
    config, task, parts, model = probe
    monkeypatch.setitem(DEGRADATIONS, "nothing", lambda part, whole, row: part)
    names = ["model", "handmade"]
    plain = score_rows(config, task, model, parts, names).predictions
    same = score_rows(config, *_on(task, model, parts, "nothing"), names).predictions
    noisy = score_rows(config, *_on(task, model, parts, "noise"), names).predictions
    key = ["method", "fold", "recording", "onset", "y"]
    for table in (same, noisy):
        assert (table[key] == plain[key]).all(axis=None)
    np.testing.assert_allclose(same["score_left"], plain["score_left"], atol=1e-5)
    for name in names:
        off = (noisy["score_left"] - plain["score_left"])[plain["method"] == name].abs()
        assert off.max() > 1e-4  # ten times what the same recordings may differ by: a strong penalty leaves little


def _on(task, model, parts, name):
    worse, its_parts = with_degraded_test(task, parts, name)
    return worse, model, its_parts


def test_the_recordings_within_are_found_again_and_copies_are_aligned_by_themselves(probe):
    _, task, parts, _ = probe
    worse, its_parts = with_degraded_test(task, parts, "noise")
    windows, within = worse.labelled.windows, original(worse.labelled.windows)
    assert within.ds is task.labelled.windows.ds
    assert [within.ds[int(row)].id for row in within.recording] == worse.recordings.tolist()
    groups = groups_of(SubjectKFold(folds=2, validation=0.34, by="number"), windows, worse.copies)
    assert len(np.unique(groups)) == 7
    assert set(windows.subjects) == set(task.subjects)
    first = its_parts[0]
    row, good = int(first.test[0]), int(np.flatnonzero(worse.recordings == worse.recordings[first.test[0]])[0])
    assert windows.recording[good] + len(within.ds) == windows.recording[row]
    plain = aligned(task.labelled.windows, "subject")
    alone = aligned(degraded(task.labelled.windows, "noise"), "subject")
    both = aligned(windows, "subject")
    at = windows.onset[row], windows.duration[row]
    number = int(within.recording[row])
    for ds, mine in ((plain.ds, windows.recording[good]), (alone.ds, windows.recording[row])):
        expected = ds[number].read(*at).streams[0].physical()
        np.testing.assert_allclose(both.ds[int(mine)].read(*at).streams[0].physical(), expected, rtol=1e-4, atol=1e-3)


def test_an_aligned_copy_can_be_made_of_what_is_missing(eeg):
    known = replace(eeg, subject=Subject("s"))
    windows = aligned(degraded(fixed_length_windows(RecordingList([known]), 4.0), "missing"), "subject")
    gone = np.isnan(windows.ds[0].read().streams[0].physical())
    assert (gone == gone[0]).all()
    assert 0.3 * MISSING < gone.mean() < 2 * MISSING
