from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import ApiError, FileError
from harvest.certificate import certificate
from harvest.credentials import users_of
from harvest.enumerate.listed import ListFile
from harvest.enumerate.named import Answers, look_up, query_for, read_answer
from harvest.frontier import Frontier
from harvest.loopback.catalog import memory_catalog
from harvest.loopback.faults import Fault, Gone, ServerError, TakenDown
from harvest.loopback.server import Loopback, serve_in_thread
from harvest.scheduler import Clock, Scheduler
from harvest.selection import Found, Judge, OptOut, Rules

FILES = {f"o/n{number}": {"a.py": b"1"} for number in range(1, 9)}
FACTS: dict[str, dict[str, Any]] = {
    "o/n1": {"former_names": ("was/n1",), "stars": 7},
    "o/n2": {"license": "MIT", "archived": True, "fork": True},
}


@pytest.fixture
def github() -> Iterator[Loopback]:
    with serve_in_thread(memory_catalog(FILES, FACTS), limits=None) as server:
        yield server


class QuickClock(Clock):
    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0)


def with_api(github: Loopback, act: Any, *, token: bool = True) -> Any:
    """Run `act(api)` against the server."""
    from harvest.github import GitHubApi

    async def go() -> Any:
        scheduler = Scheduler(
            users_of(["ghp_x"] if token else []),
            clock=QuickClock(),
            report=lambda event: None,
            max_wait_s=60.0,
        )
        api = GitHubApi(github.url, scheduler, timeout_s=10.0, retries=0)
        try:
            return await act(api)
        finally:
            api.close()

    return asyncio.run(go())


def ids_of(github: Loopback) -> dict[str, int]:
    return {each.full_name: each.id for each in memory_catalog(FILES, FACTS).repositories()}


def asked(github: Loopback, entries: Sequence[str], *, by_graphql: bool) -> Answers:
    async def act(api: Any) -> Answers:
        return await look_up(api, entries, by_graphql=by_graphql)

    return with_api(github, act, token=by_graphql)


@pytest.mark.parametrize("by_graphql", [True, False])
def test_names_former_names_and_numbers_are_found(github: Loopback, by_graphql: bool) -> None:
    numbers = ids_of(github)
    entries = ["was/n1", "O/N2", str(numbers["o/n3"]), "nobody/here", "77"]
    answers = asked(github, entries, by_graphql=by_graphql)
    assert answers.missing == {"nobody/here": "not_found", "77": "not_found"}
    assert not answers.again
    found = {entry: (each.id, each.name) for entry, each in answers.found.items()}
    assert found == {
        "was/n1": (numbers["o/n1"], "o/n1"),
        "O/N2": (numbers["o/n2"], "o/n2"),
        str(numbers["o/n3"]): (numbers["o/n3"], "o/n3"),
    }
    second = answers.found["O/N2"]
    assert (second.license, second.archived, second.fork) == ("MIT", True, True)
    assert answers.found["was/n1"].stars == 7
    assert second.created_at is not None and second.pushed_at is not None


def test_both_ways_say_the_same(github: Loopback) -> None:
    def comparable(found: Found) -> tuple[Any, ...]:
        return found.id, found.node_id, found.name, found.stars, found.size_kb, found.license

    by_graphql = asked(github, list(FILES), by_graphql=True).found
    by_rest = asked(github, list(FILES), by_graphql=False).found
    assert {key: comparable(each) for key, each in by_graphql.items()} == {
        key: comparable(each) for key, each in by_rest.items()
    }


def test_a_query_names_each_entry_and_sends_names_as_variables() -> None:
    query, variables = query_for(['a"}/b', "5"])
    assert variables == {"o0": 'a"}', "n0": "b", "i1": "R_kgDOAAAABQ"}
    assert '"' not in query
    assert all(f"${name}" in query for name in variables)


