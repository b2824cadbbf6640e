"""What the encoder promises, on real recordings, through its public door."""

import copy
import itertools
import os
import stat
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import biosig
from biosig.batches.contract import prepare
from biosig.batches.packed import pack
from biosig.errors import DataError, UsageError
from biosig.models.model import RandomWeightsWarning

LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def far(a, b):
    """Largest absolute difference over largest absolute value."""
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.fixture(scope="module")
def x(ecg):
    return ecg.streams[0].physical()[None]  # (1, 12, 1000) mV


def test_permuting_leads_permutes_tokens_and_leaves_the_pooled_vector(tiny, x):
    order = np.random.default_rng(0).permutation(12)
    out = tiny.encode(x, sfreq=100, ch_names=LEADS, kind="ecg")
    permuted = tiny.encode(x[:, order], sfreq=100, ch_names=[LEADS[i] for i in order], kind="ecg")
    assert far(permuted.tokens, out.tokens[:, order]) < 1e-5
    assert far(permuted.pooled, out.pooled) < 1e-5


def test_a_bipolar_lead_and_its_inverse_are_one_measurement(tiny, eeg):
    signal = eeg.streams[0].physical()[None, :1, :1600]
    one = tiny.encode(signal, sfreq=160, ch_names=["F3-C3"], kind="eeg")
    turned = tiny.encode(-signal, sfreq=160, ch_names=["C3-F3"], kind="eeg")
    inverted = tiny.encode(-signal, sfreq=160, ch_names=["F3-C3"], kind="eeg")
    assert far(turned.tokens, one.tokens) < 1e-5
    assert far(turned.pooled, one.pooled) < 1e-5
    assert far(inverted.tokens, one.tokens) > 1e-2
    assert far(inverted.pooled, one.pooled) > 1e-3


def test_a_lead_named_differently_is_the_same_lead(tiny, x):
    out = tiny.encode(x[:, 3:4], sfreq=100, ch_names=["aVR"], kind="ecg")
    alias = tiny.encode(x[:, 3:4], sfreq=100, ch_names=["AVR"], kind="ecg")
    other = tiny.encode(x[:, 3:4], sfreq=100, ch_names=["V3"], kind="ecg")
    assert far(alias.pooled, out.pooled) == 0
    assert far(other.tokens, out.tokens) > 1e-2


@pytest.mark.parametrize("damage", ["one NaN", "flat lead", "NaN lead", "one lead left"])
def test_damage_to_one_lead_leaves_every_output_finite(tiny, x, damage):
    broken, names = x.copy(), LEADS
    if damage == "one NaN":
        broken[0, 4, 333] = np.nan
    elif damage == "flat lead":
        broken[0, 4] = 0.25
    elif damage == "NaN lead":
        broken[0, 4] = np.nan
    else:
        broken, names = x[:, 4:5], ["aVL"]
    out = tiny.encode(broken, sfreq=100, ch_names=names, kind="ecg", scale=0.1)
    assert out.tokens.isfinite().all()
    assert out.pooled.isfinite().all()
    expected = {"one NaN": 1, "flat lead": 25, "NaN lead": 25, "one lead left": 0}[damage]
    assert (~out.valid).sum() == expected
    assert (out.tokens[~out.valid] == 0).all()


def test_a_flat_lead_is_flat_at_any_rate(tiny, x):
    broken = x.copy()
    broken[0, 4] = 3.0
    for sfreq in (128.0, 360.0):  # to 100 Hz by a ratio whose filter turns a constant into a ripple
        out = tiny.encode(broken, sfreq=sfreq, ch_names=LEADS, kind="ecg")
        assert (~out.valid).any(dim=2)[0].tolist() == [lead == "aVL" for lead in LEADS]
        assert not out.valid[0, 4].any()


def test_invalid_samples_never_reach_a_sum(tiny, x):
    broken, wild = x.copy(), x.copy()
    broken[0, 4] = np.nan
    without = tiny.encode(np.delete(x, 4, axis=1), sfreq=100, ch_names=LEADS[:4] + LEADS[5:], kind="ecg", scale=0.1)
    out = tiny.encode(broken, sfreq=100, ch_names=LEADS, kind="ecg", scale=0.1)
    assert far(out.pooled, without.pooled) < 1e-5
    wild[0, 4] = np.inf
    assert far(tiny.encode(wild, sfreq=100, ch_names=LEADS, kind="ecg", scale=0.1).pooled, without.pooled) < 1e-5


