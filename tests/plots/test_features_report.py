"""The page about a recording's features, of real recordings and of what cannot be measured."""

import re
from dataclasses import replace

import numpy as np
import pytest

import biosig
from biosig import samples
from biosig.errors import DataError
from biosig.features import columns, extract
from biosig.features.window import window_of
from biosig.plots.beats import plot_mean_pulse, plot_median_beat, plot_spectra
from biosig.plots.criteria import family
from biosig.plots.features import MEASURES, write_features_report

ECG = biosig.read(sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0])


@pytest.fixture(scope="module")
def bedside():
    return biosig.read(sorted(samples.path("bidmc").glob("*_Signals.csv.gz"))[0]).crop(0, 30)


@pytest.fixture(scope="module")
def eeg():
    return biosig.read(sorted(samples.path("eegmmidb").glob("*R04.edf"))[0]).crop(0, 20)


def page(recording, tmp_path):
    text = write_features_report(recording, tmp_path / "page.html").read_text()
    return re.sub(r"<[^>]*>", " ", re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)), text.count("<img ")


def changed(recording, change, unit=None):
    stream = recording.streams[0]
    channels = tuple(replace(channel, unit=unit or channel.unit) for channel in stream.channels)
    x = change(stream.physical().copy()).astype(np.float32)
    return replace(
        recording,
        streams=[replace(stream, samples=x, channels=channels, scale=0 * stream.scale + 1, offset=0 * stream.offset)],
    )


def test_of_an_ecg_it_has_the_rate_the_beat_and_the_criteria_that_fire(tmp_path):
    text, pictures = page(ECG, tmp_path)
    values = extract(ECG)
    assert pictures == 1
    assert re.search(rf"Heart rate\s+{values['ecg.rate']:.3g}\s+1/min", text)
    scores = {c.name: values[f"ecg.{c.name}"] for c in columns("ecg") if c.name.startswith("score_")}
    firing = sum(score >= 0.5 for name, score in scores.items() if not name.endswith(("_men", "_women")))
    for_one_sex = [name for name in scores if name.endswith(("_men", "_women"))]
    assert f"{firing} of {len(scores) - len(for_one_sex)} criteria reach" in text
    assert re.search(rf"sinus\s+{scores['score_sinus']:.2f}", text)
    missing = values[[name for name in values.index if not name.startswith("ecg.score_")]].isna().sum()
    assert f"{missing} of {len(values)} values are missing" in text
    assert re.search(r"P duration\s+\d+\s+ms\s+below 120", text)
    assert re.search(r"PR interval\s+\d+\s+ms\s+120 to 200", text)
    assert re.search(r"Premature beats\s+0\s+%", text)
    assert "Usual ranges are those of adults at rest: " in text
    assert "75 s or more" in text  # why there is no low-frequency power


def tall(recording):
    return changed(recording, lambda x: 3.5 * x)


def test_where_the_sex_is_unknown_criteria_for_one_sex_are_listed_and_not_counted(tmp_path):
    text, _ = page(tall(ECG), tmp_path)
    firing = {name for name, value in extract(tall(ECG)).items() if name.startswith("ecg.score_") and value >= 0.5}
    assert {"ecg.score_lvh_cornell_men", "ecg.score_lvh_cornell_women"} <= firing
    assert re.search(r"LVH Cornell \(if male\)\s+[01]\.\d\d", text)
    assert re.search(r"LVH Cornell \(if female\)\s+[01]\.\d\d", text)
    assert "The sex is not known: what holds for one sex alone is not counted." in text
    certain = [name for name in firing if not name.endswith(("_men", "_women"))]
    assert f"{len(certain)} of " in text
    woman = replace(tall(ECG), subject=biosig.recording.Subject(id="a", sex="female"))
    text, _ = page(woman, tmp_path)
    assert "LVH Cornell (if male)" not in text
    assert "Criteria for men are left out." in text


def test_criteria_of_one_finding_stand_together(tmp_path):
    text, _ = page(tall(ECG), tmp_path)
    assert text.count("Left ventricular hypertrophy") == 1
    known = [column.name.removeprefix("score_") for column in columns("ecg") if column.name.startswith("score_")]
    assert all(family(name) for name in known)
    assert family("lvh_strain") == family("strain") != family("rv_strain")


