"""The shipped recordings: complete, small, readable by the field's own readers, and what their README says."""

from __future__ import annotations

import csv
import gzip
import math
import warnings
from ast import literal_eval
from collections import Counter
from pathlib import Path

import mne
import numpy as np
import pytest
import wfdb

from biosig import samples
from biosig.errors import UsageError
from tools.make_samples import EEG_CHANNELS, crop_edf, whole_events

PTBXL, EEGMMIDB, BIDMC = (samples.path(name) for name in samples.SETS)


def ptbxl_table() -> list[dict[str, str]]:
    with (PTBXL / "ptbxl_database.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_all_sets_exist_and_stay_small() -> None:
    size = sum(file.stat().st_size for file in samples.path().rglob("*") if file.is_file() and file.suffix != ".pyc")
    assert size < 12e6
    assert {folder.name for folder in samples.path().iterdir() if folder.is_dir()} >= {*samples.SETS, "LICENSES"}


def test_unknown_set_is_named() -> None:
    with pytest.raises(UsageError, match=r"no sample set 'mitdb'.*ptbxl"):
        samples.path("mitdb")


def test_every_line_of_the_ptbxl_table_has_its_record_and_the_reverse() -> None:
    rows = ptbxl_table()
    files = {file.stem for file in PTBXL.glob("records100/*/*.hea")}
    assert files == {row["filename_lr"].split("/")[-1] for row in rows}
    record = wfdb.rdrecord(str(PTBXL / rows[0]["filename_lr"]))
    assert record.p_signal.shape == (1000, 12)
    assert np.isfinite(record.p_signal).all()


def test_ptbxl_is_balanced_and_some_patients_come_twice() -> None:
    rows = ptbxl_table()
    normal = sum("NORM" in literal_eval(row["scp_codes"]) for row in rows)
    assert 0.4 < normal / len(rows) < 0.6
    assert sorted(Counter(row["patient_id"] for row in rows).values())[-3:] == [2, 2, 2]


def test_two_records_at_500_hz_are_the_same_ecgs_as_at_100_hz() -> None:
    headers = sorted(PTBXL.glob("records500/*/*.hea"))
    assert len(headers) == 2
    for header in headers:
        fast = wfdb.rdrecord(str(header.with_suffix("")))
        slow = wfdb.rdrecord(str(header.with_suffix("")).replace("records500", "records100").replace("_hr", "_lr"))
        assert fast.fs == 500
        mean = fast.p_signal[:, 1].reshape(-1, 5).mean(axis=1)
        assert np.corrcoef(mean, slow.p_signal[:, 1])[0, 1] > 0.9


@pytest.mark.parametrize("file", sorted(EEGMMIDB.glob("*.edf")), ids=lambda file: file.stem)
def test_eeg_files_are_valid_edf_plus_with_whole_events(file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # MNE warns about annotations beyond the data
        raw = mne.io.read_raw_edf(file, preload=True, verbose="warning")
    assert [name.rstrip(".").lower() for name in raw.ch_names] == [name.lower() for name in EEG_CHANNELS]
    assert raw.n_times == 67 * 160
    assert Counter(raw.annotations.description) == {"T0": 8, "T1": 4, "T2": 4}
    assert 5e-6 < np.std(raw.get_data()) < 5e-4  # volts: an EEG, not noise and not a misread record


def test_cropping_an_edf_copies_digital_values_and_events() -> None:
    data = (EEGMMIDB / "S001R04.edf").read_bytes()
    cut = crop_edf(data, ["C4", "Fp1"], n_records=10)
    header, body = 256 * (1 + 20), 256 * (1 + 3)
    source = np.frombuffer(data[header:], "<i2").reshape(67, 160 * 19 + 80)
    values = np.frombuffer(cut[body:], "<i2").reshape(10, 160 * 2 + 80)
    c4 = EEG_CHANNELS.index("C4")
    assert np.array_equal(values[:, :160], source[:10, 160 * c4 : 160 * (c4 + 1)])
    assert np.array_equal(values[:, 160:320], source[:10, :160])
    assert b"T2" in cut  # 4.2 s to 8.3 s
    assert cut.count(b"T0\x14") == 1  # the second rest, 8.3 s to 12.5 s, ends after the cut


def test_whole_events_keeps_the_clock_and_the_block_length() -> None:
    block = b"+8\x14\x14\0+8.3\x154.2\x14T0\x14\0".ljust(160, b"\0")
    assert whole_events(block, 12.5) == block
    assert whole_events(block, 12.0) == b"+8\x14\x14\0".ljust(160, b"\0")


def test_bidmc_tables_hold_two_minutes() -> None:
    subjects = set()
    for fix in BIDMC.glob("*_Fix.txt"):
        stem = fix.name.removesuffix("_Fix.txt")
        subjects.add(fix.read_text().split("matched wdb ID: ")[1].split()[0])
        rows = {}
        for table in ("Signals", "Numerics", "Breaths"):
            with gzip.open(BIDMC / f"{stem}_{table}.csv.gz", "rt") as file:
                rows[table] = list(csv.reader(file))[1:]
        assert len(rows["Signals"]) == 120 * 125
        assert len(rows["Numerics"]) == 120
        assert all(float(cell) < 15000 or math.isnan(float(cell)) for row in rows["Breaths"] for cell in row)
        assert len(rows["Breaths"]) > 10
    assert len(subjects) == 5