def test_a_window_without_a_real_value_is_an_error_that_names_it(tiny, x):
    with pytest.raises(DataError, match=r"Window number 1 has no valid token: 0% of its samples"):
        tiny.encode(np.concatenate([x, x * np.nan]), sfreq=100, ch_names=LEADS, kind="ecg")
    with pytest.raises(DataError, match=r"lasts 0.2 s, shorter than one patch of 0.4 s"):
        tiny.encode(x[..., :20], sfreq=100, ch_names=LEADS, kind="ecg")


def test_a_window_is_the_same_alone_and_packed_with_other_modalities(tiny, ecg, eeg, bedside):
    windows = [tiny.prepare(r) for r in (ecg, eeg.crop(0, 10), bedside.crop(5, 10), eeg.crop(3, 4), ecg.crop(2, 6))]
    together = pack(windows, tiny.contract)
    tokens = tiny.encode_batch(together)
    pooled = tiny.pool(tokens, together)
    for i, window in enumerate(windows):
        alone = pack([window], tiny.contract)
        expected = tiny.encode_batch(alone)
        assert far(tokens[together.window == i], expected) < 1e-5
        assert far(pooled[i], tiny.pool(expected, alone)[0]) < 1e-5


def test_gain_is_taken_out_of_the_shape_and_kept_as_a_feature(tiny, ecg):
    louder = replace(ecg, streams=[replace(s, scale=s.scale * 2) for s in ecg.streams])
    (one,), (two,) = tiny.prepare(ecg), tiny.prepare(louder)
    np.testing.assert_allclose(two.values, one.values, atol=1e-5)
    assert two.log_scale - one.log_scale == pytest.approx(np.log(2), abs=1e-6)


def test_ratios_between_leads_survive(tiny, ecg):
    (prepared,) = tiny.prepare(ecg)
    physical = ecg.streams[0].physical()
    np.testing.assert_allclose(prepared.to_physical(prepared.values), physical, atol=1e-3)
    assert np.ptp(prepared.values[1]) / np.ptp(prepared.values[0]) == pytest.approx(
        np.ptp(physical[1]) / np.ptp(physical[0]), rel=1e-4
    )


def test_any_rate_gives_nearly_the_same_embedding(tiny, eeg):
    from scipy.signal import resample_poly

    signal = eeg.streams[0].physical()[None, :, :1600].astype(np.float64)
    names = eeg.ch_names
    out = tiny.encode(signal, sfreq=160, ch_names=names, kind="eeg")
    faster = tiny.encode(resample_poly(signal, 5, 2, axis=-1), sfreq=400, ch_names=names, kind="eeg")
    different = tiny.encode(eeg.streams[0].physical()[None, :, 3200:4800], sfreq=160, ch_names=names, kind="eeg")
    assert far(faster.pooled, out.pooled) < 0.2 * far(different.pooled, out.pooled)


def test_layers_from_the_embedding_to_the_output(tiny, x):
    outs = [tiny.encode(x, sfreq=100, ch_names=LEADS, kind="ecg", layer=k).tokens for k in (0, 1, 4, -1)]
    assert len({tuple(out.shape) for out in outs}) == 1
    assert all(far(a, b) > 1e-3 for a, b in itertools.pairwise(outs))
    with pytest.raises(UsageError, match="no layer 5"):
        tiny.encode(x, sfreq=100, ch_names=LEADS, kind="ecg", layer=5)


def test_prepare_false_feeds_numbers_as_they_are(tiny, x):
    position = np.random.default_rng(0).normal(size=(12, 3)) * 0.1
    options = {"sfreq": 100, "positions": position, "kind": "ecg", "prepare": False}
    out = tiny.encode(x, **options)
    assert far(tiny.encode(2 * x, **options).tokens, out.tokens) > 1e-2
    with pytest.raises(UsageError, match="at the model's 100 Hz, not 250 Hz"):
        tiny.encode(x, **{**options, "sfreq": 250})


