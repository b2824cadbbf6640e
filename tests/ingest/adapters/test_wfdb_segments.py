"""Multi-segment WFDB records, against what wfdb itself makes of them."""

import numpy as np
import pytest
import wfdb

import biosig
from biosig.errors import UnreadableError
from biosig.reading import read
from ingest.cli.ingest import ingest
from ingest.pipeline.discover import discover


def segment(folder, name, signals, gain=200.0, baseline=0, unit="mV", fmt="16", fs=100, comments=None):
    """signals: name → integers."""
    n = len(signals)
    wfdb.wrsamp(
        name,
        fs=fs,
        units=[unit] * n,
        sig_name=list(signals),
        d_signal=np.column_stack(list(signals.values())),
        fmt=[fmt] * n,
        adc_gain=[gain] * n,
        baseline=[baseline] * n,
        comments=comments,
        write_dir=str(folder),
    )


def master(folder, rows, n_sig, layout=(), name="m", comments="", file="m.hea"):
    """rows: (segment or "~", length); layout: names of all signals, for a variable layout."""
    total = sum(length for _, length in rows)
    if layout:
        lines = [f"m_layout {n_sig} 100 0", *(f"~ 0 200/mV 16 0 0 0 0 {signal}" for signal in layout), ""]
        (folder / "m_layout.hea").write_text("\n".join(lines))
        rows = [("m_layout", 0), *rows]
    lines = [f"{name}/{len(rows)} {n_sig} 100 {total}", *(f"{seg} {length}" for seg, length in rows), comments]
    (folder / file).write_text("\n".join(lines))
    return folder / file


def check_against_wfdb(path, twin=None):
    """Every signal's values and gaps as wfdb has them; returns our recording.

    wfdb 4.3 cannot read a fixed layout that has a gap; for that, `twin` is the same record in a variable layout.
    """
    recording = read(path)
    record = wfdb.rdrecord(str((twin or path).with_suffix("")), m2s=True, smooth_frames=False)
    truth = dict(zip(record.sig_name, record.e_p_signal, strict=True))
    assert sorted(c.source_name for c in recording.channels) == sorted(record.sig_name)
    for stream in recording.streams:
        for channel, values, valid in zip(stream.channels, stream.physical(), stream.valid(), strict=True):
            expected = truth[channel.source_name]
            np.testing.assert_array_equal(valid, np.isfinite(expected))
            np.testing.assert_allclose(values, expected, rtol=2e-7, atol=1e-9)
    return recording


def test_fixed_layout_with_a_gap_and_missing_samples(tmp_path, ramp):
    a, b = ramp(400).reshape(2, -1), ramp(600, seed=1).reshape(2, -1)
    a[0, 50:60] = -(2**15)
    segment(tmp_path, "a", {"I": a[0], "II": a[1]})
    segment(tmp_path, "b", {"I": b[0], "II": b[1]}, comments=["Age: 20"])
    rows = [("a", 200), ("~", 70), ("b", 300), ("a", 200)]
    path = master(tmp_path, rows, 2, comments="# Age: 63\n# Sex: F\n")
    recording = check_against_wfdb(path, master(tmp_path, rows, 2, layout=["I", "II"], file="twin.hea"))
    (stream,) = recording.streams
    assert stream.samples.dtype == np.int16
    np.testing.assert_array_equal(stream.samples[:, 270:570], b)
    assert [0, 50, 60] in stream.invalid.tolist()
    assert [1, 200, 270] in stream.invalid.tolist()
    assert (recording.id, recording.subject.age, recording.subject.sex) == ("m", 63, "female")
    notes = " ".join(recording.notes)
    assert "0.7 of 7.7 s lie between segments" in notes
    assert "Comments in the headers of segments are left out" in notes


def test_variable_layout_with_absent_signals(tmp_path, ramp):
    x = ramp(900).reshape(3, -1)
    segment(tmp_path, "a", {"V": x[0], "II": x[1]})
    segment(tmp_path, "b", {"II": x[2]})
    path = master(tmp_path, [("~", 10), ("a", 300), ("b", 300)], 3, layout=["II", "V", "ABP"])
    recording = check_against_wfdb(path)
    (stream,) = recording.streams
    assert stream.samples.dtype == np.int16
    assert [c.source_name for c in stream.channels] == ["II", "V", "ABP"]
    assert stream.invalid[stream.invalid[:, 0] == 2].tolist() == [[2, 0, 610]]
    assert any(note.startswith("ABP: in no segment") for note in recording.notes)


