"""Look up repositories by name or by number: a hundred a GraphQL query, or one a REST request.

Renamed and transferred ones are found under the name that they had: GraphQL follows renames, REST
answers 301 to /repositories/ID. Names that are no more are in the answer's errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpus.errors import ApiError
from harvest.api import Api
from harvest.nodes import FIELDS, NOT_A_NODE, found_in, made_node_id
from harvest.policy import Answer, graphql_errors, may_pass, repository_state
from harvest.selection import Found


@dataclass(slots=True)
class Answers:
    """What became of each entry; `again` is to be asked for in a smaller batch."""

    found: dict[str, Found] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # -> not_found, blocked, ...
    again: list[str] = field(default_factory=list)


def query_for(entries: Sequence[str]) -> tuple[str, dict[str, str]]:
    """One query for all entries, each under a name of its own, and its variables."""
    declared, fields, variables = [], [], {}
    for place, entry in enumerate(entries):
        if entry.isdigit():
            variables[f"i{place}"] = made_node_id(int(entry))
            declared.append(f"$i{place}: ID!")
            fields.append(f"  r{place}: node(id: $i{place}) {{ ...listing }}")
        else:
            variables[f"o{place}"], _, variables[f"n{place}"] = entry.partition("/")
            declared.append(f"$o{place}: String!, $n{place}: String!")
            named = f"repository(owner: $o{place}, name: $n{place})"
            fields.append(f"  r{place}: {named} {{ ...listing }}")
    text = f"query ({', '.join(declared)}) {{\n" + "\n".join(fields) + "\n}\n"
    return text + f"fragment listing on Repository {{{FIELDS}}}\n", variables


def read_answer(entries: Sequence[str], body: Any) -> Answers:
    """Sort a possibly partial answer: GraphQL says 200 and lists `errors` beside the data."""
    answers = Answers()
    data = body.get("data") if isinstance(body, Mapping) else None
    errors = graphql_errors(body)
    gone = {
        str(error["path"][0])
        for error in errors
        if error.get("type") == "NOT_FOUND" and error.get("path")
    }
    for place, entry in enumerate(entries):
        found = _found(data, f"r{place}")
        if found is not None:
            answers.found[entry] = found
        elif f"r{place}" in gone or (data and not errors):
            answers.missing[entry] = "not_found"
        else:
            answers.again.append(entry)
    return answers


def _found(data: Any, key: str) -> Found | None:
    node = (data or {}).get(key)
    try:
        return found_in(node) if node else None
    except NOT_A_NODE:
        return None


async def look_up(api: Api, entries: Sequence[str], *, by_graphql: bool) -> Answers:
    """Ask for all of them. Raises ApiError or UnreachableError."""
    if not by_graphql:
        return await _by_rest(api, entries)
    query, variables = query_for(entries)
    try:
        body = await api.graphql(query, variables)
    except ApiError as error:
        if not may_pass(error.status):
            raise
        answers = Answers(again=list(entries))
    else:
        answers = read_answer(entries, body)
    if answers.again and len(entries) == 1:
        return await _by_rest(api, entries)
    # Should GitHub not know a single id that we made, they may be made wrongly.
    doubtful = [] if answers.found else [each for each in answers.missing if each.isdigit()]
    if doubtful:
        by_rest = await _by_rest(api, doubtful)
        answers.found = by_rest.found
        answers.missing = {
            entry: reason for entry, reason in answers.missing.items() if entry not in doubtful
        } | by_rest.missing
    return answers


async def _by_rest(api: Api, entries: Sequence[str]) -> Answers:
    answers = Answers()
    for entry in entries:
        try:
            found = await api.repository(int(entry) if entry.isdigit() else entry)
        except ApiError as error:
            answers.missing[entry] = _reason(error)
        else:
            answers.found[entry] = found
    return answers


def _reason(error: ApiError) -> str:
    """Raises the error if it is not about the repository."""
    state = repository_state(Answer(error.status, {}, error.problem))
    if state is not None:
        return state[1]
    if may_pass(error.status):
        return f"http_{error.status}"
    raise error
