"""Configuration: typed dataclasses that YAML is loaded into; an unknown key is an error; the merged result is saved.

The dataclass is the one source for types, defaults and help. Overrides are written ``key=value`` with dots for nesting
and YAML for the value (``optimizer.lr=3e-4``, ``shards=[a,b]``).

A ``name`` tells the class of a union: ``masking: {name: reve, mask_ratio: 0.55}``, or ``masking: reve`` where all other
keys have their defaults. Each class of a union has its name as a class variable; `Annotated[Masking, MASKINGS]` is the
open union of a registry's members, and `Annotated[str, READOUTS]` the name of one. Keys without a name are read as the
class of the field's default, if that has them, or else as the only class that has them (files of 0.1.0 have no names);
keys that fit several classes, or none, are refused.

A class with ``old_names: ClassVar[Mapping[str, str]]`` has keys that were called otherwise before: old name → present
name. Files and overrides may have either, not both at once; the present one is written.

A configuration class may have three more class methods. ``config_defaults(values)`` gives the default of a field that
hangs on others: ``{"masking": ReveMasking()}`` where the objective is REVE's. ``upgrade(values)`` rewrites the keys of
0.1.0, so that its files are read as they are; ``override_path(path, values)`` gives the place of such a key in a file
that has the present ones.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from biosig.errors import UnreadableError, UsageError
from biosig.registry import Registry
from biosig.text_files import parse_yaml, read_yaml

T = TypeVar("T")

_WORDS = {float: "a number", int: "a whole number", str: "text", bool: "true or false", Path: "a path"}


def load(cls: type[T], source: str | Path | Mapping[str, Any] | None = None, overrides: Iterable[str] = ()) -> T:
    """Build a dataclass from a YAML file or a mapping, then apply overrides.

    Parameters
    ----------
    cls : type
        A dataclass; its nested fields may be dataclasses, `X | None`, lists, tuples, dicts, `Literal`. Keys of a dict
        that are ``Annotated[str, "ecg"]`` show "ecg" as an example where something else than a dict is given. Fields of
        a nested dataclass that are not given stay as they are in the field's default.
    source : path or mapping, optional
        YAML file, or a mapping already loaded; None = all defaults.
    overrides : iterable of str
        ``key=value`` pairs, applied in order.

    Raises
    ------
    UsageError
        For an absent file, text that is not YAML, an unknown key (with the known ones), or a value of another type;
        the sentence names the key by its dotted path.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise UsageError(f"The configuration file {path} does not exist: check the path.")
        try:
            values = read_yaml(path) or {}
        except UnreadableError as error:
            raise UsageError(str(error)) from error
        if not isinstance(values, dict):
            raise UsageError(f"{path} holds a {type(values).__name__}, where keys with values were expected.")
    else:
        values = dict(source or {})
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise UsageError(f"'{override}' is not an override: write key=value, e.g. seed=1.")
        try:
            value = parse_yaml(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"The value in '{override[:60]}' is not valid YAML: {error}.") from error
        _set(values, getattr(cls, "override_path", lambda path, _: path)(key.split("."), values), value, [cls])
    return _build(cls, values, where="")


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as plain dicts, lists, strings and numbers, ready for YAML or JSON."""
    return _plain(config)


def dump(config: Any, path: str | Path) -> None:
    """Write a dataclass as YAML; `load` reads it back equal."""
    Path(path).write_text(yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        values = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"name": tag, **values} if (tag := _tag(type(value))) else values
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _set(values: dict[str, Any], keys: Sequence[str], value: Any, hints: Sequence[Any]) -> None:
    """Put a value at a dotted path: below a name it joins the keys of the named; entries of a list are numbered.

    `hints` are the types that `values` may be loaded as; their present names take the place of old ones, so that an
    override with either name replaces the file's value.
    """
    key, *rest = keys
    for cls in filter(dataclasses.is_dataclass, hints):
        for old, new in _old_names(cls).items():
            key = new if key == old else key
            if old in values and new not in values:
                values[new] = values.pop(old)
    if rest:
        below, hints_below = values.get(key), _hints_below(hints, key)
        if isinstance(below, list):
            entries = {str(number): entry for number, entry in enumerate(below)}
            if rest[0] not in entries:
                raise UsageError(f"{key} is a list: write {key}.0.{'.'.join(rest)}, with the number of the entry.")
            _set(entries, rest, value, hints_below)
            values[key] = list(entries.values())
            return
        named = {"name": below} if isinstance(below, str) else {}
        values[key] = dict(below) if isinstance(below, Mapping) else named
        _set(values[key], rest, value, hints_below)
    else:
        values[key] = value


def _hints_below(hints: Sequence[Any], key: str) -> list[Any]:
    """The types of what stands under a key of such dataclasses, dicts and lists; those of a union each by itself."""
    below = []
    for hint in hints:
        origin, args = get_origin(hint), get_args(hint)
        if dataclasses.is_dataclass(hint):
            below += _alternatives(get_type_hints(hint, include_extras=True).get(key))
        elif origin in (list, tuple, Sequence, dict, Mapping):
            below += _alternatives(args[1 if origin in (dict, Mapping) else 0])
    return below


def _alternatives(hint: Any) -> list[Any]:
    """The types of a union, or the one type itself."""
    if get_origin(hint) is Annotated:
        return _alternatives(get_args(hint)[0])
    is_union = get_origin(hint) in (Union, types.UnionType)
    return [one for arg in get_args(hint) for one in _alternatives(arg)] if is_union else [hint]


def _old_names(cls: Any) -> Mapping[str, str]:
    """Old name → present name of keys that were renamed."""
    return getattr(cls, "old_names", {})


def _build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    values = _in_new_spelling(cls, values, where)
    hints = get_type_hints(cls, include_extras=True)
    fields = [field for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    known = {field.name for field in fields}
    unknown = sorted(set(map(str, values)) - known)
    if unknown:
        raise UsageError(
            f"Unknown key {', '.join(repr(where + key) for key in unknown)} for {cls.__name__}; "
            f"known keys are {', '.join(sorted(known))}."
        )
    required = [f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    missing = [where + name for name in required if name not in values]
    if missing:
        raise UsageError(
            f"{cls.__name__} lacks {', '.join(map(repr, missing))}: add {'them' if missing[1:] else 'it'}."
        )
    hanging: dict[str, Any] = getattr(cls, "config_defaults", lambda _: {})(values)
    given = {}
    for field in fields:
        if field.name in values:
            default = hanging.get(field.name, _default_of(field))
            given[field.name] = _convert(hints[field.name], values[field.name], where + field.name, default)
    return cls(**given)


def _in_new_spelling(cls: type, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys of earlier versions under their present names, without the name of the class itself."""
    values = dict(values)
    if _tag(cls) and values.get("name") == _tag(cls):
        del values["name"]
    for old, new in _old_names(cls).items():
        if old not in values:
            continue
        if new in values:
            raise UsageError(
                f"{where}{old} and {where}{new} are one key, {old} being its old name: give {where}{new} alone."
            )
        values[new] = values.pop(old)
    return getattr(cls, "upgrade", lambda same: same)(values)


