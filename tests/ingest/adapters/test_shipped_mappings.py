"""Each mapping that ships reads a file made after the layout that it cites, to the last digit, without persons."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import biosig
from biosig.errors import UnreadableError, UsageError
from ingest.adapters.tables.draft import draft
from ingest.adapters.tables.mapping import load_mapping
from ingest.adapters.tables.shipped import SHIPPED
from ingest.cli.ingest import ingest
from ingest.pipeline.discover import adapters_with, discover
from ingest.privacy.identifiers import identifiers_in_header

CASES = Path(__file__).parents[1] / "cases"
CLOCK = "1645449146.00"


def written(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def e4(folder):
    acc = "\n".join((f"{CLOCK}, {CLOCK}, {CLOCK}", "32.000000, 32.000000, 32.000000", *["-64,32,1"] * 64))
    written(folder, "s1/ACC.csv", acc + "\n")
    written(folder, "s1/EDA.csv", "1645449148.00\n4.000000\n" + "0.25\n" * 8)
    return written(folder, "s1/BVP.csv", f"{CLOCK}\n64.000000\n" + "".join(f"{n / 8:.3f}\n" for n in range(128)))


def apple(folder):
    head = (
        "Name,Erika Planted\nDate of Birth,1 Jan 1970\nRecorded Date,2024-01-02 10:11:12 +0100\n"
        'Classification,Sinus Rhythm\nSymptoms,\nSoftware Version,1.90\nDevice,"Watch6,2"\n'
        "Sample Rate,511.406 hertz\n\n\nLead,Lead I\nUnit,µV\n\n"
    )
    return written(folder, "ecg_2024-01-02.csv", head + "-48.673\n12.5\n100.125\n")


def openbci_old(folder):
    row = ", 1.5" * 8 + ", 0.000, -0.006, 1.022, 17:35:36.578\n"
    head = "%OpenBCI Raw EEG Data\n%\n%Sample Rate = 250.0 Hz\n%First Column = SampleIndex\n"
    return written(folder, "OpenBCI-RAW.txt", head + "".join(f"{n}{row}" for n in range(50)))


def openbci_new(folder):
    channels = ", ".join(f"EXG Channel {n}" for n in range(4))
    names = f"Sample Index, {channels}, Accel Channel 0, Other, Other, Timestamp, Other, Timestamp (Formatted)\n"
    row = ", -2.25, 0.5, 1.5, 7.0, 0.25, 192.0, 0.0, 1645449146.01, 0.0, 2022-02-21 13:12:26.010\n"
    head = "%OpenBCI Raw EXG Data\n%Number of channels = 4\n%Sample Rate = 200 Hz\n%Board = Ganglion\n"
    return written(folder, "OpenBCI-RAW-2022.txt", head + names + "".join(f"{n}{row}" for n in range(40)))


def muse(folder):
    rows = "".join(f"{1645449146 + n / 256:.6f},1.5,-2.25,3.125,4.0,0.5\n" for n in range(64))
    return written(folder, "rec.csv", "timestamps,TP9,AF7,AF8,TP10,Right AUX\n" + rows)


def emotiv(folder):
    head = (
        "title:Erika Planted, start timestamp:1623658701.491566, headset type:INSIGHT, sampling rate:128, samples:3\n"
    )
    names = "Timestamp,EEG.Counter,EEG.Interpolated,EEG.AF3,EEG.Pz,EEG.Battery,MarkerIndex,CQ.AF3,PM.Focus.Raw\n"
    rows = "".join(f"1623658701.49,{n},0,{4100 + n}.125,4200.5,4,,1,0.5\n" for n in range(3))
    return written(folder, "export.csv", head + names + rows)


def bonn(folder):
    return written(folder, "Z001.txt", "".join(f"{n}\n" for n in (12, 22, -35, 45)))


def kaggle(folder):
    rows = [[*(f"{n / 1024:.18e}" for n in range(start, start + 187)), f"{start:.18e}"] for start in (0, 1, 2)]
    return written(folder, "mitbih_test.csv", "".join(",".join(row) + "\n" for row in rows))


def polar(folder):
    head = "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n"
    stamp = 599636646177065964
    rows = "".join(f"2024-07-16T21:34:53.930;{stamp + n * 7692308};{n * 7.692308};{n - 20}\n" for n in range(65))
    return written(folder, "Polar_H10_ECG.txt", head + rows)


READ = {  # maker, mapping → rate, names, kinds, units, values of the first channel
    "empatica-e4": (e4, 64, ["PPG"], "ppg", "NU", [0, 0.125, 0.25]),
    "apple-watch-ecg": (apple, 511.406, ["I"], "ecg", "mV", [-0.048673, 0.0125, 0.100125]),
    "openbci": (openbci_old, 250, [f"EXG Channel {n}" for n in range(8)], "eeg", "uV", [1.5, 1.5]),
    "muse": (muse, 256, ["TP9", "AF7", "AF8", "TP10"], "eeg", "uV", [1.5]),
    "emotiv": (emotiv, 128, ["AF3", "Pz"], "eeg", "uV", [4100.125, 4101.125, 4102.125]),
    "bonn": (bonn, 173.61, ["EEG"], "eeg", "", [12, 22, -35, 45]),
    "polar": (polar, 130, ["ECG"], "ecg", "mV", [-0.02, -0.019]),
}


@pytest.mark.parametrize("name", READ)
def test_a_file_after_the_cited_layout_is_read_to_the_last_digit(tmp_path, name):
    make, sfreq, names, kind, unit, values = READ[name]
    recording = biosig.read(make(tmp_path), mapping=name)
    (stream, *_) = recording.streams
    rows = [row for row, channel in enumerate(stream.channels) if channel.kind == kind]
    assert stream.sfreq == pytest.approx(sfreq, rel=1e-6)
    assert {stream.channels[row].unit for row in rows} == {unit}
    assert len(rows) == len(names)
    exact = np.asarray(stream.samples[rows[0]], np.float64) * stream.scale[rows[0]] + stream.offset[rows[0]]
    np.testing.assert_allclose(exact[: len(values)], values, rtol=1e-12, atol=1e-15)


def test_every_mapping_has_a_source_and_is_read_by_a_test():
    assert all(load_mapping(name).source for name in SHIPPED)
    assert set(SHIPPED) == {*READ, "kaggle-mitbih", "ecg-array"}


def test_the_tables_of_a_wristband_keep_their_rates_and_distance(tmp_path):
    recording = biosig.read(e4(tmp_path), mapping="empatica-e4")
    assert recording.id == "s1"
    assert [(s.sfreq, s.onset, s.n_times) for s in recording.streams] == [(64, 0, 128), (32, 0, 64), (4, 2, 8)]
    np.testing.assert_array_equal(recording.streams[1].physical()[:, 0], [-1, 0.5, 1 / 64])
    assert not any("1645449" in text for text in (*recording.notes, *recording.history))


def test_a_table_with_names_and_columns_that_vary(tmp_path):
    (stream,) = biosig.read(openbci_new(tmp_path), mapping="openbci").streams
    assert [channel.source_name for channel in stream.channels[:4]] == [f"EXG Channel {n}" for n in range(4)]
    assert (stream.sfreq, stream.n_times, stream.channels[4].kind) == (200, 40, "acc")


def test_a_row_is_a_recording_with_its_label(tmp_path):
    path = kaggle(tmp_path)
    found = discover([path], load_mapping("kaggle-mitbih"))
    assert [item.member for item in found.items] == ["0", "1", "2"]
    recording = biosig.read(path, mapping="kaggle-mitbih", member="2")
    assert recording.labels == {"class": 2.0}
    np.testing.assert_array_equal(recording.streams[0].physical()[0], np.arange(2, 189) / 1024)


def test_a_column_is_a_recording_named_by_its_header(tmp_path):
    path = written(tmp_path, "wide.csv", "p1,p2\n1,4\n2,5\n3,6\n")
    array = {"axes": ["time", "record"], "channels": ["II"], "default": {"kind": "ecg", "unit": "mV"}}
    mapping = {"record": r"(.+)\.csv", "signals": [{"sfreq": 100, "array": array}]}
    recording = biosig.read(path, mapping=mapping, member="p2")
    assert recording.streams[0].physical().tolist() == [[4, 5, 6]]


def test_an_array_of_ecgs_says_that_its_rate_is_to_be_given(tmp_path):
    x = np.arange(2 * 12 * 50, dtype=np.float32).reshape(2, 12, 50)
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(UnreadableError, match="--set sfreq=HZ"):
        biosig.read(tmp_path / "x.npy", mapping="ecg-array", member="1")
    (stream,) = biosig.read(tmp_path / "x.npy", mapping="ecg-array", member="1", sfreq=500).streams
    assert stream.sfreq == 500
    np.testing.assert_array_equal(stream.samples, x[1])


@pytest.mark.parametrize(("name", "maker"), [("apple-watch-ecg", apple), ("emotiv", emotiv)])
def test_persons_in_the_lines_before_a_table_stay_there(tmp_path, name, maker):
    path = maker(tmp_path / "in")
    recording = biosig.read(path, mapping=name)
    kept = repr((recording.subject, recording.labels, recording.notes, recording.annotations, recording.report))
    assert not any(word in kept for word in ("Erika", "1970", "2024", "16236"))
    adapter = adapters_with(load_mapping(name))["table"]
    values = {one.value for one in identifiers_in_header(adapter, path)}
    assert any("Erika Planted" in value for value in values)
    fates = {one.value: one.fate for one in identifiers_in_header(adapter, path)}
    assert fates.get("Sinus Rhythm", "kept as the label classification") == "kept as the label classification"
    assert ingest((path,), out=tmp_path / "out", mapping=Path(name), workers=1) == 0
    held = b"".join(file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert b"Erika" not in held
    assert b"Planted" not in held


def test_lists_in_cells_are_a_recording_a_row():
    recording = biosig.read(CASES / "rows.parquet", mapping=CASES / "m2.yaml", member="1")
    assert recording.streams[0].samples.shape == (1, 1000)
    assert set(recording.labels) == {"y"}
    with pytest.raises(UnreadableError, match=r"holds a list.*records: rows"):
        biosig.read(CASES / "rows.parquet", mapping=CASES / "m.yaml")
    mapping = yaml.safe_load((CASES / "m.yaml").read_text())
    mapping["signals"][0]["records"] = "rows"
    mapping["record_names"] = {"column": "id"}
    found = discover([CASES / "rows.parquet"], load_mapping(mapping))
    assert [item.member for item in found.items] == ["0", "1"] or len(found.items) == 2


def test_case_28_has_no_wrong_first_sample():
    (stream,) = biosig.read(CASES / "E4_BVP.csv", mapping="empatica-e4").streams
    assert (stream.sfreq, stream.n_times) == (64, 640)
    with pytest.raises(UnreadableError, match="header: false"):
        biosig.read(CASES / "E4_BVP.csv", mapping=CASES / "e4.yaml")
    (stream,) = biosig.read(CASES / "apple.csv", mapping="apple-watch-ecg").streams
    assert (stream.sfreq, stream.n_times) == (511.406, 520)


def test_a_watch_that_writes_decimal_commas(tmp_path):
    path = apple(tmp_path)
    path.write_text(
        path.read_text().replace("511.406", "511,406").replace("-48.673", "-48,673").replace("12.5", "12,5")
    )
    (stream,) = biosig.read(path, mapping="apple-watch-ecg").streams
    assert stream.sfreq == 511.406
    np.testing.assert_allclose(stream.physical()[0], [-0.048673, 0.0125, 0.100125], rtol=1e-6)


def test_an_unknown_mapping_names_those_that_ship():
    with pytest.raises(UsageError, match=r"no mapping file garmin.*apple-watch-ecg, .*polar"):
        load_mapping("garmin")


@pytest.mark.parametrize(
    ("make", "stated"), [(apple, True), (openbci_old, True), (muse, True), (bonn, False), (kaggle, False)]
)
def test_a_draft_is_a_mapping_once_its_rate_is_written(tmp_path, make, stated):
    path = make(tmp_path)
    text = draft(path)
    if not stated:
        assert "sfreq:   #" in text
        with pytest.raises(UsageError, match="need sfreq"):
            load_mapping(yaml.safe_load(text))
        text = text.replace("sfreq:   #", "sfreq: 100   #")
    stream = biosig.read(path, mapping=yaml.safe_load(text)).streams[0]
    assert stream.sfreq == pytest.approx(READ["apple-watch-ecg"][1] if make is apple else stream.sfreq)
    assert "Erika" not in text


def test_a_draft_of_an_array_and_of_lists(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 12, 40)))
    text = draft(tmp_path / "x.npy").replace("sfreq:   #", "sfreq: 100   #").replace("[]", str(list("abcdefghijkl")))
    assert len(discover([tmp_path / "x.npy"], load_mapping(yaml.safe_load(text))).items) == 3
    text = draft(CASES / "rows.parquet").replace("sfreq:   #", "sfreq: 100   #")
    assert len(discover([CASES / "rows.parquet"], load_mapping(yaml.safe_load(text))).items) == 2
