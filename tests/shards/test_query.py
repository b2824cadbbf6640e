"""A query takes rows, or says which values there are."""

import contextlib

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig.errors import UsageError
from biosig.shards.query import matching_rows, why_none

TABLE = pd.DataFrame(
    {
        "class": ["A", "N", "A", None],
        "age": [40.0, 61.5, None, 80.0],
        "heart rhythm": ["AF", "SR", "SR", "AF"],
        "n_leads": [12, 12, 1, 2],
        "class_name": ["a", "b", "c", "d"],
    }
)


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("class == 'A'", [0, 2]),
        ("`class` == 'A' and age < 50", [0]),
        ("class in ['A', 'N'] and n_leads == 12", [0, 1]),
        ("class_name == 'class'", []),
        ("`heart rhythm` == 'AF' or class == 'N'", [0, 1, 3]),
    ],
)
def test_columns_that_are_words_of_python_stand_as_they_are(expression, rows):
    assert matching_rows(TABLE, expression).nonzero()[0].tolist() == rows


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("class == 'AF'", "'AF' is not a value of class, which has A, N"),
        ("`heart rhythm` in ['VT', 'SR '] and age > 1", "'VT' is not a value of heart rhythm, which has AF, SR"),
        ("age == '61'", r"age holds numbers \(40 to 80\) and is compared with the text '61'"),
        ("class == 3", r"class holds text \(A, N\) and is compared with the number 3"),
        ("age > 100", "age lies from 40 to 80"),
        ("class == 'A' and class == 'N'", "its conditions exclude each other"),
    ],
)
def test_a_query_that_nothing_matches_names_the_values_that_exist(expression, sentence):
    assert not matching_rows(TABLE, expression).any()
    assert pd.Series([why_none(TABLE, expression)]).str.contains(sentence).all()


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("age > '60'", r"age holds numbers \(40 to 80\) and is compared with the text '60'"),
        ("agee > 60", "did you mean age"),
        ("heart rhythm == 'AF'", "write the column `heart rhythm` in backticks"),
        ("age", "not true or false for each recording"),
        ("@age > 3", "cannot be answered"),
        ("class ==", "cannot be answered"),
        ("(" * 20_000, "20,000 characters"),
    ],
)
def test_a_query_that_cannot_be_answered_says_what_to_write(expression, sentence):
    with pytest.raises(UsageError, match=sentence):
        matching_rows(TABLE, expression)


@given(st.text(st.sampled_from("class age n_leads'`\"()[]<>=!&|~+-*/.,0123 andornotin"), max_size=40))
def test_any_text_gives_rows_or_one_sentence(expression):
    with contextlib.suppress(UsageError):
        mask = matching_rows(TABLE, expression)
        assert len(mask) == len(TABLE)
        assert why_none(TABLE, expression).startswith("No recording matches")