def _default_of(field: dataclasses.Field[Any]) -> Any:
    """A field's default; None where it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _over_default(cls: type, value: Mapping[str, Any], where: str, default: Any) -> dict[str, Any]:
    """The given fields of a nested dataclass, with all others as in the default of its field."""
    value = _in_new_spelling(cls, value, where)
    if type(default) is not cls:
        return value
    return {f.name: getattr(default, f.name) for f in dataclasses.fields(cls) if f.init} | value


def _tag(cls: Any) -> str | None:
    """The name by which a union tells a class: its class variable `name`; None for a class that has none."""
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        return None
    tag = getattr(cls, "name", None)
    is_field = any(field.name == "name" for field in dataclasses.fields(cls))
    return tag if isinstance(tag, str) and not is_field else None


def _convert(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        registry = next((item for item in args[1:] if isinstance(item, Registry)), None)
        if registry is None or (value is None and type(None) in get_args(args[0])):
            return _convert(args[0], value, where, default)
        if args[0] is str:
            if value not in registry:
                raise UsageError(f"{where} is {value!r}; it must be one of {', '.join(map(repr, registry))}.")
            return value
        return _convert_tagged(registry, registry.kind, value, where, default)
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, where, default)
    if origin is Literal:
        if value not in args:
            raise UsageError(f"{where} is {value!r}; it must be one of {', '.join(map(repr, args))}.")
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        _expect(isinstance(value, Mapping), value, "keys with values", where)
        return _build(hint, _over_default(hint, value, where + ".", default), where + ".")
    if origin in (list, tuple, Sequence):
        _expect(isinstance(value, list | tuple), value, "a list", where)
        if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
            _expect(len(value) == len(args), value, f"a list of {len(args)} values", where)
            return tuple(
                _convert(arg, item, f"{where}[{i}]") for i, (arg, item) in enumerate(zip(args, value, strict=True))
            )
        items = [_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if origin is tuple else items
    if origin in (dict, Mapping):
        key = getattr(args[0], "__metadata__", ["KEY"])[0]
        _expect(isinstance(value, Mapping), value, f"keys with values, such as {where}.{key},", where)
        return {_convert(args[0], k, where): _convert(args[1], v, f"{where}.{k}") for k, v in value.items()}
    return _convert_scalar(hint, value, where)


def _convert_union(args: tuple[Any, ...], value: Any, where: str, default: Any) -> Any:
    if value is None and type(None) in args:
        return None
    tagged = {tag: arg for arg in args if (tag := _tag(arg))}
    if len(tagged) > 1 and type(value) not in args:
        return _convert_tagged(tagged, where.rpartition(".")[2], value, where, default)
    problems = []
    for arg in args:
        if arg is type(None):
            continue
        try:
            return _convert(arg, value, where, default)
        except UsageError as error:
            problems.append(str(error))
    within = [problem for problem in problems if not problem.startswith(f"{where} is ")]
    raise UsageError(
        within[0] if within else f"{where} is {value!r}, where {' or '.join(map(_words, args))} was expected."
    )


def _convert_tagged(classes: Mapping[str, Any], kind: str, value: Any, where: str, default: Any) -> Any:
    """A member of a union that is chosen by its name: from its name, from keys with values, or as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return value
    values: Any = {"name": value} if isinstance(value, str) else value
    _expect(isinstance(values, Mapping), value, "a name, or keys with values,", where)
    name = values.get("name") or _name_by_keys(classes, kind, values, where, default)
    if name not in classes:
        raise UsageError(f"{where}.name is {name!r}; there is no such {kind}, there are {', '.join(classes)}.")
    cls = classes[name]
    given = {key: item for key, item in values.items() if key != "name"}
    return _build(cls, _over_default(cls, given, where + ".", default), where + ".")


