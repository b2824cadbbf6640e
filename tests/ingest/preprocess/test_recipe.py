from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from biosig.config import load
from biosig.errors import DataError, UsageError
from biosig.recording import Channel, Recording, Stream
from biosig.signal import robust_scale
from ingest.preprocess import recipe as recipes
from ingest.preprocess.recipe import Recipe

CONFIGS = Path(__file__).parents[3] / "configs" / "ingest"


@pytest.fixture
def apply(tmp_path):
    return partial(recipes.apply, spool=tmp_path)


def test_native_is_lossless(ecg, apply):
    out = apply(load(Recipe, CONFIGS / "native.yaml"), ecg)
    assert out.streams[0].samples is ecg.streams[0].samples
    assert out.history == ()
    assert out.robust_scale["ecg"] == pytest.approx(robust_scale(ecg.streams[0].physical()))


def test_ecg_recipe_resamples_and_says_so(ecg, apply):
    out = apply(load(Recipe, CONFIGS / "ecg.yaml"), ecg)
    (stream,) = out.streams
    assert (stream.sfreq, stream.n_times) == (250, 2500)
    assert stream.samples.dtype == np.int16
    assert any("resampled from 100 to 250 Hz" in step for step in out.history)
    assert any("quantised" in step for step in out.history)
    assert out.content_hash == ecg.content_hash


def test_every_shipped_recipe_loads():
    for name in ("native", "ecg", "eeg", "ppg"):
        assert load(Recipe, CONFIGS / f"{name}.yaml").name == name


def test_kinds_that_are_not_named_stay_untouched(bedside, apply):
    out = apply(Recipe(sfreq={"ecg": 250}), bedside)
    before = {c.source_name: (s, row) for s in bedside.streams for row, c in enumerate(s.channels)}
    for stream in out.streams:
        for row, channel in enumerate(stream.channels):
            old, old_row = before[channel.source_name] if channel.name != "RR" else (None, 0)
            if channel.kind == "ecg":
                assert stream.sfreq == 250
            elif old is not None and old.sfreq == stream.sfreq:
                np.testing.assert_array_equal(stream.samples[row], old.samples[old_row])
    assert sorted(out.ch_names) == sorted(bedside.ch_names)


def synthetic(values, unit="mV", name="II", source="unknown", kind="ecg"):
    channel = Channel(name, name, kind, unit, position_source=source)
    stream = Stream(500, (channel,) * len(values), np.asarray(values, np.float32), 1, 0)
    return Recording("r", [stream])


def test_gaps_stay_invalid_and_do_not_spread(ecg, apply):
    t = np.arange(5000) / 500
    x = np.sin(2 * np.pi * 5 * t)[None]
    x[0, 2000:2500] = np.nan
    (stream,) = apply(Recipe(sfreq={"ecg": 250}, band={"ecg": (0.5, 40.0)}), synthetic(x)).streams
    valid = stream.valid()[0]
    assert not valid[1005:1245].any()
    assert valid[:990].all()
    assert valid[1260:].all()
    clean = np.sin(2 * np.pi * 5 * np.arange(2500) / 250)
    np.testing.assert_allclose(stream.physical()[0, 300:900], clean[300:900], atol=0.05)  # the high-pass feels the gap


def test_a_tone_above_the_new_nyquist_vanishes(apply):
    t = np.arange(5000) / 500
    (stream,) = apply(
        Recipe(sfreq={"ecg": 100}, check_units=False), synthetic(np.sin(2 * np.pi * 130 * t)[None])
    ).streams
    assert np.abs(stream.physical()[0, 50:-50]).max() < 1e-2


@pytest.mark.parametrize("recipe", [Recipe(band={"ecg": (0.5, 100)}), Recipe(sfreq={"ecg": 360})])
def test_a_lead_that_is_off_stays_off_whatever_is_done_to_it(recipe, apply):
    alive = np.random.default_rng(0).normal(size=5000)
    out = apply(recipe, synthetic(np.stack([alive, np.full(5000, 0.7)])))
    (stream,) = out.streams
    assert stream.valid()[0].all()
    assert not stream.valid()[1].any()
    assert any("Flat" in note for note in out.notes)


