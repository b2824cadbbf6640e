import shutil

import numpy as np
import pytest
import wfdb

from biosig import samples
from biosig.errors import UnreadableError
from biosig.reading import read
from ingest.adapters.wfdb.adapter import WfdbAdapter

RECORD = samples.path("ptbxl") / "records100" / "00000" / "00001_lr.hea"


def write(folder, name, signals, fs=100, fmt="16", units=None, comments=None, **options):
    n = signals.shape[1]
    wfdb.wrsamp(
        name,
        fs=fs,
        units=units or ["mV"] * n,
        sig_name=options.pop("sig_name", ["I", "II", "V1"][:n]),
        d_signal=signals,
        fmt=[fmt] * n,
        adc_gain=options.pop("adc_gain", [200.0] * n),
        baseline=options.pop("baseline", [0] * n),
        comments=comments,
        write_dir=str(folder),
        **options,
    )
    return folder / f"{name}.hea"


def test_samples_are_the_files_own_integers():
    recording = read(RECORD)
    (stream,) = recording.streams
    raw = np.fromfile(RECORD.with_suffix(".dat"), "<i2").reshape(-1, 12).T
    np.testing.assert_array_equal(stream.samples, raw)
    assert stream.samples.dtype == np.int16
    physical = wfdb.rdrecord(str(RECORD.with_suffix(""))).p_signal.T
    np.testing.assert_allclose(stream.physical(), physical, atol=1e-6)
    assert recording.ch_names == ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    assert recording.channels[3].source_name == "AVR"


def test_record_may_be_named_without_extension():
    assert read(RECORD.with_suffix("")).content_hash == read(RECORD).content_hash


@pytest.mark.parametrize("name", ["00001_lr.mat", "another", "Öse"])
def test_a_record_goes_by_its_headers_file_name(tmp_path, name):
    """Headers of the PhysioNet challenges of 2020 and 2021 name their record "E07500.mat", which wfdb refuses."""
    shutil.copy(RECORD.with_suffix(".dat"), tmp_path)
    path = tmp_path / RECORD.name
    path.write_text("# 00001_lr 12\n\n" + RECORD.read_text().replace("00001_lr 12", f"{name} 12"), encoding="utf-8")
    recording, plain = read(path), read(RECORD)
    assert recording.id == "00001_lr"
    assert recording.content_hash == plain.content_hash
    assert repr(recording.channels) == repr(plain.channels)
    (note,) = [note for note in recording.notes if "names its record otherwise" in note]
    assert name not in note  # it may identify
    assert not any("names its record otherwise" in note for note in plain.notes)


@pytest.mark.parametrize(("fmt", "bits"), [("16", 16), ("212", 12), ("24", 24), ("32", 32), ("80", 8)])
def test_formats_and_missing_samples(tmp_path, ramp, fmt, bits):
    signal = ramp(300, bits).reshape(-1, 2)
    missing = -(2 ** (bits - 1))  # WFDB's own value for it
    signal[0] = missing
    stream = read(write(tmp_path, "r", signal, fmt=fmt)).streams[0]
    np.testing.assert_array_equal(stream.samples, signal.T)
    np.testing.assert_array_equal(stream.valid(), (signal != missing).T)
    assert np.isnan(stream.physical()[:, 0]).all()
    assert stream.samples.dtype == (np.int16 if bits <= 16 else np.int32)


def test_big_endian_format_61(tmp_path, ramp):
    signal = ramp(60).reshape(-1, 2)
    path = write(tmp_path, "r", signal)
    path.write_text(path.read_text().replace("r.dat 16 ", "r.dat 61 "))
    path.with_suffix(".dat").write_bytes(signal.astype(">i2").tobytes())
    np.testing.assert_array_equal(read(path).streams[0].samples, signal.T)


