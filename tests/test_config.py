from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biosig import config
from biosig.errors import UsageError


@dataclass
class Optimizer:
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)


@dataclass
class Table:
    file: str
    sfreq: float
    unit: str = "mV"


@dataclass
class Run:
    name: str = "run"
    steps: int = 10
    out: Path | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    shards: list[Path] = field(default_factory=list)
    sfreq: dict[Annotated[str, "ecg"], float] = field(default_factory=dict)
    reference: Literal["none", "average"] | tuple[str, ...] = "none"
    tables: list[Table] = field(default_factory=list)
    optimizer: Optimizer = field(default_factory=Optimizer)
    table: Table = field(default_factory=lambda: Table("subjects.csv", 250, "uV"))


def test_a_file_and_overrides_merge(tmp_path):
    (tmp_path / "run.yaml").write_text("steps: 20\noptimizer: {lr: 3e-4}\nsfreq: {ecg: 250}\n")
    run = config.load(Run, tmp_path / "run.yaml", ["optimizer.betas=[0.8, 0.9]", "out=runs/a"])
    assert run == Run(steps=20, out=Path("runs/a"), sfreq={"ecg": 250.0}, optimizer=Optimizer(3e-4, (0.8, 0.9)))


def test_what_is_not_given_of_a_nested_part_is_as_its_field_has_it_by_default():
    assert config.load(Run, None, ["table.sfreq=500"]).table == Table("subjects.csv", 500, "uV")
    assert config.load(Run, {"table": {"file": "a.csv"}}).table == Table("a.csv", 250, "uV")
    with pytest.raises(UsageError, match=r"Unknown key 'table\.sep'"):
        config.load(Run, None, ["table.sep=;"])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"stpes": 3}, "Unknown key 'stpes' for Run; known keys are .*steps"),
        ({"optimizer": {"learning_rate": 3}}, "Unknown key 'optimizer.learning_rate'"),
        ({"steps": "many"}, "steps is 'many', where a whole number was expected"),
        ({"steps": True}, "steps is True"),
        ({"precision": "float16"}, "must be one of 'float32', 'bfloat16'"),
        ({"optimizer": {"betas": [0.9]}}, "a list of 2 values"),
        ({"sfreq": {"ecg": "fast"}}, r"sfreq.ecg is 'fast', where a number was expected"),
        ({"sfreq": 250}, r"sfreq is 250, where keys with values, such as sfreq\.ecg, were expected"),
        ({"reference": "Cz"}, r"reference is 'Cz', where 'none' or 'average' or a list was expected"),
        ({"reference": [1]}, r"reference\[0\] is 1, where text was expected"),
        ({"out": 3}, r"out is 3, where a path or nothing was expected"),
        ({"tables": [{"unit": "mV"}]}, r"Table lacks 'tables\[0\]\.file', 'tables\[0\]\.sfreq': add them"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_key(values, sentence):
    with pytest.raises(UsageError, match=sentence):
        config.load(Run, values)


def test_an_override_that_is_no_key_or_no_yaml_is_quoted():
    with pytest.raises(UsageError, match="'steps' is not an override: write key=value"):
        config.load(Run, {}, ["steps"])
    with pytest.raises(UsageError, match=r"value in 'shards=\[a' is not valid YAML"):
        config.load(Run, {}, ["shards=[a"])


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.yaml does not exist"):
        config.load(Run, tmp_path / "absent.yaml")


@given(
    st.builds(
        Run,
        name=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
        steps=st.integers(),
        out=st.none(),
        shards=st.lists(st.sampled_from([Path("a"), Path("b/c")])),
        sfreq=st.dictionaries(st.sampled_from(["ecg", "eeg"]), st.floats(1, 1000)),
        optimizer=st.builds(
            Optimizer, lr=st.floats(allow_nan=False), betas=st.tuples(st.floats(0, 1), st.floats(0, 1))
        ),
    )
)
def test_what_is_dumped_loads_back_equal(tmp_path_factory, run):
    path = tmp_path_factory.mktemp("config") / "run.yaml"
    config.dump(run, path)
    assert config.load(Run, path) == run


@dataclass(frozen=True)
class Circle:
    name: ClassVar[str] = "circle"
    size: float = 1.0


@dataclass(frozen=True)
class Square:
    name: ClassVar[str] = "square"
    size: float = 1.0
    turn: float = 0.0


@dataclass(frozen=True)
class Named:
    name: ClassVar[str] = "named"
    text: str


@dataclass(frozen=True)
class Drawing:
    shape: Circle | Square | Named = field(default_factory=lambda: Circle(3.0))
    frame: Circle | Square | None = None


def test_a_union_is_told_by_name():
    assert config.load(Drawing, {"shape": {"name": "square", "size": 2}}).shape == Square(2.0)
    assert config.load(Drawing, {"shape": "square"}).shape == Square()
    assert config.load(Drawing, {"frame": None}).frame is None


def test_keys_without_a_name_are_those_of_the_default_or_of_the_only_class_that_knows_them():
    assert config.load(Drawing, {"shape": {"size": 2}}).shape == Circle(2.0)
    assert config.load(Drawing, None, ["shape.turn=90"]).shape == Square(1.0, 90.0)
    assert config.load(Drawing, {"shape": {"text": "a"}}).shape == Named("a")
    assert config.load(Drawing, {"shape": {}}).shape == Circle(3.0)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"frame": {"size": 2}}, "frame has the keys size, which fit circle, square: give it a name"),
        ({"shape": {"name": "star"}}, "shape.name is 'star'.*there are circle, square, named"),
        ({"shape": {"corners": 4}}, "Unknown key 'shape.corners' for Circle; known keys are size"),
        ({"shape": {"name": "square", "text": "a"}}, "Unknown key 'shape.text' for Square"),
        ({"shape": 3}, "shape is 3, where a name, or keys with values"),
    ],
)
def test_what_fits_no_class_of_a_union_or_several_is_refused(values, sentence):
    with pytest.raises(UsageError, match=sentence):
        config.load(Drawing, values)


