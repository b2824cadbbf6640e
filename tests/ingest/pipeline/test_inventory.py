"""An incomplete or damaged copy of a published set is told by the set's own lists."""

import hashlib
import shutil

import pandas as pd
import pytest

from biosig import samples
from biosig.errors import DataError
from ingest.cli.ingest import ingest
from ingest.pipeline.discover import discover
from ingest.pipeline.inventory import check_inventories
from ingest.pipeline.tables import INVENTORY

NAMES = ("1", "2", "3")


@pytest.fixture
def copy(tmp_path):
    """Three records of a set of 200, with its RECORDS and checksums, whole as far as it goes."""
    header = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0]
    folder = tmp_path / "phys" / "data"
    folder.mkdir(parents=True)
    for name in NAMES:
        text = header.read_text().replace(header.stem, name)
        (folder / f"{name}.hea").write_text(text)
        shutil.copy(header.with_suffix(".dat"), folder / f"{name}.dat")
    root = folder.parent
    (root / "RECORDS").write_text("".join(f"data/{n}\n" for n in range(1, 201)))
    sums = [(hashlib.sha256(file.read_bytes()).hexdigest(), f"data/{file.name}") for file in sorted(folder.iterdir())]
    (root / "SHA256SUMS.txt").write_text("".join(f"{digest}  {name}\n" for digest, name in sums))
    return root


def test_a_whole_copy_agrees(copy):
    (copy / "RECORDS").write_text("".join(f"data/{n}\n" for n in NAMES))
    assert check_inventories(discover([copy])) == []


def test_missing_changed_and_extra_files_are_told_with_counts_and_names(copy, capsys):
    data = bytearray((copy / "data" / "3.dat").read_bytes())
    data[100:102] = bytes(b ^ 255 for b in data[100:102])
    (copy / "data" / "3.dat").write_bytes(data)
    for suffix in (".hea", ".dat"):
        shutil.copy(copy / "data" / f"1{suffix}", copy / "data" / f"other{suffix}")
    header = (copy / "data" / "other.hea").read_text()
    (copy / "data" / "other.hea").write_text(header.replace("1 12", "other 12", 1))
    records, sums = check_inventories(discover([copy]))
    assert (records.n_listed, len(records.missing), records.extra) == (200, 197, ("data/other.hea",))
    assert (sums.missing, sums.changed, sums.extra) == ((), ("data/3.dat",), ("data/other.hea",))
    assert ingest((copy,), out=copy / "out", workers=1) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "197 of 200 are missing (data/4, data/5, data/6 and 194 more)" in printed
    assert "1 of 6 differ from their checksum (data/3.dat)" in printed
    table = pd.read_parquet(copy / "out" / INVENTORY)
    assert table.groupby("what").size().to_dict() == {"missing": 197, "changed": 1, "extra": 2}


def test_strict_stops_before_anything_is_written(copy):
    with pytest.raises(DataError, match=r"RECORDS and the files beside it do not agree: 197 of 200 are missing"):
        ingest((copy,), out=copy.parent / "out", workers=1, strict=True)
    assert not (copy.parent / "out" / INVENTORY).exists()


def test_the_subjects_of_a_bids_set_are_compared_with_its_folders(tmp_path):
    for subject in ("sub-01", "sub-03"):
        (tmp_path / subject).mkdir()
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t20\nsub-02\t30\n")
    found = discover([tmp_path])
    (inventory,) = check_inventories(found)
    assert (inventory.missing, inventory.extra) == (("sub-02",), ("sub-03",))