def test_mixed_kinds_share_a_call(tiny, bedside):
    stream = bedside.streams[0]
    rows = [stream.ch_names.index(name) for name in ("II", "finger")]
    signal = stream.physical()[None, rows, :1250]
    out = tiny.encode(signal, sfreq=125, ch_names=["II", "finger"], kind=["ecg", "ppg"], units=["mV", "NU"])
    alone = tiny.encode(signal[:, :1], sfreq=125, ch_names=["II"], kind="ecg")
    assert out.tokens.shape == (1, 2, 25, tiny.embed_dim)
    assert out.valid.all()
    assert far(out.tokens[:, :1], alone.tokens) > 1e-4  # the pulse is attended to
    options = {"sfreq": 125, "ch_names": ["II", "finger"], "kind": ["ecg", "ppg"], "units": ["mV", "NU"]}
    short = tiny.encode(signal[..., :99], **options)  # 0.79 s: one patch at 100 Hz, two at 50 Hz, where 0.79 rounds up
    assert {m: tuple(tokens.shape[1:3]) for m, tokens in short.tokens.items()} == {"ecg": (1, 1), "ppg": (1, 2)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"signals": np.zeros((12, 1000))}, r"shape \(windows, channels, samples\), not \(12, 1000\)"),
        ({"signals": np.zeros(1000)}, r"give signals\[None, None\]"),
        ({"signals": np.zeros((1, 1000, 12))}, r"channels last.*swapaxes\(1, 2\)"),
        ({"signals": [[[1.0, 2.0], [1.0]]]}, "this list is not.*biosig.embed"),
        ({"sfreq": "100"}, "positive number of Hz, not '100'"),
        ({"scale": 0}, "ecg scale must be a positive number"),
        ({"kind": "ECG"}, "give one of these as kind"),
        ({"ch_names": LEADS[:3]}, "12 channels, ch_names has 3"),
        ({"kind": None}, "say which with kind"),
        ({"kind": "resp"}, "kind 'resp', which this model has no embedding for"),
        ({"ch_names": None}, "names or positions"),
        ({"ch_names": None, "positions": np.full((12, 3), 90.0)}, "look like mm"),
        ({"units": "V"}, "V"),
        ({"text": [[5000]]}, "words 0 to 1065"),
    ],
)
def test_what_cannot_be_right_is_an_error_with_the_fix(tiny, x, change, sentence):
    options = {"signals": x, "sfreq": 100, "ch_names": LEADS, "kind": "ecg", **change}
    with pytest.raises((UsageError, DataError), match=sentence):
        tiny.encode(**options)


def test_a_checkpoint_reads_back_equal_and_says_whether_it_was_trained(tiny, x, tmp_path):
    tiny.save(tmp_path / "model")
    again = biosig.load_model(tmp_path / "model")
    assert again.revision == tiny.revision
    with pytest.warns(RandomWeightsWarning):
        out = again.encode(x, sfreq=100, ch_names=LEADS, kind="ecg")
    assert far(out.pooled, tiny.encode(x, sfreq=100, ch_names=LEADS, kind="ecg").pooled) == 0
    assert "Random weights" in (tmp_path / "model" / "README.md").read_text()


def test_every_file_of_a_checkpoint_is_readable_as_the_umask_says(tiny, tmp_path):
    before = os.umask(0o027)
    try:
        folder = tiny.save(tmp_path / "model")
    finally:
        os.umask(before)
    assert {stat.filemode(path.stat().st_mode) for path in folder.iterdir()} == {"-rw-r-----"}


