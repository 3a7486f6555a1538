"""Responses that others recorded from GitHub, replayed against our client.

    python -m benchmarks.harvest --only recorded

Sources: the npm package @octokit/fixtures, PyGithub's replay data (in its source distribution),
and for loopback the npm package @octokit/openapi. npm and pip bring them into
`benchmarks/data/recorded`; with RECORDED=FOLDER in the environment they are read from there and
nothing is asked for.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.claims import Claim, Outcome
from benchmarks.harvest import described
from benchmarks.harvest.recordings import Recorded, read_folder, replaying
from benchmarks.target import Place
from corpus.errors import ApiError, HarvestError, UnreachableError, WorkerError
from corpus.events import silent
from harvest.credentials import users_of
from harvest.github import GitHubApi
from harvest.policy import Answer, may_pass, read_nodes, repository_state, retry_delay
from harvest.scheduler import Clock, Scheduler

PACKAGES = ("@octokit/fixtures", "@octokit/openapi")
PYGITHUB = "PyGithub==2.9.1"
_REPOSITORY = re.compile(r"/repos/(?P<name>[^/]+/[^/]+)(?P<rest>/languages|/commits/[^/]+)?")
Ask = Callable[[GitHubApi], Awaitable[Any]]


class _Impatient(Clock):
    """Waits take no time, and are added up."""

    def __init__(self) -> None:
        self.waited_s = 0.0

    def now(self) -> float:
        return time.time() + self.waited_s

    async def pause(self, seconds: float) -> None:
        self.waited_s += seconds
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What our client made of one recorded answer."""

    one: Recorded
    call: str
    problem: str | None  # None: what it should


def bench_recorded(place: Place) -> Outcome:
    """Replay what there is, and hold loopback against GitHub's description."""
    folder = _gathered(place)
    if folder is None:
        return Outcome(text=["nothing recorded could be had: is npm installed? nothing claimed"])
    text: list[str] = []
    details: dict[str, Any] = {}
    claims: list[Claim] = []
    for source in ("octokit", "pygithub"):
        recorded = read_folder(folder / source)
        judged = [problem for one in recorded for problem in misjudged(one)]
        replayed = asyncio.run(replay(recorded))
        wrong = [each for each in replayed if each.problem]
        details[source] = {
            "answers": len(recorded),
            "by_status": dict(sorted(Counter(one.status for one in recorded).items())),
            "by_call": dict(sorted(Counter(each.call for each in replayed).items())),
            "wrong": [f"{each.one.source}: {each.call}: {each.problem}" for each in wrong] + judged,
        }
        text += [
            f"{source}: {len(recorded)} answers judged, {len(judged)} of them wrongly;",
            f"  {len(replayed)} replayed through the client, {len(wrong)} misunderstood",
        ]
        text += [f"  {line}" for line in details[source]["wrong"]]
        claims += [
            Claim(f"recorded, {source}: answers judged or understood wrongly",
                  len(wrong) + len(judged), 0, None, "lower"),
            Claim(f"recorded, {source}: answers replayed through the client", len(replayed), None,
                  None, "higher"),
        ]  # fmt: skip
    claims += _described(place, folder, text, details)
    return Outcome(claims, {"recorded": details}, text)


def _described(
    place: Place, folder: Path, text: list[str], details: dict[str, Any]
) -> Iterator[Claim]:
    (description,) = (folder / "openapi").rglob("api.github.com.json")
    python = Path(os.environ.get("PEERS", described.PEERS))
    if not python.exists():
        text.append("loopback was not held against the description: .venv-bench is missing")
        return
    try:
        checked = described.check(description, place.folder("described"), python)
    except WorkerError as error:
        text.append(f"loopback was not held against the description: {error}")
        return
    text += described.report(checked)
    wrong = [each for each in checked if each.errors]
    details["loopback"] = {
        "answers": len(checked),
        "listed": sum(each.described for each in checked),
        "errors": {each.name: each.errors for each in wrong},
        "not_described": sorted({field for each in checked for field in each.unknown}),
    }
    yield Claim("loopback's answers that differ from GitHub's OpenAPI description",
                len(wrong), 0, None, "lower")  # fmt: skip


# -- getting them ---------------------------------------------------------------------------------


def _gathered(place: Place) -> Path | None:
    """The folder with all sources unpacked; None if they can't be had."""
    if given := os.environ.get("RECORDED"):
        return Path(given)
    folder = place.data / "recorded"
    if not (folder / "complete").exists():
        try:
            _gather(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            place.say(f"can't get the recordings: {error}")
            return None
        (folder / "complete").touch()
    return folder


def _gather(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        done = subprocess.run(
            ["npm", "pack", package], cwd=folder, capture_output=True, text=True, check=True
        )
        _unpack(folder / done.stdout.split()[-1], folder / package.rpartition("/")[2])
    (folder / "fixtures").rename(folder / "octokit")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, PYGITHUB], cwd=folder, capture_output=True, check=True)
    _unpack(next(folder.glob("pygithub-*.tar.gz")), folder / "pygithub", "/ReplayData/")


def _unpack(archive: Path, folder: Path, part: str = "") -> None:
    wanted = (".json", ".txt")
    with tarfile.open(archive) as tar:
        tar.extractall(
            folder,
            [m for m in tar.getmembers() if m.name.endswith(wanted) and part in f"/{m.name}"],
            filter="data",
        )
    archive.unlink()


# -- judging --------------------------------------------------------------------------------------


