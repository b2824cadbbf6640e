import mne
import numpy as np
import pytest

from biosig import samples
from biosig.errors import UnreadableError
from biosig.lazy_samples import LazySamples
from biosig.reading import read

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


def test_edf_plus_annotations_and_patient(tmp_path, edf_writer, ramp):
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
    assert recording.subject.age is None  # the file does not say when it was recorded


def tal(onset, text=""):
    kept = f"{onset:+g}\x14\x14\x00"
    return (kept + (f"{onset:+g}\x14{text}\x14\x00" if text else "")).encode()


def test_gaps_of_a_discontinuous_file_are_invalid(tmp_path, edf_writer, ramp):
    fast, slow = ramp(400), ramp(40, seed=1)
    path = edf_writer(
        tmp_path / "d.edf",
        [("EEG Cz", "uV", -200, 200, fast), ("Resp", "mV", -1, 1, slow)],
        n_records=4,
        annotations=[tal(100), tal(101), tal(104.5, "later"), tal(105.5)],
        reserved=b"EDF+D",
    )
    recording = read(path)
    assert [(s.sfreq, s.n_times) for s in recording.streams] == [(100, 650), (10, 65)]
    for stream, x, n in zip(recording.streams, (fast, slow), (100, 10), strict=True):
        assert stream.invalid.tolist() == [[0, 2 * n, round(4.5 * n)]]
        np.testing.assert_array_equal(stream.samples[0][stream.valid()[0]], x)
        assert not stream.samples[0, 2 * n : round(4.5 * n)].any()
    assert [(a.onset, a.label) for a in recording.annotations] == [(4.5, "later")]
    note = "The recording was interrupted 1 time, 2.5 s in all, invalid there: 2.5 s from 2 s."
    assert note in recording.notes


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        ([0, 1, 1.5], ["at data record 3 goes back", "overlap those before by 0.5 s"]),
        ([0, 5, 1], ["at data record 3 goes back", "at 6 s"]),
        ([0, 1, 3e7], ["split it where the gaps are", "8.33e+03 h"]),
        ([0, 1, float("nan")], ["says when it begins"]),
    ],
)
def test_records_that_cannot_be_placed_are_refused(tmp_path, edf_writer, ramp, starts, words):
    path = edf_writer(
        tmp_path / "d.edf",
        [("EEG Cz", "uV", -200, 200, ramp(300))],
        n_records=3,
        annotations=[tal(start) for start in starts],
        reserved=b"EDF+D",
    )
    with pytest.raises(UnreadableError) as failure:
        read(path)
    assert all(word in str(failure.value) for word in [str(path), *words]), str(failure.value)


@pytest.mark.parametrize(
    ("starts", "invalid", "words"),
    [
        ([0, 1, 9, 10], [[0, 200, 900]], "interrupted 1 time, 7 s in all"),
        ([0, 1, 2.004, 3.004], [], None),  # rounded
        ([0, float("nan"), 9, 10], [[0, 200, 900]], "interrupted 1 time, 7 s in all"),
        ([0, 1.1, 2.2, 3.3], [], "drifts by 0.3 s"),
        ([5, 6, 6.5, 7.5], None, "at data record 3 goes back"),
    ],
)
def test_the_records_of_a_continuous_file_are_believed(tmp_path, edf_writer, ramp, starts, invalid, words):
    signal = [("EEG Cz", "uV", -200, 200, ramp(400))]
    times = [tal(start) if start == start else b"\0" for start in starts]
    path = edf_writer(tmp_path / "c.edf", signal, n_records=4, annotations=times, reserved=b"EDF+C")
    if invalid is None:
        with pytest.raises(UnreadableError, match=words):
            read(path)
        return
    recording = read(path)
    assert recording.streams[0].invalid.tolist() == invalid
    assert words is None or words in " ".join(recording.notes)


