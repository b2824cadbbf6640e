"""A network that the project does not know, as a model: it embeds, and is refused input that its contract rules out."""

import copy
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import biosig
from biosig.errors import DataError, UsageError
from biosig.recording import Recording

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
CONTRACT = biosig.ModuleContract("ecg", 100.0, LEADS, "mV", seconds=5.0)


class LabNet(nn.Module):
    """A convolution with batch statistics, then the mean over time: a vector, or tokens without the mean."""

    def __init__(self, n_chans=12, tokens=False):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(n_chans, 8, 25, stride=25), nn.BatchNorm1d(8), nn.GELU())
        self.tokens = tokens

    def forward(self, x):
        tokens = self.conv(x).mT  # (B, N, 8)
        return tokens if self.tokens else tokens.mean(1)


@pytest.fixture
def net():
    return LabNet()


@pytest.fixture
def model(net):
    return biosig.wrap(net, CONTRACT, LabNet)


def vectors(table):
    return np.stack(table["vector"].to_pylist())


def shuffled(recording, order):
    return replace(recording, streams=[recording.streams[0].pick(order)])


def test_the_vector_is_what_the_module_gives_for_millivolts_in_order(model, net, ecg):
    found = biosig.embed(model, ecg, window=5.0)
    physical = ecg.streams[0].physical()
    assert list(ecg.ch_names) == list(LEADS)
    with torch.no_grad():
        expected = net(torch.from_numpy(np.stack([physical[:, :500], physical[:, 500:]])))
    np.testing.assert_allclose(vectors(found), expected, atol=1e-5)
    assert found["modality"].to_pylist() == ["ecg", "ecg"]
    assert found["valid_fraction"].to_pylist() == [1.0, 1.0]
    backwards = biosig.embed(model, shuffled(ecg, range(11, -1, -1)), window=5.0)
    np.testing.assert_allclose(vectors(backwards), vectors(found), atol=1e-6)
    encoded = model.encode(physical[None, :, :500], 100.0, LEADS)
    np.testing.assert_allclose(encoded.pooled[0], vectors(found)[0], atol=1e-5)
    assert encoded.tokens.shape == (1, 1, 8)


@pytest.mark.parametrize("normalisation", ["window", "zscore", "robust", "constant"])
def test_values_are_normalised_as_the_contract_says(ecg, normalisation):
    seen = []

    class Ear(LabNet):
        def forward(self, x):
            seen.append(x)
            return super().forward(x)

    divisor = 100.0 if normalisation == "constant" else 1.0
    contract = replace(CONTRACT, normalisation=normalisation, unit="uV", divisor=divisor)
    biosig.embed(biosig.wrap(Ear(), contract), ecg, window=5.0)
    values, physical = seen[-1][0].numpy(), 1000 * ecg.streams[0].physical()
    first = physical[:, :500]
    expected = {
        "window": lambda: (first - first.mean(1, keepdims=True)) / first.std(1, keepdims=True),
        "zscore": lambda: (first - physical.mean(1, keepdims=True)) / physical.std(1, keepdims=True),
        "robust": lambda: (first - first.mean(1, keepdims=True)) / biosig.signal.robust_scale(physical),
        "constant": lambda: first / 100,
    }[normalisation]()
    scale = np.linalg.norm(expected, axis=1) / np.linalg.norm(values, axis=1)
    if normalisation == "robust":  # the scale is the window's own where the recording has none
        assert np.ptp(scale) < 1e-4
    else:
        np.testing.assert_allclose(values, expected, atol=2e-4)


def test_tokens_are_read_out_and_a_vector_is_not(model, ecg):
    tokens = biosig.wrap(LabNet(tokens=True), CONTRACT)
    tokens.encoder.module.load_state_dict(model.encoder.module.state_dict())
    mean = vectors(biosig.embed(tokens, ecg, window=5.0))
    np.testing.assert_allclose(mean, vectors(biosig.embed(model, ecg, window=5.0)), atol=1e-5)
    both = vectors(biosig.embed(tokens, ecg, window=5.0, pooling="mean+std"))
    assert both.shape == (2, 16)
    np.testing.assert_allclose(both[:, :8], mean, atol=1e-6)
    assert tokens.encode(ecg.streams[0].physical()[None, :, :500], 100.0, LEADS).tokens.shape == (1, 20, 8)
    with pytest.raises(UsageError, match="gives a vector and no tokens: choose pooling=cls"):
        biosig.embed(model, ecg, window=5.0, pooling="mean+std")
    with pytest.raises(UsageError, match="has no pool query: choose pooling=mean"):
        biosig.embed(tokens, ecg, window=5.0, pooling="attention")
    with pytest.raises(UsageError, match="only the output can be read: give layer -1"):
        biosig.embed(model, ecg, window=5.0, layer=0)


