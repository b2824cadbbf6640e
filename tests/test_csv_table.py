import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from biosig.csv_table import read_csv, write_csv

TEXT = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), min_size=1, max_size=6)
FORMULAS = st.sampled_from(["=1+1", "+49", "-x", "@a", "\tb", "'=c", "''=d", "'e", "plain"])


@given(st.lists(FORMULAS | TEXT.filter(lambda t: t.strip() and not t.isnumeric()), min_size=1, max_size=4))
def test_no_cell_begins_like_a_formula_and_all_come_back(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    table = pd.DataFrame({"=label": [f"{cell}x" for cell in cells], "value": [-1.5] * len(cells)})
    write_csv(table, path)
    plain = pd.read_csv(path)
    assert not any(text.startswith(("=", "+", "-", "@", "\t")) for text in [*plain.columns, *plain.iloc[:, 0]])
    assert plain["value"].tolist() == [-1.5] * len(cells)
    pd.testing.assert_frame_equal(read_csv(path), table, check_dtype=False)
