"""Facts that a file does not say are stated by its user, for every format, at ingest and embed; nothing else stops."""

import shutil
from pathlib import Path

import made_files
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import biosig
from biosig.batches.windows import LeftOutWarning
from biosig.cli.apply import embed as embed_verb
from biosig.errors import DataError, UsageError
from biosig.given import given_by
from ingest.cli.ingest import ingest
from ingest.cli.inspect import inspect

EDF = Path(__file__).parent / "cases" / "01"
STD = 13.42  # uV, of these files
EMBED = {"window": 4.0, "batch_tokens": 4096}


@pytest.fixture(scope="module")
def model():
    return biosig.build_model("biosig-tiny")


@pytest.mark.parametrize(("name", "unit"), [("dotV_uV", "uV"), ("blank_mV", "mV")])
def test_a_unit_is_stated_for_an_edf_without_one(name, unit):
    recording = biosig.read(EDF / f"{name}.edf", unit={"eeg": unit})
    (channel,) = recording.channels
    assert channel.unit == "uV"
    assert recording.streams[0].physical().std() == pytest.approx(STD, abs=0.01)
    assert any(f"is {unit}, as given" in line for line in recording.history)
    assert not any("unit" in note for note in recording.notes)


def test_a_unit_that_the_file_has_stays_and_one_stated_by_name_is_refused():
    assert biosig.read(EDF / "unit3.edf", unit={"eeg": "mV"}).streams[0].physical().std() == pytest.approx(
        STD, abs=0.01
    )
    with pytest.raises(UsageError, match=r"'EEG C3-A2' is in uV, so unit\.EEG C3-A2 cannot be mV"):
        biosig.read(EDF / "unit3.edf", unit={"EEG C3-A2": "mV"})


FORMATS = ("fif", "wfdb", "edf", "bdf", "gdf", "xdf", "neuralynx", "dicom")


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_takes_a_name_and_a_rate(tmp_path, format_):
    path = getattr(made_files, f"as_{format_}")(tmp_path, made_files.counts())
    plain = biosig.read(path)
    stated = biosig.read(path, rename={plain.channels[0].source_name: "I"}, sfreq=250)
    assert stated.channels[0].name == "I"
    assert stated.channels[0].kind == "ecg"
    assert stated.channels[0].position_source == "template"
    assert stated.streams[0].sfreq == 250
    assert stated.content_hash == plain.content_hash
    np.testing.assert_array_equal(stated.streams[0].samples, plain.streams[0].samples)
    assert sum("as given" in line for line in stated.history) == 2


def test_a_watchs_ecg_becomes_lead_one_by_a_file_beside_it(tmp_path):
    path = made_files.as_edf(tmp_path, made_files.counts())
    names = {channel.source_name: name for channel, name in zip(biosig.read(path).channels, ("ECG", "II"), strict=True)}
    (tmp_path / "biosig.yaml").write_text(yaml.safe_dump({"rename": names}))
    assert biosig.read(path).channels[0].position_source == "unknown"
    (tmp_path / "biosig.yaml").write_text(yaml.safe_dump({"rename": {next(iter(names)): "I"}}))
    assert biosig.read(path).ch_names == ["I", "V2"]
    assert inspect(tmp_path) == 0
    (tmp_path / "biosig.yaml").write_text(yaml.safe_dump({"renam": names}))
    with pytest.raises(UsageError, match="Unknown key 'renam'"):
        biosig.read(path)


def test_onsets_follow_a_rate_that_is_stated(tmp_path):
    folder = shutil.copytree(biosig.samples.path("eegmmidb"), tmp_path / "in")
    path = next(folder.rglob("*.edf"))
    plain, stated = biosig.read(path), biosig.read(path, sfreq=320)
    assert stated.duration == pytest.approx(plain.duration / 2)
    assert [a.onset for a in stated.annotations] == pytest.approx([a.onset / 2 for a in plain.annotations])


def test_one_recording_without_a_unit_stops_no_other(tmp_path, model):
    ingest((EDF,), out=tmp_path / "shards", workers=1, recording_names="keep")
    with pytest.warns(LeftOutWarning, match=r"recordings 'blank_mV', 'dotV_uV'.*'\.?V?'.*--set unit\.eeg=uV"):
        table = biosig.embed(model, tmp_path / "shards", **EMBED)
    assert set(table["recording"].to_pylist()) == {"unit3"}
    with pytest.raises(UsageError, match=r"'dotV_uV'.*'\.V'.*--set unit\.eeg=uV"):
        biosig.embed(model, EDF / "dotV_uV.edf", **EMBED)


