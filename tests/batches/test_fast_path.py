"""Windows from shards that only need scaling are handled several at a time: nobody can tell by the batch."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import biosig
import biosig.batches.fast_path as together
from biosig.batches.contract import InputContract, prepare
from biosig.batches.loader import load_batches
from biosig.batches.packed import pack
from biosig.batches.windows import fixed_length_windows
from biosig.shards import ShardWriter
from biosig.signal import robust_scale

CONTRACT = {"ecg": InputContract(100.0, 0.4, 0.4, "mV"), "eeg": InputContract(160.0, 0.4, 0.4, "uV")}


@pytest.fixture
def shards(ecg, eeg, tmp_path):
    """ECGs that are plain, with a flat lead, with a gap, flat throughout and at another rate, and an EEG."""
    (stream,) = ecg.streams
    flat, dead = stream.samples.copy(), np.full_like(stream.samples, 3)
    flat[4] = 9
    made = {
        "plain": ecg,
        "flat": replace(ecg, streams=[replace(stream, samples=flat)]),
        "gap": replace(ecg, streams=[replace(stream, invalid=np.array([(2, 100, 300)]))]),
        "dead": replace(ecg, streams=[replace(stream, samples=dead)]),
        "fast": replace(ecg, streams=[replace(stream, sfreq=200.0)]),
        "eeg": eeg.crop(0.0, 8.0),
        "turned": replace(ecg, streams=[replace(stream, scale=-3 * stream.scale, offset=stream.offset + 1)]),
    }
    with ShardWriter(tmp_path / "0.h5", {}) as writer:
        for name, recording in made.items():
            scales = {m: robust_scale(s.physical()) for m in ("ecg", "eeg") for s in recording.of_kind(m)}
            usual = {kind: scale if scale > 0 else 1.0 for kind, scale in scales.items()}
            writer.add(replace(recording, id=name, robust_scale=usual))
    biosig.shards.build_index(tmp_path)
    return biosig.open_shards(tmp_path)


@pytest.mark.parametrize("group_bytes", [1, 60_000, 2**19])
def test_a_batch_is_what_prepare_and_pack_give(shards, monkeypatch, group_bytes):
    monkeypatch.setattr(together, "GROUP_BYTES", group_bytes)
    windows = fixed_length_windows(shards, 4.0)
    ((batch, rows),) = load_batches(windows, [np.arange(len(windows))[::-1].copy()], CONTRACT)
    names = [shards[int(windows.recording[row])].id for row in rows.tolist()]
    assert set(names) == {"plain", "flat", "gap", "fast", "eeg", "turned"}
    prepared = [prepare(windows.read(row), CONTRACT, float(windows.onset[row])) for row in rows.tolist()]
    expected = pack(prepared, CONTRACT)
    for field in fields(batch):
        ours, theirs = getattr(batch, field.name), getattr(expected, field.name)
        if not isinstance(ours, dict):
            ours, theirs = {"": ours}, {"": theirs}
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert ours[key].dtype == theirs[key].dtype
            torch.testing.assert_close(ours[key], theirs[key], rtol=1e-6, atol=1e-6, equal_nan=True)


def test_most_windows_of_shards_at_the_models_rate_are_of_this_sort(shards):
    windows = fixed_length_windows(shards, 4.0)
    found, other = together.plain_windows(windows, np.arange(len(windows)), CONTRACT)
    assert sorted([*other, *(window.row for window in found)]) == list(range(len(windows)))
    plain = {shards[int(windows.recording[window.row])].id for window in found}
    assert plain == {"plain", "flat", "dead", "eeg", "turned"}


def test_windows_that_give_nothing_leave_no_trace(shards):
    windows = fixed_length_windows(shards.query("recording == 'dead' or recording == 'eeg'"), 4.0)
    ((batch, rows),) = load_batches(windows, [np.arange(len(windows))], CONTRACT)
    assert {shards[5].id} == {windows.ds[int(windows.recording[row])].id for row in rows.tolist()} == {"eeg"}
    assert batch.patches.keys() == {"eeg"}


def test_a_batch_travels_and_moves_whether_or_not_all_of_it_is_real(shards):
    windows = fixed_length_windows(shards.query("recording == 'plain'"), 4.0)
    ((batch, _),) = load_batches(windows, [np.arange(len(windows))], CONTRACT, workers=1)
    assert batch.sample_valid["ecg"].all()
    assert batch.to("cpu").sample_valid["ecg"].shape == batch.patches["ecg"].shape