def test_millivolts_taken_for_microvolts_are_refused(eeg):
    names = eeg.ch_names
    model = biosig.wrap(LabNet(len(names)), biosig.ModuleContract("eeg", 160.0, names, "uV", seconds=2.0))
    values = eeg.streams[0].physical()[None, :, :320]
    assert model.encode(values, 160.0, names, units="uV").pooled.isfinite().all()
    with pytest.raises(DataError, match="about 1,000 times too small"):
        model.encode(values / 1000, 160.0, names, units="uV")
    with pytest.raises(DataError, match="about 1,000 times too small"):
        biosig.embed(model, values / 1000, window=2.0, sfreq=160.0, ch_names=names, kind="eeg", units="uV")
    in_millivolts = model.encode(values / 1000, 160.0, names, units="mV")
    np.testing.assert_allclose(in_millivolts.pooled, model.encode(values, 160.0, names).pooled, rtol=1e-4, atol=1e-4)


def test_a_recording_without_a_unit_is_refused(model, ecg):
    channels = tuple(replace(channel, unit="NU") for channel in ecg.streams[0].channels)
    nameless = replace(ecg, streams=[replace(ecg.streams[0], channels=channels)])
    with pytest.raises(UsageError, match="Channel 'I' is in 'NU', the model needs 'mV'"):
        biosig.embed(model, nameless, window=5.0)
    with pytest.raises(UsageError, match="give the unit, such as 'uV', or a normalisation that takes it out"):
        replace(CONTRACT, unit=None)
    free = biosig.wrap(LabNet(), replace(CONTRACT, unit=None, normalisation="window"))
    assert biosig.embed(free, nameless, window=5.0).num_rows == 2


def test_missing_channels_are_named_and_zeros_only_where_asked_for(model, ecg):
    some = shuffled(ecg, [0, 1, 2, 3, 4, 5, 8])
    with pytest.raises(DataError, match=f"'{ecg.id}' has no channel V1, V2, V4, V5, V6, which the model needs"):
        biosig.embed(model, some, window=5.0)
    with pytest.raises(DataError, match="The array has no channel V6"):
        model.encode(ecg.streams[0].physical()[None, :11, :500], 100.0, LEADS[:11])
    twice = biosig.wrap(LabNet(), replace(CONTRACT, ch_names=("Lead_I", *LEADS[:11])))
    with pytest.raises(DataError, match="Lead_I and I are one channel, 'I'"):
        biosig.embed(twice, ecg, window=5.0)
    lenient = biosig.wrap(model.encoder.module, replace(CONTRACT, missing="zeros"))
    zeroed = ecg.streams[0].physical()[:, :500].copy()
    zeroed[[6, 7, 9, 10, 11]] = 0
    with torch.no_grad():
        expected = model.encoder.module(torch.from_numpy(zeroed[None]))
    np.testing.assert_allclose(vectors(biosig.embed(lenient, some, window=5.0))[:1], expected, atol=1e-5)


def test_a_window_that_misses_a_sample_gives_no_vector(model, ecg):
    values = ecg.streams[0].physical()
    values[3, 700] = np.nan
    stream = replace(ecg.streams[0], samples=values, scale=np.ones(12), offset=np.zeros(12))
    gap = replace(ecg, streams=[stream])
    table = biosig.embed(model, gap, window=5.0)
    assert table["valid_fraction"].to_pylist() == [1.0, 0.0]
    assert np.isnan(vectors(table)[1]).all()
    with pytest.raises(DataError, match="Window 1 of the array misses samples"):
        model.encode(values.reshape(12, 2, 500).swapaxes(0, 1), 100.0, LEADS)
    lenient = biosig.wrap(model.encoder.module, replace(CONTRACT, missing="zeros"))
    assert np.isfinite(vectors(biosig.embed(lenient, gap, window=5.0))).all()


def test_windows_of_another_length_are_refused_unless_any_will_do(model, net, ecg):
    with pytest.raises(UsageError, match="lasts 4 s, and the model takes windows of 5 s"):
        biosig.embed(model, ecg, window=4.0)
    with pytest.raises(UsageError, match="A window of the array lasts 10 s"):
        model.encode(ecg.streams[0].physical()[None], 100.0, LEADS)
    free = biosig.wrap(net, replace(CONTRACT, seconds=None))
    np.testing.assert_allclose(
        vectors(biosig.embed(free, ecg, window=5.0)), vectors(biosig.embed(model, ecg, window=5.0)), atol=1e-5
    )
    tail = vectors(biosig.embed(free, ecg, window=4.0, keep_tail=True))
    with torch.no_grad():
        expected = net(torch.from_numpy(ecg.streams[0].physical()[None, :, 800:]))
    np.testing.assert_allclose(tail[2:], expected, atol=1e-5)
    with pytest.raises(UsageError, match=r"lasts 4.05 s, and the model takes windows of a whole number of 0.1 s"):
        biosig.embed(free, ecg, window=4.05)


