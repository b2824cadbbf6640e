"""Identifiers are planted wherever a source has room for text; none may be found in what an ingest publishes."""

import re

import h5py
import hdf5plugin  # noqa: F401  (the samples' filter)
import numpy as np
import pyarrow.parquet as pq
import pytest

import biosig
from ingest.cli.ingest import ingest
from ingest.cli.inspect import inspect

NAMES = ("Mustermann", "Erika", "Hagenbeck", "Oskarsson", "Weber", "Lindqvist")
NUMBERS = ("4711234", "0815998877", "98765432", "SN-77-4711", "55512345")
DATES = (
    r"1951[-./]?0?8[-./]?0?2", r"0?2[-./ ]*(?:0?8|aug\w*)[-./ ]*(?:19)?51", r"2013[-./]?0?5[-./]?24",
    r"24[-./ ]*(?:0?5|ma[yi])[-./ ]*(?:20)?13", r"5/24/2013", r"17[:.]33",
)  # fmt: skip
PLANTED = re.compile("|".join((*NAMES, *map(re.escape, NUMBERS), *DATES)), re.IGNORECASE)


def wfdb_record(folder, name):
    x = (1000 * np.sin(np.arange(2000) / 20)).astype("<i2")
    (folder / f"{name}.dat").write_bytes(np.column_stack((x, -x)).tobytes())
    (folder / f"{name}.hea").write_text(
        f"{name} 2 500 1000 17:33:05 24/05/2013\n{name}.dat 16 1000/mV 16 0 0 0 0 I\n"
        f"{name}.dat 16 1000/mV 16 0 0 0 0 Dr. Weber 4711234\n"
        "#Age: 61\n#Sex: F\n#Dx: 426783006\n#Name: Erika Mustermann\n#DOB: 02.08.1951\n"
        "#Recorded on 24.05.2013 at 17:33 by Dr. Hagenbeck, MRN 4711234\n#QT 400 ms in V2\n"
    )
    import wfdb

    wfdb.wrann(
        name, "atr", np.array([100, 200]), ["N", '"'], aux_note=["", "asked Frau Mustermann"], write_dir=str(folder)
    )


@pytest.fixture
def hospital(tmp_path, edf_writer):
    """Folders and files named after people and days, and text in every field."""
    ward = tmp_path / "ward" / "Mustermann_Erika"
    ward.mkdir(parents=True)
    wfdb_record(ward, "Mustermann_2013-05-24")
    wfdb_record(ward, "ecg1")
    other = tmp_path / "ward" / "Oskarsson_98765432"
    other.mkdir()
    wfdb_record(other, "ecg1")
    edf_writer(
        ward / "Erika_eeg.edf",
        [
            ("EEG Fp1", "uV", -3276.8, 3276.7, np.arange(-500, 500)),
            ("EEG Dr. Weber", "uV", -3276.8, 3276.7, np.arange(1000) % 97),
            ("Mustermann3", "4711234", -3276.8, 3276.7, np.arange(1000) % 89),
        ],
        n_records=2,
        annotations=[
            b"+0\x14\x14\x00+0.5\x14Mustermann moved\x14\x00",
            b"+1\x14\x14\x00+1.2\x14Dr. Hagenbeck came at 17:33\x14\x00",
        ],
        reserved=b"EDF+C",
        patient="4711234 F 02-AUG-1951 Erika_Mustermann",
    )
    edf = bytearray((ward / "Erika_eeg.edf").read_bytes())
    edf[88:168] = b"Startdate 24-MAY-2013 98765432 Weber SN-77-4711".ljust(80)
    edf[168:184] = b"24.05.1317.33.05"
    (ward / "Erika_eeg.edf").write_bytes(edf)
    return tmp_path / "ward"


def published(folder):
    """Every byte that is published, as it lies there and unpacked, as text."""
    texts = []
    for path in sorted(folder.iterdir()):
        texts.append(f"{path.name}\n{path.read_bytes().decode('latin-1')}")
        if path.suffix == ".h5":
            with h5py.File(path) as file:
                file.visititems(
                    lambda name, item: texts.append(
                        name
                        + str(dict(item.attrs))
                        + (item[()].tobytes().decode("latin-1") if isinstance(item, h5py.Dataset) else "")
                    )
                )
                texts.append(str(dict(file.attrs)))
        elif path.suffix == ".parquet":
            table = pq.read_table(path)
            texts.append(f"{table.schema.metadata}{table.to_pylist()}")
    return "\n".join(texts)


def test_no_planted_identifier_is_published(hospital, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text(
        "file,patient_name,MRN,date_of_birth,recording_date,report,seen,rhythm\n"
        "ecg1-none,Erika,1,1,1,x,y,z\n"
        "Mustermann_2013-05-24,Erika Mustermann,4711234,1951-08-02,24.05.2013,"
        '"EKG vom 24.05.2013, Frau Mustermann (geb. 2. August 1951), Tel. 0815998877: '
        'Sinusrhythmus, QT 400 ms. Dr. Oskar Lindqvist",'
        "2013-05-24,SR\n"
    )
    spec = tmp_path / "spec.yaml"
    spec.write_text("id_columns: [file]\nreport_column: report\n")
    out = tmp_path / "out"
    status = ingest((hospital,), out=out, labels=(table,), labels_spec=spec, workers=1)
    for name in ("failures.parquet", "unmatched.parquet"):  # they name files, and are not for others
        (out / name).unlink(missing_ok=True)
    assert status == 0
    ds = biosig.open_shards(out)
    assert len(ds) == 4
    texts = published(out)
    assert [texts[max(m.start() - 60, 0) : m.end() + 20] for m in PLANTED.finditer(texts)] == []
    assert "400 ms" in texts
    assert "Sinusrhythmus" in texts
    assert "426783006" in texts
    assert "[name] moved" in texts
    assert {r.subject.age for r in ds} == {61.0}


def test_channels_that_are_left_out_leave_no_name_behind(hospital, tmp_path):
    out = tmp_path / "out"
    assert ingest((hospital,), out=out, set_=("kinds=[ecg,eeg]",), workers=1) == 0
    assert PLANTED.findall(published(out)) == []
    history = " ".join(line for r in biosig.open_shards(out) for line in r.read().history)
    assert {"[name]3", "Dr. [name] [number]"} <= set(re.findall("'(.*?)'", history))


def test_the_search_finds_what_is_not_hidden(hospital, tmp_path):
    out = tmp_path / "out"
    ingest((hospital,), out=out, recording_names="keep", set_=("scrub_texts=false",), workers=1)
    assert {"Mustermann", "Erika", "Hagenbeck", "17:33", "2013-05-24"} <= set(PLANTED.findall(published(out)))


def test_inspect_lists_what_a_source_reveals_and_shows_none_of_it(hospital, capsys):
    assert inspect(hospital, privacy=True) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for field in ("base date", "comment 'Name'", "patient field, birth date", "recording field", "start date and time"):
        assert field in printed
    assert "becomes a keyed hash" in printed
    assert not PLANTED.findall(printed)
    assert "M… (10 letters)" in printed


def test_inspect_says_where_it_cannot_tell(tmp_path, capsys):
    from biosig import samples

    assert inspect(next(iter(sorted(samples.path("bidmc").glob("*ignals*")))), privacy=True) == 0
    assert "the adapter 'table' cannot say" in capsys.readouterr().out
