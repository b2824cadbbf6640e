import subprocess
import sys

import numpy as np
import pytest
from vendor_files import write_xdf

from biosig.errors import UnreadableError
from biosig.reading import read
from ingest.adapters.vendors.xdf import XdfAdapter

T = np.arange(1000)
EEG = np.random.default_rng(0).normal(0, 20, (1000, 2)).astype(np.float32)


def eeg(times, values=EEG, rate=100, form="float32"):
    return ("amp", "EEG", rate, form, ["Cz", "Trig"], "microvolts", times, values)


def test_streams_keep_their_rates_and_share_a_clock(tmp_path):
    pulse = np.arange(500).reshape(-1, 1)
    marks = ("marks", "Markers", 0, "string", [], "", [50.5, 51.25, 999.0], ["go", "stop", "late"])
    buttons = ("button", "Buttons", 0, "int16", ["b"], "", [52.0], [[3]])
    gaze = ("gaze", "Gaze", 0, "float32", ["x", "y"], "", [52.0], [[0.1, 0.2]])
    band = ("band", "PPG", 50, "int16", ["finger"], "", 50.5 + np.arange(500) / 50, pulse)
    write_xdf(tmp_path / "s.xdf", [eeg(50 + T / 100), band, marks, buttons, gaze])
    recording = XdfAdapter().read_here(tmp_path / "s.xdf")
    first, second = recording.streams
    assert (first.sfreq, second.sfreq, first.onset, second.onset) == (100, 50, 0, 0.5)
    np.testing.assert_array_equal(first.samples, EEG.T)
    np.testing.assert_array_equal(second.samples[0], pulse[:, 0])
    assert second.samples.dtype == np.int16
    assert [(c.kind, c.unit) for c in recording.channels] == [("eeg", "uV"), ("stim", "uV"), ("ppg", "")]
    assert [(a.onset, a.label) for a in recording.annotations] == [
        (0.5, "marks:go"),
        (1.25, "marks:stop"),
        (2, "button:3"),
    ]
    assert any("'gaze' has no rate" in note for note in recording.notes)
    assert any("1 of 4 annotations lie outside" in note for note in recording.notes)


def test_interruptions_are_invalid_and_the_clock_is_believed(tmp_path):
    write_xdf(tmp_path / "i.xdf", [eeg(np.where(T < 400, T, T + 2000) / 100)])
    (stream,) = XdfAdapter().read_here(tmp_path / "i.xdf").streams
    assert stream.n_times == 3000
    assert stream.invalid.tolist() == [[0, 400, 2400], [1, 400, 2400]]
    np.testing.assert_array_equal(stream.samples[:, 2400:], EEG[400:].T)
    write_xdf(tmp_path / "r.xdf", [eeg(T / 98.0, EEG.astype(float) / 3, form="double64")])
    recording = XdfAdapter().read_here(tmp_path / "r.xdf")
    assert recording.streams[0].sfreq == 98
    assert any("98 Hz by its time stamps, not 100" in note for note in recording.notes)
    assert any("float64 values of stream 'amp' are rounded" in note for note in recording.notes)


def test_a_file_that_is_cut_says_so(tmp_path):
    path = tmp_path / "c.xdf"
    write_xdf(path, [eeg(T / 100)])
    assert XdfAdapter().read_here(path).notes == ()
    whole = path.read_bytes()
    path.write_bytes(whole[:-60])
    assert any("'amp' has no footer" in note for note in XdfAdapter().read_here(path).notes)
    path.write_bytes(whole.replace(b"<sample_count>1000", b"<sample_count>1234"))
    assert any("1000 samples, where its footer counts 1234" in note for note in XdfAdapter().read_here(path).notes)


def test_a_span_of_years_takes_no_memory(tmp_path):
    write_xdf(tmp_path / "y.xdf", [eeg(np.where(T < 400, T / 100, 1e9 + T / 100))])
    with pytest.raises(UnreadableError, match="split it where the gaps are"):
        XdfAdapter().read_here(tmp_path / "y.xdf")


def test_damage_stays_in_the_process_of_the_reader(tmp_path):
    path = tmp_path / "d.xdf"
    write_xdf(path, [eeg(T / 100)])
    whole = path.read_bytes()
    count = whole.index(b"\x04" + (1000).to_bytes(4, "little"))
    path.write_bytes(whole[: count + 1] + b"\xff\xff\xff\x7f" + whole[count + 5 :])  # 2³¹ samples announced
    with pytest.raises(UnreadableError, match=r"d\.xdf"):
        read(path)
    write_xdf(path, [("marks", "Markers", 0, "string", [], "", [1.0], ["go"])])
    with pytest.raises(UnreadableError, match="no stream of samples at a rate"):
        XdfAdapter().read_here(path)


def test_without_its_package_the_extra_is_named(tmp_path):
    write_xdf(tmp_path / "m.xdf", [eeg(T / 100)])
    code = f"import sys; sys.modules['pyxdf'] = None\nfrom biosig import read\nread({str(tmp_path / 'm.xdf')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install biosig-fm[xdf]" in done.stderr
