import struct

import h5py
import mne
import numpy as np
import pytest
from scipy.io import savemat

from biosig import samples
from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.reading import read
from ingest.adapters.mne.adapter import MneAdapter
from ingest.adapters.mne.formats import format_of
from ingest.adapters.mne.raw import from_raw
from ingest.pipeline.discover import discover


def make_raw():
    info = mne.create_info(["Fp1", "Cz", "EOG", "STI 014"], 100.0, ["eeg", "eeg", "eog", "stim"])
    rng = np.random.default_rng(0)
    raw = mne.io.RawArray(rng.normal(0, 2e-5, (4, 500)), info, verbose="error")
    raw.set_annotations(mne.Annotations([1.0, 2.0], [0.5, 0], ["seizure", "blink"]))
    raw.info["bads"] = ["Cz"]
    return raw


def test_fif_positions_bads_and_annotations(tmp_path):
    raw = make_raw()
    montage = mne.channels.make_dig_montage({"Fp1": (-0.03, 0.1, 0.02), "Cz": (0, 0, 0.12)}, coord_frame="head")
    raw.set_montage(montage)
    path = tmp_path / "subject_raw.fif"
    raw.save(path, verbose="error")
    recording = read(path)
    (stream,) = recording.streams
    np.testing.assert_allclose(stream.physical()[0], raw.get_data()[0] * 1e6, rtol=1e-5)
    assert stream.channels[0].position_source == "measured"
    np.testing.assert_allclose(stream.channels[0].position, (-0.03, 0.1, 0.02), atol=1e-6)
    assert [c.kind for c in stream.channels] == ["eeg", "eeg", "eog", "stim"]
    assert not stream.valid()[1].any()
    assert stream.valid()[[0, 2, 3]].all()
    assert [(a.onset, a.label) for a in recording.annotations] == [(1.0, "seizure"), (2.0, "blink")]


def test_raw_in_memory_and_cropped():
    raw = make_raw()
    recording = MneAdapter().convert(raw)
    assert recording.streams[0].n_times == 500
    assert recording.channels[0].position_source == "template"
    later = MneAdapter().convert(raw.copy().crop(0.9))
    assert later.annotations[0].onset == pytest.approx(0.1)
    assert MneAdapter().convert(np.zeros(3)) is None


def test_spans_annotated_as_bad_are_invalid_and_the_samples_stay():
    raw = mne.io.read_raw_edf(samples.path("eegmmidb") / "S001R04.edf", preload=True, verbose="error")
    clean = from_raw(raw)
    raw.annotations.append(2.0, 3.0, "BAD_blink")
    marked = from_raw(raw)
    valid = marked.streams[0].valid()
    assert not valid[:, 320:800].any()
    assert valid[:, :320].all()
    assert valid[:, 800:].all()
    assert np.array_equal(marked.streams[0].samples, clean.streams[0].samples)
    assert marked.content_hash == clean.content_hash
    assert "1 annotations mark 3 s as bad, so invalid in all channels." in marked.notes


def test_epochs_in_memory_follow_each_other_with_a_gap():
    raw = make_raw()
    events = np.array([[100, 0, 1], [250, 0, 2]])
    epochs = mne.Epochs(raw, events, {"left": 1, "right": 2}, 0, 0.49, baseline=None, preload=True, verbose="error")
    recording = MneAdapter().convert(epochs)
    assert [(a.onset, a.duration, a.label) for a in recording.annotations] == [(0, 0.5, "left"), (0.51, 0.5, "right")]
    assert not recording.streams[0].valid()[:, 50].any()
    second = recording.crop(0.51, 0.5).streams[0].physical()[0]
    np.testing.assert_allclose(second, raw.get_data()[0, 250:300] * 1e6, rtol=1e-5)


def test_fif_of_something_else_is_not_claimed(tmp_path):
    for name in ("a-ave.fif", "b-cov.fif", "c_eve.fif", "d.cnt"):
        (tmp_path / name).write_bytes(b"x")
        assert not MneAdapter().claims(tmp_path / name)