def test_gains_that_share_a_step_stay_integers_exactly(tmp_path, ramp):
    x = ramp(400, bits=12).reshape(2, -1)
    x[0, 7] = -(2**11)
    segment(tmp_path, "a", {"II": x[0]}, gain=13.335, baseline=-1600, fmt="212")
    segment(tmp_path, "b", {"II": x[1]}, gain=200.0, baseline=12, fmt="212")
    path = master(tmp_path, [("a", 200), ("b", 200)], 1)
    recording = check_against_wfdb(path)
    (stream,) = recording.streams
    assert stream.samples.dtype == np.int32
    exact = stream.samples[0].astype(np.float64) * stream.scale[0] + stream.offset[0]
    expected = np.concatenate([(x[0] + 1600) / 13.335, (x[1] - 12) / 200])
    valid = stream.valid()[0]
    assert valid.sum() < 400
    np.testing.assert_allclose(exact[valid], expected[valid], rtol=1e-13)
    assert any("II: gain or baseline differ between segments: brought" in note for note in recording.notes)


def test_gains_without_a_common_step_become_float32_and_say_so(tmp_path, ramp):
    x = ramp(600).reshape(3, -1)
    for name, row, gain in (("a", 0, 127.31), ("b", 1, 200.07), ("c", 2, 83.0)):
        segment(tmp_path, name, {"II": x[row]}, gain=gain)
    path = master(tmp_path, [("a", 200), ("~", 5), ("b", 200), ("c", 200)], 1, layout=["II"])
    recording = check_against_wfdb(path)
    assert recording.streams[0].samples.dtype == np.float32
    assert any("II: gain or baseline differ between segments: stored as float32" in note for note in recording.notes)


def test_units_meet_in_the_kinds_unit(tmp_path, ramp):
    x = ramp(400).reshape(2, -1)
    segment(tmp_path, "a", {"II": x[0]}, gain=200.0, unit="mV")
    segment(tmp_path, "b", {"II": x[1]}, gain=0.2, unit="uV")
    (stream,) = read(master(tmp_path, [("a", 200), ("b", 200)], 1)).streams
    assert stream.channels[0].unit == "mV"
    values = stream.physical()[0][stream.valid()[0]]
    expected = np.concatenate([x[0], x[1]])
    np.testing.assert_allclose(values, expected[expected != -(2**15)] / 200, rtol=1e-6)


def test_each_rate_is_kept(tmp_path, ramp):
    frames = ramp(1000).reshape(2, 100, 5)
    for name, x in zip("ab", frames, strict=True):
        (tmp_path / f"{name}.dat").write_bytes(x.astype("<i2").tobytes())
        rows = f"{name}.dat 16 200/NU 16 0 0 0 0 PLETH\n{name}.dat 16x4 100/mV 16 0 0 0 0 II\n"
        (tmp_path / f"{name}.hea").write_text(f"{name} 2 100 100\n{rows}")
    check_against_wfdb(master(tmp_path, [("a", 100), ("b", 100)], 2))
    pleth, ecg = read(master(tmp_path, [("a", 100), ("~", 20), ("b", 100)], 2)).streams
    assert (pleth.sfreq, ecg.sfreq, pleth.n_times, ecg.n_times) == (100, 400, 220, 880)
    np.testing.assert_array_equal(ecg.samples[0, 480:], frames[1][:, 1:].ravel())
    assert [0, 400, 480] in ecg.invalid.tolist()
    assert [0, 100, 120] in pleth.invalid.tolist()


def test_a_record_of_gaps_only_is_all_invalid(tmp_path):
    (stream,) = read(master(tmp_path, [("~", 500)], 1, layout=["II"])).streams
    assert stream.invalid.tolist() == [[0, 0, 500]]


def test_annotations_and_names_of_the_whole(tmp_path, ramp):
    segment(tmp_path, "a", {"II": ramp(200)})
    path = master(tmp_path, [("a", 200), ("a", 200)], 1, name="m.mat")
    wfdb.wrann("m", "atr", np.array([10, 390]), ["N", "V"], fs=100, write_dir=str(tmp_path))
    recording = read(path)
    assert [(a.onset, a.label) for a in recording.annotations] == [(0.1, "N"), (3.9, "V")]
    assert any("names its record otherwise" in note for note in recording.notes)


