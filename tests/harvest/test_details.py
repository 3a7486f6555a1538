from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import ApiError
from corpus.events import silent
from harvest.batches import BatchSize
from harvest.database import writing
from harvest.details import DetailsStage
from harvest.frontier import Frontier, Repository
from harvest.selection import Found, Judge, Judged, OptOut, Rules

COMMIT = "c" * 40


def found(number: int, name: str | None = None, *, fork: bool = False) -> Found:
    return Found(
        id=number,
        node_id=f"R_{number}",
        name=name or f"o/n{number}",
        stars=5,
        fork=fork,
        archived=False,
        license="MIT",
    )


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    with writing(tmp_path / "frontier.sqlite") as database:
        known = Frontier(tmp_path / "frontier.sqlite", database)
        known.add_found([Judged(found(number)) for number in range(1, 9)], "search")
        known.want(None)
        yield known


def by_id(frontier: Frontier) -> dict[int, Repository]:
    states = frontier.states()
    return {each.id: each for each in frontier.with_states(*states)}


class FakeApi:
    """Answers GraphQL by a function of the ids, and REST for all but some."""

    def __init__(self, answer: Callable[[list[str]], Any]) -> None:
        self.answer = answer
        self.asked: list[int] = []
        self.rest: list[str] = []
        self.listed: list[int] = []

    async def graphql(self, query: str, variables: dict[str, Any]) -> Any:
        self.asked.append(len(variables["ids"]))
        return self.answer(variables["ids"])

    async def head_commit(self, name: str) -> str:
        self.rest.append(name)
        return "d" * 40

    async def repository(self, number: int) -> Found:
        self.listed.append(number)
        return found(number, f"now/called{number}", fork=True)

    async def languages(self, name: str) -> dict[str, int]:
        return {"Python": 7}


def node(key: str) -> dict[str, Any]:
    return {
        "id": key,
        "databaseId": int(key.removeprefix("R_")),
        "nameWithOwner": f"new/{key}",
        "stargazerCount": 9,
        "licenseInfo": None,
        "pushedAt": "2020-01-01T00:00:00Z",
        "defaultBranchRef": {"name": "main", "target": {"oid": COMMIT}},
        "languages": {"edges": [{"size": 3, "node": {"name": "Python"}}]},
    }


def ask(
    api: FakeApi,
    frontier: Frontier,
    log: Any,
    *,
    judge: Judge | None = None,
    by_graphql: bool = True,
    at_once: int = 1,
) -> None:
    stage = DetailsStage(
        api,  # type: ignore[arg-type]
        frontier,
        judge=judge or Judge(Rules()),
        by_graphql=by_graphql,
        at_once=at_once,
        report=log,
    )
    asyncio.run(stage.run())


def test_details_are_kept(frontier: Frontier, log: Any) -> None:
    api = FakeApi(lambda ids: {"data": {"nodes": [node(key) for key in ids]}})
    ask(api, frontier, log)
    assert api.asked == [8]
    first = by_id(frontier)[1]
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
    assert frontier.states() == {"eligible": 6, "empty": 1, "gone": 1}
    assert frontier.reasons() == {"empty_no_commits": 1, "gone_not_found": 1}


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
    assert sorted(api.asked) == [1, 1, 2, 2, 4, 4, 8]
    assert frontier.states() == {"eligible": 8}
    assert log.events[-1].done == log.events[-1].total == 8


def test_partial_errors_are_asked_for_again(frontier: Frontier, log: Any) -> None:
    def answer(ids: list[str]) -> Any:
        broken = [i for i, key in enumerate(ids) if key == "R_5"] if len(ids) > 2 else []
        nodes = [None if i in broken else node(key) for i, key in enumerate(ids)]
        errors = [{"path": ["nodes", i], "message": "Something went wrong"} for i in broken]
        return {"data": {"nodes": nodes}} | ({"errors": errors} if errors else {})

    api = FakeApi(answer)
    ask(api, frontier, log)
    assert api.asked == [8, 1]
    assert frontier.states() == {"eligible": 8}


def test_a_refusal_stops(frontier: Frontier, log: Any) -> None:
    def answer(ids: list[str]) -> Any:
        raise ApiError("x/graphql", 401, "Bad credentials")

    with pytest.raises(ApiError):
        ask(FakeApi(answer), frontier, log)
    assert frontier.states() == {"wanted": 8}


def test_the_rules_decide_by_what_the_details_say(frontier: Frontier, log: Any) -> None:
    def answer(ids: list[str]) -> Any:
        nodes = [node(key) for key in ids]
        nodes[2] |= {"isArchived": True}
        nodes[3]["languages"]["edges"] = []
        return {"data": {"nodes": nodes}}

    judge = Judge(Rules(archived=False, min_python_bytes=3), OptOut(frozenset({"o/n1", "new/r_2"})))
    ask(FakeApi(answer), frontier, log, judge=judge)
    assert frontier.states() == {"eligible": 4, "opted_out": 2, "rejected": 2}
    assert frontier.reasons() == {"rejected_archived": 1, "rejected_few_python_bytes": 1}


def test_ids_that_were_made_and_that_nobody_knows_are_asked_for_by_number(
    tmp_path: Path, log: Any
) -> None:
    with writing(tmp_path / "other.sqlite") as database:
        frontier = Frontier(tmp_path / "other.sqlite", database)
        frontier.add_found(
            [Judged(Found(id=number, node_id=f"R_{number}", name="o/n")) for number in (1, 2)],
            "gharchive",
        )
        frontier.want(None)
        api = FakeApi(lambda ids: {"data": {"nodes": [None] * len(ids)}})
        ask(api, frontier, log)
        assert api.listed == [1, 2]
        assert frontier.states() == {"eligible": 2}
        assert by_id(frontier)[1].name == "now/called1"


