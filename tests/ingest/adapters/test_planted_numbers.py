"""Ages and numbers that do not parse, in headers and in tables beside files of every format: told, never NaN."""

import struct

import mne
import numpy as np
import pandas as pd
import pytest
import yaml
from made_files import FORMATS, as_array, as_dicom, as_edf, as_wfdb, counts
from test_gdf import version_2

import biosig
from biosig.reading import ADAPTERS, read
from ingest.cli.ingest import ingest

UNREAD = "The header's age is not in a form that is understood: left out."


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_table_of_labels_beside_every_format(tmp_path, form, capsys):
    path = FORMATS[form](tmp_path, counts())
    name = read(path).id
    rows = [(name, "6l", "n.b.", "13,2"), ("b", "63", "12", "1,5"), ("c", "61.5", "11.5", "2,5")]
    pd.DataFrame(rows, columns=["id", "age", "hb", "dose"]).to_csv(tmp_path / "labels.csv", index=False)
    out = tmp_path / "out"
    labels = {"labels": (tmp_path / "labels.csv",), "id_column": ("id",)}
    assert ingest((path,), out=out, workers=1, recording_names="keep", **labels) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"({name}): The label table's age is not a number of years, months, weeks or days: left out." in printed
    assert "column 'hb': 2 of 3 cells are numbers and the others are not, so all are kept as text" in printed
    assert "column 'dose' holds '13,2', kept as text: if these are numbers, give decimal" in printed
    (stored,) = biosig.open_shards(out)
    assert stored.read().labels == {"hb": "n.b.", "dose": "13,2"}


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_decimal_commas_of_a_spreadsheet_beside_every_format(tmp_path, form):
    path = FORMATS[form](tmp_path, counts())
    (tmp_path / "labels.csv").write_text(f"id;age;hb\n{read(path).id};61,5;13,2\nb;58,0;12,9\n")
    labels = {"labels": (tmp_path / "labels.csv",), "id_column": ("id",)}
    assert ingest((path,), out=tmp_path / "out", workers=1, **labels) == 0
    (stored,) = biosig.open_shards(tmp_path / "out")
    assert (stored.subject.age, stored.read().labels) == (61.5, {"hb": 13.2})


def wfdb_with(folder, age):
    path = as_wfdb(folder, counts())
    path.write_text(path.read_text() + f"#Age: {age}\n")
    return path


def edf_with(folder, age):
    born = {"61": "02-MAY-1951", "6l": "02-MAI-1951"}.get(age, "X")
    path = as_edf(folder, counts(), patient=f"P7 F {born} X")
    head = path.read_bytes()
    path.write_bytes(head[:88] + b"Startdate 03-MAY-2012 X X X".ljust(80) + head[168:])
    return path


def gdf_with(folder, age):
    path = version_2(folder / "v.gdf")
    days = {"61": 61 * 365.2425 + 2, "6l": -5 * 365.2425}.get(age)  # 6l: born after the recording
    start = 734_000 * 2**32
    born = 0 if days is None else start - int(days * 2**32)
    head = path.read_bytes()
    path.write_bytes(head[:168] + struct.pack("<QQ", start, born) + head[184:])
    return path


def fif_with(folder, age):
    info = mne.create_info(["V1", "V2"], 100, "ecg")
    raw = mne.io.RawArray(counts() * 2e-4, info, verbose="error")
    raw.set_meas_date(1_335_999_999)
    born = {"61": (1951, 5, 1), "6l": (2051, 5, 1)}.get(age)
    raw.info["subject_info"] = {"his_id": "P7"} | ({"birthday": pd.Timestamp(*born).date()} if born else {})
    raw.save(folder / "r_raw.fif", fmt="double", verbose="error")
    return folder / "r_raw.fif"


def dicom_with(folder, age):
    import pydicom

    path = as_dicom(folder, counts())
    dataset = pydicom.dcmread(path)
    text = {"61": "061Y", "6l": "06lY"}.get(age, "")
    dataset.add_new(0x00101010, "LO", text)  # of another type, or the writer would refuse it
    dataset.save_as(path)
    raw = path.read_bytes()
    at = raw.index(b"\x10\x00\x10\x10LO") + 4
    path.write_bytes(raw[:at] + b"AS" + raw[at + 2 :])
    return path


def array_with(folder, age):
    as_array(folder, counts()).unlink()
    np.savez(folder / "r.npz", x=counts() * 0.2, age=np.array(age))
    mapping = yaml.safe_load((folder / "biosig.yaml").read_text())
    mapping["signals"][0]["array"]["name"] = "x"
    (folder / "biosig.yaml").write_text(yaml.safe_dump(mapping | {"record": r"(\w+)\.npz", "subject": {"age": "age"}}))
    return folder / "r.npz"


HEADERS = {"wfdb": wfdb_with, "edf": edf_with, "gdf": gdf_with, "mne": fif_with, "dicom": dicom_with,
           "table": array_with}  # fmt: skip
WITHOUT_AGES = {"xdf", "neuralynx"}


@pytest.mark.parametrize("name", sorted(HEADERS))
@pytest.mark.parametrize(("age", "years"), [("61", 61.0), ("6l", None), ("unknown", None)])
def test_an_age_in_a_header(tmp_path, name, age, years):
    recording = read(HEADERS[name](tmp_path, age))
    assert (recording.subject.age if recording.subject else None) == years
    assert recording.notes.count(UNREAD) == (age == "6l")


def test_every_adapter_that_reads_ages_is_tried():
    assert set(HEADERS) | WITHOUT_AGES == set(ADAPTERS)
