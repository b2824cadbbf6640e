"""Registries find their own members, load those of other packages when asked, and refuse what is no member."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from biosig import registry as registry_module
from biosig.errors import UsageError
from biosig.registry import Registry


class Member:
    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """A registry over a folder of two modules, and a third package that adds one member and one that fails."""
    folder = tmp_path / "shapes_here"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from biosig.registry import Registry\nSHAPES = Registry('shape', 'biosig.shapes', __name__)\n"
    )
    for name in ("circle", "square"):
        (folder / f"{name}.py").write_text(
            f"from shapes_here import SHAPES\n@SHAPES.register\nclass Shape:\n    name = '{name}'\n"
        )
    (folder / "_helper.py").write_text("raise RuntimeError('a private module registers nothing')")
    (tmp_path / "shapes_there.py").write_text("class Star:\n    name = 'star'\n")
    (tmp_path / "shapes_broken.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    named = {"star": "shapes_there:Star", "bad": "shapes_broken:Bad", "moon": "shapes_there:Star"}
    points = [EntryPoint(name, value, "biosig.shapes") for name, value in named.items()]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: [p for p in points if p.group == group])
    yield __import__("shapes_here").SHAPES
    for name in [name for name in sys.modules if name.startswith("shapes_")]:
        del sys.modules[name]


def test_members_of_the_folder_and_of_other_packages_are_found_without_being_told(shapes):
    assert list(shapes) == ["circle", "square", "star", "bad", "moon"]
    assert "shapes_there" not in sys.modules  # listed, not imported
    assert shapes["star"].name == "star"
    assert "star" in shapes
    assert "oval" not in shapes


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("oval", "There is no shape 'oval'; there are circle, square, star"),
        ("bad", "The shape 'bad' of the installed package .* cannot be imported .*no_such_module.*repair or uninstall"),
        ("moon", "was to give the shape 'moon' and gives none of that name"),
    ],
)
def test_what_is_no_member_is_refused_in_a_sentence(shapes, name, sentence):
    with pytest.raises(UsageError, match=sentence):
        shapes[name]


def test_two_members_of_one_name_are_refused():
    class Other:
        name = "a"

    registry = Registry[object]("thing", "biosig.things", "biosig")
    registry.register(Member("a"))
    for other in (Other(), Member("a")):
        with pytest.raises(UsageError, match="Two thing members are called 'a'"):
            registry.register(other)


def test_the_registry_and_the_configuration_loader_import_no_torch():
    code = "import sys, biosig.config, biosig.registry; assert not {'torch', 'scipy', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
