"""Responses that were recorded from GitHub, read from three forms and served again on loopback.

The forms: nock's JSON, as the npm package @octokit/fixtures has it and as ours in
`tests/harvest/recordings/` are written, and the replay files of PyGithub's own tests.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOSTS = ("https://api.github.com", "https://codeload.github.com")
# How a page is asked for differs between clients, and says nothing of what comes back.
_IGNORED = frozenset({"per_page", "sort", "order"})
# Of the connection, not of the answer.
_HOP_HEADERS = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding"})
_HEX, _GZIP = re.compile(r"(?:[0-9a-f]{2})+"), b"\x1f\x8b"
_SOON = re.compile(r"\{NOW\+(\d+)\}")  # in ours: a moment that must not be long ago
_FIELDS = 10  # lines of one exchange in PyGithub's form, before an empty one


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request and what GitHub said to it."""

    source: str  # file, and which exchange in it
    method: str
    host: str
    path: str  # with its query
    status: int
    headers: tuple[tuple[str, str], ...] = ()  # names in lower case
    body: bytes = b""
    asked: Any = None  # the request's body

    @property
    def where(self) -> str:
        """The path without its query."""
        return urlsplit(self.path).path

    @property
    def query(self) -> dict[str, str]:
        """The query, each key's last value."""
        return {key: values[-1] for key, values in parse_qs(urlsplit(self.path).query).items()}

    def json(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def read_nock(path: Path) -> Iterator[Recorded]:
    """The exchanges of a nock file. Bodies are JSON values, text, or bytes in hexadecimals."""
    for number, one in enumerate(json.loads(path.read_text(encoding="utf-8"))):
        flat = one.get("rawHeaders") or [part for pair in one["headers"].items() for part in pair]
        yield Recorded(
            source=f"{path.parent.name}/{path.name}:{number}",
            method=one["method"].upper(),
            host=urlsplit(one.get("scope", HOSTS[0])).hostname or "",
            path=one["path"],
            status=one["status"],
            headers=_headers(zip(flat[::2], flat[1::2], strict=True)),
            body=_nock_body(one.get("response", ""), bool(one.get("responseIsBinary"))),
            asked=one.get("body"),
        )


def _nock_body(response: Any, binary: bool) -> bytes:
    """What stands in a nock file, as bytes; it keeps what was compressed as hexadecimals."""
    chunks = [response] if isinstance(response, str) else response
    text = isinstance(chunks, list) and all(isinstance(chunk, str) for chunk in chunks)
    joined = "".join(chunks) if text and chunks else ""
    if joined and (binary or isinstance(response, list)) and _HEX.fullmatch(joined):
        raw = bytes.fromhex(joined)
        return gzip.decompress(raw) if isinstance(response, list) and raw[:2] == _GZIP else raw
    return response.encode() if isinstance(response, str) else json.dumps(response).encode()


def read_replay(path: Path) -> Iterator[Recorded]:
    """The exchanges of one of PyGithub's replay files: ten lines each, and an empty one.

    A file whose bodies run over several lines (binary downloads) is read up to there.
    """
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    for start in range(0, len(lines) - _FIELDS + 1, _FIELDS + 1):
        _, method, host, _, url, _, asked, status, headers, body = lines[start : start + _FIELDS]
        if not status.strip().isdigit():
            return
        known = ast.literal_eval(headers)
        yield Recorded(
            source=f"{path.name}:{start // (_FIELDS + 1)}",
            method=method,
            host=host,
            path=url,
            status=int(status),
            headers=_headers(known.items() if isinstance(known, dict) else known),
            body=body.encode("utf-8", "surrogateescape"),
            asked=None if asked == "None" else asked,
        )


def read_folder(folder: Path) -> list[Recorded]:
    """Every recording below a folder, of either form, in the order of names."""
    found: list[Recorded] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".txt":
            found += read_replay(path)
        elif path.suffix == ".json" and path.name != "package.json":
            found += read_nock(path)
    return found


def _headers(pairs: Iterable[tuple[Any, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(key).lower(), str(value)) for key, value in pairs)


@dataclass(slots=True)
class Replay:
    """The server while it runs."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)  # method and path, with query
    unknown: list[str] = field(default_factory=list)  # requests that nothing was recorded for
    tokens: list[tuple[str, str | None]] = field(default_factory=list)  # path, Authorization


@contextmanager
def replaying(recorded: Sequence[Recorded]) -> Iterator[Replay]:
    """Serve these recordings on 127.0.0.1 while the block runs.

    Several of the same request are served one after the other, and the last one again and again.
    GitHub's addresses in headers and bodies become the server's own.
    """
    replay = Replay()
    waiting: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Recorded]] = {}
    for one in recorded:
        waiting.setdefault(_key(one.method, one.path), []).append(one)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            replay.asked.append((self.command, self.path))
            replay.tokens.append((self.path, self.headers.get("Authorization")))
            known = waiting.get(_key(self.command, self.path))
            if not known:
                replay.unknown.append(f"{self.command} {self.path}")
                self.send_error(599, "Not recorded")
                return
            _write(self, known.pop(0) if len(known) > 1 else known[0], replay.url)

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *arguments: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    replay.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield replay
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _write(handler: BaseHTTPRequestHandler, one: Recorded, url: str) -> None:
    body = one.body
    for host in HOSTS:
        body = body.replace(host.encode(), url.encode())
    handler.send_response_only(one.status)
    cut = dict(one.headers).get("content-length")
    for key, value in one.headers:
        if key not in _HOP_HEADERS:
            for host in HOSTS:
                value = value.replace(host, url)
            value = _SOON.sub(lambda found: str(int(time.time()) + int(found[1])), value)
            handler.send_header(key, value.encode("latin-1", "replace").decode("latin-1"))
    # One of ours that promises more than it has is a connection that broke off.
    broken = cut is not None and one.source.startswith("recordings/") and int(cut) > len(one.body)
    handler.send_header("Content-Length", str(int(cut) if broken and cut else len(body)))
    handler.end_headers()
    if one.status not in (204, 304):
        handler.wfile.write(body)
    handler.close_connection = broken


def _key(method: str, path: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    parts = urlsplit(path)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    kept = sorted((key, value) for key, value in query.items() if key not in _IGNORED)
    if ("page", "1") in kept:
        kept.remove(("page", "1"))
    return method.upper(), parts.path.rstrip("/"), tuple(kept)
