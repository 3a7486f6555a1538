from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import ApiError
from harvest.database import writing
from harvest.details import DetailsStage
from harvest.frontier import Frontier
from harvest.selection import Found, OptOut

COMMIT = "c" * 40


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    with writing(tmp_path / "frontier.sqlite") as database:
        known = Frontier(tmp_path / "frontier.sqlite", database)
        found = [
            Found(
                id=number,
                node_id=f"R_{number}",
                name=f"o/n{number}",
                stars=5,
                fork=False,
                size_kb=1,
                license="MIT",
                pushed_at=None,
            )
            for number in range(1, 9)
        ]
        known.add_found(found, OptOut())
        known.keep_plan([[1, 2, 3, 4], [5, 6, 7, 8]])
        yield known


class FakeApi:
    """Answers GraphQL by a function of the ids, and REST for all but some."""

    def __init__(self, answer: Callable[[list[str]], Any]) -> None:
        self.answer = answer
        self.asked: list[int] = []
        self.rest: list[str] = []

    async def graphql(self, query: str, variables: dict[str, Any]) -> Any:
        self.asked.append(len(variables["ids"]))
        return self.answer(variables["ids"])

    async def head_commit(self, name: str) -> str:
        self.rest.append(name)
        return "d" * 40

    async def languages(self, name: str) -> dict[str, int]:
        return {"Python": 7}


def node(key: str) -> dict[str, Any]:
    return {
        "nameWithOwner": f"new/{key}",
        "stargazerCount": 9,
        "licenseInfo": None,
        "pushedAt": "2020-01-01T00:00:00Z",
        "defaultBranchRef": {"name": "main", "target": {"oid": COMMIT}},
        "languages": {"edges": [{"size": 3, "node": {"name": "Python"}}]},
    }


def ask(api: FakeApi, frontier: Frontier, log: Any) -> None:
    stage = DetailsStage(api, frontier, by_graphql=True, report=log)  # type: ignore[arg-type]
    asyncio.run(stage.run())


def test_details_are_kept(frontier: Frontier, log: Any) -> None:
    api = FakeApi(lambda ids: {"data": {"nodes": [node(key) for key in ids]}})
    ask(api, frontier, log)
    assert api.asked == [8]
    first = frontier.members(0)[0]
    assert (first.name, first.commit, first.stars) == ("new/R_1", COMMIT, 9)
    assert first.languages == {"Python": 3}
    assert first.license == "MIT"  # as search said, where GraphQL knows none
    assert log.events[-1].done == log.events[-1].total == 8


def test_gone_and_empty_ones_are_outcomes(frontier: Frontier, log: Any) -> None:
    def answer(ids: list[str]) -> Any:
        nodes = [node(key) for key in ids]
        nodes[0] = None  # type: ignore[call-overload]
        nodes[1]["defaultBranchRef"] = None
        errors = [{"type": "NOT_FOUND", "path": ["nodes", 0], "message": "no such node"}]
        return {"data": {"nodes": nodes}, "errors": errors}

    ask(FakeApi(answer), frontier, log)
    assert [member.state for member in frontier.members(0)] == [
        "gone",
        "empty",
        "pending",
        "pending",
    ]


def test_a_query_that_is_too_much_is_divided_until_rest_has_the_last_word(
    frontier: Frontier, log: Any
) -> None:
    def answer(ids: list[str]) -> Any:
        if "R_3" in ids:
            raise ApiError("x/graphql", 502, "timed out")
        return {"data": {"nodes": [node(key) for key in ids]}}

    api = FakeApi(answer)
    ask(api, frontier, log)
    assert api.rest == ["o/n3"]
    assert api.asked == [8, 4, 2, 2, 1, 1, 4]
    assert not frontier.count_undetailed()


def test_partial_errors_are_asked_for_again(frontier: Frontier, log: Any) -> None:
    def answer(ids: list[str]) -> Any:
        broken = [i for i, key in enumerate(ids) if key == "R_5"] if len(ids) > 2 else []
        nodes = [None if i in broken else node(key) for i, key in enumerate(ids)]
        errors = [{"path": ["nodes", i], "message": "Something went wrong"} for i in broken]
        return {"data": {"nodes": nodes}} | ({"errors": errors} if errors else {})

    api = FakeApi(answer)
    ask(api, frontier, log)
    assert not frontier.count_undetailed()
    assert {member.state for member in frontier.members(1)} == {"pending"}


def test_a_refusal_stops(frontier: Frontier, log: Any) -> None:
    def answer(ids: list[str]) -> Any:
        raise ApiError("x/graphql", 401, "Bad credentials")

    with pytest.raises(ApiError):
        ask(FakeApi(answer), frontier, log)
