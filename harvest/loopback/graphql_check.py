"""What is wrong with a GraphQL query, found before it runs and said in GitHub's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harvest.loopback.graphql_schema import SCALARS, TYPES, FieldType
from harvest.loopback.graphql_syntax import (
    Document,
    Field,
    Fragment,
    GraphqlError,
    Operation,
    Position,
    Selection,
    Spread,
    Variable,
)

TYPENAME = "__typename"
Path = tuple[str | int, ...]


def mistakes(document: Document, operation: Operation) -> list[dict[str, Any]]:
    """Error entries in the order of the text; empty for a query that can run.

    Raises GraphqlError for a fragment that contains itself.
    """
    return [error.entry for error in _Check(document, operation).errors()]


class _Check:
    def __init__(self, document: Document, operation: Operation) -> None:
        self._document = document
        self._operation = operation
        self._used: set[str] = set()
        self._open: list[str] = []  # fragments being looked into, to notice a circle

    def errors(self) -> Iterator[GraphqlError]:
        operation = self._operation
        start = "query" if operation.name is None else f"query {operation.name}"
        yield from self._selections(operation.selections, "Query", (start,))
        declared = {each.name: each.position for each in operation.variables}
        whom = operation.name or "anonymous query"
        for name in sorted(self._used - set(declared)):
            message = f"Variable ${name} is used by {whom} but not declared"
            yield _mistake(message, None, (start,), "variableNotDefined", variableName=name)
        for name in sorted(set(declared) - self._used):
            message = f"Variable ${name} is declared by {whom} but not used"
            yield _mistake(message, declared[name], (start,), "variableNotUsed", variableName=name)

    def _selections(
        self, selections: Sequence[Selection], type_name: str, path: Path
    ) -> Iterator[GraphqlError]:
        for each in selections:
            for directive in each.directives.values():
                self._note_variables(list(directive.values()))
            if isinstance(each, Field):
                yield from self._field(each, type_name, (*path, each.key))
            elif isinstance(each, Fragment):
                yield from self._fragment(each, type_name, path)
            else:
                yield from self._spread(each, path)

    def _spread(self, each: Spread, path: Path) -> Iterator[GraphqlError]:
        fragment = self._document.fragments.get(each.name)
        names = {"fragmentName": each.name}
        if fragment is None:
            message = f"Fragment {each.name} was used, but not defined"
            yield _mistake(message, each.position, path, "useAndDefineFragment", **names)
            return
        if each.name in self._open:
            message = f"Fragment {each.name} contains an infinite loop"
            # Looking further would never end, so nothing else matters.
            raise _mistake(message, each.position, path, "infiniteLoop", **names)
        self._open.append(each.name)
        yield from self._fragment(fragment, "", path)
        self._open.pop()

    def _fragment(self, each: Fragment, type_name: str, path: Path) -> Iterator[GraphqlError]:
        on = each.on or type_name
        if on not in TYPES:
            message = f"No such type {on}, so it can't be a fragment condition"
            yield _mistake(message, each.position, path, "undefinedType", typeName=on)
            return
        yield from self._selections(each.selections, on, (*path, f"... on {on}"))

    def _field(self, each: Field, type_name: str, path: Path) -> Iterator[GraphqlError]:
        self._note_variables(list(each.arguments.values()))
        if each.name == TYPENAME:
            return
        known = TYPES[type_name].get(each.name)
        if known is None:
            message = f"Field '{each.name}' doesn't exist on type '{type_name}'"
            names = {"typeName": type_name, "fieldName": each.name}
            yield _mistake(message, each.position, path, "undefinedField", **names)
            return
        yield from _argument_mistakes(each, known, path)
        if (known.type in SCALARS) == bool(each.selections):
            yield _selection_mismatch(each, known, path)
        elif each.selections:
            yield from self._selections(each.selections, known.type, path)

    def _note_variables(self, values: Sequence[Any]) -> None:
        for value in values:
            if isinstance(value, Variable):
                self._used.add(value.name)
            elif isinstance(value, list):
                self._note_variables(value)
            elif isinstance(value, dict):
                self._note_variables(list(value.values()))


def _argument_mistakes(each: Field, known: FieldType, path: Path) -> Iterator[GraphqlError]:
    for name in each.arguments:
        if name not in known.arguments:
            message = f"Field '{each.name}' doesn't accept argument '{name}'"
            names = {"name": each.name, "typeName": "Field", "argumentName": name}
            yield _mistake(message, each.position, path, "argumentNotAccepted", **names)
    for name, type_name in known.arguments.items():
        if type_name.endswith("!") and name not in each.arguments:
            message = f"Field '{each.name}' is missing required arguments: {name}"
            names = {"className": "Field", "name": each.name, "arguments": name}
            yield _mistake(message, each.position, path, "missingRequiredArguments", **names)


def _selection_mismatch(each: Field, known: FieldType, path: Path) -> GraphqlError:
    if each.selections:
        below = ", ".join(one.key for one in each.selections if isinstance(one, Field))
        message = (
            f"Selections can't be made on scalars (field '{each.name}' returns {known.type} "
            f"but has selections [{below}])"
        )
    else:
        message = (
            f"Field must have selections (field '{each.name}' returns {known.type} but has no "
            f"selections. Did you mean '{each.name} {{ ... }}'?)"
        )
    names = {"nodeName": f"field '{each.name}'", "typeName": known.type}
    return _mistake(message, each.position, path, "selectionMismatch", **names)


def _mistake(
    message: str, position: Position | None, path: Path, code: str, **names: str
) -> GraphqlError:
    return GraphqlError(message, position, path=list(path), extensions={"code": code, **names})