def test_the_remedy_works_at_embed_and_gives_what_a_stated_ingest_gives(tmp_path, model):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("dotV_uV", "unit3"):
        shutil.copy(EDF / f"{name}.edf", folder)
    ingest((folder,), out=tmp_path / "a", workers=1, recording_names="keep")
    ingest((folder,), out=tmp_path / "b", workers=1, recording_names="keep", set_=("unit.eeg=uV",))
    late = biosig.embed(model, tmp_path / "a", unit={"eeg": "uV"}, **EMBED)
    early, files = (
        biosig.embed(model, tmp_path / "b", **EMBED),
        biosig.embed(model, folder, unit={"eeg": "uV"}, **EMBED),
    )
    assert set(late["recording"].to_pylist()) == {"dotV_uV", "unit3"}
    assert len(files) == len(late)
    vectors = [np.stack(table.sort_by("recording")["vector"].to_pylist()) for table in (late, early)]
    np.testing.assert_allclose(*vectors, atol=1e-4)
    embed_verb("biosig-tiny", (tmp_path / "a",), out=tmp_path / "u.parquet", window=4.0, set_=("unit.eeg=uV",))
    assert len(pq.read_table(tmp_path / "u.parquet")) == len(late)


def test_a_stated_unit_that_cannot_be_is_refused(tmp_path, model):
    ingest((EDF / "dotV_uV.edf",), out=tmp_path / "a", workers=1, recording_names="keep")
    with pytest.raises(DataError, match=r"Recording 'dotV_uV'.*1,000,000 times too large"):
        biosig.embed(model, tmp_path / "a", unit={"eeg": "V"}, **EMBED)
    with pytest.raises(UsageError, match="No recording has a channel 'ECG'"):
        biosig.embed(model, tmp_path / "a", rename={"ECG": "I"}, **EMBED)
    with pytest.raises(UsageError, match="ingest again with --set sfreq=HZ"):
        biosig.embed(model, tmp_path / "a", sfreq=100, **EMBED)
    table = biosig.embed(model, tmp_path / "a", rename={"EEG C3-A2": "Cz"}, unit={"eeg": "uV"}, **EMBED)
    assert table["ch_names"].to_pylist()[0] == ["Cz"]


def test_ingest_sorts_what_it_is_told(tmp_path):
    path = made_files.as_edf(tmp_path, made_files.counts())
    name = biosig.read(path).channels[0].source_name
    changes = (f"rename.{name}=I", "unit.ecg=mV", "sfreq=200", "sfreq.ecg=100")
    assert ingest((path,), out=tmp_path / "out", workers=1, set_=changes) == 0
    recording = biosig.open_shards(tmp_path / "out")[0].read()
    assert recording.channels[0].name == "I"
    assert recording.streams[0].sfreq == 100
    assert recording.duration == pytest.approx(3000 / 200)
    assert any("rate 200 Hz, as given" in line for line in recording.history)


@pytest.mark.parametrize("override", ["unit=uV", "sfreq.eeg=3", "gain.eeg=2", "unit.eeg", "unit.eeg=mmHg", "sfreq=-1"])
def test_what_states_nothing_is_refused(override):
    with pytest.raises(UsageError):
        given_by([override])


def test_a_mapping_by_name_and_facts_hold_in_embed_too(tmp_path, model):
    apple = Path(__file__).parent / "cases" / "apple.csv"
    embed_verb(
        "biosig-tiny",
        (apple,),
        out=tmp_path / "u.parquet",
        window=1.0,
        mapping=Path("apple-watch-ecg"),
        batch_tokens=512,
    )
    assert pq.read_table(tmp_path / "u.parquet")["ch_names"].to_pylist() == [["I"]]
    x = np.random.default_rng(0).normal(0, 0.3, (3, 12, 1000)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    table = biosig.embed(model, tmp_path / "x.npy", mapping="ecg-array", sfreq=250, unit={"ecg": "mV"}, window=4.0)
    assert table["recording"].to_pylist() == ["x#0", "x#1", "x#2"]
    facts = tmp_path / "facts.yaml"
    facts.write_text(yaml.safe_dump({"unit": {"eeg": "uV"}}))
    table = biosig.embed(model, EDF / "dotV_uV.edf", mapping=facts, **EMBED)
    assert len(table) == 5
    assert ingest((EDF / "dotV_uV.edf",), out=tmp_path / "out", mapping=facts, workers=1) == 0
    assert biosig.open_shards(tmp_path / "out")[0].channels[0].unit == "uV"
