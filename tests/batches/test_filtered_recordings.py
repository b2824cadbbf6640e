"""Windows in a contract's band, with their recording's moments: as if the whole recording had been filtered first."""

from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig.batches.channel_layout import UnplacedChannelWarning
from biosig.batches.contract import InputContract, prepare
from biosig.batches.filtered_recordings import filter_to_contract
from biosig.batches.loader import count_tokens, in_order, load_batches
from biosig.batches.recording_set import RecordingList
from biosig.batches.windows import fixed_length_windows
from biosig.electrodes.frames import head_to_mri
from biosig.electrodes.reve_bank import reve_positions
from biosig.errors import UsageError
from biosig.models.presets import preset
from biosig.recording import Recording, Stream
from biosig.shards import ShardWriter, build_index
from biosig.signal import bandpass, robust_scale

ZSCORE = {"eeg": InputContract(160.0, 1.0, 0.9, "uV", band=(0.5, 45.0), normalisation="zscore", clip=15.0)}


def as_stream(stream, values):
    one = np.ones(stream.n_chans)
    return replace(stream, samples=values.astype(np.float32), scale=one, offset=0 * one)


@pytest.fixture(scope="module")
def whole(eeg):
    """All samples of the recording filtered at once, (C, T)."""
    return bandpass(eeg.streams[0].physical(), 160.0, 0.5, 45.0)


def test_a_window_is_cut_from_the_filtered_recording_and_scored_by_its_moments(eeg, whole):
    windows = filter_to_contract(fixed_length_windows(RecordingList([eeg]), 10.0), ZSCORE)
    score = (whole - whole.mean(axis=1, keepdims=True)) / whole.std(axis=1, keepdims=True)
    for i in (0, 3, len(windows) - 1):
        start = round(windows.onset[i] * 160)
        (prepared,) = prepare(windows.read_signals(i), ZSCORE, windows.onset[i])
        expected = np.clip(score[:, start : start + 1600], -15, 15)
        assert np.abs(prepared.values - expected).max() < 1e-3 * np.abs(expected).max()
        assert prepared.valid.all()
        assert prepared.log_scale == 0
        raw = prepared.to_physical(prepared.values)
        inside = np.abs(expected) < 15
        assert np.abs(raw - whole[:, start : start + 1600])[inside].max() < 2e-3 * np.abs(whole).max()


def test_samples_that_lie_in_the_band_are_left_alone(eeg, whole):
    done = replace(eeg, streams=[as_stream(eeg.streams[0], whole)], band={"eeg": (1.0, 40.0)})
    window = filter_to_contract(fixed_length_windows(RecordingList([done]), 10.0), ZSCORE).read_signals(2)
    assert np.array_equal(window.streams[0].samples, whole[:, 3200:4800].astype(np.float32))


def test_a_shard_tells_the_band_of_its_recipe(tmp_path, eeg):
    with ShardWriter(tmp_path / "00000.h5", recipe={"band": {"eeg": [0.5, 40.0], "ecg": [None, 100.0]}}) as writer:
        writer.add(eeg)
    build_index(tmp_path)
    stored = biosig.open_shards(tmp_path)[0]
    assert stored.read().band == {"eeg": (0.5, 40.0), "ecg": (None, 100.0)}
    assert stored.read_signals(0, 5).band == stored.read().band


def test_a_lead_that_does_not_move_in_a_window_has_no_real_value_there(eeg):
    values = eeg.streams[0].physical()
    values[5, 1600:3200] = 12.5
    held = replace(eeg, streams=[as_stream(eeg.streams[0], values)])
    windows = filter_to_contract(fixed_length_windows(RecordingList([held]), 10.0), ZSCORE)
    valid = [prepare(windows.read_signals(i), ZSCORE)[0].valid[5] for i in range(3)]
    assert [part.all() for part in valid] == [True, False, True]
    assert not valid[1].any()


def test_a_contract_without_band_and_scores_changes_nothing(eeg):
    windows = fixed_length_windows(RecordingList([eeg]), 10.0)
    assert filter_to_contract(windows, preset("biosig-tiny").contract) is windows


def test_batches_for_reve_come_from_shards_and_from_memory_alike(tmp_path, eeg):
    contract = preset("reve-small").contract
    with ShardWriter(tmp_path / "00000.h5", recipe={}) as writer:
        writer.add(eeg)
    build_index(tmp_path)
    batches = []
    for ds in (biosig.open_shards(tmp_path), RecordingList([eeg])):
        windows = fixed_length_windows(ds, 10.0)[:2]
        (loaded,) = load_batches(windows, in_order(count_tokens(windows, contract), 10**6), contract)
        batches.append(loaded.batch)
    stored, held = batches
    assert stored.patches["eeg"].shape == (2 * 19 * 11, 200)
    assert np.abs(stored.patches["eeg"] - held.patches["eeg"]).max() < 1e-3
    assert stored.patches["eeg"].std() == pytest.approx(1, abs=0.3)


