import itertools
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from biosig.errors import LONGEST_SENTENCE, DataError, UnreadableError
from biosig.text_files import read_json, read_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="ascii", categories=["L"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_was_written_is_read(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("files") / "f"
    path.write_text(json.dumps(value))
    assert read_json(path) == value
    path.write_text(yaml.safe_dump(value))
    assert read_yaml(path) == value


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe{", "is not valid JSON .*utf-8"),
        (b"{", "is not valid JSON"),
        (b"[" * 100_000, r"is not valid JSON \(nested too deeply"),
        (b"[" * 100 + b"]" * 100, "is nested 100 levels deep"),
        (b" " * 2000 + b"{}", "has 2,002 bytes, where at most 1,000 are read"),
    ],
)
def test_damage_and_excess_are_one_sentence(tmp_path, content, sentence):
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(UnreadableError, match=rf"f\.json {sentence}.*: copy it again\.$"):
        read_json(tmp_path / "f.json", largest=1_000 if len(content) < 5000 and content[:1] == b" " else 2**20)


def test_yaml_that_repeats_itself_is_refused(tmp_path):
    names = "abcdefghijklmnopqrst"
    doubled = itertools.pairwise(names)
    bomb = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [*{old}, *{old}]\n" for old, new in doubled)
    (tmp_path / "f.yaml").write_text(bomb)
    with pytest.raises(UnreadableError, match=r"aliases .* stand for more than"):
        read_yaml(tmp_path / "f.yaml")
    (tmp_path / "f.yaml").write_text("a: &a [1, *a]\n")
    with pytest.raises(UnreadableError, match="or for themselves"):
        read_yaml(tmp_path / "f.yaml")


def test_yaml_may_name_a_value_and_use_it_again(tmp_path):
    (tmp_path / "f.yaml").write_text("a: &a {x: 1}\nb: *a\n")
    assert read_yaml(tmp_path / "f.yaml") == {"a": {"x": 1}, "b": {"x": 1}}


@given(st.text(max_size=2000))
def test_every_error_is_a_short_sentence_without_control_characters(text):
    sentence = str(DataError(f"{text}: fetch it again."))
    assert len(sentence) <= LONGEST_SENTENCE
    assert sentence.endswith("fetch it again.")
    assert not any(ord(c) < 32 and c not in "\t\n" for c in sentence)