def test_several_rates_stay_apart(tmp_path, ramp):
    slow, fast = ramp(60)[2:52], ramp(210, seed=1)[2:202]
    frames = np.concatenate([slow[:, None], fast.reshape(50, 4)], axis=1).astype("<i2")
    (tmp_path / "m.dat").write_bytes(frames.tobytes())
    (tmp_path / "m.hea").write_text(
        "m 2 125 50\nm.dat 16 200(5)/NU 16 0 0 0 0 PLETH\nm.dat 16x4 100/uV 16 0 0 0 0 II\n"
    )
    pleth, ecg = read(tmp_path / "m.hea").streams
    assert (pleth.sfreq, ecg.sfreq) == (125, 500)
    np.testing.assert_array_equal(pleth.samples[0], slow)
    np.testing.assert_array_equal(ecg.samples[0], fast)
    np.testing.assert_allclose(pleth.physical()[0], (slow - 5) / 200, rtol=1e-5, atol=1e-6)
    assert ecg.channels[0].unit == "mV"
    np.testing.assert_allclose(ecg.physical()[0], fast / 100 / 1000, rtol=1e-5, atol=1e-6)


def test_skewed_signal_ends_invalid(tmp_path, ramp):
    signal = ramp(200).reshape(-1, 2)
    path = write(tmp_path, "s", signal)
    path.write_text(path.read_text().replace("s.dat 16 ", "s.dat 16:3 ", 1))
    stream = read(path).streams[0]
    np.testing.assert_array_equal(stream.samples[0, :-3], signal[3:, 0])
    assert stream.invalid.tolist()[-1][1:] == [97, 100]


def test_age_sex_and_diagnoses_from_comments(tmp_path, ramp):
    signal = ramp(100).reshape(-1, 2)
    challenge = read(
        write(tmp_path, "a", signal, comments=["Age: 63", "Sex: F", "Dx: 426783006,164889003", "Rx: None"])
    )
    assert (challenge.subject.age, challenge.subject.sex) == (63, "female")
    assert challenge.labels == {"dx": ["426783006", "164889003"]}
    assert challenge.report is None  # "Rx: None" says nothing
    mitdb = read(write(tmp_path, "b", signal, comments=["69 M 1085 1629 x1"]))
    assert (mitdb.subject.age, mitdb.subject.sex) == (69, "male")
    assert read(write(tmp_path, "c", signal, comments=["Age: 300"])).subject.age == 90


def test_annotations_beats_and_rhythms(tmp_path, ramp):
    path = write(tmp_path, "r", ramp(2000).reshape(-1, 2))
    sample, symbol = np.array([10, 100, 500, 600, 5000]), ["+", "N", "+", "V", "N"]
    wfdb.wrann("r", "atr", sample, symbol, aux_note=["(N", "", "(AFIB", "", ""], fs=100, write_dir=str(tmp_path))
    wfdb.wrann("r", "qrs", np.array([101]), ["N"], fs=100, write_dir=str(tmp_path))
    recording = read(path)
    events = [(round(a.onset, 2), round(a.duration, 2), a.label) for a in recording.annotations]
    assert events == [(0.1, 4.9, "(N"), (1.0, 0, "N"), (1.01, 0, "qrs:N"), (5.0, 5.0, "(AFIB"), (6.0, 0, "V")]
    assert any("1 of 5 events in .atr" in note for note in recording.notes)


def test_defaults_are_said(tmp_path, ramp):
    path = write(tmp_path, "r", ramp(100).reshape(-1, 2))
    path.write_text("r 2\nr.dat 16 0/mV 16 0 0 0 0 I\nr.dat 16 200 16 0 0 0 0 II\n")
    recording = read(path)
    notes = " ".join(recording.notes)
    assert "250 Hz" in notes
    assert "No gain in the header for I:" in notes
    assert "No unit in the header for II:" in notes
    assert "gives no length" in notes
    assert recording.streams[0].n_times == 50


def test_wfdb_record_in_memory_is_the_same_recording():
    for options in ({"physical": False}, {"physical": False, "smooth_frames": False}):
        converted = WfdbAdapter().convert(wfdb.rdrecord(str(RECORD.with_suffix("")), **options))
        assert converted.content_hash == read(RECORD).content_hash
    physical = WfdbAdapter().convert(wfdb.rdrecord(str(RECORD.with_suffix(""))))
    np.testing.assert_allclose(physical.streams[0].physical(), read(RECORD).streams[0].physical(), atol=1e-6)
    assert WfdbAdapter().convert("something else") is None


def spoil_truncate(path):
    dat = path.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[:-100])


def spoil_lfs(path):
    path.with_suffix(".dat").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 24000\n")