def test_positions_are_told_in_the_templates_frame_and_derivations_at_their_midpoint(eeg):
    contract = preset("reve-small").contract
    stream = eeg.streams[0]
    (prepared,) = prepare(eeg.crop(0, 10), contract)
    assert prepared.position == pytest.approx(head_to_mri([c.position for c in stream.channels]), abs=1e-7)
    assert np.isnan(prepared.reference).all()
    bipolar = biosig.electrodes.make_channel("F3-C3", "uV", "eeg")
    turned = biosig.electrodes.make_channel("C3-F3", "uV", "eeg")
    rows = stream.pick([0, 1])
    both = Recording("r", [replace(rows, channels=(bipolar, turned)).slice(0, 1600)])
    (prepared,) = prepare(both, contract)
    middle = (np.array(bipolar.position) + bipolar.reference) / 2
    assert prepared.position == pytest.approx(head_to_mri([middle, middle]), abs=1e-7)
    assert (prepared.sign == 1).all()


def test_a_channel_without_a_place_gives_no_token_and_is_named(eeg):
    nowhere = biosig.electrodes.make_channel("Gizmo 7", "uV", "eeg")
    stream = eeg.streams[0].pick([0, 1])
    stream = replace(stream, channels=(stream.channels[0], nowhere)).slice(0, 1600)
    with pytest.warns(UnplacedChannelWarning, match=r"Gizmo 7 have no known position.*give positions"):
        (prepared,) = prepare(Recording("r", [stream]), preset("reve-small").contract)
    assert prepared.ch_names == [stream.channels[0].name]


def test_constant_scaling_is_a_division():
    contract = {"eeg": InputContract(200.0, 1.0, 1.0, "uV", normalisation="constant", divisor=100.0, clip=15.0)}
    values = np.random.default_rng(0).normal(50, 30, (1, 400)).astype(np.float32)
    channel = biosig.electrodes.make_channel("Cz", "uV", "eeg")
    stream = Stream(200.0, (channel,), values, np.ones(1), np.zeros(1))
    (prepared,) = prepare(Recording("r", [stream]), contract)
    assert prepared.values == pytest.approx(values / 100)
    with pytest.raises(UsageError, match="divisor is 0"):
        replace(contract["eeg"], divisor=0.0)


def test_a_net_that_only_the_published_bank_knows_is_placed_by_it():
    model = biosig.build_model("reve-small")
    signals = np.random.default_rng(0).normal(0, 20, (1, 2, 400)).astype(np.float32)
    named = model.encode(signals, sfreq=200, ch_names=["E17", "E22"])
    bank = biosig.electrodes.frames.mri_to_head(reve_positions(["E17", "E22"]))
    placed = model.encode(signals, sfreq=200, positions=bank)
    assert (named.tokens - placed.tokens).abs().max() < 1e-5 * placed.tokens.abs().max()


def test_a_robust_scale_is_that_of_the_recording_in_the_band(eeg, whole):
    """Drifts that the filter takes away, which a stored scale has measured, do not make the signal small."""
    contract = {"eeg": InputContract(160.0, 1.0, 1.0, "uV", band=(0.5, 45.0))}
    drift = 2000 * np.sin(2 * np.pi * 0.02 * np.arange(whole.shape[1]) / 160)
    drifting = as_stream(eeg.streams[0], eeg.streams[0].physical() + drift)
    recording = replace(eeg, streams=[drifting], robust_scale={"eeg": 1400.0})
    windows = filter_to_contract(fixed_length_windows(RecordingList([recording]), 10.0), contract)
    scales = {windows.read_signals(i).robust_scale["eeg"] for i in range(3)}
    assert len(scales) == 1
    assert scales.pop() == pytest.approx(robust_scale(whole), rel=0.02)


def test_an_ecg_in_a_unit_of_its_own_is_brought_to_the_usual_scale_and_said_to_be_unknown(ecg):
    wanted = preset("biosig-fused-tiny").contract
    values = 37 * ecg.streams[0].physical()
    channels = tuple(replace(channel, unit="NU") for channel in ecg.channels)
    counts = replace(ecg, streams=[replace(as_stream(ecg.streams[0], values), channels=channels)], robust_scale={})
    (unknown,), (known,) = prepare(counts, wanted), prepare(replace(ecg, robust_scale={}), wanted)
    assert np.isnan(unknown.log_scale)
    assert known.log_scale == 0
    assert robust_scale(unknown.values) == pytest.approx(0.2, rel=1e-3)
    ratio = unknown.values[:, 100:900] / known.values[:, 100:900]
    assert np.nanstd(ratio) < 1e-3 * abs(np.nanmean(ratio))
    with pytest.raises(UsageError, match="is in 'NU', the model needs 'mV'"):
        prepare(counts, {"ecg": replace(wanted["ecg"], usual_scale=None)})
