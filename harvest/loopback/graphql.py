"""POST /graphql: check a query against the schema, then answer it.

A query with a mistake is answered with errors and no data; ids that stand for nothing are null
in the data, with an error each, as on GitHub.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harvest.loopback.exchange import Exchange, Reply
from harvest.loopback.graphql_check import TYPENAME, Path, mistakes
from harvest.loopback.graphql_schema import SCALARS, TYPES, Context, applies, concrete_type
from harvest.loopback.graphql_syntax import (
    Document,
    Field,
    Fragment,
    GraphqlError,
    Operation,
    Selection,
    Variable,
    parse,
)
from harvest.loopback.problems import ProblemError, bad_json

MAX_FIRST = 100
MAX_NODE_IDS = 100
_DOCS = "https://docs.github.com/graphql/guides/forming-calls-with-graphql"


async def graphql(exchange: Exchange) -> Reply:
    """Answer one query. Raises ProblemError 401 without a token, 400 for a body that isn't JSON."""
    if exchange.login is None:
        message = "This endpoint requires you to be authenticated."
        raise ProblemError(401, {"message": message, "documentation_url": _DOCS, "status": "401"})
    body = _body(await exchange.request.read())
    query, variables = body.get("query"), body.get("variables") or {}
    if not isinstance(query, str) or not query:
        message = "A query attribute must be specified and must be a string."
        return Reply({"errors": [{"message": message}]})
    ids = variables.get("ids") if isinstance(variables, dict) else None
    accounts = exchange.server.accounts
    context = Context(
        index=exchange.server.index,
        web=f"http://{exchange.request.host}",
        login=exchange.login,
        standing=accounts.standing(exchange.caller, "graphql") if accounts else None,
        ids_asked=len(ids) if isinstance(ids, list) else 0,
    )
    name = body.get("operationName")
    # Commit ids may have to be hashed first.
    return Reply(await asyncio.to_thread(run_query, query, variables, name, context))


def run_query(
    query: str, variables: Any, operation_name: str | None, context: Context
) -> dict[str, Any]:
    """`data` and `errors` for one query; it never raises for what a client wrote."""
    try:
        document = parse(query)
        operation = _operation(document, operation_name)
        if errors := mistakes(document, operation):
            return {"errors": errors}
        run = _Run(document, _variables(operation, variables), context)
        data = run.selected(operation.selections, "Query", None, ())
    except GraphqlError as error:
        return {"errors": [error.entry]}
    return {"data": data, "errors": run.errors} if run.errors else {"data": data}


