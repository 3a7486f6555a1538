"""harvest's Api, answered by the world: the real scheduler gives the leases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harvest.simulator.github import Answered, GitHub
from benchmarks.harvest.simulator.search import SearchIndex, found_at, iso
from benchmarks.harvest.simulator.world import LICENSES, World
from corpus.errors import ApiError
from harvest.api import Listed, Page, Quota
from harvest.budget import ApiResource
from harvest.policy import Answer, backoff_s, may_pass
from harvest.scheduler import Scheduler
from harvest.selection import Found

_MONSTER_NODES = 60
_OK = Answer(200)
_LISTED = 100  # a page by id


@dataclass(slots=True)
class Span:
    """When a kind of request was first sent and last answered, and how many there were."""

    first: float = 0.0
    last: float = 0.0
    requests: int = 0

    @property
    def seconds(self) -> float:
        """How long it went on."""
        return self.last - self.first


class SimulatedApi:
    """Waits and retries as `GitHubApi` does."""

    def __init__(
        self, world: World, github: GitHub, scheduler: Scheduler, *, retries: int = 4
    ) -> None:
        self._world, self._github, self._scheduler = world, github, scheduler
        self._search = SearchIndex(world)
        self._retries = retries
        self.spans: dict[str, Span] = {}

    async def search(self, query: str, page: int) -> Page:
        """See Api."""

        def produce() -> Answered:
            random, mood = self._github.random, self._github.mood
            hidden = random.randint(1, 9) if random.random() < mood.incomplete else 0
            return Answered(_OK, self._search.page(query, page, hidden=hidden))

        found: Page = await self._call("search", "search", 0.8, produce)
        return found

    async def repositories_since(self, number: int) -> Sequence[Listed]:
        """See Api."""

        def produce() -> Answered:
            start = int(np.searchsorted(self._world.ids, number, side="right"))
            stop = min(start + _LISTED, len(self._world))
            return Answered(_OK, [self._listed(place) for place in range(start, stop)])

        listed: list[Listed] = await self._call("core", "ids", 0.15, produce)
        return listed

    def _listed(self, place: int) -> Listed:
        world = self._world
        number = int(world.ids[place])
        name = world.name(place, listed=True)
        return Listed(number, f"R_{number}", name, bool(world.fork[place]))

    async def graphql(self, query: str, variables: Mapping[str, Any]) -> Any:
        """See Api."""
        ids = list(variables["ids"])
        return await self._call(
            "graphql", "graphql", 0.3 + 0.017 * len(ids), lambda: self._nodes(ids), retries=1
        )

    def _nodes(self, ids: Sequence[str]) -> Answered:
        world, random = self._world, self._github.random
        numbers = np.array([int(key.removeprefix("R_")) for key in ids])
        places = np.minimum(np.searchsorted(world.ids, numbers), len(world) - 1)
        cost = len(ids) + _MONSTER_NODES * int(world.monster[places].sum())
        if cost > self._github.mood.graphql_budget:
            return Answered(Answer(502, message="timed out"))
        wrong: set[int] = set()
        if random.random() < self._github.mood.partial:
            wrong = {random.randrange(len(ids)) for _ in range(3)}
        nodes, errors = nodes_at(world, places.tolist(), wrong)
        return Answered(_OK, {"data": {"nodes": nodes}} | ({"errors": errors} if errors else {}))

    async def head_commit(self, name: str) -> str:
        """See Api."""
        commit: str = await self._of_one(name, lambda place: f"{self._world.ids[place]:040x}")
        return commit

    async def languages(self, name: str) -> dict[str, int]:
        """See Api."""
        return dict(await self._of_one(name, lambda place: languages_at(self._world, place)))

    async def repository(self, name_or_id: str | int) -> Found:
        """See Api."""
        found: Found = await self._of_one(
            name_or_id, lambda place: found_at(self._world, np.array([place]))[0]
        )
        return found

    async def _of_one(self, name_or_id: str | int, tell: Callable[[int], Any]) -> Any:
        digits = "".join(c for c in str(name_or_id).rpartition("/")[2] if c.isdigit())
        place = self._world.place(int(digits))

        def produce() -> Answered:
            if place is None or self._world.gone[place]:
                return Answered(Answer(404, message="Not Found"))
            if self._world.blocked[place]:
                return Answered(Answer(451, message="Repository access blocked"))
            return Answered(_OK, tell(place))

        return await self._call("core", "rest", 0.1, produce)

    async def rate_limit(self) -> Mapping[str, Quota]:
        """See Api."""
        return {
            "core": Quota(5_000, 5_000, 0),
            "search": Quota(30, 30, 0),
            "graphql": Quota(5_000, 5_000, 0),
        }

    async def _call(
        self,
        resource: ApiResource,
        kind: str,
        seconds: float,
        produce: Callable[[], Answered],
        *,
        retries: int | None = None,
    ) -> Any:
        failures, retries = 0, self._retries if retries is None else retries
        while True:
            async with self._scheduler.lease(resource) as lease:
                self._count(kind, 0)
                came = await self._github.exchange(str(lease.token), resource, seconds, produce)
                answer = came.answer
                limited = lease.answered(
                    answer.status, answer.headers, answer.message, body=_errors_of(came)
                )
                self._count(kind, 1)
            if limited:
                continue
            if answer.status == 200:
                return came.body
            if not may_pass(answer.status) or failures == retries:
                raise ApiError(f"simulated/{kind}", answer.status, answer.message)
            failures += 1
            await self._scheduler.clock.pause(backoff_s(failures))

    def _count(self, kind: str, answers: int) -> None:
        now = self._scheduler.clock.now()
        span = self.spans.setdefault(kind, Span(first=now))
        span.last, span.requests = now, span.requests + answers


def _errors_of(came: Answered) -> Any:
    return came.body if isinstance(came.body, dict) and "errors" in came.body else None


def languages_at(world: World, place: int) -> dict[str, int]:
    """Bytes by language."""
    named = {"Python": int(world.python[place]), "C": int(world.other[place])}
    return {name: size for name, size in named.items() if size}


def nodes_at(
    world: World, places: Sequence[int], wrong: set[int]
) -> tuple[list[Any], list[dict[str, Any]]]:
    """GraphQL's `nodes`, and its errors: NOT_FOUND for what is gone."""
    at = np.array(places)
    created, pushed = iso(world.created[at]), iso(world.pushed[at])
    nodes: list[Any] = []
    errors: list[dict[str, Any]] = []
    for number, place in enumerate(places):
        if number in wrong or world.gone[place] or world.blocked[place]:
            gone = world.gone[place] and number not in wrong
            kind = {"type": "NOT_FOUND"} if gone else {}
            message = "Could not resolve to a node" if gone else "Something went wrong"
            errors.append({**kind, "path": ["nodes", number], "message": message})
            nodes.append(None)
            continue
        nodes.append(_node(world, place, created[number], pushed[number]))
    return nodes, errors


def _node(world: World, place: int, created: str, pushed: str) -> dict[str, Any]:
    number = int(world.ids[place])
    license_id = LICENSES[world.license[place]]
    branch = {"name": "main", "target": {"oid": f"{number:040x}"}}
    return {
        "id": f"R_{number}",
        "databaseId": number,
        "nameWithOwner": world.name(place),
        "stargazerCount": int(world.stars[place]),
        "isFork": bool(world.fork[place]),
        "isArchived": bool(world.archived[place]),
        "diskUsage": int(world.size_kb[place]),
        "createdAt": created,
        "pushedAt": pushed,
        "licenseInfo": {"spdxId": license_id} if license_id else None,
        "defaultBranchRef": None if world.empty[place] else branch,
        "languages": {
            "edges": [
                {"size": size, "node": {"name": name}}
                for name, size in languages_at(world, place).items()
            ]
        },
    }
