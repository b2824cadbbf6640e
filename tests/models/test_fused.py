"""What fused presets promise: any channels, in any order, at any rate, of any length, alone or in company."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import biosig
from biosig.batches.packed import MODALITY_IDS, pack
from biosig.electrodes import make_channel
from biosig.errors import UsageError
from biosig.models.fused.lines import coherence
from biosig.models.model import RandomWeightsWarning
from biosig.models.pooling import pooled
from biosig.models.reading import Reading, reading_of
from biosig.recording import Recording, Stream

LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def far(a, b):
    """Largest absolute difference over largest absolute value."""
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.fixture(scope="module")
def fused():
    model = biosig.build_model("biosig-fused-tiny", seed=0)
    model._warned = True
    return model


@pytest.fixture(scope="module")
def x(ecg):
    return ecg.streams[0].physical()[None]  # (1, 12, 1000) mV


@pytest.fixture(scope="module")
def windows(fused, ecg, eeg, bedside):
    """Windows of one, two and three layouts, two of them alike, prepared."""
    return [fused.prepare(r) for r in (ecg, eeg.crop(0, 10), bedside.crop(5, 10), eeg.crop(3, 4), ecg, ecg.crop(2, 6))]


@pytest.fixture(scope="module")
def batch(fused, windows):
    return pack(windows, fused.contract)


def encoded(encoder, batch, hidden=None, causal=False):
    """Tokens (N, D) of the output, as objectives ask for them."""
    with torch.no_grad():
        tokens, _ = encoder.embed(batch, hidden, causal)
        visible = encoder.visible_tokens(batch, hidden, causal)
        out, _ = encoder.encode_windows(tokens, visible)
        return out.new_zeros(tokens.shape).index_copy(0, visible.rows, out)


def changed(batch, rows, value):
    """The batch with other samples in some of its patches."""
    patches = {m: samples.clone() for m, samples in batch.patches.items()}
    for modality, samples in patches.items():
        samples[rows[batch.modality == MODALITY_IDS[modality]]] = value
    return replace(batch, patches=patches)


def test_the_order_of_leads_changes_nothing(fused, x):
    order = np.random.default_rng(0).permutation(12)
    out = fused.encode(x, sfreq=100, ch_names=LEADS, kind="ecg")
    permuted = fused.encode(x[:, order], sfreq=100, ch_names=[LEADS[i] for i in order], kind="ecg")
    assert out.tokens.shape == (1, 1, 125, 128)
    assert far(permuted.tokens, out.tokens) < 1e-5
    other = fused.encode(x, sfreq=100, ch_names=[LEADS[i] for i in order], kind="ecg")
    assert far(other.tokens, out.tokens) > 1e-2


@pytest.mark.parametrize(
    ("kind", "name", "turned"),
    [("eeg", "F3-C3", "C3-F3"), ("eeg", "Cz-M1", "M1-Cz"), ("ecg", "V6-V1", "V1-V6")],
)
def test_a_derivation_and_its_inverse_are_one_measurement(fused, eeg, kind, name, turned):
    signal = eeg.streams[0].physical()[None, :1, :1600] / (1 if kind == "eeg" else 100)
    options = {"sfreq": 160, "kind": kind, "units": "uV" if kind == "eeg" else "mV"}
    one = fused.encode(signal, ch_names=[name], **options)
    inverse = fused.encode(-signal, ch_names=[turned], **options)
    upside_down = fused.encode(-signal, ch_names=[name], **options)
    assert far(inverse.tokens, one.tokens) < 1e-5
    assert far(upside_down.tokens, one.tokens) > 1e-2


def test_the_reference_is_seen(fused, eeg):
    signal = eeg.streams[0].physical()[None, :1, :1600]
    ends = [fused.encode(signal, sfreq=160, ch_names=[n], kind="eeg").tokens for n in ("F3-C3", "F3-P3", "F3")]
    assert far(ends[0], ends[1]) > 1e-2
    assert far(ends[0], ends[2]) > 1e-2


@pytest.mark.parametrize("damage", ["NaN lead", "infinite lead", "flat lead"])
def test_a_lead_without_real_values_is_an_absent_lead(fused, x, damage):
    broken = x.copy()
    broken[0, 4] = {"NaN lead": np.nan, "infinite lead": np.inf, "flat lead": 0.25}[damage]
    out = fused.encode(broken, sfreq=100, ch_names=LEADS, kind="ecg")
    without = fused.encode(np.delete(x, 4, axis=1), sfreq=100, ch_names=LEADS[:4] + LEADS[5:], kind="ecg")
    assert far(out.tokens, without.tokens) < 1e-5
    assert out.valid.all()


def test_samples_that_are_not_real_weigh_nothing(fused, batch):
    hurt = batch.modality == MODALITY_IDS["ecg"]
    hurt &= batch.channel_index < 3
    real = {m: torch.ones(samples.shape, dtype=torch.bool) for m, samples in batch.patches.items()}
    real["ecg"][(hurt)[batch.modality == MODALITY_IDS["ecg"]], 2:4] = False
    zeroed = {m: samples * real[m] for m, samples in batch.patches.items()}
    gaps = replace(batch, patches=zeroed, sample_valid=real, valid=batch.valid & ~hurt)
    wild = replace(gaps, patches={m: torch.where(real[m], samples, 1e3) for m, samples in zeroed.items()})
    assert far(encoded(fused.encoder, wild), encoded(fused.encoder, gaps)) == 0
    assert far(encoded(fused.encoder, gaps), encoded(fused.encoder, batch)) > 1e-3


@pytest.mark.parametrize("lost", [(2.0, 4.0), (0.0, 1.0)])
def test_a_gap_in_all_leads_gives_no_valid_token_and_is_not_attended_to(fused, x, lost):
    broken, filled = x.copy(), x.copy()
    start, stop = (round(100 * t) for t in lost)
    broken[..., start:stop] = np.nan
    filled[..., start:stop] = 9.0
    out = fused.encode(broken, sfreq=100, ch_names=LEADS, kind="ecg")
    seconds = (torch.arange(125) + 0.5) * 0.08
    inside = (seconds > lost[0] + 0.04) & (seconds < lost[1] - 0.04)
    assert out.valid[0, 0].logical_not().equal((seconds > lost[0] - 0.04) & (seconds < lost[1] + 0.04))
    assert not out.tokens[0, 0, inside].any()
    assert out.tokens.isfinite().all()
    prepared = fused.prepare(Recording("gap", [_stream(broken[0], LEADS, "ecg", "mV", 100.0)]))
    assert prepared[0].valid.any(axis=0).sum() < 1000


def test_windows_are_the_same_alone_and_packed_with_others(fused, windows, batch):
    tokens, beside = fused.encode_batch(batch), fused.token_batch(batch)
    vectors = fused.pool(tokens, batch)
    assert beside.seqlens.tolist() == [125, 40, 165, 16, 125, 75]
    for i, window in enumerate(windows):
        alone = pack([window], fused.contract)
        expected = fused.encode_batch(alone)
        assert far(tokens[beside.window == i], expected) < 1e-5
        assert far(vectors[i], fused.pool(expected, alone)[0]) < 1e-5


def test_modalities_of_a_window_see_each_other(fused, bedside):
    both = fused.prepare(bedside.crop(5, 10))
    together, beside = pack([both], fused.contract), pack([[p for p in both if p.modality == "ppg"]], fused.contract)
    of_ppg = fused.token_batch(together).modality == MODALITY_IDS["ppg"]
    assert far(fused.encode_batch(together)[of_ppg], fused.encode_batch(beside)) > 1e-3


def test_any_rate_gives_nearly_the_same_vector(fused, eeg):
    from scipy.signal import resample_poly

    signal = eeg.streams[0].physical()[None, :, :1600].astype(np.float64)
    out = fused.encode(signal, sfreq=160, ch_names=eeg.ch_names, kind="eeg")
    faster = fused.encode(resample_poly(signal, 5, 2, axis=-1), sfreq=400, ch_names=eeg.ch_names, kind="eeg")
    later = eeg.streams[0].physical()[None, :, 3200:4800]
    different = fused.encode(later, sfreq=160, ch_names=eeg.ch_names, kind="eeg")
    assert far(faster.pooled, out.pooled) < 0.2 * far(different.pooled, out.pooled)


@pytest.mark.parametrize("seconds", [0.25, 0.5, 1.0, 3.3, 30.0])
def test_any_length_gives_as_many_tokens_as_blocks(fused, eeg, seconds):
    signal = eeg.streams[0].physical()[None, :8, : round(160 * seconds)]
    out = fused.encode(signal, sfreq=160, ch_names=eeg.ch_names[:8], kind="eeg")
    assert out.tokens.shape[2] == int(seconds / 0.25)
    assert out.valid.all()
    assert out.tokens.isfinite().all()


def test_streams_that_begin_apart_share_one_grid(fused, ecg):
    """Leads in two streams, one of which begins a block, or part of one, later."""
    values = ecg.streams[0].physical()
    for late in (8, 3):
        first = _stream(values[:6], LEADS[:6], "ecg", "mV", 100.0)
        second = replace(_stream(values[6:, late:], LEADS[6:], "ecg", "mV", 100.0), onset=late / 100)
        packed = pack([fused.prepare(Recording("two", [first, second]), 0.0)], fused.contract)
        beside = fused.token_batch(packed)
        assert beside.n_tokens in (125, 126)
        assert beside.position[:, 3].diff().sub(0.08).abs().max() < 1e-5
        one = fused.encode_batch(pack([fused.prepare(ecg)], fused.contract))
        assert far(fused.encode_batch(packed)[40:80], one[40:80]) < 0.2  # filters end elsewhere


def _stream(values, names, kind, unit, sfreq):
    channels = tuple(make_channel(name, unit, kind) for name in names)
    one = np.ones(len(names))
    return Stream(sfreq, channels, np.asarray(values, np.float32), one, 0 * one)


def test_hidden_samples_change_nothing_that_the_encoder_sees(fused, batch):
    hidden = torch.rand(batch.n_tokens, generator=torch.Generator().manual_seed(0)) < 0.7
    seen = encoded(fused.encoder, batch, hidden)
    assert far(encoded(fused.encoder, changed(batch, hidden, 9.0), hidden), seen) == 0
    assert far(encoded(fused.encoder, changed(batch, ~hidden, 9.0), hidden), seen) > 1e-2


def test_a_token_of_which_all_is_hidden_is_the_mask_vector(fused, batch):
    late = batch.position[:, 3] > 2.0
    hidden_token = fused.encoder.token_hidden(batch, late)
    beside = fused.token_batch(batch)
    assert torch.equal(hidden_token, beside.valid & (beside.position[:, 3] > 2.0))
    with torch.no_grad():
        tokens, _ = fused.encoder.embed(batch, late)
        for modality in beside.modality.unique():
            of_both = tokens[hidden_token & (beside.modality == modality)]
            assert torch.equal(of_both, of_both[:1].expand_as(of_both))
    one_lead = late & (batch.channel_index == 0) & (batch.modality == MODALITY_IDS["ecg"])
    single = torch.bincount(batch.window[one_lead], minlength=batch.n_windows) > 0
    only = fused.encoder.token_hidden(batch, one_lead)
    assert not only[beside.window == 0].any(), "eleven leads are left"
    assert single[0]


@pytest.mark.parametrize("seconds", [1.0, 3.01])
def test_a_causal_pass_sees_nothing_later(fused, batch, seconds):
    later = changed(batch, batch.position[:, 3] > seconds, 9.0)
    beside = fused.token_batch(batch)
    ends = beside.position[:, 3] + fused.encoder.token_half[beside.modality]
    starts = batch.position[:, 3] - fused.encoder.token_half[batch.modality]
    first = starts[batch.position[:, 3] > seconds].min()
    early = ends <= first + 1e-4
    assert early.sum() > 20
    for causal in (True, False):
        change = (encoded(fused.encoder, later, causal=causal) - encoded(fused.encoder, batch, causal=causal)).abs()
        assert (change[early].max() == 0) == causal
        assert change[~early].max() > 1e-2


def test_a_checkpoint_reads_back_equal_and_says_what_it_is(fused, batch, tmp_path):
    fused.save(tmp_path / "model")
    again = biosig.load_model(tmp_path / "model")
    assert again.revision == fused.revision
    assert again.config == fused.config
    with pytest.warns(RandomWeightsWarning):
        assert far(again.encode_batch(batch), fused.encode_batch(batch)) == 0
    assert again.contract["ecg"].readout == "mean+max+std"
    assert again.contract["ecg"].layers == (0, 3, -1)


def test_bfloat16_leaves_tokens_within_a_percent(fused, batch):
    exact, rounded = (fused.encode_batch(batch, dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    with torch.no_grad():
        assert far(exact, fused.encoder(batch)) < 1e-5
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).norm() / exact.norm() < 1e-2
    assert next(fused.encoder.blocks.parameters()).dtype == torch.float32


def test_gradients_reach_every_weight_of_the_modalities_that_are_there(fused, batch):
    encoder = biosig.build_model("biosig-fused-tiny").encoder
    hidden = torch.rand(batch.n_tokens) < 0.9
    tokens, _ = encoder.embed(batch, hidden)
    states = encoder.hidden_states(tokens, encoder.visible_tokens(batch, hidden))
    out = encoder.norm(states[-1])
    beside = encoder.token_batch(batch)
    (encoder.pool(out, beside.window[beside.valid], batch.n_windows).square().sum() + out.square().mean()).backward()
    missing = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not missing


def test_all_layers_in_one_pass_are_the_layers_one_by_one(fused, batch):
    passed = [tokens for tokens, _ in fused.layers(batch)]
    assert len(passed) == fused.config.depth + 1
    for layer, tokens in enumerate(passed[:-1]):
        assert torch.equal(tokens, fused.encode_batch(batch, layer)), layer
    assert torch.equal(passed[-1], fused.encode_batch(batch))


def test_vectors_are_what_the_weights_name_unless_told_otherwise(fused, ecg, eeg, bedside):
    three = biosig.embed(fused, ecg)
    assert three["vector"].type.list_size == 3 * 3 * 128
    assert reading_of(fused.config, "eeg") == Reading("mean+max+std", (-1,))
    named = biosig.embed(fused, ecg, layer=[0, 3, -1], pooling="mean+max+std")
    assert named["vector"].to_pylist() == three["vector"].to_pylist()
    assert biosig.embed(fused, ecg, pooling="mean")["vector"].type.list_size == 128
    assert biosig.embed(fused, ecg, layer=2)["vector"].type.list_size == 3 * 128
    assert biosig.embed(fused, eeg, window=4.0)["vector"].type.list_size == 3 * 128
    both = biosig.embed(fused, [bedside.crop(0, 10), replace(eeg.crop(0, 10), id="eeg")])
    assert {(m, len(v)) for m, v in zip(both["modality"].to_pylist(), both["vector"].to_pylist(), strict=True)} == {
        ("ecg", 1152), ("ppg", 1152), ("eeg", 384),
    }  # fmt: skip
    with pytest.raises(UsageError, match="no layer 9"):
        biosig.embed(fused, ecg, layer=[0, 9])


def test_the_spectrum_of_the_stem_tells_a_rhythm_and_its_place(fused):
    t = np.arange(4 * 128) / 128
    noise = np.random.default_rng(0).normal(size=(1, 3, len(t)))
    noise[0, 2] += 3 * np.sin(2 * math.pi * 10 * t)
    table = biosig.embed(
        fused, noise * 20, sfreq=128, ch_names=["F3", "Cz", "Oz"], kind="eeg", units="uV", pooling="spectrum"
    )
    mean = np.asarray(table["vector"][0].as_py())[: 33 * 22].reshape(33, 22)
    site, band = np.unravel_index(mean[:16].argmax(), (16, 22))
    assert site == 15  # Oz
    assert band == 6  # 10 to 11 Hz


def test_a_line_that_sites_share_stands_out_of_its_neighbours():
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(4 * 128) / 128
    x = torch.randn(1, 16, len(t), generator=generator)
    x[0, 5:8] += 0.7 * torch.sin(2 * math.pi * 12.25 * t)
    lines = coherence(x, 128.0)[0]
    assert lines.shape == (161,)
    assert int(lines.argmax()) == round((12.25 - 4) / 0.25)


def test_readouts_of_the_eeg_stem_refuse_other_channels_and_other_encoders(fused, tiny, ecg, eeg):
    assert biosig.embed(fused, eeg, window=4.0, pooling="coherence")["vector"].type.list_size == 161
    with pytest.raises(UsageError, match=r"reads EEG alone.*channels of ECG"):
        biosig.embed(fused, ecg, pooling="spectrum")
    with pytest.raises(UsageError, match=r"has not what it reads.*choose pooling="):
        biosig.embed(tiny, eeg, window=4.0, pooling="coherence")


def test_local_maxima_are_of_the_stems_tokens(fused, batch):
    found = pooled(fused, batch, Reading("local_max", (-1,)))[0, 0]
    stem, out = fused.encode_batch(batch, 0)[:125], fused.encode_batch(batch)[:125]
    torch.testing.assert_close(found, torch.cat((out.mean(0), stem.mean(0), stem.amax(0))), rtol=1e-4, atol=1e-5)


def test_a_fused_model_reads_no_text(fused, x):
    with pytest.raises(UsageError, match="no text modality"):
        fused.encode(x, sfreq=100, ch_names=LEADS, kind="ecg", text=["sinus rhythm"])
    with pytest.raises(UsageError, match="has no text and no token per window"):
        replace(fused.config, cls=True)


def test_per_channel_objectives_are_refused_by_name(fused):
    from biosig.pretrain.objectives import OBJECTIVES
    from biosig.pretrain.objectives.base import check_needs

    with pytest.raises(UsageError, match="needs a token for each single channel, which 'biosig-fused-tiny' has not"):
        check_needs(OBJECTIVES["reve"], fused.config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not fused.trained


def test_the_model_is_told_that_a_scale_is_unknown(fused, ecg):
    packed = pack([fused.prepare(ecg)], fused.contract)
    unknown = replace(packed, log_scale=torch.full_like(packed.log_scale, torch.nan))
    assert fused.encode_batch(unknown).isfinite().all()
    assert far(fused.encode_batch(unknown), fused.encode_batch(packed)) > 1e-3


def test_attention_is_a_readout_of_fused_tokens_too(fused, ecg, batch):
    """With a query of zeros it is the mean; with another it reads the tokens that are like it."""
    mean, attended = (
        np.asarray(biosig.embed(fused, ecg, pooling=pooling)["vector"].to_pylist()) for pooling in ("mean", "attention")
    )
    assert attended.shape == mean.shape
    assert far(attended, mean) < 0.2
    query = fused.encoder.pool.query
    kept = query.detach().clone()
    tokens = fused.encode_batch(batch)[:125]
    try:
        with torch.no_grad():
            query.copy_(100 * tokens[40])
            found = pooled(fused, batch, Reading("attention", (-1,)))[0, 0]
    finally:
        with torch.no_grad():
            query.copy_(kept)
    nearest = (tokens @ tokens[40]).argmax()
    torch.testing.assert_close(found, tokens[nearest], rtol=1e-3, atol=1e-3)
