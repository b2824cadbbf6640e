"""Windows lie where they are asked to, and batches keep to their budget and order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import biosig
from biosig.batches.loader import BatchPlan, count_tokens, in_order, load_batches
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import event_windows, fixed_length_windows
from biosig.errors import DataError, UsageError
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter


@pytest.fixture(scope="module")
def ds(tmp_path_factory, ecg, eeg, bedside):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder / "a.h5", recipe={}) as writer:
        for recording in (ecg, replace(eeg, subject=biosig.Subject("s1")), bedside.crop(0, 26)):
            writer.add(recording)
    build_index(folder)
    return biosig.open_shards(folder)


def test_a_grid_covers_each_recording_without_gap_or_overlap(ds):
    windows = fixed_length_windows(ds, 4.0)
    assert [int((windows.recording == row).sum()) for row in range(3)] == [2, 16, 6]
    assert windows.onset[windows.recording == 0].tolist() == [0.0, 4.0]
    assert windows.read(0).streams[0].n_times == 400


def test_the_tail_is_kept_when_asked_for(ds):
    windows = fixed_length_windows(ds, 10.0, keep_tail=True)
    last = windows[windows.recording == 2]
    assert list(zip(last.onset.tolist(), last.duration.tolist(), strict=True)) == [
        (0.0, 10.0),
        (10.0, 10.0),
        (20.0, 6.0),
    ]
    assert len(fixed_length_windows(ds, 1000.0)) == 0
    assert len(fixed_length_windows(ds, 1000.0, keep_tail=True)) == 3


@given(length=st.floats(0.5, 20), stride=st.floats(0.5, 20), duration=st.floats(0.1, 100))
def test_every_window_of_a_grid_lies_within_its_recording(length, stride, duration):
    stream = biosig.Stream(10.0, (), np.zeros((0, max(round(duration * 10), 1)), np.int16), np.ones(0), np.zeros(0))
    held = RecordingList([biosig.Recording("r", [stream])])
    lasts = stream.duration
    for keep_tail in (False, True):
        windows = fixed_length_windows(held, length, stride, keep_tail)
        assert (windows.onset >= 0).all()
        assert (windows.onset + windows.duration <= lasts + 1e-5).all()
        if keep_tail and stride <= length:
            assert max(windows.onset + windows.duration) == pytest.approx(lasts)


def test_windows_around_events_carry_their_label_and_stay_inside(ds, eeg):
    windows = event_windows(ds, ["T1", "T2"], before=0.5, after=3.0)
    assert set(windows.label) == {"T1", "T2"}
    events = sorted(a.onset - 0.5 for a in eeg.annotations if a.label in ("T1", "T2") and a.onset + 3 <= eeg.duration)
    assert windows.onset.tolist() == pytest.approx(events)
    assert (windows.recording == 1).all()
    assert set(windows.subjects) == {"s1"}
    part = windows.read(0)
    assert part.duration - part.streams[0].onset == pytest.approx(3.5, abs=0.01)


def test_an_absent_label_names_those_present(ds):
    with pytest.raises(DataError, match=r"No annotation is labelled 'T9'; labels present: .*T0, T1, T2"):
        event_windows(ds, "T9", 0, 4)
    with pytest.raises(UsageError, match="has no length"):
        event_windows(ds, "T1", 0, 0)
    with pytest.raises(UsageError, match="positive length"):
        fixed_length_windows(ds, 0.0)


def test_tokens_are_counted_from_the_index_alone_and_right(ds, tiny):
    windows = fixed_length_windows(ds, 4.0)
    counts = count_tokens(windows, tiny.contract)
    for rows, (batch, used) in zip(
        in_order(counts, 400), load_batches(windows, in_order(counts, 400), tiny.contract), strict=True
    ):
        assert used.tolist() == rows.tolist()
        assert batch.seqlens.tolist() == counts[rows].tolist()
        assert batch.n_tokens <= 400 or len(rows) == 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any), st.integers(1, 120), st.integers(0, 9))
def test_a_plan_takes_every_window_once_an_epoch_and_resumes_anywhere(tokens, budget, seed):
    plan = BatchPlan(np.array(tokens), budget, seed)
    epoch = plan.epoch(0)
    assert sorted(np.concatenate(epoch).tolist()) == [i for i, n in enumerate(tokens) if n]
    assert all(len(rows) == 1 or sum(tokens[i] for i in rows) <= budget for rows in epoch)
    whole = [rows.tolist() for rows in plan.batches(0, 7)]
    assert len(whole) == 7
    assert whole[3:] == [rows.tolist() for rows in plan.batches(3, 7)]


def test_a_window_without_a_valid_token_is_left_out_and_known(ds, tiny, ecg):
    broken = replace(ecg, streams=[replace(ecg.streams[0], invalid=np.array([[c, 0, 1000] for c in range(12)]))])
    windows = fixed_length_windows(RecordingList([ecg, broken, ecg]), 10.0)
    ((batch, rows),) = load_batches(windows, [np.arange(3)], tiny.contract)
    assert rows.tolist() == [0, 2]
    assert batch.n_windows == 2


def test_a_window_where_a_recording_has_no_sample_is_left_out_too(tiny, ecg):
    late = replace(ecg, streams=[replace(ecg.streams[0], onset=12.0)])
    windows = fixed_length_windows(RecordingList([late]), 5.0, keep_tail=True)
    ((batch, rows),) = load_batches(windows, [np.arange(5)], tiny.contract)
    assert rows.tolist() == [2, 3, 4]
    assert batch.n_windows == 3
    assert windows.read(0).id == ecg.id
    assert windows.read(0).streams == []


def test_recordings_in_memory_read_like_stored_ones(ds, eeg):
    held = RecordingList([replace(eeg, subject=biosig.Subject("s1"))])[0]
    for window in ((), (4.0,), (4.0, 2.0)):
        one, other = held.read(*window), ds[1].read(*window)
        assert one.streams[0].onset == other.streams[0].onset
        assert np.array_equal(one.streams[0].samples, other.streams[0].samples)


def test_workers_read_the_same_batches(ds, tiny):
    windows = fixed_length_windows(ds, 10.0)
    batches = in_order(count_tokens(windows, tiny.contract), 1000)
    here = list(load_batches(windows, batches, tiny.contract))
    there = list(load_batches(windows, batches, tiny.contract, workers=1))
    for (one, rows), (other, same) in zip(here, there, strict=True):
        assert rows.tolist() == same.tolist()
        assert all((one.patches[m] == other.patches[m]).all() for m in one.patches)