def test_weights_that_do_not_fit_are_listed(tiny, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tiny.save(tmp_path / "model")
    (folder / "SHA256SUMS").unlink()  # as weights are that others wrote
    state = load_file(folder / "model.safetensors")
    state["extra"] = state.pop("norm.weight")
    save_file(state, folder / "model.safetensors")
    with pytest.raises(DataError, match=r"missing: norm.weight; left over: extra"):
        biosig.load_model(folder)
    state = tiny.encoder.state_dict() | {"norm.weight": torch.full_like(tiny.encoder.norm.weight, float("nan"))}
    save_file(state, folder / "model.safetensors")
    with pytest.raises(DataError, match=r"do not fit the model; with NaN or infinite values: norm\.weight"):
        biosig.load_model(folder)
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(DataError, match="damaged"):
        biosig.load_model(folder)
    with pytest.raises(UsageError, match="no preset of that name; presets are biosig-tiny"):
        biosig.load_model(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="not a checkpoint folder"):
        biosig.load_model(tmp_path / "empty")
    with pytest.raises(UsageError, match=r"biosig\.build_model\('biosig-tiny'\)"):
        biosig.load_model("biosig-tiny")
    tiny.save(tmp_path / "run" / "model")
    with pytest.raises(UsageError, match="its model is the folder in it"):
        biosig.load_model(tmp_path / "run")
    with pytest.raises(UsageError, match="no preset 'biosig-huge'"):
        biosig.build_model("biosig-huge")


def test_random_weights_differ_by_seed_and_leave_the_random_state_alone(tiny):
    state = torch.get_rng_state()
    assert biosig.build_model("biosig-tiny", seed=0).revision == tiny.revision
    assert tiny.with_random_weights(1).revision != tiny.revision
    assert torch.equal(torch.get_rng_state(), state)


def test_kinds_without_a_modality_give_no_tokens(tiny, bedside):
    prepared = prepare(bedside, tiny.contract)
    assert sorted(p.modality for p in prepared) == ["ecg", "ppg"]


def test_a_trained_model_does_not_warn(tiny, x):
    trained = biosig.Model(tiny.encoder, trained=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert trained.encode(x, sfreq=100, ch_names=LEADS, kind="ecg").valid.all()


@pytest.mark.filterwarnings("ignore::biosig.models.model.RandomWeightsWarning")
@pytest.mark.parametrize("name", ["biosig-small", "reve-small"])
def test_bfloat16_matrices_leave_tokens_within_half_a_percent(name, eeg):
    model = biosig.build_model(name)
    batch = pack([model.prepare(eeg.crop(onset, 4.0)) for onset in (0.0, 10.0)], model.contract)
    exact, rounded = (model.encode_batch(batch, dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).norm() / exact.norm() < 5e-3
    assert next(model.encoder.blocks.parameters()).dtype == torch.float32


@pytest.mark.filterwarnings("ignore::biosig.models.model.RandomWeightsWarning")
def test_the_copy_that_multiplies_faster_follows_the_weights(ecg):
    model = biosig.build_model("biosig-tiny")
    batch = pack([model.prepare(ecg)], model.contract)
    before = model.encode_batch(batch)
    with torch.no_grad():
        expected = model.encoder(batch)
        assert far(before, expected) < 1e-5
        model.encoder.blocks[0].mlp.contract.weight.mul_(2)
        assert far(model.encode_batch(batch), model.encoder(batch)) < 1e-5
    assert far(model.encode_batch(batch), before) > 1e-4
    assert far(copy.deepcopy(model).encode_batch(batch), model.encode_batch(batch)) == 0


@pytest.mark.parametrize("name", ["tiny", "narrow_csfm"])
def test_all_layers_in_one_pass_are_the_layers_one_by_one(name, ecg, request):
    """Of more windows than go through a block at a time, whose tokens are written over from block to block."""
    model = request.getfixturevalue(name)
    batch = pack([model.prepare(ecg)] * 8, model.contract)
    assert batch.n_tokens > 2048
    passed = [tokens for tokens, _ in model.layers(batch)]
    for layer, tokens in enumerate(passed[:-1]):
        assert torch.equal(tokens, model.encode_batch(batch, layer)), layer
    assert torch.equal(passed[-1], model.encode_batch(batch))


@pytest.mark.parametrize(
    ("sfreq", "n_times", "error", "sentence"),
    [
        (0.1, 1000, DataError, r"0\.1 Hz is not a sampling rate of ECG, which lies from 20 to 100,000 Hz"),
        (100, 5_400_000, UsageError, r"window of 54,000 s .* has 135,000 tokens of ECG, and .* shorter windows"),
    ],
)
def test_a_window_of_hours_is_refused_before_anything_is_computed(tiny, monkeypatch, sfreq, n_times, error, sentence):
    monkeypatch.setattr("biosig.batches.contract.robust_scale", None)  # the first step of the work
    with pytest.raises(error, match=sentence):
        tiny.encode(np.zeros((1, 1, n_times), np.float32), sfreq=sfreq, ch_names=["II"], kind="ecg")
