"""Recordings in their forms, and the server that plays them again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from benchmarks.harvest import described
from benchmarks.harvest.__main__ import main
from benchmarks.harvest.recorded import call_of, misjudged, replay
from benchmarks.harvest.recordings import Recorded, read_folder, replaying
from benchmarks.harvest.throughput import bench_throughput
from benchmarks.target import Place

OWN = Path(__file__).parents[1] / "harvest" / "recordings"
KINDS = {200, 301, 302, 304, 401, 403, 404, 409, 422, 429, 451, 500, 502, 503}
ONE = Recorded(
    source="made:0", method="GET", host="api.github.com", path="/repos/a/b", status=404,
    headers=(("content-type", "application/json"),), body=b'{"message": "Not Found"}',
)  # fmt: skip


def test_nock_files_hold_json_text_and_bytes(tmp_path: Path) -> None:
    exchanges = [
        {"method": "get", "path": "/a?q=1", "status": 200, "response": {"a": 1},
         "headers": {"X-One": "1"}},
        {"method": "get", "path": "/b", "status": 200, "response": "ab", "responseIsBinary": True,
         "rawHeaders": ["X-Two", "2"]},
        {"method": "post", "path": "/c", "status": 503, "response": "<html>", "headers": {}},
    ]  # fmt: skip
    (tmp_path / "three.json").write_text(json.dumps(exchanges))
    first, second, third = read_folder(tmp_path)
    assert (first.json(), first.query, first.headers) == ({"a": 1}, {"q": "1"}, (("x-one", "1"),))
    assert (second.body, second.headers) == (b"\xab", (("x-two", "2"),))
    assert (third.method, third.json(), third.body) == ("POST", None, b"<html>")


def test_replay_files_hold_ten_lines_an_exchange(tmp_path: Path) -> None:
    lines = ["https", "GET", "api.github.com", "None", "/user", "{}", "None", "200"]
    (tmp_path / "One.testTwo.txt").write_text(
        "\n".join([*lines, "[('Status', '200 OK')]", '{"login": "ada"}', "", *lines])
    )
    (one,) = read_folder(tmp_path)  # what is cut off at the end is left out
    assert (one.where, one.status, one.headers) == ("/user", 200, (("status", "200 OK"),))
    assert one.json() == {"login": "ada"}


def test_the_same_request_is_answered_in_turn_and_the_last_stays() -> None:
    moved = replace(ONE, status=301, headers=(("location", "https://api.github.com/x"),))
    with replaying([moved, ONE]) as served:
        answers = [
            requests.get(f"{served.url}/repos/a/b?per_page=7", allow_redirects=False, timeout=9)
            for _ in range(3)
        ]
        assert requests.get(f"{served.url}/elsewhere", timeout=9).status_code == 599
    assert [answer.status_code for answer in answers] == [301, 404, 404]
    assert answers[0].headers["Location"] == f"{served.url}/x"
    assert served.unknown == ["GET /elsewhere"]


async def test_what_the_client_makes_of_answers_is_judged() -> None:
    (fine,) = await replay([ONE])
    assert (fine.call, fine.problem) == ("repository", None)
    (lie,) = await replay([replace(ONE, status=200)])  # no repository, and yet a success
    assert lie.problem is not None
    assert call_of(replace(ONE, path="/repos/a/b/labels")) is None


def test_our_own_recordings_are_judged_rightly() -> None:
    recorded = read_folder(OWN)
    assert len(recorded) > 40
    assert {one.status for one in recorded} >= KINDS
    told = [line for one in recorded for line in misjudged(one) if "{NOW" not in str(one.headers)]
    assert not told
    wrong = replace(ONE, status=403, body=b'{"message": "rate limit"}',
                    headers=(("retry-after", "99999"),))  # fmt: skip
    assert list(misjudged(wrong))


def test_loopback_is_asked_for_every_route_and_failure() -> None:
    asked = list(described.answers())
    assert {answer["status"] for answer in asked} >= {*KINDS, 400, 504}
    templates = {template for template, _ in described.ROUTES}
    assert templates < {answer["template"] for answer in asked}
    assert [answer["status"] for answer in asked if answer["method"] == "post"] == [201, 401, 404]


def test_a_command_line_that_names_no_benchmark_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--only", "nothing"])
    assert stopped.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.slow
def test_every_tool_brings_the_same_files(tmp_path: Path) -> None:
    said: list[str] = []
    say: Callable[[str], None] = said.append
    place = Place(out=tmp_path, scratch=tmp_path / "scratch", data=tmp_path, scale=0.01, say=say)
    outcome = bench_throughput(place)
    assert len({claim.name for claim in outcome.claims}) == len(outcome.claims) == 14
    assert len(said) == 12