def test_one_known_id_shows_that_they_are_made_rightly(tmp_path: Path, log: Any) -> None:
    with writing(tmp_path / "other.sqlite") as database:
        frontier = Frontier(tmp_path / "other.sqlite", database)
        frontier.add_found(
            [Judged(Found(id=number, node_id=f"R_{number}", name="o/n")) for number in (1, 2)],
            "gharchive",
        )
        frontier.want(None)
        api = FakeApi(lambda ids: {"data": {"nodes": [node(ids[0]), None]}})
        ask(api, frontier, log)
        assert api.listed == []
        assert frontier.states() == {"eligible": 1, "gone": 1}


def test_without_a_token_rest_is_asked_and_only_for_what_is_not_known(
    frontier: Frontier, log: Any
) -> None:
    frontier.add_found([Judged(Found(id=9, node_id="R_9", name="o/n9", fork=True))], "ids")
    frontier.want(None)
    api = FakeApi(lambda ids: None)
    ask(api, frontier, log, by_graphql=False, judge=Judge(Rules(forks=False)), at_once=3)
    assert api.listed == [9]
    assert "now/called9" not in api.rest  # rejected as a fork by its listing
    assert frontier.states() == {"eligible": 8, "rejected": 1}


def test_an_answer_about_another_repository_is_not_believed(frontier: Frontier, log: Any) -> None:
    ask(
        FakeApi(lambda ids: {"data": {"nodes": [node(key) | {"databaseId": 1} for key in ids]}}),
        frontier,
        log,
    )
    assert frontier.reasons() == {"failed_wrong_id": 7}


@pytest.mark.parametrize(
    "wrong",
    [
        {"createdAt": "yesterday"},
        {"languages": {"edges": [{"size": None}]}},
        {"languages": 5},
        {"licenseInfo": "MIT"},
        {"stargazerCount": "many"},
        {"nameWithOwner": None},
        {"defaultBranchRef": "main"},
    ],
    ids=str,
)
def test_an_answer_of_another_shape_costs_its_repository_alone(
    frontier: Frontier, log: Any, wrong: dict[str, Any]
) -> None:
    def answer(ids: list[str]) -> Any:
        return {"data": {"nodes": [node(key) | (wrong if key == "R_3" else {}) for key in ids]}}

    ask(FakeApi(answer), frontier, log, judge=Judge(Rules(created_from=0.0)))
    assert frontier.states() == {"eligible": 7, "failed": 1}
    assert frontier.reasons() == {"failed_bad_answer": 1}


def test_two_numbers_with_one_id_are_not_both_believed(tmp_path: Path, log: Any) -> None:
    with writing(tmp_path / "other.sqlite") as database:
        frontier = Frontier(tmp_path / "other.sqlite", database)
        twins = [Judged(replace(found(number), node_id="R_2")) for number in (1, 2)]
        frontier.add_found(twins, "search")
        frontier.want(None)
        ask(FakeApi(lambda ids: {"data": {"nodes": [node(key) for key in ids]}}), frontier, log)
        states = {each.id: each.state for each in by_id(frontier).values()}
    assert states == {1: "failed", 2: "eligible"}


keys = st.sampled_from([f"R_{number}" for number in range(1, 9)])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["502", "nothing", "short", "fine"]), max_size=12),
    st.sets(keys),
    st.sets(keys),
    st.integers(1, 4),
)
def test_whatever_graphql_answers_nothing_is_lost(
    troubles: list[str], broken: set[str], gone: set[str], at_once: int
) -> None:
    left = list(troubles)

    def answer(ids: list[str]) -> Any:
        trouble = left.pop() if left else "fine"
        if trouble == "502":
            raise ApiError("x/graphql", 502, "timed out")
        if trouble == "nothing":
            return {"data": None, "errors": [{"message": "Something went wrong"}]}
        if trouble == "short":
            return {"data": {"nodes": [node(key) for key in ids[1:]]}}
        nodes = [None if key in broken | gone else node(key) for key in ids]
        errors: list[dict[str, Any]] = [
            {"path": ["nodes", i]} | ({"type": "NOT_FOUND"} if key in gone else {})
            for i, key in enumerate(ids)
            if key in broken | gone
        ]
        return {"data": {"nodes": nodes}} | ({"errors": errors} if errors else {})

    with TemporaryDirectory() as folder:
        path = Path(folder) / "frontier.sqlite"
        with writing(path) as database:
            frontier = Frontier(path, database)
            frontier.add_found([Judged(found(number)) for number in range(1, 9)], "search")
            frontier.want(None)
            ask(FakeApi(answer), frontier, silent, at_once=at_once)
            states = {each.node_id: each.state for each in by_id(frontier).values()}
    # What GraphQL can't answer for alone, REST does.
    assert set(states.values()) <= {"eligible", "gone"}
    assert {key for key, state in states.items() if state == "gone"} <= gone
    if not troubles:
        assert {key for key, state in states.items() if state == "gone"} == gone


def test_batches_shrink_at_once_and_grow_slowly() -> None:
    size = BatchSize()
    size.too_much(100)
    assert size.now == 50
    size.too_much(50)
    assert size.now == 25
    size.went_well(10)  # says nothing about 25
    assert size.now == 25
    sizes = []
    for _ in range(8):
        size.went_well(size.now)
        sizes.append(size.now)
    assert sizes == [31, 38, 47, 58, 72, 90, 100, 100]
    for _ in range(9):
        size.too_much(size.now)
    assert size.now == 1
