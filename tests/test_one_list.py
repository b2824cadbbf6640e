"""What a registry holds is listed nowhere else in the code: a member more would be missing there."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from biosig.registry import Registry

ROOT = Path(__file__).parents[1]
SOURCES = [path for room in ("biosig", "ingest") for path in sorted((ROOT / room).rglob("*.py"))]
SOME = 3
"""So many names of one registry together, if they are half of it, are taken for a second list of its members."""


def registries():
    """Every registry of the package, found where it is made."""
    for path in SOURCES:
        for name in re.findall(r"^(\w+)(?:: [^=\n]+)? = Registry\b", path.read_text(encoding="utf-8"), re.M):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found = getattr(import_module(module), name)
            assert isinstance(found, Registry)
            yield pytest.param(found, id=name)


def listed(tree):
    """The texts that stand together in each list, tuple, set, dict (as keys) or Literal, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            yield node.lineno, {item.value for item in node.elts if isinstance(item, ast.Constant)}
        elif isinstance(node, ast.Dict):
            yield node.lineno, {key.value for key in node.keys if isinstance(key, ast.Constant)}


@pytest.mark.parametrize("registry", list(registries()))
def test_no_other_list_of_its_members_stands_in_the_code(registry):
    names, own = set(registry), (registry.folder or "").replace(".", "/")
    for path in SOURCES:
        if own and path.relative_to(ROOT).as_posix().startswith(own + "/"):
            continue
        for line, texts in listed(ast.parse(path.read_text(encoding="utf-8"))):
            together = sorted(map(str, texts & names))
            assert len(together) < max(SOME, len(names) / 2), (
                f"{path.relative_to(ROOT)}:{line} lists {together} of {registry.group}"
            )


def test_a_list_elsewhere_would_be_found():
    tree = ast.parse('POOLINGS = Literal["mean", "cls", "attention"]\nSIZES = {"a": 1, "b": 2}')
    assert {frozenset(texts) for _, texts in listed(tree)} == {
        frozenset({"mean", "cls", "attention"}),
        frozenset({"a", "b"}),
    }
