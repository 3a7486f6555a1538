from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harvest.enumerate.hours
from harvest.enumerate.hours import DamagedError, Hour, HourReader, hour_names


def event(number: int, name: str, kind: str = "PushEvent", **payload: Any) -> bytes:
    """An event as GH Archive writes it since 2015."""
    text = json.dumps(
        {
            "id": "1",
            "type": kind,
            "actor": {"id": 5, "login": "ada"},
            "repo": {"id": number, "name": name, "url": f"https://api.github.com/repos/{name}"},
            "payload": payload,
            "public": True,
        },
        separators=(",", ":"),
    )
    return text.encode()


def read(data: bytes, chunk: int = 1 << 16) -> tuple[Hour, str]:
    reader = HourReader()
    try:
        for start in range(0, len(data), chunk):
            reader.feed(data[start : start + chunk])
        reader.close()
    except DamagedError as damage:
        return reader.hour, damage.reason
    return reader.hour, "closed"


def test_hours_are_named_as_they_lie_there() -> None:
    first, last = datetime(2015, 1, 31, 22, tzinfo=UTC), datetime(2015, 2, 1, 1, tzinfo=UTC)
    names = ["2015-01-31-22", "2015-01-31-23", "2015-02-01-0", "2015-02-01-1"]
    assert list(hour_names(first, last)) == names
    assert list(hour_names(last, first)) == []


names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,5}/[A-Za-z0-9_.-]{1,8}", fullmatch=True)


@given(
    st.lists(st.tuples(st.integers(1, 10**12), names, st.text(max_size=20)), max_size=20),
    st.integers(1, 99),
    st.booleans(),
)
def test_every_event_brings_its_repository_however_it_is_cut(
    events: list[tuple[int, str, str]], chunk: int, members: bool
) -> None:
    lines = [event(number, name, message=message) + b"\n" for number, name, message in events]
    data = b"".join(map(gzip.compress, lines)) if members else gzip.compress(b"".join(lines))
    hour, state = read(data, chunk) if data else (Hour(), "closed")
    assert state == "closed"
    assert (hour.events, hour.damaged) == (len(events), 0)
    assert {each: name for each, (name, _) in hour.repositories.items()} == {
        each: name for each, name, _ in events
    }


def test_a_string_that_looks_like_a_repository_is_none() -> None:
    hour, _ = read(gzip.compress(event(1, "a/b", message='"repo":{"id":2,"name":"c/d"')))
    assert set(hour.repositories) == {1}


def test_a_fork_event_brings_the_fork_too() -> None:
    line = event(1, "a/b", "ForkEvent", forkee={"id": 2, "name": "b", "full_name": "c/b"})
    hour, _ = read(gzip.compress(line + b"\n" + event(2, "c/b")))
    assert hour.repositories == {1: ("a/b", None), 2: ("c/b", True)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"repository":{"id":3,"name":"n","owner":"o","fork":false}}', {3: ("o/n", None)}),
        (b'{"type":"GistEvent","payload":{"id":9}}', {}),
        (b'{"repo":{"id":true,"name":"a/b"}}', {}),
        (b'{"repo":{"id":4,"name":"/"}}', {}),
        (b'{"repo":{"id":99999999999999999999,"name":"a/b"}}', {}),
        (b'{ "repo": { "id": 5, "name": "a/b" } }', {5: ("a/b", None)}),
        (b"[1]", {}),
        (b"", {}),
    ],
)
def test_older_and_odder_events(line: bytes, expected: dict[int, Any]) -> None:
    hour, state = read(gzip.compress(line + b"\n"))
    assert (hour.repositories, hour.damaged, state) == (expected, 0, "closed")


@pytest.mark.parametrize("line", [b"{", b'{"repo":{"id":1,"na', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_line_is_counted_and_the_others_are_kept(line: bytes) -> None:
    hour, state = read(gzip.compress(line + b"\n" + event(1, "a/b") + b"\n"))
    assert (hour.damaged, state, set(hour.repositories)) == (1, "closed", {1})


def test_what_came_before_the_damage_is_kept() -> None:
    # Incompressible, so that the cut lies behind the first event.
    whole = b"\n".join(event(n, f"o/n{n}", sha=f"{n * 7919:040x}") for n in range(1, 4_000))
    data = gzip.compress(whole)
    hour, state = read(data[: len(data) // 2], chunk=1_000)
    assert state == "truncated"
    assert 0 < hour.events < 3_999
    spoilt = bytearray(data)
    spoilt[len(data) // 2] ^= 255
    spoilt_hour, spoilt_state = read(bytes(spoilt), chunk=1_000)
    assert spoilt_state == "corrupt"
    assert spoilt_hour.events
    assert read(b"<html>no such key</html>")[1] == "not_gzip"
    assert read(b"")[1] == "truncated"


def test_a_line_without_end_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harvest.enumerate.hours, "MAX_LINE_BYTES", 1_000)
    long = b'{"x":"' + b"y" * 600_000 + b'"}'
    hour, state = read(gzip.compress(long + b"\n" + event(1, "a/b") + b"\n"), chunk=100)
    assert (hour.damaged, set(hour.repositories), state) == (1, {1}, "closed")
