from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import FileError, UnreachableError
from harvest.certificate import certificate
from harvest.enumerate.gharchive import GhArchive
from harvest.frontier import Frontier
from harvest.nodes import made_node_id
from harvest.scheduler import Clock
from harvest.selection import Judge, OptOut, Rules

FIRST, LAST = datetime(2015, 1, 1, 9, tzinfo=UTC), datetime(2015, 1, 1, 12, tzinfo=UTC)
HOURS = ["2015-01-01-9", "2015-01-01-10", "2015-01-01-11", "2015-01-01-12"]


def hour_file(*repositories: int) -> bytes:
    lines = [
        json.dumps({"repo": {"id": number, "name": f"o/n{number}"}}, separators=(",", ":"))
        for number in repositories
    ]
    return gzip.compress("\n".join(lines).encode())


class HourServer:
    """Serves hour files on loopback; a number instead of a file is a status."""

    def __init__(self) -> None:
        self.files: dict[str, list[bytes | int]] = {
            name: [hour_file(place, 100)] for place, name in enumerate(HOURS, start=1)
        }
        self.asked: Counter[str] = Counter()
        self.cut: set[str] = set()  # hours whose connection ends early

    def answer(self, name: str) -> bytes | int:
        self.asked[name] += 1
        left = self.files.get(name)
        if not left:
            return 404
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def hours() -> Iterator[tuple[HourServer, str]]:
    server = HourServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/").removesuffix(".json.gz")
            content = server.answer(name)
            if isinstance(content, int):
                self.send_response(content)
                if content == 429:
                    self.send_header("Retry-After", "70")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/gzip")
            self.end_headers()
            self.wfile.write(content[:-9] if name in server.cut else content)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server, f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


class QuickClock(Clock):
    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return super().now() + sum(self.slept)

    async def pause(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def run(
    place: str, frontier: Frontier, log: Any, judge: Judge | None = None, retries: int = 2
) -> list[float]:
    """The waits that it took."""
    clock = QuickClock()
    archive = GhArchive(
        place,
        frontier,
        judge or Judge(Rules()),
        at_once=3,
        retries=retries,
        timeout_s=10.0,
        clock=clock,
        report=log,
    )
    asyncio.run(archive.run(FIRST, LAST))
    return clock.slept


def known(frontier: Frontier) -> set[int]:
    return {each.id for each in frontier.with_states(*frontier.states())}


def test_hours_over_http(hours: Any, frontier: Frontier, log: Any) -> None:
    server, address = hours
    run(f"{address}/", frontier, log)
    assert known(frontier) == {1, 2, 3, 4, 100}
    assert frontier.with_states("found")[0].node_id == made_node_id(1)
    assert certificate(frontier)["gharchive"] == {
        "parts": {"closed": 4},
        "events": 8,
        "damaged_lines": 0,
        "repositories": 8,
        "not_closed": [],
    }
    run(address, frontier, log)
    assert set(server.asked.values()) == {1}, "no hour is read twice"


def test_hours_from_a_folder(tmp_path: Path, frontier: Frontier, log: Any) -> None:
    for place, name in enumerate(HOURS[:3], start=1):
        (tmp_path / f"{name}.json.gz").write_bytes(hour_file(place))
    run(str(tmp_path), frontier, log)
    assert known(frontier) == {1, 2, 3}
    assert certificate(frontier)["gharchive"]["not_closed"] == [
        {"part": HOURS[3], "state": "missing"}
    ]
    assert "1 missing" in log.lines[-1]


def test_a_folder_that_is_not_there(tmp_path: Path, frontier: Frontier, log: Any) -> None:
    with pytest.raises(FileError, match="nowhere"):
        run(str(tmp_path / "nowhere"), frontier, log)
    assert frontier.count_parts("gharchive") == {"open": 4}


def test_holes_and_damage_are_counted_and_named(hours: Any, frontier: Frontier, log: Any) -> None:
    server, address = hours
    server.files[HOURS[0]] = [404]
    server.files[HOURS[1]] = [hour_file(2)[:-9]]
    server.files[HOURS[2]] = [gzip.compress(b'{"repo":{"id":3,"name":"o/n3"}}\n{"repo"\n')]
    run(address, frontier, log)
    assert known(frontier) >= {3, 4}
    shown = certificate(frontier)["gharchive"]
    assert shown["parts"] == {"closed": 1, "damaged": 1, "missing": 1, "truncated": 1}
    assert sorted(shown["not_closed"], key=lambda each: each["part"]) == [
        {"part": HOURS[1], "state": "truncated"},
        {"part": HOURS[2], "state": "damaged", "damaged_lines": 1},
        {"part": HOURS[0], "state": "missing"},
    ]


def test_a_server_error_is_asked_again(hours: Any, frontier: Frontier, log: Any) -> None:
    server, address = hours
    server.files[HOURS[0]] = [503, 502, hour_file(1)]
    server.files[HOURS[1]] = [500]
    run(address, frontier, log)
    assert known(frontier) == {1, 3, 4, 100}
    assert certificate(frontier)["gharchive"]["parts"] == {"closed": 3, "failed": 1}
    assert server.asked[HOURS[1]] == 3


def test_who_asks_us_to_come_later_is_obeyed(hours: Any, frontier: Frontier, log: Any) -> None:
    server, address = hours
    server.files[HOURS[0]] = [429, hour_file(1)]
    slept = run(address, frontier, log)
    assert certificate(frontier)["gharchive"]["parts"] == {"closed": 4}
    assert sum(slept) > 69
    assert any("waiting 70 s before the next hour file: HTTP 429" in line for line in log.lines)


def test_a_connection_that_is_lost_each_time_keeps_what_came(
    hours: Any, frontier: Frontier, log: Any
) -> None:
    server, address = hours
    server.cut = {HOURS[0]}
    run(address, frontier, log, retries=1)
    assert certificate(frontier)["gharchive"]["parts"] == {"closed": 3, "lost": 1}
    assert server.asked[HOURS[0]] == 2


def test_nobody_listens(frontier: Frontier, log: Any) -> None:
    with pytest.raises(UnreachableError, match="gharchive"):
        run("http://127.0.0.1:9", frontier, log)
    assert frontier.count_parts("gharchive") == {"open": 4}


def test_who_opted_out_is_marked_at_once(hours: Any, frontier: Frontier, log: Any) -> None:
    judge = Judge(Rules(), OptOut(frozenset({"o/n100"})))
    run(hours[1], frontier, log, judge)
    assert frontier.states() == {"found": 4, "opted_out": 1}
