"""Recipes: TOML files read into frozen, typed dataclasses.

Each stage declares what it can be told as a frozen dataclass whose defaults are complete, so that
an empty recipe is a valid one. This module fills such classes from TOML and refuses what does
not fit: an unknown key with the nearest known one, a wrong type, a value that the class's own
`__post_init__` rejects with ValueError. `"off"` stands for None where a field may be None, since
TOML has no null. (Plain dataclasses rather than pydantic: training and evaluation must run on
machines that have torch and transformers and little else.)
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from corpus.errors import RecipeError

T = TypeVar("T")
_EXTENDS = "extends"
_MAX_EXTENDS = 8


def read_recipe(path: Path, model: type[T], overrides: tuple[str, ...] = ()) -> T:
    """Read a TOML file, the files it `extends`, and `key=value` overrides into `model`.

    Raises RecipeError naming the file and the key, or the override.
    """
    try:
        return _build_from(path, model, overrides)
    except RecipeError as error:
        raise _blamed(error, path, model, overrides) from error


def _build_from(path: Path, model: type[T], overrides: Sequence[str]) -> T:
    table = _read_toml(path, depth=0)
    for override in overrides:
        _merge(table, _parse_override(override))
    return build(model, table, path=path)


def _blamed(
    error: RecipeError, path: Path, model: type[Any], overrides: Sequence[str]
) -> RecipeError:
    """The same error with the name of the override that it comes from, if it comes from one."""
    if error.path is None or not _builds(path, model, ()):
        return error
    for index, override in enumerate(overrides):
        if _builds(path, model, [*overrides[:index], *overrides[index + 1 :]]):
            return RecipeError(None, f"--set {override}", error.problem)
    # Several are wrong: the first that is wrong by itself.
    for override in overrides:
        try:
            _build_from(path, model, [override])
        except RecipeError as alone:
            return RecipeError(None, f"--set {override}", alone.problem)
    return error


def _builds(path: Path, model: type[Any], overrides: Sequence[str]) -> bool:
    try:
        _build_from(path, model, overrides)
    except RecipeError:
        return False
    return True


def build(model: type[T], table: Mapping[str, Any], *, path: Path | None = None) -> T:
    """Fill the dataclass `model` from a parsed TOML table. Raises RecipeError."""
    value: T = _dataclass(model, table, "", path)
    return value


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON of a dataclass or plain value: what sidecars record."""
    text = json.dumps(as_plain(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def as_plain(value: Any) -> Any:
    """The value as dicts, lists, strings and numbers, as JSON or a manifest wants it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def nearest(name: str, known: list[str]) -> str:
    """The hint that an unknown name's error carries."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"


def _read_toml(path: Path, depth: int) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(path, "", f"can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(path, "", f"not valid TOML: {error}") from error
    base = table.pop(_EXTENDS, None)
    if base is None:
        return table
    if not isinstance(base, str) or depth == _MAX_EXTENDS:
        raise RecipeError(path, _EXTENDS, "must name one recipe file, without going in a circle")
    merged = _read_toml(path.parent / base, depth + 1)
    _merge(merged, table)
    return merged


def _merge(into: dict[str, Any], table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _parse_override(text: str) -> dict[str, Any]:
    """`clean.rules.max_line_length=120` as a nested table; a bare word is taken as a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(None, text, "an override has the form key=value")
    for candidate in (text, f"{key} = {json.dumps(value.strip())}"):
        try:
            return tomllib.loads(candidate)
        except tomllib.TOMLDecodeError:
            continue
    raise RecipeError(None, text, "an override has the form key=value")


def _dataclass(model: Any, table: Any, key: str, path: Path | None) -> Any:
    if not isinstance(table, Mapping):
        raise RecipeError(path, key, f"must be a table, not {_describe(table)}")
    fields = {f.name: f for f in dataclasses.fields(model) if f.init}
    hints = get_type_hints(model)
    values = {}
    for name, value in table.items():
        dotted = f"{key}.{name}" if key else name
        if name not in fields:
            raise RecipeError(path, dotted, f"unknown key; {nearest(name, list(fields))}")
        values[name] = _value(hints[name], value, dotted, path)
    try:
        return model(**values)
    except (ValueError, TypeError) as error:
        raise RecipeError(path, key, str(error)) from error


def _value(kind: Any, value: Any, key: str, path: Path | None) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _optional(arguments, value, key, path)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, key, path)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(arguments[0], v, f"{key}[{i}]", path) for i, v in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {k: _value(arguments[1], v, f"{key}.{k}", path) for k, v in value.items()}
    return _scalar(kind, value, key, path)


def _optional(arguments: tuple[Any, ...], value: Any, key: str, path: Path | None) -> Any:
    if value == "off" and type(None) in arguments:
        return None
    kinds = [kind for kind in arguments if kind is not type(None)]
    for kind in kinds[:-1]:
        try:
            return _value(kind, value, key, path)
        except RecipeError:
            continue
    return _value(kinds[-1], value, key, path)


def _scalar(kind: Any, value: Any, key: str, path: Path | None) -> Any:
    if get_origin(kind) is Literal:
        allowed = get_args(kind)
        if value in allowed:
            return value
        problem = f"must be one of {', '.join(map(repr, allowed))}, not {value!r}"
        raise RecipeError(path, key, problem)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # bool is a subclass of int, and `steps = true` is a mistake.
    if type(value) is kind:
        return value
    # TOML knows a tuple as a list.
    origin = list if get_origin(kind) is tuple else get_origin(kind) or kind
    name = getattr(origin, "__name__", str(kind))
    raise RecipeError(path, key, f"must be of type {name}, not {_describe(value)}")


def _describe(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"
