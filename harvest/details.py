"""Ask for the commit, languages and licence of every planned repository before it is fetched.

With a token by GraphQL, a hundred repositories for about a point; without one by REST, two
requests each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corpus.errors import ApiError
from corpus.events import Progress, Report
from harvest.api import Api
from harvest.frontier import Details, Frontier, Outcome, Repository
from harvest.policy import Answer, may_pass, read_nodes, repository_state

BATCH = 100  # ids a GraphQL query
MAX_LANGUAGES = 100
_QUERY = """
query ($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Repository {
      databaseId
      nameWithOwner
      stargazerCount
      pushedAt
      licenseInfo { spdxId }
      defaultBranchRef { name target { oid } }
      languages(first: %d, orderBy: {field: SIZE, direction: DESC}) {
        edges { size node { name } }
      }
    }
  }
}
"""
_EMPTY = Outcome(state="empty", reason="no_commits")


class DetailsStage:
    """Fills in the details of every pending repository; goes on where a killed run was."""

    def __init__(self, api: Api, frontier: Frontier, *, by_graphql: bool, report: Report) -> None:
        self._api, self._frontier, self._report = api, frontier, report
        self._by_graphql = by_graphql

    async def run(self) -> None:
        """Raises ApiError or UnreachableError; a repository that can't be had is an outcome."""
        total = self._frontier.planned()
        while batch := self._frontier.undetailed(BATCH if self._by_graphql else 1):
            if self._by_graphql:
                await self._ask_graphql(batch)
            else:
                await self._ask_rest(batch[0])
            done = total - self._frontier.count_undetailed()
            self._report(Progress("details", done, total, "repositories"))

    async def _ask_graphql(self, batch: Sequence[Repository]) -> None:
        by_node = {repository.node_id: repository for repository in batch}
        body = await self._nodes(list(by_node))
        if body is None:
            await self._divide(batch)
            return
        nodes = read_nodes(list(by_node), body)
        for key in nodes.gone:
            self._frontier.settle(by_node[key].id, Outcome(state="gone", reason="not_found"))
        known = {key: _from_node(by_node[key], node) for key, node in nodes.found.items()}
        for key, details in known.items():
            if details is None:
                self._frontier.settle(by_node[key].id, _EMPTY)
        self._frontier.keep_details([details for details in known.values() if details])
        if nodes.again:
            await self._divide([by_node[key] for key in nodes.again])

    async def _nodes(self, ids: list[str]) -> Any:
        """The answer; None if the server could not finish it, which a smaller batch may cure."""
        try:
            return await self._api.graphql(_QUERY % MAX_LANGUAGES, {"ids": ids})
        except ApiError as error:
            if may_pass(error.status):
                return None
            raise

    async def _divide(self, batch: Sequence[Repository]) -> None:
        if len(batch) == 1:
            # REST gives the last word on a repository that GraphQL can't answer for.
            await self._ask_rest(batch[0])
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            await self._ask_graphql(half)

    async def _ask_rest(self, repository: Repository) -> None:
        try:
            commit = await self._api.head_commit(repository.name)
            languages = await self._api.languages(repository.name)
        except ApiError as error:
            outcome = _outcome(error)
            if outcome is None:
                raise
            self._frontier.settle(repository.id, outcome)
            return
        known = Details(id=repository.id, name=repository.name, commit=commit, languages=languages)
        self._frontier.keep_details([known])


def _outcome(error: ApiError) -> Outcome | None:
    if may_pass(error.status):
        return Outcome(state="failed", reason=f"http_{error.status}")
    if error.status == 422:  # no HEAD: the default branch has no commit
        return _EMPTY
    state = repository_state(Answer(error.status, {}, error.problem))
    return Outcome(state=state[0], reason=state[1]) if state else None


def _from_node(repository: Repository, node: Mapping[str, Any]) -> Details | None:
    """A GraphQL Repository as details; None if it has no commit."""
    branch = node.get("defaultBranchRef") or {}
    commit = (branch.get("target") or {}).get("oid")
    if not commit:
        return None
    edges = (node.get("languages") or {}).get("edges") or []
    return Details(
        id=repository.id,
        name=node["nameWithOwner"],
        stars=node.get("stargazerCount"),
        license=(node.get("licenseInfo") or {}).get("spdxId"),
        pushed_at=node.get("pushedAt"),
        commit=commit,
        languages={edge["node"]["name"]: edge["size"] for edge in edges},
    )