def misjudged(one: Recorded) -> Iterator[str]:
    """Where the rules of `harvest.policy` say something else than the answer itself does."""
    body = one.json()
    message = str(body.get("message") or "") if isinstance(body, dict) else ""
    answer = Answer(one.status, dict(one.headers), message)
    wait = retry_delay(answer, now=time.time(), attempt=1)
    limited = one.status in (403, 429) and (
        "rate limit" in message.lower()
        or "abuse" in message.lower()
        or answer.headers.get("x-ratelimit-remaining") == "0"
    )
    where = f"{one.source}: HTTP {one.status} {message[:60]!r}"
    if (wait is not None) != limited:
        yield f"{where}: waits {wait}"
    if wait is not None and not 0 <= wait.seconds <= 3_700:
        yield f"{where}: waits {wait.seconds:.0f} s"
    if may_pass(one.status) != (one.status >= 500 or one.status == 202):
        yield f"{where}: asked again"
    if repository_state(answer) and one.status < 400:
        yield f"{where}: a success taken for the end of a repository"


async def replay(recorded: Sequence[Recorded]) -> list[Replayed]:
    """Every answer that one of our calls could meet, through the whole client."""
    found = []
    for one in recorded:
        call = call_of(one)
        if call is None or _is_out_of_reach(one):
            continue
        name, path, ask = call
        # Where a redirect leads is part of the same recording, or its target answers as it would.
        others = [each for each in recorded if each.source.split(":")[0] == one.source.split(":")[0]
                  and each.method == one.method and each is not one]  # fmt: skip
        with replaying([replace(one, path=path), *others]) as served:
            clock = _Impatient()
            scheduler = Scheduler(
                users_of(["made-up-token"]),
                clock=clock,
                report=silent,
                max_wait_s=7_200,
                concurrency=8,
            )
            api = GitHubApi(served.url, scheduler, timeout_s=10, retries=0)
            found.append(Replayed(one, name, await _problem(one, api, ask)))
            api.close()
    return found


def _is_out_of_reach(one: Recorded) -> bool:
    """What can't be replayed: redirects from one scheme to another on one host, and answers of the
    time before repositories had a full name, or listings ids for GraphQL.
    """
    if one.status == 301 and urlsplit(dict(one.headers).get("location", "")).path == one.where:
        return True
    body = one.json()
    if isinstance(body, dict) and "owner" in body and "full_name" not in body:
        return True
    items = body.get("items") if isinstance(body, dict) else body
    return isinstance(items, list) and any("node_id" not in item for item in items if item)


def _shape(value: Any) -> Any:
    """A value with its texts left out: addresses in them are changed by the replay."""
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return "" if isinstance(value, str) else value


def call_of(one: Recorded) -> tuple[str, str, Ask] | None:
    """Our call that would ask for this: its name, the path that it asks, and the call."""
    query = one.query
    if one.method == "POST" and one.where.endswith("/graphql"):
        return "graphql", "/graphql", lambda api: api.graphql("query", {})
    if one.method != "GET":
        return None
    if one.where == "/search/repositories":
        text, page = query.get("q", ""), int(query.get("page", "1")) - 1
        return "search", one.path, lambda api: api.search(text, page)
    if one.where == "/repositories":
        since = int(query.get("since", "0"))
        path = f"/repositories?since={since}"
        return "repositories_since", path, lambda api: api.repositories_since(since)
    if one.where == "/rate_limit":
        return "rate_limit", one.path, lambda api: api.rate_limit()
    if number := re.fullmatch(r"/repositories/(\d+)", one.where):
        wanted = int(number[1])
        return "repository", one.where, lambda api: api.repository(wanted)
    return _of_repository(one)


def _of_repository(one: Recorded) -> tuple[str, str, Ask] | None:
    match = _REPOSITORY.fullmatch(one.where)
    if match is None:
        return None
    name, rest = match["name"], match["rest"] or ""
    if not rest:
        return "repository", one.where, lambda api: api.repository(name)
    if rest == "/languages":
        return "languages", one.where, lambda api: api.languages(name)
    return "head_commit", f"/repos/{name}/commits/HEAD", lambda api: api.head_commit(name)


async def _problem(one: Recorded, api: GitHubApi, ask: Ask) -> str | None:
    """What is wrong with what came out; None if it is what the answer says."""
    try:
        value = await ask(api)
    except ApiError as error:
        told = one.status if one.status >= 400 else None
        limited = one.status in (403, 429) and error.status == 429
        refused = one.status == 301 and "redirects to another address" in error.problem
        expected = error.status == told or limited or refused or one.status in (202, 204, 304)
        return None if expected else f"{error}"
    except (HarvestError, UnreachableError) as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # a bug of ours is what this looks for
        return f"{type(error).__name__}: {error}"
    if one.status >= 400:
        return f"HTTP {one.status} passed for a success"
    return _differs(one.json(), value)


def _differs(body: Any, value: Any) -> str | None:
    """Where our value is not what the body says."""
    if isinstance(body, dict) and "total_count" in body:
        told = (body["total_count"], [item["id"] for item in body["items"]])
        ours = (value.total, [each.id for each in value.found])
        return None if told == ours else f"{told} read as {ours}"
    if isinstance(body, dict) and "full_name" in body:
        return None if (value.id, value.name) == (body["id"], body["full_name"]) else f"{value}"
    if isinstance(body, dict) and "sha" in body:
        return None if value == body["sha"] else f"{value}"
    if isinstance(body, dict) and "data" in body:
        read_nodes([], value)
        return None if _shape(value) == _shape(body) else "another body"
    if isinstance(body, list) and isinstance(value, list):
        return None if [each.id for each in value] == [each["id"] for each in body] else f"{value}"
    return None
