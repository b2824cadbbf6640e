import mne
import numpy as np
import pytest

from biosig import samples
from biosig.errors import UnreadableError
from biosig.reading import read
from ingest.mne_adapter import MneAdapter
from ingest.mne_raw import from_raw


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


def test_epochs_in_memory_follow_each_other():
    raw = make_raw()
    events = np.array([[100, 0, 1], [250, 0, 2]])
    epochs = mne.Epochs(raw, events, {"left": 1, "right": 2}, 0, 0.49, baseline=None, preload=True, verbose="error")
    recording = MneAdapter().convert(epochs)
    assert [(a.onset, a.duration, a.label) for a in recording.annotations] == [(0, 0.5, "left"), (0.5, 0.5, "right")]
    second = recording.crop(0.5, 0.5).streams[0].physical()[0]
    np.testing.assert_allclose(second, raw.get_data()[0, 250:300] * 1e6, rtol=1e-5)


def test_fif_of_something_else_is_not_claimed(tmp_path):
    for name in ("a-epo.fif", "b-cov.fif", "c_eve.fif", "d.cnt"):
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
