"""What every YAML under configs/ promises, and which class it is of.

A file belongs to the class that is called after its folder (``configs/probe`` to `ProbeConfig`), wherever in the
package that stands; ``configs/tasks`` are probes. Of ``configs/ingest``, mappings have signals, recipes a name, and
what is left describes labels.
"""

import copy
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import yaml

from biosig import config
from biosig.errors import BiosigError

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
WHOLE = "Every key is here"
"""Files that say so in their first lines are there to be copied: each key has its comment or is self-evident."""


def class_of(path, values):
    """The configuration class of a file with these values."""
    folder = path.parent.name
    if folder == "ingest":
        name = "TableMapping" if "signals" in values else "Recipe" if "name" in values else "LabelSpecs"
        sources = (ROOT / "ingest").rglob("*.py")
    else:
        name = f"{'probe' if folder == 'tasks' else folder}config"
        name = "benchtask" if folder == "bench" and "target" in values else name
        sources = (ROOT / "biosig").rglob("*.py")
    found = []
    for source in sources:
        if match := re.search(rf"^class ({name})\b", source.read_text(encoding="utf-8"), re.I | re.M):
            module = ".".join(source.relative_to(ROOT).with_suffix("").parts)
            found.append(getattr(import_module(module), match[1]))
    assert len(found) == 1, f"{path}: the folder '{folder}' has no class {name}, or several"
    return found[0]


def check(path):
    """It loads, as what it says, by the present names, and says why where it names a default."""
    text = path.read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    cls = class_of(path, values)
    for name, file in values.get("tasks", {}).items():  # of a bench, each in a file of its own
        values["tasks"][name] = yaml.safe_load((path.parent / file).read_text(encoding="utf-8"))
    loaded = config.load(cls, values)
    assert config.load(cls, config.to_dict(loaded)) == loaded
    check_meant(values, loaded, path.name)
    if WHOLE not in text[:400]:
        bare = [".".join(keys) for keys in uncommented(text) if is_default(cls, values, keys, loaded)]
        assert not bare, f"{path.name} names what is as by default: leave {', '.join(bare)} out, or say why behind it"


def check_meant(given, loaded, where):
    """Every value of a file is what was loaded, and a class of a union is told by its name."""
    if isinstance(loaded, list | tuple):
        several = given if isinstance(given, list) else [given]
        for i, (one, other) in enumerate(zip(several, loaded, strict=True)):
            check_meant(one, other, f"{where}[{i}]")
    elif is_dataclass(loaded):
        tag = None if "name" in {field.name for field in fields(loaded)} else getattr(loaded, "name", None)
        if isinstance(given, str):
            given = {"name": given}
        if isinstance(tag, str):
            assert given.get("name") == tag, f"{where} has no name and was loaded as {tag}: give the name"
        for key, value in given.items():
            check_meant(value, getattr(loaded, key), f"{where}.{key}")
    elif isinstance(loaded, dict):
        for key, value in given.items():
            check_meant(value, loaded[str(key)], f"{where}.{key}")
    else:
        same = str(given) == str(loaded) or given == loaded or float(given) == float(loaded)
        assert same, f"{where} is {given!r}, and was loaded as {loaded!r}"


def is_default(cls, values, keys, loaded):
    """Whether a file without this key would load as the same."""
    without = copy.deepcopy(values)
    owner = without
    for key in keys[:-1]:
        owner = owner[key]
    del owner[keys[-1]]
    try:
        return config.load(cls, without) == loaded
    except BiosigError:  # the key is needed
        return False


def uncommented(text):
    """The keys of a YAML text, each as its path, on whose lines no comment stands; names of classes are left out."""
    lines = text.splitlines()

    def walk(node, path):
        for key, value in node.value:
            keys = (*path, key.value)
            if isinstance(value, yaml.MappingNode):
                yield from walk(value, keys)
            own = lines[key.start_mark.line : max(value.end_mark.line, key.start_mark.line + 1)]
            if key.value != "name" and not any(" #" in line for line in own):
                yield keys

    yield from walk(yaml.compose(text), ())
