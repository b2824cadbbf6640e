import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biosig.errors import DataError, UsageError
from ingest.labels.cells import Cells


def table(tmp_path, text, name="t.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return Cells(tmp_path / name)


def test_text_cells_become_what_was_asked_for(tmp_path):
    cells = table(tmp_path, "b,n,t,c\nyes, 3.50 ,007,\"{'NORM': 100.0, 'SR': 0}\"\n0,15709.0,n/a,AF; LBBB\n")
    assert [cells.value(0, c, t) for c, t in zip("bntc", ("bool", "number", "text", "codes"), strict=True)] == [
        True,
        3.5,
        "007",
        ["NORM", "SR"],
    ]
    assert [cells.value(1, c, t) for c, t in zip("bntc", ("bool", "number", "text", "codes"), strict=True)] == [
        False,
        15709,
        None,
        ["AF", "LBBB"],
    ]


@pytest.mark.parametrize(
    ("cell", "type_", "wanted"),
    [
        ("maybe", "bool", "true or false"),
        ("12 mmHg", "number", "a number"),
        ('"3,5"', "number", "a number"),
        ("inf", "number", "a number"),
        ("1e999", "number", "a number"),
        ("{NORM", "codes", "a list of codes"),
        ("[" * 5000, "codes", "a list of codes"),
    ],
)
def test_a_cell_that_does_not_fit_names_file_row_and_column(tmp_path, cell, type_, wanted):
    cells = table(tmp_path, f"id,x\nr1,\nr2,{cell}\n")
    assert cells.value(0, "x", type_) is None
    with pytest.raises(DataError, match=rf"t\.csv has '.*' in column 'x', row 3, where {wanted} was expected"):
        cells.value(1, "x", type_)


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (("true", "False"), "bool"),
        (("0", "1", "n/a"), "number"),
        (("-1.5", "2e-3", ".5"), "number"),
        (("1", "2", "x"), "text"),
        (("007", "12"), "text"),
        (("12345678901234567890",), "text"),
        (("", "NaN"), "text"),
    ],
)
def test_the_type_of_a_column_is_one_that_fits_all_its_cells(tmp_path, cells, type_):
    assert table(tmp_path, "x,y\n" + "".join(f"{cell},1\n" for cell in cells)).guess_type("x") == type_


def test_parquet_keeps_its_types(tmp_path):
    columns = {
        "id": ["007", "008"],
        "n": [1, None],
        "f": [float("nan"), 2.5],
        "b": [True, None],
        "codes": [["AF", "LBBB"], None],
        "day": [datetime.date(2020, 1, 2), None],
        "group": pa.array(["a", "b"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    cells = Cells(tmp_path / "t.parquet")
    types = {name: cells.guess_type(name) for name in columns}
    assert types == {
        "id": "text",
        "n": "number",
        "f": "number",
        "b": "bool",
        "codes": "codes",
        "day": "text",
        "group": "text",
    }
    assert [cells.value(0, name, types[name]) for name in columns] == [
        "007",
        1,
        None,
        True,
        ["AF", "LBBB"],
        "2020-01-02",
        "a",
    ]
    assert [cells.value(1, name, types[name]) for name in columns] == ["008", None, 2.5, None, None, None, "b"]
    assert [name for name in columns if cells.holds_times(name)] == ["day"]
    with pytest.raises(DataError, match=r"column 'codes', row 1, where text was expected"):
        cells.value(0, "codes", "text")


def test_tables_as_they_come(tmp_path):
    assert table(tmp_path, "\ufeffid;y\nr1;1,5\n").columns == ["id", "y"]
    assert table(tmp_path, "id\ty\nr1\ta,b\n", "t.tsv").text(0, "y") == "a,b"
    assert table(tmp_path, 'id,y\nr1,"two\nlines"\n').text(0, "y") == "two\nlines"
    assert table(tmp_path, "id,y\n15709.0,1\n").text(0, "id") == "15709"


def test_tables_that_cannot_be_read(tmp_path):
    for text, why in (
        ("id,y\nr1\n", "Expected 2 columns, got 1"),
        ("id,id\nr1,1\n", "two columns named 'id'"),
        ("id,y\n", "has no rows"),
        ("", "Empty CSV file"),
    ):
        with pytest.raises(DataError, match=why):
            table(tmp_path, text)
    (tmp_path / "latin.csv").write_bytes("id,y\nr1,M\xe4nner\n".encode("latin-1"))
    with pytest.raises(DataError, match="as UTF-8"):
        Cells(tmp_path / "latin.csv")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        Cells(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="does not exist"):
        Cells(tmp_path / "absent.csv")