def test_units_that_a_foreign_adapter_left_are_brought_to_the_usual_ones(ecg, apply):
    stream = ecg.streams[0]
    microvolts = tuple(replace(c, unit="uV") for c in stream.channels)
    out = apply(Recipe(), replace(ecg, streams=[replace(stream, channels=microvolts, scale=stream.scale * 1000)]))
    assert {c.unit for c in out.channels} == {"mV"}
    assert out.history == ("ecg: uV to mV",)
    assert out.streams[0].samples is stream.samples
    assert out.robust_scale["ecg"] == pytest.approx(robust_scale(stream.physical()), rel=1e-5)


def test_refusals(apply):
    x = np.random.default_rng(0).normal(size=(1, 1000))
    with pytest.raises(DataError, match="lasts 2 s"):
        apply(Recipe(min_duration=5), synthetic(x))
    with pytest.raises(DataError, match="1,000 times too small"):
        apply(Recipe(), synthetic(x * 1e-4, source="template"))
    with pytest.raises(DataError, match="without a known place: 'Q9'"):
        apply(Recipe(on_unknown="raise"), synthetic(x, name="Q9"))
    with pytest.raises(DataError, match="no channel with a known place"):
        apply(Recipe(on_unknown="skip"), synthetic(x, name="Q9"))
    with pytest.raises(UsageError, match="no kind 'ekg'"):
        load(Recipe, {"sfreq": {"ekg": 250}})


def test_unknown_channels_can_be_left_out(apply):
    rng = np.random.default_rng(0)
    channels = (Channel("II", "II", "ecg", "mV", position_source="template"), Channel("Q9", "Q9", "misc", "mV"))
    stream = Stream(100, channels, rng.normal(size=(2, 1000)).astype(np.float32), 1, 0)
    out = apply(Recipe(on_unknown="skip"), Recording("r", [stream]))
    assert out.ch_names == ["II"]
    assert any("Q9" in note for note in out.notes)
    assert apply(Recipe(), Recording("r", [stream])).ch_names == ["II", "Q9"]


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("band.ecg=[40, 0.5]", r"band\.ecg is \[40, 0\.5\]; it must be .* 0 < low < high"),
        ("band.ecg=[150, null]", r"low below 125, half the rate"),
        ("band.ecg=[null, null]", "null leaves one side open"),
        ("band.ecg=[0, 40]", r"band\.ecg is \[0, 40\]"),
        ("band.ecg=[.nan, 40]", r"band\.ecg is \[nan, 40\]"),
        ("unit.ecg=furlong", r"unit\.ecg is 'furlong'; it must be V, mV, uV or nV"),
        ("unit.ecg=mmHg", r"unit\.ecg is 'mmHg'; it must be V"),
        ("unit.abp=furlong", r"unit\.abp is 'furlong'; it must be a known one"),
        ("sfreq.ecg=1e9", r"sfreq\.ecg is 1e\+09; it must be a positive number of Hz, at most 100000"),
        ("sfreq.ecg=250 Hz", r"sfreq\.ecg is '250 Hz', where a number was expected"),
        ("notch.ecg=.inf", r"notch\.ecg is inf"),
        ("min_duration=-1", "min_duration is -1"),
        ("sfreq=250", r"sfreq is 250, where keys with values, such as sfreq\.ecg"),
        ("reference=Cz", "where 'none' or 'average' or a list was expected"),
    ],
)
def test_what_no_recording_could_take_is_refused_at_once(override, sentence):
    with pytest.raises(UsageError, match=sentence):
        load(Recipe, CONFIGS / "ecg.yaml", [override])


def test_units_may_be_spelt_as_usual(ecg, apply):
    recipe = load(Recipe, {"unit": {"ecg": "\N{MICRO SIGN}V", "abp": "kPa"}})
    assert recipe.unit == {"ecg": "uV", "abp": "kPa"}
    assert {c.unit for c in apply(recipe, ecg).channels} == {"uV"}


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        (Recipe(notch={"ecg": 60}), "ecg: no notch at 60 Hz, as nothing above 50 Hz is there"),
        (Recipe(band={"ecg": (0.5, 100)}), "ecg: no low-pass at 100 Hz, as nothing above 50 Hz is there"),
        (Recipe(band={"ecg": (None, 100)}, sfreq={"ecg": 250}), "ecg: no low-pass at 100 Hz, as nothing above 50 Hz"),
    ],
)
def test_steps_that_a_rate_makes_needless_are_told(ecg, apply, recipe, sentence):
    out = apply(recipe, ecg)
    assert any(line.startswith(sentence) for line in out.history)
    assert not any("notch at 60 Hz and" in line or " 100 Hz, zero phase" in line for line in out.history)