@pytest.mark.parametrize("drawing", [Drawing(), Drawing(Square(2.0, 1.0), Circle()), Drawing(Named("x"))])
def test_a_union_goes_through_a_file_with_its_name(tmp_path, drawing):
    config.dump(drawing, tmp_path / "drawing.yaml")
    assert config.load(Drawing, tmp_path / "drawing.yaml") == drawing
    assert config.to_dict(drawing)["shape"]["name"] == drawing.shape.name


@dataclass(frozen=True)
class Pen:
    name: ClassVar[str] = "pen"
    old_names: ClassVar[Mapping[str, str]] = {"hue": "colour"}
    colour: str = "black"
    width: int = 1


@dataclass(frozen=True)
class Sheet:
    old_names: ClassVar[Mapping[str, str]] = {"stylus": "pen", "others": "pens"}
    pen: Pen | None = None
    pens: dict[str, list[Pen]] = field(default_factory=dict)
    shape: Pen | Circle | None = None


@pytest.mark.parametrize(
    ("values", "overrides"),
    [
        ({"pen": {"colour": "red", "width": 2}}, []),
        ({"stylus": {"hue": "red", "width": 2}}, []),
        ({"stylus": {"hue": "blue", "width": 2}}, ["pen.colour=red"]),
        ({"pen": {"colour": "blue", "width": 2}}, ["stylus.hue=red"]),
        ({"stylus": {"hue": "blue"}}, ["stylus.hue=red", "pen.width=2"]),
        ({"pen": {"width": 1}}, ["stylus={hue: red, width: 2}"]),
    ],
)
def test_a_key_is_read_by_its_old_name_too_and_written_by_its_present_one(values, overrides):
    sheet = config.load(Sheet, values, overrides)
    assert sheet.pen == Pen("red", 2)
    assert config.to_dict(sheet)["pen"] == {"name": "pen", "colour": "red", "width": 2}


def test_old_names_are_known_below_dicts_lists_and_unions():
    sheet = config.load(Sheet, {"others": {"a": [{"colour": "red"}]}}, ["others.a.0.hue=blue", "shape.hue=green"])
    assert (sheet.pens, sheet.shape) == ({"a": [Pen("blue")]}, Pen("green"))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"stylus": {}, "pen": {}}, "^stylus and pen are one key, stylus being its old name: give pen alone"),
        ({"pen": {"hue": "red", "colour": "red"}}, r"^pen\.hue and pen\.colour are one key"),
        ({"shape": {"hue": "red", "colour": "red"}}, r"^shape\.hue and shape\.colour are one key"),
    ],
)
def test_an_old_name_and_the_present_one_together_are_refused(values, sentence):
    with pytest.raises(UsageError, match=sentence):
        config.load(Sheet, values)
