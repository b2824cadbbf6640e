import gzip
from pathlib import Path

import numpy as np
import pytest
import yaml

from biosig import samples
from biosig.errors import UnreadableError, UsageError
from biosig.reading import read
from ingest.adapters.tables.adapter import TableAdapter

MAPPING = {
    "record": r"(.+)_sig\.csv(?:\.gz)?",
    "signals": [{"sfreq": 100, "time": "t", "columns": {"II": {"kind": "ecg", "unit": "mV"}, "PLETH": {"unit": "NU"}}}],
}
TABLE = "t, II, PLETH\n0,0.25,1\n0.01,-0.5,2.125\n0.02,,3\n0.03,1.5,-4\n"


def table(folder, text=TABLE, name="p1_sig.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_decimal_text_is_kept_exactly(tmp_path):
    recording = TableAdapter(MAPPING).read(table(tmp_path))
    (stream,) = recording.streams
    assert recording.id == "p1"
    assert stream.samples.dtype == np.int16
    np.testing.assert_array_equal(stream.samples * stream.scale[:, None], [[0.25, -0.5, 0, 1.5], [1, 2.125, 3, -4]])
    assert stream.invalid.tolist() == [[0, 2, 3]]
    assert [(c.name, c.kind, c.unit) for c in stream.channels] == [("II", "ecg", "mV"), ("finger", "ppg", "NU")]


def test_gzip_tab_and_rate_from_the_time_column(tmp_path):
    mapping = {
        **MAPPING,
        "record": r"(\w+)_sig\.tsv\.gz",
        "signals": [{k: v for k, v in MAPPING["signals"][0].items() if k != "sfreq"}],
    }
    path = tmp_path / "p_sig.tsv.gz"
    path.write_bytes(gzip.compress(TABLE.replace(",", "\t").encode()))
    (stream,) = TableAdapter(mapping).read(path).streams
    assert stream.sfreq == 100


def test_values_beyond_integers_are_float32_and_said(tmp_path):
    recording = TableAdapter(MAPPING).read(
        table(tmp_path, "II\n1e-3\n0.1\n", "x_sig.csv"),
        mapping={**MAPPING, "signals": [{"sfreq": 10, "columns": {"II": {"unit": "mV"}}}]},
    )
    assert recording.streams[0].samples.dtype == np.float32
    assert any("float32" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TABLE.replace("-0.5", "abc"), ["'abc'", "'II'", "row 3"]),
        (TABLE.replace("PLETH", "ABP"), ["'ABP'", "ignore"]),
        (TABLE.replace("0.02,", "0.029,"), ["not regular at 100 Hz", "row 4"]),
        (TABLE.replace("0.02,", "0.05,"), ["row 5, goes back", "overlap those before by 0.02 s"]),
        (TABLE[:-5], ["cut short in row 5"]),
        ("t,II,PLETH\n", ["without rows"]),
        ("", ["0 bytes"]),
        (TABLE.replace("PLETH", "II"), ["two with one name"]),
        (TABLE + "0.04,1,2,3,4\n", ["not a regular table"]),
    ],
)
def test_what_does_not_fit_the_mapping_is_told(tmp_path, text, words):
    path = table(tmp_path, text)
    with pytest.raises(UnreadableError) as failure:
        TableAdapter(MAPPING).read(path)
    assert all(word in str(failure.value) for word in [str(path), *words]), str(failure.value)


def test_gzip_cut_in_the_middle(tmp_path):
    path = tmp_path / "p_sig.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode() * 100)[:-20])
    with pytest.raises(UnreadableError, match="cannot be unpacked"):
        TableAdapter(MAPPING).read(path)


def test_a_table_needs_a_mapping(tmp_path):
    path = table(tmp_path)
    assert not TableAdapter().claims(path)
    with pytest.raises(UsageError, match="mapping"):
        read(path)
    assert read(path, mapping=MAPPING).id == "p1"
    (tmp_path / "biosig.yaml").write_text(yaml.safe_dump(MAPPING))
    assert read(path).id == "p1"
    (tmp_path / "biosig.yaml").write_text(yaml.safe_dump({**MAPPING, "colour": "red"}))
    with pytest.raises(UsageError, match="colour"):
        read(path)


