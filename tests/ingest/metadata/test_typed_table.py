import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.errors import DataError, UsageError
from ingest.metadata.labels.typed_table import TypedTable


def table(tmp_path, text, name="t.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return TypedTable(tmp_path / name)


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
    cells = TypedTable(tmp_path / "t.parquet")
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
        TypedTable(tmp_path / "latin.csv")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        TypedTable(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="does not exist"):
        TypedTable(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("61,5", 61.5),
        ("1.234,5", 1234.5),
        ("1 234,5", 1234.5),
        ("-0,25", -0.25),
        (",5", 0.5),
        ("1,5e3", 1500),
        ("7", 7),
    ],
)
def test_a_table_with_semicolons_shows_its_decimal_commas(tmp_path, written, number):
    cells = table(tmp_path, f"id;x;y\na;{written};13,2\nb;;14,25\n")
    assert cells.read_marks(None, {"id"}) == ()
    assert cells.guess_type("x") == "number"
    assert cells.value(0, "x", "number") == pytest.approx(number)
    assert cells.value(1, "y", "number") == 14.25


@given(st.lists(st.integers(-(10**10), 10**10).map(lambda x: x / 1e4), min_size=1, max_size=5), st.booleans())
def test_numbers_go_through_a_spreadsheet_of_either_country(tmp_path_factory, numbers, thousands):
    english = [f"{x:,f}" if thousands else f"{x:f}" for x in numbers]
    german = [text.translate(str.maketrans(",.", ".,")) for text in english]
    folder = tmp_path_factory.mktemp("tables")
    for mark, written, delimiter in ((".", english, "\t"), (",", german, ";")):
        text = "id" + delimiter + "x\n" + "".join(f"r{i}{delimiter}{cell}\n" for i, cell in enumerate(written))
        cells = table(folder, text, "t.tsv" if delimiter == "\t" else "t.csv")
        cells.read_marks(mark, {"id"})
        assert [cells.value(i, "x", "number") for i in range(len(numbers))] == pytest.approx(numbers)


def test_a_column_that_reads_two_ways_is_refused_until_the_mark_is_given(tmp_path):
    text = "id;x;y\na;1.234;0,5\n"
    with pytest.raises(DataError, match=r"column 'x' has '1\.234', which is 1\.234 or 1234, .*give decimal"):
        table(tmp_path, text).read_marks(None, {"id"})
    for mark, number in ((".", 1.234), (",", 1234)):
        cells = table(tmp_path, text)
        cells.read_marks(mark, {"id"})
        assert cells.value(0, "x", "number") == number


def test_what_is_nearly_a_number_is_told(tmp_path):
    cells = table(tmp_path, 'id,hb,dose,name\na,13.2,"1,5",x\nb,n.b.,"2,5",y\nc,12,"3,5",z\n')
    mixed, commas = sorted(cells.read_marks(None, {"id"}), reverse=True)
    assert "column 'hb': 2 of 3 cells are numbers and the others are not" in mixed
    assert "column 'dose' holds '1,5', kept as text: if these are numbers, give decimal" in commas


def test_a_header_that_is_not_utf_8_is_a_sentence(tmp_path):
    (tmp_path / "t.csv").write_bytes("id,Größe\na,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.csv cannot be read .*export it again, as UTF-8"):
        TypedTable(tmp_path / "t.csv")
