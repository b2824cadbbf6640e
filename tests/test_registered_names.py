"""No list of a registry's members stands outside the registry: three names of one kind in a literal are a list.

What a configuration names for one run (`ProbeConfig(baselines=[…])`) is a choice, as in a user's YAML, and no list of
what there is.
"""

import ast
import importlib
from pathlib import Path

import pytest

import biosig
from biosig.registry import Registry

ROOT = Path(biosig.__file__).parents[1]
FILES = sorted(path for room in ("biosig", "ingest") for path in (ROOT / room).rglob("*.py"))
MOST, CHOICES = 2, ("baselines", "skip_baselines")


def registries():
    """Every registry of the tree, by the module and name that it is assigned to."""
    found = {}
    for path in FILES:
        if "Registry" in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
            members = vars(module).items()
            found |= {id(value): (module.__name__, name) for name, value in members if isinstance(value, Registry)}
    return sorted(found.values())


def strings(nodes):
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def literals(source):
    """Line and strings of every list, tuple, set, dict, call of dict and split text."""
    tree = ast.parse(source)
    choices = {n.value for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg in CHOICES}
    for node in (node for node in ast.walk(tree) if node not in choices):
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            yield node.lineno, strings(node.elts)
        elif isinstance(node, ast.Dict):
            yield node.lineno, strings(key for key in node.keys if key)
            yield node.lineno, strings(node.values)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
            yield node.lineno, [keyword.arg for keyword in node.keywords]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split":
            yield node.lineno, [name for text in strings([node.func.value]) for name in text.split()]


def lists_of(names, source):
    """Lines of literals that hold more than two of the names."""
    return [line for line, found in literals(source) if len(set(found) & set(names)) > MOST]


def test_the_registries_of_the_tree_are_found():
    assert {"METRICS", "BASELINES", "WAVEFORM_BASELINES", "QA_BASELINES"} <= {name for _, name in registries()}


@pytest.mark.parametrize(("module", "name"), registries())
def test_no_list_of_members_stands_outside_the_registry(module, name):
    registry = getattr(importlib.import_module(module), name)
    own = (ROOT / Path(*registry.folder.split("."))) if registry.folder else None
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in FILES
        if own is None or own not in path.parents
        for line in lists_of(registry, path.read_text(encoding="utf-8"))
    ]
    assert not found, f"ask {name} for its members instead"


@pytest.mark.parametrize(
    "source",
    [
        "X = ['f1', 'auroc', 'mae']",
        "X = ('f1', 'auroc', 'other', 'mae')",
        "def f(x={'f1', 'auroc', 'mae'}): ...",
        "X = {'f1': 1, 'auroc': 2, 'mae': 3}",
        "X = {1: 'f1', 2: 'auroc', 3: 'mae'}",
        "X = dict(f1=1, auroc=2, mae=3)",
        "from typing import Literal\nX = Literal['f1', 'auroc', 'mae']",
        "X = 'f1 auroc mae'.split()",
    ],
)
def test_a_list_is_found_however_it_is_written(source):
    assert lists_of(["f1", "auroc", "mae", "r2"], source) == [source.count("\n") + 1]
    assert lists_of(["f1", "auroc", "r2"], source) == []


def test_a_choice_for_one_run_is_no_list():
    assert lists_of(["f1", "auroc", "mae"], "run(Config(baselines=['f1', 'auroc', 'mae']))") == []
