"""Windows that the loader keeps: the same batches to the bit, and only up to the bytes that are given."""

import numpy as np
import torch

import biosig
from biosig import samples
from biosig.batches import loader
from biosig.batches.loader import load_batches
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.models.presets import preset

CONTRACT = preset("biosig-fused-tiny").contract


def _batches(windows, keep_bytes):
    orders = [np.array([0, 3, 1]), np.array([3, 2]), np.array([1, 0, 3, 2])]
    return [loaded.batch for loaded in load_batches(windows, orders, CONTRACT, keep_bytes=keep_bytes)]


def test_batches_are_the_same_to_the_bit_and_windows_are_prepared_once(monkeypatch):
    ecgs = [biosig.read(path) for path in sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:2]]
    windows = fixed_length_windows(RecordingList(ecgs), 4.0)
    prepared = []
    true = loader.prepare
    monkeypatch.setattr(loader, "prepare", lambda *args: prepared.append(1) or true(*args))
    plain = _batches(windows, 0)
    assert len(prepared) == 9
    one_window = 12 * 400 * 4
    for keep_bytes, wanted in ((1e9, 4), (2 * one_window, 7)):
        prepared.clear()
        kept = _batches(windows, keep_bytes)
        assert len(prepared) == wanted
        for one, other in zip(plain, kept, strict=True):
            assert torch.equal(one.patches["ecg"], other.patches["ecg"])
            assert torch.equal(one.position, other.position)
            assert torch.equal(one.log_scale, other.log_scale)