@pytest.mark.parametrize("bdf", [False, True])
@pytest.mark.parametrize("n_records", [1, 7, 300])
def test_any_part_of_a_lazy_file_equals_the_whole(tmp_path, edf_writer, ramp, bdf, n_records, monkeypatch):
    monkeypatch.setattr("ingest.adapters.edf.records._CHUNK", 5_000)  # several reads for one part, also within a record
    rows = [ramp(2100, bits=24 if bdf else 16, seed=seed) for seed in range(3)]
    names = ("Cz", "C3", "C4")
    signals = [(name, "uV", -200, 200, x) for name, x in zip(names, rows, strict=True)]
    path = edf_writer(tmp_path / f"l.{'bdf' if bdf else 'edf'}", signals, n_records=n_records, bdf=bdf)
    (stream,) = read(path, lazy=True).streams
    assert isinstance(stream.samples, LazySamples)
    picked = stream.pick([2, 0])
    for start, stop in ((0, 2100), (0, 0), (5, 6), (299, 301), (7, 2093), (2000, 2100)):
        np.testing.assert_array_equal(stream.samples[:, start:stop], np.stack(rows)[:, start:stop])
        np.testing.assert_array_equal(picked.samples[:, start:stop], np.stack(rows)[[2, 0], start:stop])


def test_a_file_that_shrinks_while_it_is_read(tmp_path, edf_writer, ramp):
    path = edf_writer(tmp_path / "s.edf", [("EEG Cz", "uV", -200, 200, ramp(300))], n_records=3)
    recording = read(path, lazy=True)
    path.write_bytes(path.read_bytes()[:-200])
    assert recording.streams[0].slice(0, 200).n_times == 200
    with pytest.raises(UnreadableError, match="became shorter"):
        recording.load()


def test_trigger_channels_become_annotations_where_there_are_none(tmp_path, edf_writer, ramp):
    status = np.zeros(512, int)
    status[100:110], status[300:] = 5, 7
    status |= 1 << 20  # the amplifier's own bits
    signals = [("Cz", "uV", -262144, 262143, ramp(512, bits=24)), ("Status", "Boolean", -(2**23), 2**23 - 1, status)]
    recording = read(edf_writer(tmp_path / "t.bdf", signals, n_records=2, record_duration=1, bdf=True))
    assert [(a.onset, a.label) for a in recording.annotations] == [(100 / 256, "5"), (300 / 256, "7")]
    assert recording.annotations[0].duration == pytest.approx(10 / 256)
    assert "2 annotations are the values of trigger channel 'Status'." in recording.notes
    noise = read(edf_writer(tmp_path / "n.edf", [("Cz", "uV", -9, 9, ramp(512)), ("TRIG", "", 0, 9, ramp(512))]))
    assert noise.annotations == []
    assert "Channel 'TRIG' varies like a signal: not read as triggers." in noise.notes


def test_age_follows_from_birth_and_start(tmp_path, edf_writer, ramp):
    path = edf_writer(tmp_path / "a.edf", [("Cz", "uV", -9, 9, ramp(100))], patient="P7 M 02-MAY-1951 Jane_Doe")
    raw = path.read_bytes()
    for start, age in ((b"01-MAY-2001", 49), (b"02-MAY-2001", 50), (b"X", None), (b"02-MAY-1851", None)):
        path.write_bytes(raw[:88] + (b"Startdate " + start + b" X X X").ljust(80) + raw[168:])
        assert read(path).subject.age == age


def test_calibrations_that_are_none_or_upside_down(tmp_path, edf_writer, ramp):
    x = ramp(100)
    signals = [("C3", "uV", 200, -200, x), ("C4", "uV", 0, 0, x), ("Cz", "uV", "-1e308", "1e308", x)]
    (stream,) = read(edf_writer(tmp_path / "u.edf", signals)).streams
    np.testing.assert_allclose(stream.physical()[0], -200 / 32767.5 * (x + 0.5), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(stream.scale[1:], [1, 1])
    assert stream.channels[1].unit == stream.channels[2].unit == ""


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
        (lambda raw: raw[:244] + b"1e-9".ljust(8) + raw[252:], ["data records of 1e-09 s"]),
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