def test_a_slow_recording_says_what_it_cannot_decide(tmp_path):
    text, _ = page(ECG, tmp_path)
    assert "This recording reaches 45 Hz (100 samples a second), and notches of the QRS need 100 Hz: " in text
    fast = biosig.read(next(samples.path("ptbxl").rglob("*_hr.hea")))
    assert "notches of the QRS need" not in page(fast, tmp_path)[0]


def test_of_a_bedside_recording_it_has_both_kinds_and_why_there_are_no_amplitudes(bedside, tmp_path):
    text, pictures = page(bedside, tmp_path)
    assert pictures == 2
    assert "No amplitudes, since the unit is arbitrary." in text
    assert "Criteria for women are left out." in text
    assert "lvh cornell women" not in text.lower()
    assert "criteria could not be decided" in text


def test_of_an_eeg_it_has_regions(eeg, tmp_path):
    text, pictures = page(eeg, tmp_path)
    assert pictures == 1
    assert re.search(r"occipital left\s+\d\d?\.?\d*", text)


def test_the_shaded_waves_lie_where_they_are_measured():
    figure = plot_median_beat(window_of(ECG, "ecg"))
    values = extract(ECG)
    assert [ax.get_title(loc="left") for ax in figure.axes][:4] == ["I", "aVR", "V1", "V4"]
    spans = {patch.get_gid(): patch.get_extents() for patch in figure.axes[0].patches}
    to_ms = figure.axes[0].transData.inverted()
    limits = {name: to_ms.transform(box.get_points())[:, 0] for name, box in spans.items()}
    assert limits["QRS"][1] - limits["QRS"][0] == pytest.approx(values["ecg.qrs"], abs=1)
    assert limits["QRS"][0] - limits["P"][0] == pytest.approx(values["ecg.pr"], abs=1)
    assert limits["T"][1] - limits["QRS"][0] == pytest.approx(values["ecg.qt"], abs=1)


def test_a_flat_signal_has_a_page_without_a_picture(bedside, eeg, tmp_path):
    text, pictures = page(changed(ECG, lambda x: 0 * x), tmp_path)
    assert pictures == 0
    assert "There is no picture: no beat was found." in text
    for recording, kind, draw in ((bedside, "ppg", plot_mean_pulse), (eeg, "eeg", plot_spectra)):
        window = window_of(recording, kind)
        assert draw(window) is not None
        assert draw(replace(window, x=0 * window.x, _shared={})) is None


def test_without_a_unit_each_lead_has_its_own_scale(tmp_path):
    arbitrary = changed(ECG, lambda x: (x - x.mean()) / x.std(), "NU")
    figure = plot_median_beat(window_of(arbitrary, "ecg"))
    assert figure.get_supylabel() == "each lead's scale"
    text, _ = page(arbitrary, tmp_path)
    assert "columns need amplitudes, which this recording does not have" in text


def test_exchanged_arms_are_reported(tmp_path):
    names = ECG.streams[0].ch_names

    def exchange(x):
        x[names.index("I")] *= -1
        for a, b in (("II", "III"), ("aVR", "aVL")):
            x[[names.index(a), names.index(b)]] = x[[names.index(b), names.index(a)]]
        return x

    assert "the arm electrodes look exchanged" in page(changed(ECG, exchange), tmp_path)[0]
    assert "look exchanged" not in page(ECG, tmp_path)[0]


def test_a_recording_of_another_kind_is_one_sentence(tmp_path):
    muscle = biosig.Channel("chin", "chin", "emg", "uV")
    emg = biosig.Recording("emg", [biosig.Stream(100.0, (muscle,), np.ones((1, 1000), np.float32), 1.0, 0.0)])
    with pytest.raises(DataError, match=r"'emg' has no sample of ecg, ppg, eeg \(its kinds: emg\)"):
        write_features_report(emg, tmp_path / "page.html")


@pytest.mark.parametrize("kind", MEASURES)
def test_what_the_page_shows_exists(kind):
    assert set(MEASURES[kind]) <= {column.name for column in columns(kind)}