def _name_by_keys(classes: Mapping[str, Any], kind: str, values: Mapping[str, Any], where: str, default: Any) -> str:
    """Find the class that keys without a name belong to: the default's if it has them, else the only one that has.

    Raises
    ------
    UsageError
        If several know them, or none does and there is no default.
    """
    usual = _tag(type(default))
    if usual and _knows(type(default), values, where):
        return usual
    able = [name for name, cls in classes.items() if _knows(cls, values, where)]
    if len(able) == 1:
        return able[0]
    if usual and not able:
        return usual  # whose unknown key the sentence then names, beside those that it knows
    found = f"has the keys {', '.join(values)}, which fit {', '.join(able) or 'none'}" if values else "has no keys"
    raise UsageError(f"{where} {found}: give it a name; the {kind} is one of {', '.join(classes)}.")


def _knows(cls: Any, values: Mapping[str, Any], where: str) -> bool:
    """True if a class has all of these keys, and needs no other."""
    fields = [field for field in dataclasses.fields(cls) if field.init]
    needed = {f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
    return needed <= set(map(str, _in_new_spelling(cls, values, where + "."))) <= {field.name for field in fields}


def _words(hint: Any) -> str:
    """Description of the values that a type takes, for messages."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        registry = next((item for item in args[1:] if isinstance(item, Registry)), None)
        return _words(args[0]) if registry is None or args[0] is not str else " or ".join(map(repr, registry))
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin in (list, tuple, Sequence):
        return "a list"
    if hint is type(None):
        return "nothing"
    return _WORDS.get(hint, "keys with values")


def _convert_scalar(hint: type, value: Any, where: str) -> Any:
    if hint is Path:
        _expect(isinstance(value, str | Path), value, _words(hint), where)
        return Path(value)
    if hint is float and isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 reads 3e-4 as a string
        except ValueError:
            pass
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wrong_bool = isinstance(value, bool) and hint is not bool
    _expect(isinstance(value, hint) and not wrong_bool, value, _words(hint), where)
    return value


def _expect(condition: bool, value: Any, wanted: str, where: str) -> None:
    if not condition:
        plural = "were" if wanted.startswith("keys") else "was"
        raise UsageError(f"{where} is {value!r}, where {wanted} {plural} expected.")
