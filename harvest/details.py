"""Ask for the commit, languages and licence of every wanted repository before it is fetched.

With a token by GraphQL, a hundred repositories for about a point, several queries in flight;
without one by REST, two or three requests each. What comes back is judged by the recipe's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from corpus.errors import ApiError
from corpus.events import Progress, Report
from harvest.api import Api
from harvest.batches import BatchSize
from harvest.frontier import Details, Outcome, Repository
from harvest.nodes import FIELDS, NOT_A_NODE, found_in
from harvest.policy import Answer, may_pass, read_nodes, repository_state
from harvest.selection import Found, Judge
from harvest.workers import work_off

QUERY = f"""
query ($ids: [ID!]!) {{
  nodes(ids: $ids) {{
    ... on Repository {{{FIELDS}
      defaultBranchRef {{ name target {{ oid }} }}
      languages(first: 100, orderBy: {{field: SIZE, direction: DESC}}) {{
        edges {{ size node {{ name }} }}
      }}
    }}
  }}
}}
"""
_EMPTY = Outcome(state="empty", reason="no_commits")
_GONE = Outcome(state="gone", reason="not_found")
_WRONG_ID = Outcome(state="failed", reason="wrong_id")
# These bring GraphQL's id from GitHub itself; for the others it is made from the number.
_WITH_NODE_ID = frozenset({"search", "ids", "list"})


class Ledger(Protocol):
    """Who says what to ask for, and keeps what came back: the frontier, or a refresh's own view."""

    def count(self, *states: str) -> int:
        """How many repositories are in these states."""
        ...

    def wanted(self, after: int, limit: int) -> list[Repository]:
        """The next ones, by id, to ask for."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Everything in the block is kept, or nothing is."""
        ...

    def keep_details(self, details: Iterable[Details]) -> None:
        """What GitHub says of them."""
        ...

    def settle(self, repository: int, outcome: Outcome) -> None:
        """What became of one that can't be had."""
        ...


