"""One hour of GH Archive as it arrives: the repositories that its events name.

A file is gzipped JSON, an event a line (gharchive.org). Since 2015 an event has `repo` with id and
`owner/name`; before, `repository` with id, owner and name, or nothing. A fork event also brings the
fork. Names may have changed since, which is why a repository is known by its id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from harvest.gunzip import DamagedError, Gunzip

MAX_HOUR_BYTES = 16 << 30  # decompressed; real ones have about 0.5 GB
MAX_LINE_BYTES = 32 << 20  # GitHub cuts a payload at 25 MB
_MAX_ID = 10**18
# Within a string every quotation mark is escaped, so this is an event's own field, whole.
_EVENT = re.compile(rb'"repo":\{"id":(\d{1,18}),"name":"([\w.-]+/[\w.-]+)"')
_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def hour_names(first: datetime, last: datetime) -> Iterator[str]:
    """The names of the hours from `first` to `last`, as GH Archive writes them: 2015-01-31-7."""
    hour = first
    while hour <= last:
        yield f"{hour:%Y-%m-%d}-{hour.hour}"
        hour += timedelta(hours=1)


@dataclass(slots=True)
class Hour:
    """What an hour's events named: id -> (name, whether it is a fork, if that is known)."""

    repositories: dict[int, tuple[str, bool | None]] = field(default_factory=dict)
    events: int = 0
    damaged: int = 0  # lines


class HourReader:
    """Feed it what comes; it keeps what was whole, whatever comes after."""

    def __init__(self) -> None:
        self.hour = Hour()
        self._gunzip = Gunzip(MAX_HOUR_BYTES)
        self._rest = b""
        self._skipping = False  # the rest of a line that is too long

    def feed(self, chunk: bytes) -> None:
        """Raises DamagedError."""
        for block in self._gunzip.feed(chunk):
            *lines, rest = (self._rest + block).split(b"\n")
            for line in lines:
                if not self._skipping:
                    self._line(line)
                self._skipping = False
            self._rest = rest
            if len(rest) > MAX_LINE_BYTES:
                self.hour.damaged += not self._skipping
                self._skipping, self._rest = True, b""

    def close(self) -> None:
        """No more comes. Raises DamagedError if there should be more."""
        self._gunzip.close()
        if self._rest and not self._skipping:
            self._line(self._rest)

    def _line(self, line: bytes) -> None:
        line = line.strip()
        if not line:
            return
        named = _EVENT.search(line)
        if named and line[:1] == b"{" and line[-1:] == b"}" and b'"ForkEvent"' not in line:
            self.hour.events += 1
            self._keep(int(named[1]), named[2].decode(), None)
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            self.hour.damaged += 1
            return
        self.hour.events += 1
        for number, name, fork in _named_in(event):
            self._keep(number, name, fork)

    def _keep(self, number: int, name: str, fork: bool | None) -> None:
        known = self.hour.repositories.get(number)
        self.hour.repositories[number] = name, fork or (known[1] if known else None)


def _named_in(event: Any) -> Iterator[tuple[int, str, bool | None]]:
    """(id, owner/name, fork) of every repository that an event carries."""
    if not isinstance(event, Mapping):
        return
    payload = event.get("payload")
    forkee = payload.get("forkee") if isinstance(payload, Mapping) else None
    for each, fork in ((event.get("repo"), None), (event.get("repository"), None), (forkee, True)):
        if not isinstance(each, Mapping):
            continue
        number, name = each.get("id"), each.get("full_name") or each.get("name")
        if isinstance(each.get("owner"), str) and "/" not in str(name):
            name = f"{each['owner']}/{name}"
        if type(number) is not int or not 0 < number < _MAX_ID:
            continue
        if isinstance(name, str) and _NAME.fullmatch(name):
            yield number, name, fork


__all__ = ["DamagedError", "Hour", "HourReader", "hour_names"]
