from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from harvest.loopback.graphql import run_query
from harvest.loopback.graphql_schema import Context
from harvest.loopback.graphql_syntax import GraphqlError, parse
from harvest.loopback.index import Index
from harvest.loopback.limits import Limits
from harvest.loopback.server import Loopback
from harvest.loopback.trees import TreeCatalog, memory_catalog

Serve = Callable[..., Loopback]
FACTS_QUERY = """
query Facts($ids: [ID!]!) {
  rateLimit { cost limit remaining used resetAt nodeCount }
  nodes(ids: $ids) {
    __typename
    id
    ... on Repository { ...facts }
  }
}
fragment facts on Repository {
  databaseId nameWithOwner stargazerCount isFork isArchived diskUsage pushedAt createdAt
  licenseInfo { spdxId }
  primaryLanguage { name }
  languages(first: 10, orderBy: {field: SIZE, direction: DESC}) {
    totalSize
    edges { size node { name } }
  }
  defaultBranchRef { name target { oid ... on Commit { committedDate } } }
}
"""
CATALOG = memory_catalog({"ada/engine": {"a.py": b"a\n"}})


def ask(query: str, variables: Any = None, catalog: TreeCatalog = CATALOG) -> dict[str, Any]:
    context = Context(Index(catalog), "http://here", "ada", None)
    return run_query(query, variables or {}, None, context)


def post(server: Loopback, body: Any, path: str = "/graphql", token: str | None = "t") -> Any:
    headers = {"Authorization": f"bearer {token}"} if token else {}
    return requests.post(server.url + path, json=body, headers=headers, timeout=10)


@pytest.mark.parametrize("path", ["/graphql", "/api/graphql"])
def test_facts_of_many_repositories_in_one_request(
    serve: Serve, catalog: TreeCatalog, path: str
) -> None:
    server = serve()
    known = {each.full_name: each for each in catalog.repositories()}
    ids = [known["ada/engine"].node_id, "R_nobody", known["bob/empty"].node_id]
    body = post(server, {"query": FACTS_QUERY, "variables": {"ids": ids}}, path).json()
    engine, nobody, empty = body["data"]["nodes"]
    commit = catalog.commit(known["ada/engine"], "HEAD")
    assert commit is not None
    assert engine == {
        "__typename": "Repository",
        "id": known["ada/engine"].node_id,
        "databaseId": known["ada/engine"].id,
        "nameWithOwner": "ada/engine",
        "stargazerCount": 120,
        "isFork": False,
        "isArchived": False,
        "diskUsage": 1,
        "pushedAt": "2024-05-06T00:00:00Z",
        "createdAt": "2015-03-01T12:00:00Z",
        "licenseInfo": {"spdxId": "MIT"},
        "primaryLanguage": {"name": "Python"},
        "languages": {
            "totalSize": 29,
            "edges": [
                {"size": 23, "node": {"name": "Python"}},
                {"size": 6, "node": {"name": "C"}},
            ],
        },
        "defaultBranchRef": {
            "name": "main",
            "target": {"oid": commit.id, "committedDate": "2024-05-06T00:00:00Z"},
        },
    }
    assert nobody is None
    assert (empty["defaultBranchRef"], empty["licenseInfo"], empty["primaryLanguage"]) == (
        None,
    ) * 3
    (error,) = body["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["nodes", 1])
    assert body["data"]["rateLimit"]["remaining"] == 4_999
    assert body["data"]["rateLimit"]["nodeCount"] == 3


def test_a_token_is_needed(serve: Serve) -> None:
    answer = post(serve(), {"query": "{ viewer { login } }"}, token=None)
    assert answer.status_code == 401


def test_the_primary_limit_is_a_200_with_an_error(serve: Serve) -> None:
    server = serve(limits=Limits(graphql_per_hour=1))
    query = {"query": "{ viewer { login } }"}
    assert "data" in post(server, query).json()
    limited = post(server, query)
    assert limited.status_code == 200
    assert limited.json()["errors"][0]["type"] == "RATE_LIMITED"
    assert limited.headers["X-RateLimit-Remaining"] == "0"
    assert limited.headers["X-RateLimit-Resource"] == "graphql"


def test_bodies_that_hold_no_query(serve: Serve) -> None:
    server = serve()
    headers = {"Authorization": "bearer t"}
    for body in (b"{", b"[]", b"\xff", b"[" * 100_000):
        answer = requests.post(f"{server.url}/graphql", data=body, headers=headers, timeout=10)
        assert answer.status_code == 400
    assert "query attribute" in post(server, {"no": "query"}).json()["errors"][0]["message"]
    wrong = post(server, {"query": "{ viewer { login } }", "variables": [1]}).json()
    assert wrong["errors"][0]["message"] == "Variables must be an object"


@pytest.mark.parametrize(
    ("query", "code", "part"),
    [
        ("{ nodes(ids: []) { stars } }", "undefinedField", "'stars' doesn't exist on type 'Node'"),
        ("{ viewer { ... on Robot { id } } }", "undefinedType", "Robot"),
        ("{ viewer }", "selectionMismatch", "must have selections"),
        ("{ viewer { login { x } } }", "selectionMismatch", "can't be made on scalars"),
        ("{ viewer(x: 1) { login } }", "argumentNotAccepted", "argument 'x'"),
        ("{ nodes { id } }", "missingRequiredArguments", "ids"),
        ("{ nodes(ids: $ids) { id } }", "variableNotDefined", "$ids"),
        ("query q($x: Int) { viewer { login } }", "variableNotUsed", "$x"),
        ("{ viewer { ...nothing } }", "useAndDefineFragment", "nothing"),
        ("{ viewer { ...f } } fragment f on User { ...f }", "infiniteLoop", "f"),
        ("{ viewer { login }", "parseError", "end of document at [1, 19]"),
        ("{ viewer\n { lo%gin } }", "parseError", 'Parse error on "%" at [2, 6]'),
        ("", "parseError", "end of document"),
    ],
)
def test_mistakes_are_named_and_nothing_is_answered(query: str, code: str, part: str) -> None:
    answer = ask(query)
    assert set(answer) == {"errors"}
    error = answer["errors"][0]
    assert error["extensions"]["code"] == code
    assert part in error["message"]


def test_limits_of_one_query() -> None:
    node = CATALOG.repositories()[0].node_id
    too_many = ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [node] * 101})
    assert too_many["errors"][0]["type"] == "ARGUMENT_LIMIT"
    languages = (
        "query($id: ID!) { node(id: $id) { ... on Repository { languages%s { totalSize } } } }"
    )
    assert ask(languages % "", {"id": node})["errors"][0]["type"] == "MISSING_PAGINATION_BOUNDARIES"
    wide = ask(languages % "(first: 101)", {"id": node})
    assert wide["errors"][0]["type"] == "EXCESSIVE_PAGINATION"
    missing = ask("query($id: ID!) { node(id: $id) { id } }")
    assert "was provided invalid value" in missing["errors"][0]["message"]


