"""Each thing that a recipe can ask for, on real recordings: what it changes, what it says, and what it refuses."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy

from biosig import samples
from biosig.config import load, to_dict
from biosig.errors import DataError, UsageError
from biosig.lazy_samples import LazySamples
from biosig.recording import UNKNOWN, Channel, Recording, Stream, is_known
from biosig.shards.reader import Shard
from biosig.signal import is_flat, robust_scale
from ingest.cli.ingest import ingest
from ingest.preprocess import recipe as recipes
from ingest.preprocess.amplitude import MEASURED, robust_scales, spread
from ingest.preprocess.dropouts import find_dropouts
from ingest.preprocess.recipe import Recipe, with_versions


@pytest.fixture
def apply(tmp_path):
    return partial(recipes.apply, spool=tmp_path)


def changed(recording, change, n=0):
    """The recording with the samples of its first stream changed in place by `change(samples)`."""
    samples = np.array(recording.streams[n].samples)
    change(samples)
    streams = [replace(s, samples=samples) if i == n else s for i, s in enumerate(recording.streams)]
    return replace(recording, streams=streams)


def hum_at(stream, freq):
    """Amplitude of each channel at `freq` over the middle of the recording, by correlation with the tone."""
    x = stream.physical()[:, stream.n_times // 4 : -stream.n_times // 4]
    wave = np.exp(-2j * np.pi * freq * np.arange(x.shape[1]) / stream.sfreq)
    return 2 * np.abs((x * wave).mean(axis=1))


def test_kinds_and_channels_are_chosen_by_name_and_the_rest_is_told(bedside, ecg, apply):
    chosen = apply(Recipe(kinds=("ppg", "ecg")), bedside)
    assert chosen.kinds == ["ecg", "ppg"]
    assert any("RESP" in note for note in chosen.notes)
    leads = apply(Recipe(channels=("V5", "II", "V7")), ecg)
    assert leads.ch_names == ["II", "V5"]  # the recording's order
    np.testing.assert_array_equal(leads.streams[0].samples, ecg.streams[0].samples[[1, 10]])
    assert "Asked for and not there: V7." in leads.notes
    assert any("'V1'" in step for step in leads.history)
    with pytest.raises(DataError, match=r"none of eeg; its channels are I, II"):
        apply(Recipe(kinds=("eeg",)), ecg)


def test_units_change_by_scale_alone(ecg, apply):
    out = apply(Recipe(unit={"ecg": "uV"}), ecg)
    assert {c.unit for c in out.channels} == {"uV"}
    assert out.streams[0].samples is ecg.streams[0].samples
    np.testing.assert_allclose(out.streams[0].physical(), ecg.streams[0].physical() * 1000, rtol=1e-5)
    stream = ecg.streams[0]
    counts = replace(ecg, streams=[replace(stream, channels=tuple(replace(c, unit="adu") for c in stream.channels))])
    with pytest.raises(DataError, match=r"channel 'I' is in 'adu', which does not convert into the recipe's 'uV'"):
        apply(Recipe(unit={"ecg": "uV"}), counts)


def test_a_lead_that_comes_off_is_invalid_where_it_is_off(ecg, apply):
    def off(x):
        x[7, 300:520] = x[7, 300]

    recipe = Recipe(flat_seconds={"ecg": 1})
    out = apply(recipe, changed(ecg, off))
    ((row, start, stop),) = out.streams[0].invalid.tolist()
    assert (row, start) == (7, 300)
    assert 520 <= stop < 525
    assert any("V2" in note for note in out.notes)
    assert not len(apply(recipe, ecg).streams[0].invalid)
    assert not len(apply(Recipe(), changed(ecg, off)).streams[0].invalid)


def test_missing_samples_are_no_lead_that_is_off(ecg, apply):
    recipe = Recipe(flat_seconds={"ecg": 1}, clip_seconds={"ecg": 0.1})

    def missing(x):
        x[7, 300:520] = -(2**15)  # what stands for them in WFDB

    recording = changed(ecg, missing)
    recording.streams[0].invalid = np.array([(7, 300, 520)])
    out = apply(recipe, recording)
    assert out.notes == recording.notes
    assert out.streams[0].invalid.tolist() == [[7, 300, 520]]

    def off_too(x):
        missing(x)
        x[7, 520:700] = x[7, 520]
        x[7, 250:300] = 100  # too short

    recording = changed(ecg, off_too)
    recording.streams[0].invalid = np.array([(7, 300, 520)])
    out = apply(recipe, recording)
    assert any("invalid there: V2" in note for note in out.notes)
    ((row, start, stop),) = out.streams[0].invalid.tolist()
    assert (row, start) == (7, 300)
    assert 700 <= stop < 705


def test_saturation_is_invalid_and_a_plateau_elsewhere_is_not(ecg, apply):
    def clip(x):
        x[1, 400:430] = x[1].max() + 50  # 0.3 s at the end of the range
        x[2, 400:430] = 3  # as long, in the middle of it

    out = apply(Recipe(clip_seconds={"ecg": 0.1}), changed(ecg, clip))
    assert out.streams[0].invalid.tolist() == [[1, 400, 430]]


def test_numbers_of_a_monitor_may_stand_still(bedside, apply):
    recipe = Recipe(flat_seconds={"ecg": 1, "ppg": 1}, clip_seconds={"ppg": 0.3})
    out = apply(recipe, bedside)
    for before, after in zip(bedside.streams, out.streams, strict=True):
        monitor = [row for row, c in enumerate(after.channels) if c.kind not in ("ecg", "ppg")]
        np.testing.assert_array_equal(before.valid()[monitor], after.valid()[monitor])


def test_runs_across_the_joints_of_blocks_are_found_whole(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.integers(-100, 100, (3, 5000)).astype(np.int16)
    x[0, 990:1300] = 7
    x[1, 2000:2049] = 5
    x[1, 3000:3051] = x[1].max()
    x[2] = 4
    stream = Stream(100, (Channel("II", "II", "ecg", "mV"),) * 3, x, 1, 0)
    limits = np.array([100, 0, 0]), np.array([0, 50, 0])
    whole = find_dropouts(stream, [0, 1, 2], *limits).tolist()
    assert [row[0] for row in whole] == [0, 1, 2]
    assert whole[2] == [2, 0, 5000]
    monkeypatch.setattr(Stream, "block_length", lambda self, n_bytes=0: 100)
    assert find_dropouts(stream, [0, 1, 2], *limits).tolist() == whole


@pytest.mark.parametrize("at_least", [2, 3, 4, 7, 50])
def test_no_run_is_missed_whatever_its_length_and_place(at_least):
    rng = np.random.default_rng(at_least)
    x = np.cumsum(rng.integers(1, 5, (40, 300)), axis=1).astype(np.int32)
    for row, start in enumerate(rng.integers(0, 300 - at_least, 40)):
        x[row, start : start + at_least - row % 2] = x[row, start]  # every other run is one sample too short
    stream = Stream(100, (Channel("II", "II", "ecg", "mV"),) * 40, x, 1, 0)
    found = find_dropouts(stream, range(40), np.full(40, at_least), np.zeros(40, int))
    assert found[:, 0].tolist() == list(range(0, 40, 2))
    assert (found[:, 2] - found[:, 1] == at_least).all()


def test_average_reference_leaves_nothing_in_common_and_no_dead_channel_in_it(eeg, apply):
    def kill(x):
        x[3] = 500

    recipe = Recipe(reference="average")
    (stream,) = apply(recipe, changed(eeg, kill)).streams
    alive = [row for row in range(stream.n_chans) if row != 3]
    x = stream.physical()
    assert np.isnan(x[3]).all()
    assert np.abs(x[alive].mean(axis=0)).max() < 1e-3 * np.abs(x[alive]).max()
    before = eeg.streams[0].physical()
    np.testing.assert_allclose(x[0] - x[5], before[0] - before[5], atol=0.05)


def test_a_sample_is_invalid_where_its_reference_is(eeg, apply):
    stream = eeg.streams[0]
    row = stream.ch_names.index("Cz")
    gap = replace(eeg, streams=[replace(stream, invalid=[(row, 1000, 1100)])])
    out = apply(Recipe(reference=("Cz",)), gap)
    assert (~out.streams[0].valid()[0]).nonzero()[0].tolist() == list(range(1000, 1100))
    assert any(step == "eeg: re-referenced to Cz" for step in out.history)
    assert {c.reference for c in out.channels} == {stream.channels[row].position}
    assert any("Flat or invalid throughout: Cz" in note for note in out.notes)
    np.testing.assert_allclose(
        out.streams[0].physical()[0, :1000], (stream.physical()[0] - stream.physical()[row])[:1000], atol=0.05
    )
    with pytest.raises(DataError, match="no EEG channel 'A9' at 160 Hz"):
        apply(Recipe(reference=("A9",)), eeg)


def test_a_reference_that_is_there_twice_is_refused(eeg, apply):
    stream = eeg.streams[0]
    twice = replace(stream, channels=(stream.channels[0], replace(stream.channels[0]), *stream.channels[2:]))
    name = stream.channels[0].name
    with pytest.raises(DataError, match=f"has 2 EEG channels '{name}'"):
        apply(Recipe(reference=(name,)), replace(eeg, streams=[twice]))


def test_a_bipolar_derivation_keeps_its_reference(eeg, apply):
    stream = eeg.streams[0]
    channels = list(stream.channels)
    channels[2] = replace(channels[2], name="F3-C3", reference=channels[9].position)
    derived = replace(eeg, streams=[replace(stream, channels=tuple(channels))])
    (out,) = apply(Recipe(reference="average"), derived).streams
    assert out.channels[2] == channels[2]
    np.testing.assert_allclose(out.physical()[2], stream.physical()[2], atol=0.05)
    assert not any(is_known(c.reference) for row, c in enumerate(out.channels) if row != 2)
    with pytest.raises(DataError, match="needs two or more"):
        apply(Recipe(reference="average", channels=("Fp1",)), eeg)
    apply(Recipe(reference="average"), replace(eeg, streams=[stream.pick([0, 1])]))
    with pytest.raises(DataError, match="cannot share a reference"):
        apply(Recipe(reference="average"), replace(eeg, streams=[stream.pick([0, 1]), stream.pick([2, 3])]))


def test_other_signals_need_no_reference(ecg, apply):
    out = apply(Recipe(reference="average"), ecg)
    assert out.streams[0].samples is ecg.streams[0].samples


def test_hum_goes_and_the_rest_stays(eeg, apply):
    (before,) = eeg.streams
    (after,) = apply(Recipe(notch={"eeg": 60}), eeg).streams
    assert hum_at(before, 60).max() > 1  # uV
    assert hum_at(after, 60).max() < 0.05
    np.testing.assert_allclose(hum_at(after, 10), hum_at(before, 10), rtol=0.01, atol=0.02)


def test_a_band_takes_the_drift_away(eeg, apply):
    (before,) = eeg.streams
    (after,) = apply(Recipe(band={"eeg": (1.0, None)}), eeg).streams
    x = after.physical()
    assert (np.abs(x.mean(axis=1)) < 0.01 * x.std(axis=1)).all()
    assert np.abs(before.physical().mean(axis=1)).max() > 0.1 * x.std()
    np.testing.assert_allclose(hum_at(after, 10), hum_at(before, 10), rtol=0.01, atol=0.02)


def test_eyes_and_muscles_in_volts_are_refused(eeg, apply):
    for kind in ("eog", "emg"):
        channels = tuple(replace(c, kind=kind, position=UNKNOWN) for c in eeg.streams[0].channels)
        stream = replace(eeg.streams[0], channels=channels)
        assert apply(Recipe(), replace(eeg, streams=[stream])).robust_scale[kind] > 1
        with pytest.raises(DataError, match="1,000,000 times too small"):
            apply(Recipe(), replace(eeg, streams=[replace(stream, scale=stream.scale * 1e-6)]))


def test_an_envelope_of_an_emg_may_be_small(eeg, apply):
    def muscle(sfreq):
        channel = replace(eeg.channels[0], kind="emg")
        samples = np.asarray(eeg.streams[0].samples)[:1, ::160]
        return replace(eeg, streams=[Stream(sfreq, (channel,), samples, 0.001, 0.0)])

    assert apply(Recipe(), muscle(1.0)).robust_scale["emg"] < 0.1
    with pytest.raises(DataError, match="EMG amplitudes"):
        apply(Recipe(), muscle(100.0))


class _Lazy(LazySamples):
    def __init__(self, samples):
        super().__init__(samples.shape, samples.dtype)
        self._samples = samples

    def read(self, start, stop):
        return self._samples[:, start:stop]


def test_a_long_channel_is_measured_by_some_of_its_samples(ecg):
    rng = np.random.default_rng(0)
    t = np.arange(3 * MEASURED)
    hum = 300 * np.sin(2 * np.pi * t / 3) + rng.normal(0, 30, len(t))  # a fixed stride of 3 would see one phase of it
    samples = np.stack([hum, np.where(t == 5, 1, 0)]).astype(np.int16)
    stream = Stream(100, (Channel("I", "I", "ecg", "mV"), Channel("II", "II", "ecg", "mV")), _Lazy(samples), 1e-3, 0)
    scales, notes = robust_scales(Recording("r", [stream]), None)
    assert scales["ecg"] == pytest.approx(robust_scale(stream.physical()[:1]), rel=0.01)
    assert not notes  # the second moved once
    assert not is_flat(stream.physical()).any()
    times = spread(len(t), MEASURED)
    assert 0.95 * MEASURED < len(times) <= MEASURED
    assert (np.diff(times) > 0).all()
    assert times[0] >= 0
    assert times[-1] < len(t)
    assert len(spread(len(t), len(t))) == len(t)


def test_a_recipe_says_what_it_was_carried_out_with():
    recipe = Recipe(reference=("A1", "A2"), flat_seconds={"eeg": 1})
    kept = with_versions(recipe)
    assert {"biosig", "numpy", "scipy"} == set(kept.pop("versions"))
    assert kept == to_dict(recipe)
    assert load(Recipe, kept) == recipe


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"flat_seconds": {"ecg": 0}}, "flat_seconds.ecg is 0"),
        ({"clip_seconds": {"ekg": 1}}, "no kind 'ekg'"),
        ({"kinds": ["eeeg"]}, "no kind 'eeeg'"),
        ({"notch": {"eeg": -50}}, "notch.eeg is -50"),
        ({"reference": "avg"}, "reference is 'avg'"),
        ({"reference": []}, "reference is an empty list"),
        ({"resample": {"ecg": 250}}, "Unknown key 'resample'"),
    ],
)
def test_wrong_recipes_are_refused_before_the_work(wrong, sentence):
    with pytest.raises(UsageError, match=sentence):
        load(Recipe, wrong)


def test_a_shard_keeps_the_recipe_and_the_versions_that_carried_it_out(tmp_path):
    source = samples.path("ptbxl") / "records100" / "00000" / "00001_lr.hea"
    recipe = Path(__file__).parents[3] / "configs" / "ingest" / "ecg.yaml"
    assert ingest((source,), out=tmp_path / "out", recipe=recipe, workers=1) == 0
    (shard,) = (Shard(path) for path in (tmp_path / "out").glob("*.h5"))
    kept = dict(shard.recipe)
    assert kept.pop("versions")["scipy"] == scipy.__version__
    assert load(Recipe, kept) == load(Recipe, recipe)
