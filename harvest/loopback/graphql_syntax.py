"""GraphQL documents: from text to operations, fragments and selections.

Source: GraphQL specification (October 2021), section 2 "Language". Only what queries need is
read; subscriptions and type definitions are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""(?P<ignored>[\s,\ufeff]+|\#[^\n\r]*)
    |(?P<name>[_A-Za-z][_0-9A-Za-z]*)
    |(?P<float>-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+))
    |(?P<int>-?(?:0|[1-9]\d*))
    |(?P<block>\"{3}.*?\"{3})
    |(?P<string>"(?:[^"\\\n\r]|\\.)*")
    |(?P<mark>\.\.\.|[!$&()\[\]{}:=@|])""",
    re.VERBOSE | re.DOTALL,
)
# Deeper than any real query, and shallow enough for Python's own stack.
_MAX_DEPTH = 50

Position = tuple[int, int]  # line and column, from 1
Directives = Mapping[str, Mapping[str, Any]]


class GraphqlError(Exception):
    """A document that can't be read or run, in the form that GitHub reports it."""

    def __init__(self, message: str, position: Position | None, **fields: Any) -> None:
        self.entry: dict[str, Any] = dict(fields)
        if position is not None:
            self.entry["locations"] = [{"line": position[0], "column": position[1]}]
        self.entry["message"] = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name` where a value may stand."""

    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field with its arguments and what is selected below it."""

    name: str
    alias: str | None
    arguments: Mapping[str, Any]
    directives: Directives
    selections: tuple[Selection, ...]
    position: Position

    @property
    def key(self) -> str:
        """The name of this field in the answer."""
        return self.alias or self.name


@dataclass(frozen=True, slots=True)
class Fragment:
    """Selections that hold for one type: named, or inline (`name` None)."""

    name: str | None
    on: str | None
    directives: Directives
    selections: tuple[Selection, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Spread:
    """The use of a named fragment."""

    name: str
    directives: Directives
    position: Position


Selection = Field | Fragment | Spread


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared variable: its type as written, and its default."""

    name: str
    type: str
    default: Any
    position: Position

    @property
    def required(self) -> bool:
        """True if a value has to be given."""
        return self.type.endswith("!") and self.default is None


@dataclass(frozen=True, slots=True)
class Operation:
    """A query or mutation."""

    kind: str
    name: str | None
    variables: tuple[Declaration, ...]
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """What one request holds."""

    operations: tuple[Operation, ...]
    fragments: Mapping[str, Fragment]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: Position


def parse(text: str) -> Document:
    """Read a document. Raises GraphqlError naming the line and column."""
    return _Parser(_tokens(text)).document()


def _tokens(text: str) -> list[_Token]:
    tokens, at, line, line_start = [], 0, 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        position = (line, at - line_start + 1)
        if match is None:
            raise _parse_error(text[at], position)
        kind = match.lastgroup or ""
        if kind != "ignored":
            tokens.append(_Token(kind, match.group(), position))
        if breaks := match.group().count("\n"):
            line += breaks
            line_start = at + match.group().rindex("\n") + 1
        at = match.end()
    tokens.append(_Token("end", "", (line, at - line_start + 1)))
    return tokens


def _parse_error(found: str, position: Position) -> GraphqlError:
    shown = f'"{found}"' if found else "end of document"
    return GraphqlError(
        f"Parse error on {shown} at [{position[0]}, {position[1]}]",
        position,
        extensions={"code": "parseError"},
    )


class _Parser:
    """Recursive descent, one method for each rule of the grammar."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def document(self) -> Document:
        operations: list[Operation] = []
        fragments: dict[str, Fragment] = {}
        while self._now.kind != "end" or not (operations or fragments):
            if self._now.text == "fragment":
                fragment = self._fragment_definition()
                fragments[fragment.name or ""] = fragment
            else:
                operations.append(self._operation())
        return Document(tuple(operations), fragments)

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, text: str | None = None, kind: str | None = None) -> _Token:
        token = self._now
        wrong = (text is not None and token.text != text) or (
            kind is not None and token.kind != kind
        )
        if wrong or token.kind == "end":
            raise _parse_error(token.text, token.position)
        self._at += 1
        return token

    def _skip(self, text: str) -> bool:
        found = self._now.kind == "mark" and self._now.text == text
        self._at += found
        return found

    def _operation(self) -> Operation:
        if self._now.text == "{":
            return Operation("query", None, (), self._selections())
        kind = self._take(kind="name")
        if kind.text not in ("query", "mutation"):
            raise _parse_error(kind.text, kind.position)
        name = self._take().text if self._now.kind == "name" else None
        variables = self._declarations()
        self._directives()
        return Operation(kind.text, name, variables, self._selections())

    def _declarations(self) -> tuple[Declaration, ...]:
        declared = []
        if self._skip("("):
            while not self._skip(")"):
                position = self._take("$").position
                name = self._take(kind="name").text
                self._take(":")
                type_name = self._type()
                default = self._value() if self._skip("=") else None
                declared.append(Declaration(name, type_name, default, position))
        return tuple(declared)

    def _type(self) -> str:
        lists = 0
        while self._skip("["):
            lists += 1
        written = self._take(kind="name").text + ("!" if self._skip("!") else "")
        for _ in range(lists):
            self._take("]")
            written = f"[{written}]" + ("!" if self._skip("!") else "")
        return written

    def _fragment_definition(self) -> Fragment:
        position = self._take("fragment").position
        name = self._take(kind="name").text
        self._take("on")
        on = self._take(kind="name").text
        return Fragment(name, on, self._directives(), self._selections(), position)

    def _selections(self) -> tuple[Selection, ...]:
        self._deeper(self._take("{").position)
        selections = [self._selection()]
        while not self._skip("}"):
            selections.append(self._selection())
        self._depth -= 1
        return tuple(selections)

    def _deeper(self, position: Position) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise GraphqlError("Query is nested too deeply", position)

    def _selection(self) -> Selection:
        position = self._now.position
        if not self._skip("..."):
            return self._field()
        if self._now.kind == "name" and self._now.text != "on":
            return Spread(self._take().text, self._directives(), position)
        on = None
        if self._now.text == "on":
            self._take()
            on = self._take(kind="name").text
        return Fragment(None, on, self._directives(), self._selections(), position)

    def _field(self) -> Field:
        first = self._take(kind="name")
        alias, name = None, first.text
        if self._skip(":"):
            alias, name = name, self._take(kind="name").text
        arguments = self._arguments()
        directives = self._directives()
        below = self._selections() if self._now.text == "{" else ()
        return Field(name, alias, arguments, directives, below, first.position)

    def _arguments(self) -> dict[str, Any]:
        return self._members(")") if self._skip("(") else {}

    def _directives(self) -> dict[str, Mapping[str, Any]]:
        directives: dict[str, Mapping[str, Any]] = {}
        while self._skip("@"):
            name = self._take(kind="name").text
            directives[name] = self._arguments()
        return directives

    def _members(self, closing: str) -> dict[str, Any]:
        """`name: value` pairs up to the closing mark."""
        members: dict[str, Any] = {}
        while not self._skip(closing):
            name = self._take(kind="name").text
            self._take(":")
            members[name] = self._value()
        return members

    def _value(self) -> Any:
        self._deeper(self._now.position)
        value = self._compound_value() if self._now.kind == "mark" else self._plain_value()
        self._depth -= 1
        return value

    def _compound_value(self) -> Any:
        if self._skip("$"):
            return Variable(self._take(kind="name").text)
        if self._skip("["):
            items = []
            while not self._skip("]"):
                items.append(self._value())
            return items
        self._take("{")
        return self._members("}")

    def _plain_value(self) -> Any:
        token = self._take()
        match token.kind:
            case "int":
                return int(token.text)
            case "float":
                return float(token.text)
            case "block":
                return token.text[3:-3].strip()
            case "string":
                return _string(token)
            case _:
                return {"true": True, "false": False, "null": None}.get(token.text, token.text)


def _string(token: _Token) -> str:
    try:
        # JSON has the same escapes.
        return str(json.loads(token.text, strict=False))
    except ValueError:
        raise _parse_error(token.text, token.position) from None