def test_a_folder_gives_the_record_and_not_its_segments_again(tmp_path, ramp):
    folder = tmp_path / "ward"
    folder.mkdir()
    segment(folder, "a", {"II": ramp(2000, bits=10)})
    segment(folder, "alone", {"II": ramp(2000, bits=10)})
    path = master(folder, [("a", 2000), ("~", 300)], 1, layout=["II"])
    found = discover([folder])
    assert [item.name for item in found.items] == ["alone", "m"]
    assert found.n_parts == 2  # the segment and the layout header
    assert [item.name for item in discover([folder / "a.hea"]).items] == ["a"]
    assert ingest((folder,), out=tmp_path / "out", workers=1, recording_names="keep") == 0
    stored = {recording.id: recording.read() for recording in biosig.open_shards(tmp_path / "out")}
    assert sorted(stored) == ["alone", "m"]
    np.testing.assert_array_equal(stored["m"].streams[0].samples, read(path).streams[0].samples)
    np.testing.assert_array_equal(stored["m"].streams[0].invalid, read(path).streams[0].invalid)


def rewrite(name, text):
    return lambda folder: (folder / name).write_text(text)


def other(**options):
    return lambda folder: segment(folder, "b", {"I": np.arange(100), "II": np.arange(100)}, **options)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "b.hea").unlink(), ["b.hea", "m.hea refers to", "does not exist"]),
        (lambda f: (f / "b.dat").write_bytes(b"\0" * 10), ["b.dat", "truncated"]),
        (other(fs=50), ["b.hea", "50 frames per second", "m.hea has 100"]),
        (other(unit="NU"), ["m.hea", "'I'", "unit mV and NU"]),
        (
            lambda f: segment(f, "b", {"I": np.arange(100), "V1": np.arange(100)}),
            ["b.hea holds the signals I, V1", "m.hea wants I, II"],
        ),
        (lambda f: segment(f, "b", {"I": np.arange(90), "II": np.arange(90)}), ["holds 90 samples", "wants 100"]),
        (rewrite("m.hea", "m/3 2 100 200\na 100\nb 100\n"), ["announces 3 segments and lists 2"]),
        (rewrite("m.hea", "m/1000000000 2 100 200\na 100\nb 100\n"), ["announces 1000000000 segments"]),
        (rewrite("m.hea", "m/2 2 100 300\na 100\nb 100\n"), ["announces 300 samples", "add up to 200"]),
        (rewrite("m.hea", "m/2 3 100 200\na 100\nb 100\n"), ["announces 3 signals", "hold 2"]),
        (rewrite("m.hea", "m/2 2 100\na 100\n../b 100\n"), ["'../b'", "outside its own folder"]),
        (rewrite("m.hea", "m/2 2 100\na 100\n/etc/passwd 100\n"), ["outside its own folder"]),
        (rewrite("m.hea", "m/2 2 100\na 100\nb 1e2\n"), ["lists a segment as 'b 1e2'"]),
        (rewrite("m.hea", "m/2 2 100\na 100\nb " + "9" * 5000 + "\n"), ["m.hea lists a segment as 'b 999"]),
        (rewrite("m.hea", "m/2 2 100\na 100\nm 100\n"), ["m.hea lists segments"]),
        (rewrite("m.hea", "m/2 2 100\nm 0\na 100\n"), ["m.hea lists segments"]),
        (rewrite("m.hea", "m/1 2 100\n~ 100\n"), ["lists gaps and no segment"]),
        (rewrite("m.hea", "m/0 2 100\n"), ["m.hea announces 0 segments and lists 0"]),
        (rewrite("m.hea", "m/2 2 100\na 100\nb " + "9" * 20 + "\n"), ["lists a segment as 'b 999"]),
        (rewrite("m.hea", "m/2 2 100\na 100\n~ 100000000000\n"), ["200000000200 samples", "hold 200"]),
        (rewrite("m.hea", "m/20000 2 100\n" + "a 100\n~ 4000000\n" * 10000), ["announces", "hold 200"]),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, spoil, words):
    for name in "ab":
        segment(tmp_path, name, {"I": np.arange(100), "II": np.arange(100)})
    path = master(tmp_path, [("a", 100), ("b", 100)], 2)
    read(path)
    spoil(tmp_path)
    with pytest.raises(UnreadableError) as failure:
        read(path)
    sentence = str(failure.value)
    assert all(word in sentence for word in words), sentence
    assert str(tmp_path) in sentence
    assert "\n" not in sentence
