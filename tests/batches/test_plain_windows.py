"""Plain integers take a short way to the model, and nobody can tell by the numbers; neither by the batch's memory."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import biosig
from biosig.batches.contract import InputContract, prepare
from biosig.batches.loader import load_batches
from biosig.batches.packed import pack
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import Windows, fixed_length_windows
from biosig.signal import robust_scale

CONTRACT = {
    "ecg": InputContract(100.0, 0.4, 0.4, "mV"),
    "ppg": InputContract(125.0, 0.4, 0.2, None),
    "eeg": InputContract(160.0, 0.4, 0.4, "uV"),
}


def scaled(recording):
    """With the robust scales that ingest would store, and samples as int16."""
    scales = {m: robust_scale(s.physical()) for m in ("ecg", "ppg", "eeg") for s in recording.of_kind(m)}
    return replace(recording, robust_scale=scales)


def the_long_way(recording):
    """The same physical values from int32, which `prepare` takes through floats and NaN."""
    return replace(recording, streams=[replace(s, samples=s.samples.astype(np.int32)) for s in recording.streams])


def close(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape
    assert np.abs(a - b).max(initial=0) <= 1e-6 * max(np.abs(b).max(initial=0), 1)


def odd_leads(recording):
    """A flat lead, one that is off for good, one with a pop beyond the clip, one upside down and one with an offset."""
    (stream,) = recording.streams
    samples = stream.samples.copy()
    samples[1] = 7
    samples[2, 100:130] = 32767
    scale, offset = stream.scale.copy(), stream.offset.copy()
    scale[3] *= -1
    offset[4] += 5.0
    scale[5] = 0.0
    return replace(recording, streams=[replace(stream, samples=samples, scale=scale, offset=offset)])


def with_gaps(recording):
    (stream,) = recording.streams
    return replace(recording, streams=[replace(stream, invalid=np.array([(0, 10, 90), (3, 0, stream.n_times)]))])


def other_unit(recording):
    (stream,) = recording.streams
    channels = tuple(replace(c, unit="uV") for c in stream.channels)
    return replace(recording, streams=[replace(stream, channels=channels, scale=stream.scale * 1e3)])


def two_streams(recording):
    """The first half of the leads at half the rate, so that one stream is resampled and one is plain."""
    (stream,) = recording.streams
    slow = replace(stream.pick(range(6)), samples=stream.samples[:6, ::2], sfreq=stream.sfreq / 2)
    return replace(recording, streams=[slow, stream.pick(range(6, 12)), stream.pick([0, 7])])


@pytest.fixture(
    params=["ecg", "odd_leads", "with_gaps", "other_unit", "two_streams", "eeg", "bedside", "short", "uneven"]
)
def recording(request, ecg, eeg, bedside):
    name = request.param
    whole = {"eeg": eeg, "bedside": bedside.crop(0.0, 20.0)}.get(name, ecg)
    change = {"odd_leads": odd_leads, "with_gaps": with_gaps, "other_unit": other_unit, "two_streams": two_streams}
    made = scaled(change.get(name, lambda r: r)(whole))
    parts = {"short": (2.0, 0.3), "uneven": (1.0, 5.17)}
    return made.crop(*parts[name]) if name in parts else made


def test_integers_come_out_as_floats_would(recording):
    for short, long in zip(prepare(recording, CONTRACT), prepare(the_long_way(recording), CONTRACT), strict=True):
        close(short.values, long.values)
        close(short.mean, long.mean)
        assert np.array_equal(short.valid, long.valid)
        assert (short.modality, short.scale, short.onset) == (long.modality, long.scale, long.onset)
        assert short.ch_names == long.ch_names


def test_the_loader_packs_what_prepare_and_pack_give(recording, ecg):
    held = RecordingList([scaled(ecg), recording, scaled(ecg)])
    windows = fixed_length_windows(held, 4.0, keep_tail=True)
    ((batch, rows),) = load_batches(windows, [np.arange(len(windows))[::-1].copy()], CONTRACT)
    prepared = [prepare(windows.read(i), CONTRACT, float(windows.onset[i])) for i in np.asarray(rows).tolist()]
    expected = pack(prepared, CONTRACT)
    for field in fields(batch):
        ours, theirs = getattr(batch, field.name), getattr(expected, field.name)
        if not isinstance(ours, dict):
            ours, theirs = {"": ours}, {"": theirs}
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype, field.name
            assert torch.equal(ours[name].nan_to_num(9.0), theirs[name].nan_to_num(9.0)), field.name


def test_a_window_that_is_left_out_leaves_no_trace_in_the_batch(ecg):
    off = replace(ecg, streams=[replace(ecg.streams[0], samples=np.full_like(ecg.streams[0].samples, 3))])
    held = RecordingList([scaled(ecg), replace(off, robust_scale={"ecg": 1.0}), scaled(ecg)])
    ((batch, rows),) = load_batches(fixed_length_windows(held, 10.0), [np.arange(3)], CONTRACT)
    assert np.asarray(rows).tolist() == [0, 2]
    assert torch.equal(batch.patches["ecg"][:300], batch.patches["ecg"][300:])
    assert batch.patches["ecg"].abs().max() > 1


def test_a_modality_that_gives_no_token_in_a_batch_does_no_harm(ecg, bedside):
    (pulse,) = bedside.crop(0.0, 0.3).of_kind("ppg")
    both = scaled(replace(ecg, streams=[*ecg.streams, pulse]))
    ((batch, rows),) = load_batches(fixed_length_windows(RecordingList([both]), 10.0), [np.arange(1)], CONTRACT)
    assert batch.patches["ecg"].shape == (300, 40)
    assert batch.patches["ppg"].shape == (0, 50)
    assert np.asarray(rows).tolist() == [0]


def test_shared_montages_are_read_only_and_of_their_own_recording(ecg, eeg):
    (a,), (b,) = prepare(scaled(ecg), CONTRACT), prepare(scaled(ecg), CONTRACT)
    assert a.position is b.position
    with pytest.raises(ValueError, match="read-only"):
        a.position[0] = 0
    renamed = replace(ecg.streams[0], channels=tuple(replace(c, position=(0, 0, 1)) for c in ecg.streams[0].channels))
    (c,) = prepare(replace(scaled(ecg), streams=[renamed]), CONTRACT)
    assert [0, 0, 1] in c.reference.tolist() + c.position.tolist()
    assert prepare(scaled(eeg), CONTRACT)[0].position.shape == (19, 3)


def test_stored_windows_carry_what_the_model_needs(tmp_path, ecg):
    ecg = replace(scaled(ecg), labels={"a": 1}, report="x")
    with biosig.shards.ShardWriter(tmp_path / "a.h5", recipe={}) as writer:
        writer.add(ecg)
        writer.add(replace(ecg, id="none", robust_scale={}))
    ds = biosig.open_shards(tmp_path / "a.h5")
    windows = Windows(ds, np.array([0, 1, 0]), np.array([0.0, 2.0, 50.0]), np.full(3, 4.0))
    one, two, empty = (windows.read_signals(i) for i in range(3))
    assert np.array_equal(one.streams[0].samples, windows.read(0).streams[0].samples)
    assert one.robust_scale == ecg.robust_scale
    assert not two.robust_scale["ecg"] > 0
    assert (one.id, two.id, empty.id, empty.streams) == (ecg.id, "none", ecg.id, [])
    assert one.labels == {}
    alone, whole = prepare(two, CONTRACT)[0], prepare(windows.read(1), CONTRACT)[0]
    close(alone.values, whole.values)
