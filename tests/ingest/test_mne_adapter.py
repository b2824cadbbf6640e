import mne
import numpy as np
import pytest

from biosig import samples
from biosig.errors import UnreadableError
from biosig.reading import read
from ingest.mne_adapter import MneAdapter, from_raw

EDF = samples.path("eegmmidb") / "S001R04.edf"


def test_edf_is_its_own_integers_and_agrees_with_mne():
    recording = read(EDF)
    raw = mne.io.read_raw_edf(EDF, preload=True, verbose="error")
    (stream,) = recording.streams
    assert stream.samples.dtype == np.int16
    np.testing.assert_allclose(stream.physical(), raw.get_data() * 1e6, atol=1e-3)
    np.testing.assert_array_equal(stream.samples * stream.scale[:, None] + stream.offset[:, None], stream.samples)
    assert [c.source_name for c in recording.channels] == raw.ch_names
    assert recording.ch_names[:2] == ["Fp1", "Fp2"]
    events = [(a.onset, a.duration, a.label) for a in recording.annotations]
    ours = list(zip(raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True))
    assert events == [(float(o), float(d), str(t)) for o, d, t in ours]
    assert recording.subject is None  # the header's subject is X


def test_rates_of_one_edf_stay_apart_and_exact(tmp_path, edf_writer, ramp):
    eeg, resp = ramp(1000), ramp(100, seed=2)
    path = edf_writer(
        tmp_path / "mixed.edf",
        [("EEG Fpz-Cz", "uV", -200, 200, eeg), ("Resp oro-nasal", "mV", -1, 1, resp)],
        n_records=10,
    )
    first, second = read(path).streams
    assert (first.sfreq, second.sfreq) == (100, 10)
    np.testing.assert_array_equal(first.samples[0], eeg)
    np.testing.assert_array_equal(second.samples[0], resp)
    raw = mne.io.read_raw_edf(path, include=["EEG Fpz-Cz"], preload=True, verbose="error")
    np.testing.assert_allclose(first.physical(), raw.get_data() * 1e6, atol=1e-3)
    assert first.channels[0].kind == "eeg"


def test_bdf_keeps_24_bits(tmp_path, edf_writer, ramp):
    x = ramp(512, bits=24)
    path = edf_writer(tmp_path / "b.bdf", [("Cz", "uV", -262144, 262143, x), ("Status", "Boolean", -1, 1, x)], bdf=True)
    (stream,) = read(path).streams
    assert stream.samples.dtype == np.int32
    np.testing.assert_array_equal(stream.samples[0], x)
    assert [c.kind for c in stream.channels] == ["eeg", "stim"]


def test_channels_in_volts_become_microvolts(tmp_path, edf_writer, ramp):
    (stream,) = read(edf_writer(tmp_path / "v.edf", [("EEG C3", "V", -0.0002, 0.0002, ramp(100))])).streams
    assert stream.channels[0].unit == "uV"
    np.testing.assert_allclose(np.nanmax(np.abs(stream.physical())), 200, rtol=1e-5)


def test_unknown_names_and_absent_units_are_kept_and_said(tmp_path, edf_writer, ramp):
    recording = read(
        edf_writer(tmp_path / "u.edf", [("EEG Cz", "", -1, 1, ramp(100)), ("Zork", "uV", -1, 1, ramp(100))])
    )
    assert recording.ch_names == ["Cz", "Zork"]
    assert any("'EEG Cz'" in note and "unit" in note for note in recording.notes)
    assert any("'Zork'" in note and "position" in note for note in recording.notes)


def test_edf_plus_annotations_patient_and_gaps(tmp_path, edf_writer, ramp):
    tals = [b"+0\x14\x14\x00+0.25\x150.5\x14K-complex\xc3\xa9\x14\x00", b"+1\x14\x14\x00+9\x14late\x14\x00"]
    signal = [("EEG Cz", "uV", -200, 200, ramp(200))]
    path = edf_writer(
        tmp_path / "a.edf",
        signal,
        n_records=2,
        annotations=tals,
        reserved=b"EDF+D",
        patient="MCH-0234567 F 02-MAY-1951 X",
    )
    recording = read(path)
    assert [(a.onset, a.duration, a.label) for a in recording.annotations] == [(0.25, 0.5, "K-complexé")]
    assert (recording.subject.id, recording.subject.sex) == ("MCH-0234567", "female")
    assert any("1 of 2 annotations" in note for note in recording.notes)
    gap = [tals[0], b"+7\x14\x14\x00"]
    path = edf_writer(tmp_path / "d.edf", signal, n_records=2, annotations=gap, reserved=b"EDF+D")
    with pytest.raises(UnreadableError, match="1 gaps"):
        read(path)


def test_open_record_count_is_inferred(tmp_path, edf_writer, ramp):
    path = edf_writer(tmp_path / "open.edf", [("EEG Cz", "uV", -200, 200, ramp(300))], n_records=3)
    raw = path.read_bytes()
    path.write_bytes(raw[:236] + b"-1".ljust(8) + raw[244:])
    recording = read(path)
    assert recording.duration == 3
    assert any("3 follow from the file's size" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: raw[: len(raw) // 2], ["cut short", "bytes", "wanted", "fetch"]),
        (lambda raw: raw[:300], ["cut inside its header"]),
        (lambda raw: b"", ["0 bytes"]),
        (lambda raw: raw[:236] + b"0".ljust(8) + raw[244:], ["without samples"]),
        (lambda raw: b"PK" + raw[2:], ["does not begin like an EDF"]),
        (lambda raw: raw[:252] + b"many" + raw[256:], ["'many'", "number of signals"]),
        (lambda raw: b"version https://git-lfs.github.com/spec/v1\n", ["git lfs pull"]),
    ],
)
def test_damaged_edf_is_told_in_one_sentence(tmp_path, spoil, words):
    path = tmp_path / "S001R04.edf"
    path.write_bytes(spoil(EDF.read_bytes()))
    with pytest.raises(UnreadableError) as failure:
        read(path)
    assert all(word in str(failure.value) for word in [str(path), *words]), str(failure.value)


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


def test_inputs_of_an_amplifier_are_not_electrodes(tmp_path, edf_writer, ramp):
    names = [f"A{n}" for n in range(1, 5)] + ["C3", "Cz"]
    path = edf_writer(tmp_path / "biosemi.bdf", [(name, "uV", -1000, 1000, ramp(100)) for name in names], bdf=True)
    recording = read(path)
    assert recording.ch_names == names
    assert [(c.kind, c.position_source) for c in recording.channels] == 5 * [("misc", "unknown")] + [
        ("eeg", "template")
    ]
    assert any("'A1', 'A2', 'A3', 'A4', 'C3'" in note for note in recording.notes)
    electrodes = [(name, "uV", -1000, 1000, ramp(100)) for name in ("A1", "A2", "C3")]
    ears = read(edf_writer(tmp_path / "clinic.edf", electrodes))
    assert [c.position_source for c in ears.channels] == 3 * ["template"]