def test_aliases_directives_and_merged_selections() -> None:
    answer = ask(
        "query($no: Boolean!) { me: viewer { login } viewer { id @skip(if: true) login }"
        ' repository(owner: "ada", name: "engine") { name @include(if: $no)'
        " owner { login } owner { __typename } } }",
        {"no": False},
    )
    assert answer["data"] == {
        "me": {"login": "ada"},
        "viewer": {"login": "ada"},
        "repository": {"owner": {"login": "ada", "__typename": "Organization"}},
    }


def test_values_of_every_kind_are_read() -> None:
    document = parse(
        'query q($a: [Int!]! = [1, 2]) { f(a: -1, b: 1.5e3, c: "x\\u0041\\"", d: """block""",'
        " e: true, f: null, g: DESC, h: {i: [$a]}) } # end"
    )
    (field,) = document.operations[0].selections
    assert field.arguments["c"] == 'xA"'  # type: ignore[union-attr]
    assert list(field.arguments.values())[:2] == [-1, 1500.0]  # type: ignore[union-attr]
    assert document.operations[0].variables[0].type == "[Int!]!"
    assert document.operations[0].variables[0].default == [1, 2]


@given(st.text(alphabet='{}()[]$:!@."a1 \n#', max_size=60))
def test_the_parser_ends_in_a_document_or_an_error(text: str) -> None:
    try:
        parse(text)
    except GraphqlError as error:
        assert error.entry["message"]


def test_depth_is_limited() -> None:
    for deep in ("{a" * 5_000, "{a(b:" + "[" * 5_000, "query($a:" + "[" * 5_000):
        with pytest.raises(GraphqlError):
            parse(deep)