def test_brainvision_without_its_data(tmp_path):
    header = tmp_path / "v.vhdr"
    header.write_text("Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=v.eeg\n")
    with pytest.raises(UnreadableError, match=r"v\.eeg, which v\.vhdr refers to, does not exist"):
        read(header)
    header.write_text(header.read_text().replace("v.eeg", "../v.eeg"))
    with pytest.raises(UnreadableError, match="outside its own folder"):
        read(header)


def test_stimulus_channels_and_annotations_of_some_channels():
    raw = make_raw()
    raw.set_annotations(None)
    raw._data[3] = 0
    raw._data[3, 100:110], raw._data[3, 200:205] = 4, 8
    recording = from_raw(raw)
    assert [(a.onset, a.duration, a.label) for a in recording.annotations] == [(1, 0.1, "4"), (2, 0.05, "8")]
    assert "2 annotations are the values of trigger channel 'STI 014'." in recording.notes
    raw.set_annotations(mne.Annotations([1, 3], [0.5, 0.5], ["BAD_one", "BAD_all"], ch_names=[["EOG"], []]))
    valid = from_raw(raw).streams[0].valid()
    assert not valid[2, 100:150].any()
    assert valid[0, 100:150].all()
    assert not valid[:, 300:350].any()


def test_names_and_positions_that_contradict_the_type():
    info = mne.create_info(["EOG left", "BP3", "Fp1"], 100.0, "eeg")
    raw = mne.io.RawArray(np.random.default_rng(0).normal(0, 2e-5, (3, 100)), info, verbose="error")
    places = {"EOG left": (-0.03, 0.08, -0.03), "BP3": (30.0, 20.0, 50.0), "Fp1": (-0.03, 0.1, 0.02)}
    raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    recording = from_raw(raw)
    assert [c.kind for c in recording.channels] == ["eog", "eeg", "eeg"]
    assert [c.position_source for c in recording.channels] == ["measured", "unknown", "measured"]
    assert "The position given for channel 'BP3' does not lie on a head: left out." in recording.notes


def test_a_split_file_is_one_recording(tmp_path):
    info = mne.create_info(["Fp1", "Cz"], 1000.0, "eeg")
    values = np.random.default_rng(0).normal(0, 2e-5, (2, 400_000))
    raw = mne.io.RawArray(values, info, verbose="error")
    path = tmp_path / "long_raw.fif"
    raw.save(path, split_size="2MB", fmt="single", verbose="error")
    parts = MneAdapter().parts(path)
    assert len(parts) >= 1
    assert {file.name for file in tmp_path.iterdir()} == {path.name, *(part.name for part in parts)}
    recording = read(path, lazy=True)
    assert isinstance(recording.streams[0].samples, LazySamples)
    window = recording.crop(260.0, 2.0).streams[0]
    np.testing.assert_allclose(window.physical(), values[:, 260_000:262_000] * 1e6, rtol=1e-5)
    assert len(discover([tmp_path]).items) == 1
    parts[0].unlink()
    with pytest.raises(UnreadableError, match=f"{parts[0].name}, which .* refers to, does not exist"):
        read(path)


