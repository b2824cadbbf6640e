"""The term that predicts average waveforms: its targets, its mathematics, what it masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.pretraining import recordings

import biosig
from biosig import samples
from biosig.errors import UsageError
from biosig.models.build import make_encoder
from biosig.models.presets import preset
from biosig.pretrain.augment.changes import LEADS
from biosig.pretrain.lead_copies import LeadMixture
from biosig.pretrain.objectives.average_waveform import (
    FLAT,
    LEAST_MV,
    AverageWaveform,
    Beats,
    Waveform,
    beats_of,
    over_own_size,
)
from biosig.pretrain.objectives.configs.average_waveform import AverageWaveformConfig
from biosig.pretrain.targets import Targets
from biosig.pretrain.targets.mean_pulse import MeanPulseTarget
from biosig.pretrain.targets.median_beat import MedianBeatTarget

pytestmark = pytest.mark.filterwarnings("ignore")

CONFIG = AverageWaveformConfig(width=8)


@pytest.fixture(scope="module")
def ecg():
    return biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[1])


def with_unit(recording, unit):
    streams = [replace(s, channels=tuple(replace(c, unit=unit) for c in s.channels)) for s in recording.streams]
    return replace(recording, streams=streams)


# Targets


def test_the_beat_is_that_of_the_leads_around_the_qrs_at_100_hz(ecg):
    mv, own = MedianBeatTarget()(ecg)
    assert mv.shape == (12, 75)
    assert np.isnan(own).all()
    assert np.isfinite(mv).all()
    size = np.sqrt((mv**2).sum(0))
    assert abs(int(size.argmax()) - 30) <= 3, "0.3 s before the QRS"
    x = dict(zip(LEADS, mv, strict=True))
    np.testing.assert_allclose(x["III"], x["II"] - x["I"], atol=0.06)
    amplitude = biosig.features.extract(ecg)["ecg.r_amplitude[II]"]
    assert x["II"].max() == pytest.approx(amplitude, abs=0.25)


def test_absent_leads_are_nan_and_a_window_without_beats_has_none(ecg):
    two = replace(ecg, streams=[ecg.streams[0].pick([1, 7])])
    mv, _ = MedianBeatTarget()(two)
    assert np.isfinite(mv).all(1).nonzero()[0].tolist() == [LEADS.index("II"), LEADS.index("V2")]
    flat = replace(ecg.streams[0], samples=np.zeros_like(ecg.streams[0].samples))
    assert MedianBeatTarget()(replace(ecg, streams=[flat])) is None
    assert MedianBeatTarget()(recordings("eeg")[0]) is None
    assert MeanPulseTarget()(ecg) is None


@pytest.mark.parametrize("how", ["no unit", "wrong unit", "leads scaled each"])
def test_a_beat_of_a_unit_that_cannot_be_believed_is_not_in_mv(ecg, how):
    stream = ecg.streams[0]
    if how == "no unit":
        other = with_unit(ecg, "NU")
    elif how == "wrong unit":
        other = replace(ecg, streams=[replace(stream, scale=100 * stream.scale)])
    else:
        deviation = stream.physical().std(1)
        other = replace(
            ecg, streams=[replace(stream, scale=stream.scale / deviation, offset=stream.offset / deviation)]
        )
    mv, own = MedianBeatTarget()(other)
    assert np.isnan(mv).all()
    assert np.isfinite(own).all()


def test_the_pulse_goes_from_foot_to_foot_between_0_and_1():
    pulse = MeanPulseTarget()(recordings("ppg")[0])
    assert pulse.shape == (64,)
    assert pulse[:3].max() < 0.1
    assert pulse.max() == pytest.approx(1, abs=0.02)
    assert 5 < pulse.argmax() < 32


def test_the_beat_of_mixed_leads_is_the_mixed_beat(ecg):
    """Measured anew and mapped agree, in mV and over their size: what the term does is what a new measurement gives."""
    mixture = LeadMixture(0)
    lead_map = torch.from_numpy(mixture.lead_map(ecg)).float()[None]
    measured, anew = (torch.from_numpy(MedianBeatTarget()(one))[None] for one in (ecg, mixture(ecg, ecg, 0)))
    mapped, known, has_unit = beats_of(measured, lead_map)
    expected, _, _ = beats_of(anew, None)
    assert known.all()
    assert has_unit.all()
    assert (mapped - expected).abs().max() < 0.1
    assert (mapped - beats_of(measured, None)[0]).abs().max() > 0.2
    assert (over_own_size(mapped) - over_own_size(expected)).abs().max() < 0.06


# Mathematics by hand


def target(first=None, second=None, n_times=3):
    values = torch.full((1, 2, 12, n_times), torch.nan)
    for half, given in enumerate((first, second)):
        for lead, wave in (given or {}).items():
            values[0, half, lead] = torch.tensor(wave)
    return values


def test_a_lead_is_measured_if_all_are_that_it_is_made_of():
    lead_map = torch.eye(12)[None].clone()
    lead_map[0, 2] = 0
    lead_map[0, 2, [0, 1]] = torch.tensor([-1.0, 1.0])
    lead_map[0, 7, 6] = 0.5
    beat, measured, has_unit = beats_of(target({0: [0.0, 1, 0], 1: [0.0, 3, 0], 7: [1.0, 1, 1]}), lead_map)
    assert measured[0].nonzero().flatten().tolist() == [0, 1, 2]
    assert beat[0, 2].tolist() == [0, 2, 0]
    assert not beat[0, 7].any()
    assert has_unit.tolist() == [True]


def test_limb_leads_keep_their_ratios_and_chest_leads_have_size_1():
    beat, _, has_unit = beats_of(
        target(None, {0: [0.0, 2, 0], 1: [-1.0, 3, 0], 6: [0.0, 5, 0], 8: [0.0, 0.01, 0]}), None
    )
    assert has_unit.tolist() == [False]
    shape = over_own_size(beat)[0]
    assert shape[0].tolist() == [0, 0.5, 0]
    assert shape[1].tolist() == [-0.25, 0.75, 0]
    assert shape[6].tolist() == [0, 1, 0]
    assert shape[8, 1].item() == pytest.approx(0.01 / (FLAT * 5)), "what is hardly there is not stretched to its size"
    assert torch.isfinite(over_own_size(torch.zeros(1, 12, 3))).all()


def test_the_loss_is_hubers_of_deviations_over_leads_that_are_measured():
    values = np.full((3, 2, 2), np.nan, np.float32)
    values[:, 0] = [[1, 5], [3, 5], [5, 5]]  # mean 3, 5; deviations sqrt(8 / 3), and the least
    values[0, 1] = [0, 0]
    part = Waveform(4, values, LEAST_MV)
    deviation = np.sqrt(8 / 3)
    np.testing.assert_allclose(part.centre[0], [3, 5])
    np.testing.assert_allclose(part.scale[0], [deviation, LEAST_MV])
    part.head.bias.data.zero_()
    wave = torch.tensor([[[3 + deviation, 5.0], [9, 9]], [[3 + 3 * deviation, 6.0], [0, 0]], [[0.0, 0], [0, 0]]])
    holds = torch.tensor([[True, False], [True, False], [False, False]])
    loss, count = part(torch.zeros(3, 4), wave, holds)
    # one deviation: 1/2; three: 2.5; 50 deviations are cut at 6: 5.5. Mean over samples, then over windows.
    assert loss.item() == pytest.approx(((0.5 + 0) / 2 + (2.5 + 5.5) / 2) / 2)
    assert count.item() == 2


def test_a_beat_of_unknown_unit_teaches_its_shape_alone():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 2, 12, 75)).astype(np.float32)
    values[:, 1] = np.nan
    unknown = values[:, ::-1].copy()
    part = Beats(16, values, CONFIG)
    pooled = torch.randn(6, 48, generator=torch.Generator().manual_seed(0))
    for beat, is_taught in ((values, True), (unknown, False)):
        _, logged = part.eval()(pooled, {"median_beat": torch.from_numpy(beat)})
        assert (logged["beat"] > 0) == is_taught
        assert logged["beat_shape"] > 0
    _, scaled = part(pooled, {"median_beat": torch.from_numpy(1000 * unknown)})
    torch.testing.assert_close(scaled["beat_shape"], logged["beat_shape"])
    assert Beats(16, unknown, CONFIG).millivolts is None


def test_a_gain_scales_the_beat_in_mv_and_leaves_its_shape():
    values = np.random.default_rng(0).normal(size=(6, 2, 12, 75)).astype(np.float32)
    values[:, 1] = np.nan
    part, pooled = Beats(16, values, CONFIG).eval(), torch.zeros(6, 48)
    beat = torch.from_numpy(values)
    gain = 1.3 * torch.eye(12).expand(6, 12, 12)
    _, with_map = part(pooled, {"median_beat": beat, "lead_map": gain})
    _, measured = part(pooled, {"median_beat": 1.3 * beat})
    _, plain = part(pooled, {"median_beat": beat})
    torch.testing.assert_close(with_map, measured)
    torch.testing.assert_close(with_map["beat_shape"], plain["beat_shape"])
    assert with_map["beat"] > plain["beat"]


def test_a_run_without_a_waveform_is_refused_and_parts_are_those_that_are_measured():
    config = preset("biosig-tiny")
    encoder = make_encoder(replace(config, embed_dim=32, depth=1, num_heads=2, head_dim=16))
    nothing = {
        "median_beat": np.full((3, 2, 12, 75), np.nan, np.float32),
        "mean_pulse": np.full((3, 64), np.nan, np.float32),
    }
    with pytest.raises(UsageError, match="no training window has a median beat"):
        AverageWaveform(encoder, CONFIG, Targets({}, nothing))
    pulses = nothing | {"mean_pulse": np.random.default_rng(0).random((3, 64), np.float32)}
    assert list(AverageWaveform(encoder, CONFIG, Targets({}, pulses)).parts) == ["ppg"]


def test_keys_are_checked():
    with pytest.raises(UsageError, match="shape is -1"):
        AverageWaveformConfig(shape=-1.0)
    with pytest.raises(UsageError, match="width is 0"):
        AverageWaveformConfig(width=0)