def test_bidmc_signals_numerics_breaths_and_subject():
    path = samples.path("bidmc") / "bidmc_01_Signals.csv.gz"
    recording = read(path)
    fast, slow = recording.streams
    assert (fast.sfreq, slow.sfreq, slow.ch_names) == (125, 1, ["HR", "PULSE", "RR", "SpO2"])
    with gzip.open(path, "rt") as file:
        header = [name.strip() for name in file.readline().split(",")]
        first = [float(cell) for cell in file.readline().split(",")]
    for row, channel in enumerate(fast.channels):
        assert fast.samples[row, 0] * fast.scale[row] == pytest.approx(
            first[header.index(channel.source_name)], abs=1e-12
        )
    assert {a.label for a in recording.annotations} == {"breath:ann1", "breath:ann2"}
    assert recording.annotations[-1].onset < recording.duration
    assert (recording.subject.age, recording.subject.sex) == (88, "male")


def test_the_mapping_beside_the_samples_is_the_one_in_configs():
    beside = samples.path("bidmc") / "biosig.yaml"
    configs = Path(__file__).parents[3] / "configs" / "ingest" / "bidmc.yaml"
    assert yaml.safe_load(beside.read_text()) == yaml.safe_load(configs.read_text())


def test_columns_that_are_not_there_are_told_once(tmp_path):
    mapping = {"record": r"(\w+)_sig\.csv", "signals": [dict(MAPPING["signals"][0])]}
    mapping["signals"][0]["columns"] = {**MAPPING["signals"][0]["columns"], "PLETX": {}}
    recording = TableAdapter(mapping).read(table(tmp_path))
    assert recording.notes.count("The mapping's columns 'PLETX' are not in the table.") == 1
    assert not any("not in the table" in note for note in TableAdapter(MAPPING).read(tmp_path / "p1_sig.csv").notes)


@pytest.mark.parametrize(("sfreq", "noted"), [(0.25, True), (250_000, True), (4, False), (10_000, False)])
def test_a_rate_that_no_ecg_has_is_told(tmp_path, sfreq, noted):
    mapping = {**MAPPING, "signals": [{"sfreq": sfreq, "ignore": ["t"], "columns": MAPPING["signals"][0]["columns"]}]}
    notes = TableAdapter(mapping).read(table(tmp_path)).notes
    assert any("unusual rate of ecg and ppg: check sfreq" in note for note in notes) == noted


def test_semicolons_and_decimal_commas_name_their_remedy(tmp_path):
    path = table(tmp_path, "t;II;PLETH\n0,0;0,25;1\n")
    with pytest.raises(UnreadableError, match=r'semicolons .* delimiter: ";" .* decimal: ","'):
        TableAdapter(MAPPING).read(path)
    with pytest.raises(UnreadableError, match=r"'0,25' .* or write decimal: \",\" in the mapping"):
        TableAdapter({**MAPPING, "delimiter": ";"}).read(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sfreq": "250 Hz"}, r"sfreq is '250 Hz'; write the number alone, sfreq: 250, as it is in Hz"),
        ({"sfreq": [250]}, "where a number or text or nothing was expected"),
        ({"time_unit": "min"}, "time_unit is 'min'; it must be one of 's', 'ms', 'us', 'ns'"),
    ],
)
def test_a_rate_or_unit_that_is_none(changes, sentence):
    with pytest.raises(UsageError, match=sentence):
        TableAdapter({**MAPPING, "signals": [{**MAPPING["signals"][0], **changes}]})


def test_what_a_mapping_lacks_is_named():
    with pytest.raises(UsageError, match="TableMapping lacks 'record', 'signals': add them"):
        TableAdapter({"decimal": ","})