class DetailsStage:
    """Fills in the details of every wanted repository; goes on where a killed run was."""

    def __init__(
        self,
        api: Api,
        frontier: Ledger,
        *,
        judge: Judge,
        by_graphql: bool,
        at_once: int,
        report: Report,
    ) -> None:
        self._api, self._frontier, self._report = api, frontier, report
        self._judge, self._by_graphql, self._at_once = judge, by_graphql, at_once
        self._size = BatchSize()
        self._done = 0

    async def run(self) -> None:
        """Raises ApiError or UnreachableError; a repository that can't be had is an outcome."""
        self._total = self._done + self._frontier.count("wanted")
        await work_off(self._batches(), self._ask, at_once=self._at_once)

    def _batches(self) -> Iterator[Sequence[Repository]]:
        after = -1
        while batch := self._frontier.wanted(after, self._size.now if self._by_graphql else 1):
            after = batch[-1].id
            yield batch

    async def _ask(self, batch: Sequence[Repository]) -> Sequence[Sequence[Repository]]:
        """Settle a batch; what has to be asked for again, in smaller ones."""
        again: Sequence[Repository] = ()
        if not self._by_graphql:
            await self._ask_rest(batch[0])
        else:
            again = await self._ask_graphql(batch)
            if again and len(batch) == 1:
                # REST gives the last word on a repository that GraphQL can't answer for.
                await self._ask_rest(batch[0])
                again = ()
        self._done += len(batch) - len(again)
        self._report(Progress("details", self._done, self._total, "repositories"))
        middle = -(-len(again) // 2)
        return [half for half in (again[:middle], again[middle:]) if half]

    async def _ask_graphql(self, batch: Sequence[Repository]) -> Sequence[Repository]:
        by_node = {repository.node_id: repository for repository in batch}
        try:
            body = await self._api.graphql(QUERY, {"ids": list(by_node)})
        except ApiError as error:
            if not may_pass(error.status):
                raise
            self._size.too_much(len(batch))
            return batch
        nodes = read_nodes(list(by_node), body)
        if nodes.again:
            self._size.too_much(len(batch))
        else:
            self._size.went_well(len(batch))
        gone = [by_node[key] for key in nodes.gone]
        # Two numbers can't have one id: whoever said so is wrong about one of them.
        twins = [each for each in batch if by_node[each.node_id] is not each]
        # Should GitHub not know a single id that we made, they may be made wrongly.
        doubtful = [] if nodes.found else [each for each in gone if _made_up(each)]
        outcomes = {each.id: _WRONG_ID for each in twins}
        outcomes |= {each.id: _GONE for each in gone if each not in doubtful}
        self._keep(outcomes, [(by_node[key], node) for key, node in nodes.found.items()])
        for repository in doubtful:
            await self._ask_rest(repository)
        return [by_node[key] for key in nodes.again]

    def _keep(
        self, outcomes: dict[int, Outcome], nodes: Sequence[tuple[Repository, Mapping[str, Any]]]
    ) -> None:
        """Keep a whole answer, or nothing of it."""
        details = []
        for repository, node in nodes:
            known = self._details_in(repository, node)
            if isinstance(known, Outcome):
                outcomes[repository.id] = known
            else:
                details.append(known)
        with self._frontier.together():
            for number, outcome in outcomes.items():
                self._frontier.settle(number, outcome)
            self._frontier.keep_details(details)

    def _details_in(self, repository: Repository, node: Mapping[str, Any]) -> Details | Outcome:
        """What a node says of a repository, or what became of it."""
        try:
            return self._read(repository, node)
        except NOT_A_NODE:
            return Outcome(state="failed", reason="bad_answer")

    def _read(self, repository: Repository, node: Mapping[str, Any]) -> Details | Outcome:
        branch = node.get("defaultBranchRef") or {}
        commit = (branch.get("target") or {}).get("oid")
        if node.get("databaseId") != repository.id:
            return _WRONG_ID
        if not commit:
            return _EMPTY
        found = found_in(node)
        if found.license is None:
            found = replace(found, license=repository.license)  # as its listing said
        return self._judged(repository, found, commit, _languages_in(node))

    def _judged(
        self, repository: Repository, found: Found, commit: str, languages: Mapping[str, int]
    ) -> Details:
        searched = "search" in repository.sources
        state, reason = self._judge.detailed(
            found, languages, known_as=repository.name, searched=searched
        )
        return Details(
            id=repository.id,
            node_id=found.node_id,
            name=found.name,
            stars=found.stars,
            fork=found.fork,
            archived=found.archived,
            size_kb=found.size_kb,
            license=found.license,
            created_at=found.created_at,
            pushed_at=found.pushed_at,
            commit=commit,
            languages=languages,
            state=state,
            reason=reason,
        )

    async def _ask_rest(self, repository: Repository) -> None:
        try:
            found = await self._listing(repository)
            judged = self._judge.listed(found)
            if judged.state != "found":
                outcome = Outcome(state=judged.state, reason=judged.reason)
                self._frontier.settle(repository.id, outcome)
                return
            commit = await self._api.head_commit(found.name)
            languages = await self._api.languages(found.name)
        except ApiError as error:
            outcome_of = _outcome(error)
            if outcome_of is None:
                raise
            self._frontier.settle(repository.id, outcome_of)
            return
        self._frontier.keep_details([self._judged(repository, found, commit, languages)])

    async def _listing(self, repository: Repository) -> Found:
        """What is known of it, asked for where its source did not say."""
        if repository.archived is None:
            return await self._api.repository(repository.id)
        return Found(
            id=repository.id,
            node_id=repository.node_id,
            name=repository.name,
            stars=repository.stars,
            fork=repository.fork,
            size_kb=repository.size_kb,
            license=repository.license,
            pushed_at=repository.pushed_at,
            created_at=repository.created_at,
            archived=repository.archived,
        )


def _made_up(repository: Repository) -> bool:
    return not _WITH_NODE_ID.intersection(repository.sources)


def _outcome(error: ApiError) -> Outcome | None:
    if may_pass(error.status):
        return Outcome(state="failed", reason=f"http_{error.status}")
    if error.status == 422:  # no HEAD: the default branch has no commit
        return _EMPTY
    state = repository_state(Answer(error.status, {}, error.problem))
    return Outcome(state=state[0], reason=state[1]) if state else None


def _languages_in(node: Mapping[str, Any]) -> dict[str, int]:
    edges = (node.get("languages") or {}).get("edges") or []
    return {str(edge["node"]["name"]): int(edge["size"]) for edge in edges}