def test_names_in_headers_lead_nowhere_else(tmp_path):
    folder, secret = tmp_path / "own", tmp_path / "secret"
    folder.mkdir()
    secret.mkdir()
    for name in ("s.eeg", "s.vmrk", "s.dat", "s.fdt"):
        (secret / name).write_bytes(b"\1\0" * 100)
        (folder / name).write_bytes(b"\1\0" * 100)
    head = "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=s.eeg\nMarkerFile=s.vmrk\n"
    cases = {
        "a.vhdr": head.replace("=s.vmrk", "=../secret/s.vmrk"),
        "b.vhdr": head.replace("DataFile=", "datafile : ../secret/"),
        "c.vhdr": head.replace("=s.eeg", f"={secret}/s.eeg"),
        "d.lay": "[FileInfo]\nFile=..\\secret\\s.dat\n",
    }
    for name, text in cases.items():
        (folder / name).write_text(text)
        with pytest.raises(UnreadableError, match="outside its own folder"):
            read(folder / name)
    eeg = {"nbchan": 1, "pnts": 50, "trials": 1, "srate": 100.0, "xmin": 0.0, "xmax": 0.5, "data": "../secret/s.fdt"}
    for trials in (1, 2):
        savemat(folder / "e.set", {"EEG": {**eeg, "trials": trials, "chanlocs": [], "event": []}}, appendmat=False)
        with pytest.raises(UnreadableError, match="outside its own folder"):
            read(folder / "e.set")
    with h5py.File(folder / "h.set", "w") as file:
        file["data"] = h5py.ExternalLink("../secret/other.h5", "data")
    with pytest.raises(UnreadableError, match="'data' is a link to somewhere else"):
        read(folder / "h.set")
    raw = make_raw()
    raw.save(folder / "f_raw.fif", verbose="error")
    whole = (folder / "f_raw.fif").read_bytes()
    name = b"../secret/next_raw.fif"
    tag = struct.pack(">iiii", 118, 10, len(name), 0) + name
    first = 16 + 20  # behind the file's id
    (folder / "f_raw.fif").write_bytes(whole[:first] + tag + whole[first:])
    with pytest.raises(UnreadableError, match="outside its own folder"):
        read(folder / "f_raw.fif")


def test_the_first_bytes_tell_formats_of_one_name_apart(tmp_path):
    heads = {
        "neuroscan.cnt": (b"Version 3.0", "cnt"),
        "ant.cnt": (b"RIFF\0\0\0\0CNT ", "ant"),
        "other.cnt": (b"something", None),
        "nihon.EEG": (b"EEG-1100A V01.00", "nihon"),
        "brainvision.eeg": (b"\1\0\2\0", None),
        "egi.raw": (struct.pack(">ih", 2, 2010), "egi"),
        "camera.raw": (b"\xff\xd8\xff\xe0", None),
    }
    for name, (head, reader) in heads.items():
        (tmp_path / name).write_bytes(head.ljust(64, b"\0"))
        found = format_of(tmp_path / name)
        assert (found.reader if found else None) == reader, name
    (tmp_path / "a.mff").mkdir()
    assert MneAdapter().claims_folder(tmp_path / "a.mff")
    assert not MneAdapter().claims_folder(tmp_path)


def test_neuroscan_headers_that_contradict_themselves(tmp_path):
    head = bytearray(900 + 75 * 2 + 400)
    head[:11] = b"Version 3.0"
    head[370], head[864], head[886:890] = 2, 120, (1050 + 400).to_bytes(4, "little")
    (tmp_path / "cut.cnt").write_bytes(head)
    with pytest.raises(UnreadableError, match="2 channels of 120 samples and 400 bytes for them"):
        read(tmp_path / "cut.cnt")


def test_eeglab_epochs_follow_each_other_with_a_gap(tmp_path):
    values = np.random.default_rng(0).normal(0, 20, (2, 50, 3))
    event = [{"type": "go", "latency": 1.0 + 50 * i, "epoch": i + 1} for i in range(3)]
    epoch = [{"event": i + 1, "eventtype": "go", "eventlatency": 0.0} for i in range(3)]
    eeg = {"setname": "e", "nbchan": 2, "pnts": 50, "trials": 3, "srate": 100.0, "xmin": 0.0, "xmax": 0.49}
    eeg |= {"data": values, "chanlocs": [{"labels": "Cz"}, {"labels": "Fz"}], "event": event, "epoch": epoch}
    savemat(tmp_path / "e.set", {"EEG": eeg}, appendmat=False)
    recording = read(tmp_path / "e.set")
    assert [(a.onset, a.duration, a.label) for a in recording.annotations] == [
        (0, 0.5, "go"),
        (0.51, 0.5, "go"),
        (1.02, 0.5, "go"),
    ]
    np.testing.assert_allclose(recording.streams[0].physical()[:, 51:101], values[:, :, 1], rtol=1e-5)