def _body(raw: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise bad_json() from None
    if not isinstance(body, dict):
        raise bad_json()
    return body


def _operation(document: Document, name: str | None) -> Operation:
    named = [each for each in document.operations if name is None or each.name == name]
    if not named:
        raise GraphqlError(f'No operation named "{name}"', None)
    if len(named) > 1:
        raise GraphqlError("An operation name is required", None)
    if named[0].kind != "query":
        raise GraphqlError("Only queries are served on loopback", None)
    return named[0]


def _variables(operation: Operation, given: Any) -> dict[str, Any]:
    """The value of every declared variable. Raises GraphqlError if one is missing."""
    if not isinstance(given, dict):
        raise GraphqlError("Variables must be an object", None)
    values = {}
    for declared in operation.variables:
        value = given.get(declared.name, declared.default)
        if value is None and declared.required:
            raise GraphqlError(
                f"Variable ${declared.name} of type {declared.type} was provided invalid value",
                declared.position,
                extensions={
                    "value": None,
                    "problems": [{"path": [], "explanation": "Expected value to not be null"}],
                },
            )
        values[declared.name] = value
    return values


class _Run:
    """Collects the values of one checked query."""

    def __init__(self, document: Document, variables: Mapping[str, Any], context: Context) -> None:
        self._document = document
        self._values = variables
        self._context = context
        self.errors: list[dict[str, Any]] = []

    def selected(
        self, selections: Sequence[Selection], type_name: str, value: Any, path: Path
    ) -> dict[str, Any]:
        """The selected fields of one object, in the order of the query."""
        data: dict[str, Any] = {}
        for each in self._fields(selections, type_name):
            found = self._field(each, type_name, value, (*path, each.key))
            data[each.key] = _merged(data.get(each.key), found)
        return data

    def _fields(self, selections: Sequence[Selection], type_name: str) -> Iterator[Field]:
        for each in selections:
            if not self._included(each):
                continue
            if isinstance(each, Field):
                yield each
                continue
            fragment = each if isinstance(each, Fragment) else self._document.fragments[each.name]
            if applies(fragment.on, type_name):
                yield from self._fields(fragment.selections, type_name)

    def _included(self, each: Selection) -> bool:
        skip = each.directives.get("skip", {}).get("if", False)
        include = each.directives.get("include", {}).get("if", True)
        return bool(self._plain(include)) and not self._plain(skip)

    def _field(self, each: Field, type_name: str, value: Any, path: Path) -> Any:
        if each.name == TYPENAME:
            return type_name
        known = TYPES[type_name][each.name]
        arguments = {name: self._plain(given) for name, given in each.arguments.items()}
        if type_name == "Query" and each.name in ("node", "nodes"):
            return self._looked_up(each, arguments, path)
        if "first" in known.arguments:
            _check_page(each, arguments, path)
        found = known.resolve(value, arguments, self._context)
        if found is None and known.type == "Repository":
            wanted = f"{arguments.get('owner')}/{arguments.get('name')}"
            message = f"Could not resolve to a Repository with the name '{wanted}'."
            self._note_missing(message, each, path)
        if known.many:
            return [self._shown(each, known.type, item, (*path, n)) for n, item in enumerate(found)]
        return self._shown(each, known.type, found, path)

    def _shown(self, each: Field, declared: str, value: Any, path: Path) -> Any:
        if value is None or declared in SCALARS:
            return value
        return self.selected(each.selections, concrete_type(declared, value), value, path)

    def _looked_up(self, each: Field, arguments: Mapping[str, Any], path: Path) -> Any:
        if each.name == "node":
            return self._node(each, arguments["id"], path)
        ids = arguments["ids"]
        # One value stands for a list of one, says the specification.
        ids = ids if isinstance(ids, list) else [ids]
        if len(ids) > MAX_NODE_IDS:
            raise GraphqlError(
                f"You may not provide more than {MAX_NODE_IDS} node ids; you provided {len(ids)}.",
                each.position,
                type="ARGUMENT_LIMIT",
                path=list(path),
            )
        return [self._node(each, node_id, (*path, n)) for n, node_id in enumerate(ids)]

    def _node(self, each: Field, node_id: Any, path: Path) -> Any:
        known = self._context.index.by_node_id(str(node_id))
        if known is None:
            message = f"Could not resolve to a node with the global id of '{node_id}'"
            self._note_missing(message, each, path)
        return self._shown(each, "Node", known, path)

    def _note_missing(self, message: str, each: Field, path: Path) -> None:
        error = GraphqlError(message, each.position, type="NOT_FOUND", path=list(path))
        self.errors.append(error.entry)

    def _plain(self, value: Any) -> Any:
        """A value with its variables filled in."""
        if isinstance(value, Variable):
            return self._values.get(value.name)
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        if isinstance(value, dict):
            return {name: self._plain(item) for name, item in value.items()}
        return value


def _merged(known: Any, found: Any) -> Any:
    """A field that is selected twice is one field with both selections."""
    if isinstance(known, dict) and isinstance(found, dict):
        return {
            key: _merged(known.get(key), found.get(key, known.get(key))) for key in known | found
        }
    if isinstance(known, list) and isinstance(found, list):
        return [_merged(one, other) for one, other in zip(known, found, strict=True)]
    return found


def _check_page(each: Field, arguments: Mapping[str, Any], path: Path) -> None:
    """Raises GraphqlError unless `first` or `last` is given and from 0 to 100."""
    sizes = {name: arguments[name] for name in ("first", "last") if arguments.get(name) is not None}
    if not sizes:
        raise GraphqlError(
            "You must provide a `first` or `last` value to properly paginate the "
            f"`{each.name}` connection.",
            each.position,
            type="MISSING_PAGINATION_BOUNDARIES",
            path=list(path),
        )
    for name, size in sizes.items():
        if not isinstance(size, int) or not 0 <= size <= MAX_FIRST:
            raise GraphqlError(
                f"Requesting {size} records on the `{each.name}` connection exceeds the "
                f"`{name}` limit of {MAX_FIRST} records.",
                each.position,
                type="EXCESSIVE_PAGINATION",
                path=list(path),
            )
