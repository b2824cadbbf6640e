"""docs/features.md lists the columns that the registry has."""

import subprocess
import sys
from pathlib import Path

import biosig.features
from biosig.features import columns, markdown

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")


def test_the_table_of_columns_is_the_registry():
    assert PAGE.split("<!-- columns -->\n\n")[1] == markdown(), "python tools/features_page.py writes it anew"


def test_every_column_has_a_unit_and_a_formula():
    for kind in ("ecg", "ppg", "eeg"):
        for column in columns(kind):
            assert column.unit, column.name
            assert column.formula, column.name


def test_columns_that_the_page_speaks_of_exist():
    names = {column.name for kind in ("ecg", "ppg", "eeg") for column in columns(kind)}
    assert {"arms_exchanged", "right_leg_exchanged", "chest_order", "inverted"} <= names
    assert {"n_beats", "median_beats", "n_intervals", "n_pulses", "n_segments", "missing", "clipped"} <= names


def test_the_order_of_columns_does_not_depend_on_what_was_imported_first():
    script = (
        "import biosig.features.{first}; from biosig.features import columns; print([c.name for c in columns('ecg')])"
    )
    orders = {
        subprocess.run([sys.executable, "-c", script.format(first=first)], capture_output=True, check=True).stdout
        for first in ("registry", "ecg_waves", "ecg_infarction")
    }
    assert len(orders) == 1


def test_every_public_name_is_there():
    assert all(hasattr(biosig.features, name) for name in biosig.features.__all__)