def test_an_answer_may_be_partial() -> None:
    node = {"databaseId": 1, "id": "R_1", "nameWithOwner": "a/b"}
    body = {
        "data": {"r0": node, "r1": None, "r2": None},
        "errors": [{"type": "NOT_FOUND", "path": ["r1"]}, {"path": ["r2"], "message": "timeout"}],
    }
    answers = read_answer(["a/b", "c/d", "e/f"], body)
    assert (set(answers.found), answers.missing, answers.again) == (
        {"a/b"},
        {"c/d": "not_found"},
        ["e/f"],
    )
    nothing = {"data": None, "errors": [{"message": "Something went wrong"}]}
    assert read_answer(["a/b"], nothing).again == ["a/b"]
    assert read_answer(["a/b"], None).again == ["a/b"]
    assert read_answer(["a/b"], {"data": {"r0": None}}).missing == {"a/b": "not_found"}


def test_made_ids_that_nobody_knows_are_asked_for_by_number(github: Loopback) -> None:
    asked(github, ["77", "78"], by_graphql=True)
    assert github.requests["repository_by_id", 404] == 2


def test_a_refusal_stops(github: Loopback) -> None:
    async def act(api: Any) -> Any:
        return await look_up(api, ["a/b"], by_graphql=True)

    with pytest.raises(ApiError, match="401"):
        with_api(github, act, token=False)


def run(
    github: Loopback,
    path: Path,
    frontier: Frontier,
    log: Any,
    *,
    by_graphql: bool = True,
    judge: Judge | None = None,
) -> None:
    async def act(api: Any) -> None:
        lines = ListFile(
            api,
            frontier,
            judge or Judge(Rules()),
            by_graphql=by_graphql,
            at_once=3,
            report=log,
        )
        await lines.run(path)

    with_api(github, act, token=by_graphql)


@pytest.mark.parametrize("by_graphql", [True, False])
def test_a_list_becomes_repositories_and_says_what_it_misses(
    github: Loopback, tmp_path: Path, frontier: Frontier, log: Any, by_graphql: bool
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"was/n1\no/n1\nhttps://github.com/o/n2\nno/more\n{ids_of(github)['o/n4']}\n")
    run(github, path, frontier, log, by_graphql=by_graphql)
    names = sorted(each.name for each in frontier.with_states("found"))
    assert names == ["o/n1", "o/n2", "o/n4"], "one row for one id"
    assert certificate(frontier)["list"] == {
        "parts": {"found": 4, "not_found": 1},
        "not_closed": [{"part": "no/more", "state": "not_found", "line": 4}],
    }
    assert "1 of 5" in log.lines[-1]
    before = github.requests.total()
    run(github, path, frontier, log, by_graphql=by_graphql)
    assert github.requests.total() == before


def test_who_opted_out_is_not_looked_up(
    github: Loopback, tmp_path: Path, frontier: Frontier, log: Any
) -> None:
    path = tmp_path / "list.txt"
    path.write_text("o/n5\no/n6\nwas/n1\n")
    judge = Judge(Rules(), OptOut(frozenset({"o/n5", "o/n1"})))
    github.set_faults(Fault(action=ServerError(), route="repository", repository="o/n5"))
    run(github, path, frontier, log, by_graphql=False, judge=judge)
    assert frontier.states() == {"found": 1, "opted_out": 1}
    assert certificate(frontier)["list"]["parts"] == {"found": 2, "opted_out": 1}


@pytest.mark.parametrize(
    ("action", "state"),
    [(Gone(), "not_found"), (TakenDown(), "legal"), (ServerError(), "http_502")],
)
def test_each_line_has_its_own_fate(
    github: Loopback, tmp_path: Path, frontier: Frontier, log: Any, action: Any, state: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_text("o/n5\no/n6\n")
    github.set_faults(Fault(action=action, route="repository", repository="o/n5"))
    run(github, path, frontier, log, by_graphql=False)
    assert certificate(frontier)["list"]["parts"] == {"found": 1, state: 1}


def test_queries_that_are_too_much_are_divided(
    github: Loopback, tmp_path: Path, frontier: Frontier, log: Any
) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(FILES))
    github.set_faults(Fault(action=ServerError(), route="graphql", count=3))
    run(github, path, frontier, log)
    assert frontier.found() == 8
    assert github.requests["graphql", 502] == 3


def test_a_list_that_is_wrong_stops_before_any_request(
    github: Loopback, tmp_path: Path, frontier: Frontier, log: Any
) -> None:
    path = tmp_path / "list.txt"
    path.write_text("o/n1\nwhat?\n")
    with pytest.raises(FileError, match="line 2"):
        run(github, path, frontier, log)
    assert not github.requests