def test_other_rates_are_resampled_and_other_modalities_left_out(ecg, eeg):
    at_250 = biosig.wrap(LabNet(), replace(CONTRACT, sfreq=250.0))
    assert np.isfinite(vectors(biosig.embed(at_250, ecg, window=5.0))).all()
    with pytest.warns(UserWarning, match="Recordings without a channel that LabNet reads"):
        assert biosig.embed(at_250, eeg, window=5.0).num_rows == 0


def test_a_vector_that_is_not_finite_is_an_error_that_names_the_window(ecg):
    class Broken(LabNet):
        def forward(self, x):
            out = super().forward(x)
            return torch.where(x.abs().amax((1, 2))[:, None] > 50, torch.nan, out)

    wild = biosig.wrap(Broken(), replace(CONTRACT, normalisation="constant", divisor=1e-3))
    with pytest.raises(DataError, match=f"window of 5 s at 0 s of recording '{ecg.id}'"):
        biosig.embed(wild, ecg, window=5.0)


def test_the_revision_changes_with_weights_buffers_and_contract(model, net):
    before = model.revision
    assert biosig.wrap(copy.deepcopy(net), CONTRACT).revision == before
    assert biosig.wrap(net, replace(CONTRACT, band=(0.5, 40.0))).revision != before
    net.conv[1].running_mean[0] += 1
    after = model.revision
    assert after != before
    with torch.no_grad():
        net.conv[0].weight[0, 0, 0] += 1
    assert model.revision not in (before, after)


def test_the_twin_is_another_draw_of_the_same_architecture(model, net):
    twin = model.with_random_weights(1)
    assert not twin.trained
    assert twin.revision == model.with_random_weights(1).revision != model.with_random_weights(2).revision
    with pytest.raises(UsageError, match=r"give biosig\.wrap a function make"):
        biosig.wrap(net, CONTRACT).with_random_weights(0)
    with pytest.raises(UsageError, match="gives the same weights again"):
        biosig.wrap(net, CONTRACT, lambda: copy.deepcopy(net)).with_random_weights(0)
    with pytest.raises(UsageError, match="gives 8 numbers, and the wrapped one gives 12"):
        biosig.wrap(nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten()), CONTRACT, LabNet).with_random_weights(0)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (nn.Linear(7, 7), r"fails on windows of shape \(2, 12, 500\)"),
        (nn.Flatten(0), "must give vectors"),
        (nn.Dropout(), None),
        (nn.LSTM(500, 4), "gives a tuple"),
        (nn.BatchNorm1d(12, track_running_stats=False), "other numbers when another window is beside it"),
        (object(), "takes a torch.nn.Module"),
    ],
)
def test_modules_that_do_not_fit_are_refused(module, sentence):
    if sentence is None:  # in evaluation mode it gives its input: tokens of a channel each
        assert biosig.wrap(module, CONTRACT).embed_dim == 500
        return
    with pytest.raises(UsageError, match=sentence):
        biosig.wrap(module, CONTRACT)


def test_contracts_that_contradict_themselves_are_refused():
    for change, sentence in (
        ({"ch_names": "I"}, "give a list"),
        ({"ch_names": ["I", "I"]}, "none twice"),
        ({"modality": "emg"}, "ecg, ppg, eeg"),
        ({"divisor": 2.0}, "no effect"),
        ({"sfreq": 0.0}, "positive"),
        ({"missing": "guess"}, "refuse, zeros"),
    ):
        with pytest.raises(UsageError, match=sentence):
            replace(CONTRACT, **change)


def test_what_a_wrapped_module_cannot_do_is_said(model, tmp_path):
    for call in (
        lambda: model.save(tmp_path),
        lambda: model.with_longer_windows(9.0),
        lambda: model.encode(np.zeros((1, 12, 500)), 100.0, LEADS, text=["words"]),
    ):
        with pytest.raises(UsageError, match=r"wrapped module|no text modality"):
            call()


def test_a_module_without_weights_and_a_photoplethysmogram(bedside):
    class Moments(nn.Module):
        def forward(self, x):
            return torch.stack((x.mean(-1), x.std(-1)), dim=-1).flatten(1)

    model = biosig.wrap(Moments(), biosig.ModuleContract("ppg", 125.0, ["PLETH"], None, normalisation="window"))
    assert isinstance(bedside, Recording)
    found = vectors(biosig.embed(model, bedside, window=10.0))
    np.testing.assert_allclose(found, np.broadcast_to([0.0, 1.0], found.shape), atol=1e-3)


def test_the_page_wraps_a_laboratorys_network_in_ten_lines():
    page = (Path(__file__).parents[2] / "docs" / "wrap.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len([line for line in code[0].splitlines() if line.strip()]) <= 10
    names = {}
    exec(compile(code[0], "wrap.md", "exec"), names)
    assert np.isfinite(vectors(names["table"])).all()
    assert set(names["table"]["model"].to_pylist()) == {"our-lab-2024"}
    assert not names["model"].with_random_weights(0).trained
    for block in code[1:]:  # needs braindecode
        compile(block, "wrap.md", "exec")