def edit(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_truncate, ["00001_lr.dat", "truncated", "23900 bytes", "24000 wanted", "fetch"]),
        (spoil_lfs, ["00001_lr.dat", "git lfs pull"]),
        (lambda p: p.with_suffix(".dat").unlink(), ["00001_lr.dat", "00001_lr.hea", "does not exist"]),
        (lambda p: p.with_suffix(".dat").write_bytes(b""), ["00001_lr.dat", "0 bytes"]),
        (lambda p: p.write_bytes(b""), ["00001_lr.hea", "0 bytes"]),
        (edit("00001_lr.dat", "../00001_lr.dat"), ["outside its own folder"]),
        (edit("00001_lr.dat", "/etc/passwd"), ["outside its own folder"]),
        (edit("00001_lr 12", "00001_lr/3 12"), ["00001_lr.hea", "lists a segment as '00001_lr.dat 16 "]),
        (edit("00001_lr 12", "00001_lr 13"), ["announces 13 signals and describes 12"]),
        (edit("00001_lr.dat 16 ", "00001_lr.dat 99 "), ["storage format 99"]),
        (edit("00001_lr 12 100", "00001_lr 12 0"), ["sampling rate of 0"]),
        (lambda p: p.write_text("hello\n"), ["does not begin with a WFDB record line"]),
        (lambda p: p.write_text("00001_lr 0 100 1000\n"), ["describes no signal"]),
        (lambda p: p.with_suffix(".atr").write_bytes(b"\xff\xff\x01"), [".atr"]),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, spoil, words):
    for suffix in (".hea", ".dat"):
        shutil.copy(RECORD.with_suffix(suffix), tmp_path)
    path = tmp_path / RECORD.name
    spoil(path)
    with pytest.raises(UnreadableError) as failure:
        read(path)
    sentence = str(failure.value)
    assert all(word in sentence for word in words), sentence
    assert str(tmp_path) in sentence
    assert "\n" not in sentence


def test_counts_of_a_billion_take_no_memory(tmp_path):
    (tmp_path / "x.dat").write_bytes(b"\0" * 100)
    (tmp_path / "x.hea").write_text("x 1 100 1000000000\nx.dat 16 200/mV 16 0 0 0 0 I\n")
    with pytest.raises(UnreadableError, match="2000000000 wanted"):
        read(tmp_path / "x.hea")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_units_and_names_beyond_ascii(tmp_path, ramp, encoding):
    path = write(tmp_path, "u", ramp(200).reshape(-1, 2))
    header = path.read_text().replace("/mV", "/µV").replace(" II\n", " Ableitung für Öse\n")
    path.write_bytes(header.encode(encoding))
    first, second = read(path).channels
    assert (first.source_name, second.source_name) == ("I", "Ableitung für Öse")
    physical = read(path).streams[0].physical()
    np.testing.assert_allclose(np.nanmax(physical[0]), ramp(200).reshape(-1, 2)[:, 0].max() / 200 / 1000, rtol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (" 12 100 1000", " 12 1e3 1000", ["'1e3'", "sampling rate"]),
        (" 12 100 1000", " 12 -100 1000", ["'-100'", "sampling rate"]),
        (" 12 100 1000", " 12 100 1k", ["'1k'", "number of samples"]),
        (" 12 100 1000", " 12 100 0", ["announces 0 samples", "24000 bytes"]),
        ("1000.0(0)/mV 16 0 64", "1000,5(0)/mV 16 0 64", ["'1000,5(0)/mV'", "'III'"]),
        (".dat 16 1000.0(0)/mV 16 0 64", ".dat 16y 1000.0(0)/mV 16 0 64", ["'16y'", "'III'"]),
        ("1000.0(0)/mV 16 0 64", "1e400(0)/mV 16 0 64", ["'1e400(0)/mV'", "'III'"]),
    ],
)
def test_numbers_that_wfdb_would_pass_over_are_refused(tmp_path, old, new, words):
    for suffix in (".hea", ".dat"):
        shutil.copy(RECORD.with_suffix(suffix), tmp_path)
    path = tmp_path / RECORD.name
    header = path.read_text()
    path.write_text(header.replace(old, new))
    assert path.read_text() != header
    with pytest.raises(UnreadableError) as failure:
        read(path)
    assert all(word in str(failure.value) for word in [str(path), *words]), str(failure.value)
