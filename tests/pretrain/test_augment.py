"""Augmentations change what they say, tell what a target must know, and leave a batch that a model can read."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from contracts.pretraining import recordings, small_run

from biosig import config as configuration
from biosig.batches.contract import prepare
from biosig.batches.packed import pack
from biosig.errors import UsageError
from biosig.models.fused.grid import Grid
from biosig.models.presets import preset
from biosig.pretrain.augment import AUGMENTATIONS
from biosig.pretrain.augment.changes import LEADS
from biosig.pretrain.augment.channels import Channels
from biosig.pretrain.augment.crop import Crop
from biosig.pretrain.augment.gain import Gain
from biosig.pretrain.augment.lead_mix import LeadMix, draw_lead_map, signs
from biosig.pretrain.augment.mains import Mains
from biosig.pretrain.augment.noise import Noise
from biosig.pretrain.config import PretrainConfig
from biosig.pretrain.loop import pretrain
from biosig.pretrain.objectives.configs.reconstruction import ReconstructionConfig
from biosig.signal.limb_leads import EINTHOVEN

pytestmark = pytest.mark.filterwarnings("ignore")

PRESETS = ("biosig-fused-tiny", "biosig-tiny", "csfm-tiny", "reve-small")


def packed(model="biosig-fused-tiny", kind="mixed", unscaled=False):
    """The recordings of a kind as the batch of a model."""
    contract, windows = preset(model).contract, []
    for recording in recordings(kind):
        if unscaled:
            streams = [replace(s, channels=tuple(replace(c, unit="NU") for c in s.channels)) for s in recording.streams]
            recording = replace(recording, streams=streams)
        windows.append(prepare(recording, contract))
    return pack([window for window in windows if any(stream.valid.any() for stream in window)], contract)


def changed_by(augmentation, batch, seed=0, model="biosig-fused-tiny"):
    return augmentation(batch, preset(model).contract, np.random.default_rng(seed))


def same(one, other):
    """Whether two batches are equal, and their extras."""
    for column in fields(one):
        a, b = (getattr(x, column.name) for x in (one, other))
        if isinstance(a, dict) and a.keys() != b.keys():
            return False
        pairs = [(a[key], b[key]) for key in a] if isinstance(a, dict) else [(a, b)]
        if not all(x.shape == y.shape and torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in pairs):
            return False
    return True


def copied(batch):
    """The batch, with arrays of its own."""
    names = [column.name for column in fields(batch)]
    values = {name: getattr(batch, name) for name in names}
    return replace(
        batch,
        **{n: {m: x.clone() for m, x in v.items()} if isinstance(v, dict) else v.clone() for n, v in values.items()},
    )


def leads_of(batch, window):
    """Physical samples (12, T) of the standard leads of a window."""
    of_kind = batch.modality == 0
    rows = batch.window[of_kind] == window
    x, channel = batch.patches["ecg"][rows], batch.channel[of_kind][rows]
    return np.array([x[channel == lead].flatten().numpy() for lead in range(12)]) * signs("head")[:, None]


@pytest.mark.parametrize("model", PRESETS)
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_keeps_the_contract(name, model):
    batch, augmentation = packed(model), Crop(seconds=2.0) if name == "crop" else AUGMENTATIONS[name]()
    before, contract = copied(batch), preset(model).contract
    different = 0
    for seed in range(6):
        out = changed_by(augmentation, batch, seed, model)
        assert same(batch, before), "the batch that was given is changed"
        assert same(out, changed_by(augmentation, batch, seed, model)), "the same seed gives another batch"
        assert out.n_windows == batch.n_windows
        assert torch.equal(out.seqlens, torch.bincount(out.window))
        assert (torch.bincount(out.window[out.valid], minlength=out.n_windows) > 0).all()
        for modality, number in (("ecg", 0), ("ppg", 1), ("eeg", 2)):
            if modality in out.patches:
                rows = out.modality == number
                values, real = out.patches[modality], out.sample_valid[modality]
                assert values.shape == real.shape == (int(rows.sum()), contract[modality].patch_size)
                assert torch.isfinite(values).all()
                assert not values[~real].any()
                assert values.dtype == torch.float32
                assert torch.equal(real.all(1), out.valid[rows])
        different += not same(out, batch)
    seen = [modality for modality in contract if modality in batch.patches]
    if name == "mains":
        assert (different > 0) == (model in ("csfm-tiny", "reve-small"))
    elif name != "lead_mix" or "ecg" in seen:
        assert different, "nothing is changed"


@pytest.mark.parametrize("model", PRESETS[:3])
def test_channels_are_numbered_as_if_the_others_had_not_been_recorded(model):
    batch, contract = packed(model), preset(model).contract
    out = changed_by(Channels(share=1.0), batch, 1, model)
    assert out.n_tokens < batch.n_tokens
    for window in range(out.n_windows):
        for modality in out.modality[out.window == window].unique():
            rows = (out.window == window) & (out.modality == modality)
            n = int(out.channel_index[rows].max()) + 1
            assert out.channel_index[rows].unique().tolist() == list(range(n))
            assert out.patch_index[rows].min() == 0
    if preset(model).fused:
        grid = Grid.of(out, contract)
        assert int(grid.n_channels.max()) <= 9 or not (out.modality == 0).any() or (out.modality == 2).any()
    ppg = batch.modality == 1
    assert int((out.modality == 1).sum()) == int(ppg.sum()), "a PPG keeps its only channel"


def test_subsets_of_leads_are_those_of_monitors_and_watches_and_any_others():
    batch = packed(kind="ecg")
    found = {}
    for seed in range(100):
        out = changed_by(Channels(share=1.0), batch, seed)
        for window in range(out.n_windows):
            names = tuple(sorted(LEADS[i] for i in out.channel[out.window == window].unique().tolist()))
            found[names] = found.get(names, 0) + 1
            assert 1 <= len(names) <= 9
    total = sum(found.values())
    assert found["II",] / total == pytest.approx(0.25, abs=0.06)
    assert found["I", "II"] / total == pytest.approx(0.15, abs=0.05)
    assert found["I",] / total == pytest.approx(0.1, abs=0.05)


def test_a_crop_is_one_stretch_of_all_channels_whose_time_begins_at_0():
    batch = packed()
    out = changed_by(Crop(seconds=2.0), batch, 2)
    contract = preset("biosig-fused-tiny").contract
    begins = set()
    for window in range(out.n_windows):
        for number, modality in enumerate(("ecg", "ppg", "eeg")):
            old, new = ((b.window == window) & (b.modality == number) for b in (batch, out))
            if not new.any():
                continue
            half = contract[modality].patch_seconds / 2
            start = out.position[new, 3] - half
            assert start.min() >= -1e-4
            assert (out.position[new, 3] + half).max() <= 2.0 + 1e-4
            counts = torch.bincount(out.channel_index[new])
            assert (counts == counts[0]).all()
            assert counts[0] in (int(2 / (2 * half)), int(2 / (2 * half)) - 1)
            # the samples are those of the stretch, for each channel
            values = out.patches[modality][new[out.modality == number]].view(len(counts), -1)
            whole = batch.patches[modality][old[batch.modality == number]].view(len(counts), -1)
            at = [
                k
                for k in range(whole.shape[1] - values.shape[1] + 1)
                if torch.equal(whole[:, k : k + values.shape[1]], values)
            ]
            assert at
            begins.add(round(at[0] / contract[modality].sfreq, 3))
    assert len(begins) > 3
    assert (Grid.of(out, contract).n_tokens.view(-1, 4)[:, 0] <= 25).all()


def test_a_window_that_is_no_longer_than_the_crop_stays_and_a_stretch_shorter_than_a_patch_is_refused():
    batch = packed(kind="ecg")
    assert same(changed_by(Crop(seconds=4.0), batch), batch)
    with pytest.raises(UsageError, match=r"a patch of PPG lasts 0\.25 s"):
        Crop(seconds=0.2).check(preset("biosig-fused-tiny").contract)


def test_a_crop_of_some_kinds_leaves_windows_with_others_whole():
    batch = packed()
    out = changed_by(Crop(seconds=2.0, kinds=("ecg",)), batch, 2)
    n_cut = 0
    for window in range(batch.n_windows):
        old, new = (b.modality[b.window == window] for b in (batch, out))
        assert set(old.tolist()) == set(new.tolist())
        if set(old.tolist()) == {0}:
            assert len(new) < len(old)
            n_cut += 1
        else:
            assert len(new) == len(old)
    assert 0 < n_cut < batch.n_windows
    Crop(seconds=0.2, kinds=("ecg",)).check(preset("biosig-fused-tiny").contract)
    with pytest.raises(UsageError, match=r"crop\.kinds is"):
        Crop(kinds=("emg",))


def test_a_crop_never_leaves_a_window_without_a_valid_patch():
    batch = packed(kind="ecg")
    valid = batch.valid & ((batch.window != 1) | (batch.patch_index == 40))
    real = batch.sample_valid["ecg"].clone() & valid[:, None]
    batch = replace(batch, valid=valid, sample_valid={"ecg": real}, patches={"ecg": batch.patches["ecg"] * real})
    for seed in range(20):
        out = changed_by(Crop(seconds=0.5), batch, seed)
        assert out.valid[out.window == 1].any()


def test_a_gain_multiplies_all_leads_and_says_so():
    batch = packed(kind="ecg")
    out = changed_by(Gain(share=0.5), batch, 3)
    is_changed = out.extras["changed"]
    assert is_changed[:, 0].any()
    assert not is_changed[:, 0].all()
    assert not is_changed[:, 1:].any()
    for window in range(4):
        gain = out.extras["lead_map"][window].diagonal()
        assert torch.equal(gain, gain[:1].expand(12))
        assert (gain[0] != 1) == is_changed[window, 0]
        old, new = leads_of(batch, window), leads_of(out, window)
        np.testing.assert_allclose(new, out.extras["lead_map"][window].numpy() @ old, rtol=1e-5, atol=1e-6)


def test_a_recording_of_unknown_unit_gets_a_gain_by_lead_and_its_limb_leads_one():
    batch = packed(kind="ecg", unscaled=True)
    out = changed_by(Gain(share=1e-6), batch, 3)
    assert out.extras["changed"][:, [0, 2]].all()
    for window in range(4):
        gain = out.extras["lead_map"][window].diagonal()
        assert len(gain[:6].unique()) == 1
        assert len(gain[6:].unique()) == 6
        np.testing.assert_allclose(leads_of(out, window), np.diag(gain) @ leads_of(batch, window), rtol=1e-5, atol=1e-6)


def test_noise_is_as_large_as_asked_and_none_where_no_sample_is_real():
    batch = packed(kind="ecg")
    deviations = []
    for seed in range(60):
        added = changed_by(Noise(most=0.5), batch, seed).patches["ecg"] - batch.patches["ecg"]
        assert not added[~batch.sample_valid["ecg"]].any()
        deviations += [added[batch.window == window].std().item() for window in range(1, 4)]
    assert max(deviations) <= 0.5 * 0.2 * 1.05  # mV: the usual scale is 0.2
    assert np.mean(deviations) == pytest.approx(0.5 * 0.2 / 3, rel=0.2)  # mean of a squared share


def test_a_sample_in_two_patches_gets_the_same_noise_in_both():
    batch = packed("reve-small", "eeg")
    contract = preset("reve-small").contract["eeg"]
    added = changed_by(Noise(), batch, 0, "reve-small").patches["eeg"] - batch.patches["eeg"]
    rows = (batch.window == 0) & (batch.channel_index == 0)
    one, other = added[rows][:2]
    assert contract.stride < contract.patch_size
    torch.testing.assert_close(
        one[contract.stride :], other[: contract.patch_size - contract.stride], rtol=0, atol=1e-6
    )


def test_hum_is_a_line_of_50_or_60_hz_and_refused_by_models_that_see_none():
    batch, contract = packed("csfm-tiny", "ecg"), preset("csfm-tiny").contract
    Mains().check(contract)
    added = changed_by(Mains(share=1.0), batch, 0, "csfm-tiny").patches["ecg"] - batch.patches["ecg"]
    for window in range(1, 4):
        rows = (batch.window == window) & (batch.channel_index == 0)
        x = added[rows].flatten().numpy()
        power = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
        peak = np.fft.rfftfreq(len(x), 1 / 250)[power.argmax()]
        assert min(abs(peak - 50), abs(peak - 60)) < 0.3
        assert 0 < np.abs(x).max() <= 0.5
    with pytest.raises(UsageError, match=r"ECG 40 Hz.*leave mains out"):
        Mains().check(preset("biosig-fused-tiny").contract)


def test_a_lead_map_keeps_einthovens_sums_and_an_undrawn_one_is_the_identity():
    maps = [draw_lead_map(np.random.default_rng(seed)) for seed in range(50)]
    rng = np.random.default_rng(0)
    for lead_map in maps:
        x = dict(zip(LEADS, lead_map @ np.vstack((rng.normal(size=(6, 9)), rng.normal(size=(6, 9)))), strict=True))
        for name, weights in EINTHOVEN.items():
            np.testing.assert_allclose(x[name], sum(w * x[lead] for lead, w in weights.items()), atol=1e-9)
        assert not lead_map[:6, 6:].any()
        assert not lead_map[6:, :6].any()
        assert (lead_map[6:, 6:] >= 0).all()

    class Zeros:
        def standard_normal(self, n=None):
            return 0.0 if n is None else np.zeros(n)

    limb_of_two = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
    still = draw_lead_map(Zeros())
    np.testing.assert_allclose(still[:6, :2], limb_of_two, atol=1e-12)
    np.testing.assert_allclose(still[6:, 6:], np.eye(6), atol=1e-12)


@pytest.mark.parametrize("model", ["biosig-fused-tiny", "biosig-tiny"])
def test_mixed_leads_are_what_the_map_says_in_physical_orientation(model):
    batch = packed(model, "ecg")
    out = changed_by(LeadMix(share=1.0), batch, 0, model)
    is_changed = out.extras["changed"]
    assert is_changed[1:].all()
    assert not is_changed[0].any(), "the first recording has a gap"
    assert torch.equal(out.extras["lead_map"][0], torch.eye(12))
    for window in range(4):
        expected = out.extras["lead_map"][window].numpy() @ leads_of(batch, window)
        np.testing.assert_allclose(leads_of(out, window), expected, rtol=1e-4, atol=1e-5)
    x = dict(zip(LEADS, leads_of(out, 2), strict=True))
    np.testing.assert_allclose(x["III"], x["II"] - x["I"], atol=2e-2)


def test_chest_leads_of_unknown_unit_are_not_mixed():
    batch = packed(kind="ecg", unscaled=True)
    out = changed_by(LeadMix(share=1.0), batch, 0)
    assert torch.equal(out.extras["lead_map"][1:, 6:, 6:], torch.eye(6).expand(3, 6, 6))
    np.testing.assert_array_equal(leads_of(out, 1)[6:], leads_of(batch, 1)[6:])


def test_changes_one_after_the_other_are_told_together():
    batch = packed(kind="ecg")
    out = changed_by(Gain(share=1.0), changed_by(LeadMix(share=1.0), batch, 0), 1)
    expected = out.extras["lead_map"][2].numpy() @ leads_of(batch, 2)
    np.testing.assert_allclose(leads_of(out, 2), expected, rtol=1e-4, atol=1e-5)
    assert out.extras["changed"].tolist() == [[True, False, False], *[[True, True, True]] * 3]


AUGMENT = ["crop", "lead_mix", {"name": "gain", "share": 1.0}, "noise", "channels"]


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_augments_its_windows_and_resumes_to_the_bit(workers, tmp_path):
    run = replace(small_run(tmp_path, ReconstructionConfig()), workers=workers)
    values = configuration.to_dict(replace(run, window=3.0)) | {"augment": AUGMENT}
    values["augment"][0] = {"name": "crop", "seconds": 2.0}
    run = configuration.load(PretrainConfig, values)
    assert [one.name for one in run.augment] == ["crop", "lead_mix", "gain", "noise", "channels"]

    class Killed(Exception):
        pass

    def kill(*about):
        if about[1] == 3:
            raise Killed

    whole, plain = replace(run, out=tmp_path / "whole"), replace(run, out=tmp_path / "plain", augment=())
    weights = {}
    for one in (whole, plain):
        folder = pretrain(one)
        weights[one.out.name] = (folder / "model.safetensors").read_bytes()
    with pytest.raises(Killed):
        pretrain(replace(run, out=tmp_path / "cut"), kill)
    folder = pretrain(replace(run, out=tmp_path / "cut"))
    assert (folder / "model.safetensors").read_bytes() == weights["whole"] != weights["plain"]
    assert "augmented by `gain` (share 1.0" in (folder / "README.md").read_text()


def test_unknown_keys_shares_and_names_are_refused(tmp_path):
    values = configuration.to_dict(small_run(tmp_path, ReconstructionConfig()))
    for augment, message in (
        ([{"name": "crop", "length": 3}], "Unknown key"),
        (["blur"], "blur"),
        ([{"name": "gain", "share": 2.0}], "gain.share is 2"),
        ([{"name": "noise", "most": 0.0}], "noise.most is 0"),
    ):
        with pytest.raises(UsageError, match=message):
            configuration.load(PretrainConfig, values | {"augment": augment})
