"""CSFM's presets: any of twelve leads, PPG and a report, together or alone, each window as if it were alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import biosig
from biosig.batches.channel_layout import UnplacedChannelWarning
from biosig.batches.packed import pack
from biosig.errors import UsageError
from biosig.models.encoder import Encoder
from biosig.models.model import Model
from biosig.models.presets import preset

pytestmark = pytest.mark.filterwarnings("ignore::biosig.models.model.RandomWeightsWarning")
LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def far(a, b):
    """Largest absolute difference over largest absolute value."""
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.fixture(scope="module")
def model():
    """The network of csfm-tiny, two blocks deep."""
    torch.manual_seed(0)
    config = preset("csfm-tiny")
    return Model(Encoder(replace(config, depth=2)), trained=False)


def without_v(recording):
    """A monitor's "V" is some chest lead, nobody knows which."""
    rows = [[i for i, channel in enumerate(stream.channels) if channel.name != "V"] for stream in recording.streams]
    return replace(recording, streams=[stream.pick(r) for stream, r in zip(recording.streams, rows, strict=True)])


@pytest.fixture(scope="module")
def windows(model, ecg, bedside):
    """Twelve leads with a report, II + PPG, PPG alone, 4 s of one lead: streams and words."""
    bed = without_v(bedside).crop(0, 10)
    ppg = next(bed.of_kind("ppg"))
    two = [model.prepare(bed)]
    only_ppg = [p for p in two[0] if p.modality == "ppg"]
    one_lead = model.prepare(biosig.recording.Recording("r", [ecg.streams[0].pick([1]).slice(0, 400)]))
    assert ppg.n_chans == 1
    return [model.prepare(ecg), two[0], only_ppg, one_lead], [[101, 7, 2000], [], [], [5]]


def test_a_mixed_batch_gives_each_window_what_it_gives_alone(model, windows):
    prepared, text = windows
    together = pack(prepared, model.contract, text)
    tokens, cls = model.encode_and_pool(together)
    for i, window in enumerate(prepared):
        alone = pack([window], model.contract, [text[i]])
        expected, expected_cls = model.encode_and_pool(alone)
        assert far(tokens[together.window == i], expected) < 1e-5
        assert far(cls[i], expected_cls[0]) < 1e-5


def test_an_absent_report_and_an_absent_modality_are_no_tokens(model, windows):
    prepared, _ = windows
    bare, with_report = pack([prepared[1]], model.contract), pack([prepared[1]], model.contract, [[9, 9, 9]])
    assert with_report.n_tokens == bare.n_tokens + 3
    assert far(model.encode_and_pool(with_report)[1], model.encode_and_pool(bare)[1]) > 1e-4


def test_an_invalid_channel_changes_nothing_for_the_others(model, ecg):
    x = ecg.streams[0].physical()[None]
    missing = x.copy()
    missing[:, 3] = np.nan
    rest = [i for i in range(12) if i != 3]
    out = model.encode(missing, sfreq=100, ch_names=LEADS, kind="ecg")
    expected = model.encode(x[:, rest], sfreq=100, ch_names=[LEADS[i] for i in rest], kind="ecg")
    assert far(out.pooled, expected.pooled) < 1e-5
    assert far(out.tokens[:, rest], expected.tokens) < 1e-5
    assert not out.valid[:, 3].any()


def test_encode_gives_text_back_per_window(model, ecg):
    x = np.repeat(ecg.streams[0].physical()[None], 2, axis=0)
    out = model.encode(x, sfreq=100, ch_names=LEADS, kind="ecg", text=[[3, 4, 5], None])
    assert out.text.shape == (2, 3, 768)
    assert out.text_valid.tolist() == [[True] * 3, [False] * 3]
    assert not out.text[1].any()
    assert out.tokens.shape == (2, 12, 100, 768)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ([[1] * 65], "65 tokens.*up to 64"),
        ([[30522]], "30522.*words 0 to 30521"),
        (["sinus rhythm"], "no tokenizer"),
        ("sinus rhythm", "one entry per window"),
    ],
)
def test_text_that_the_model_cannot_read_is_refused(model, ecg, text, message):
    with pytest.raises(UsageError, match=message):
        model.encode(ecg.streams[0].physical()[None], sfreq=100, ch_names=LEADS, kind="ecg", text=text)


def test_a_wearables_only_channel_is_lead_ii_and_a_strange_lead_among_others_is_not_seen(model, ecg):
    one = ecg.streams[0].physical()[None, :1]
    worn = model.encode(one, sfreq=100, ch_names=["ECG"], kind="ecg")
    lead = model.encode(one, sfreq=100, ch_names=["II"], kind="ecg")
    assert torch.equal(worn.pooled, lead.pooled)
    both = ecg.streams[0].physical()[None, :2]
    with pytest.warns(UnplacedChannelWarning, match=r"V7 have no lead that the model knows"):
        strange = model.encode(both, sfreq=100, ch_names=["I", "V7"], kind="ecg")
    assert strange.valid.any(dim=2).tolist() == [[True, False]]
    alone = model.encode(both[:, :1], sfreq=100, ch_names=["I"], kind="ecg")
    assert far(strange.pooled, alone.pooled) < 1e-5


def test_a_window_beyond_the_learned_times_is_refused(model, ecg):
    x = np.tile(ecg.streams[0].physical(), 2)[None, :1]
    with pytest.raises(UsageError, match=r"lasts 20 s.*up to 10 s"):
        model.encode(x, sfreq=100, ch_names=["II"], kind="ecg")


def test_embedding_gives_one_row_per_window_for_all_it_reads(model, bedside):
    table = biosig.embed(model, without_v(bedside).crop(0, 20), window=10.0)
    assert table["modality"].to_pylist() == ["ecg+ppg"] * 2
    assert table["ch_names"][0].as_py() == ["aVR", "II", "finger"]
    assert np.isfinite(np.stack(table["vector"].to_numpy(zero_copy_only=False))).all()
