"""Git over HTTP, as github.com serves it: `git upload-pack` behind two addresses.

Source: git documentation, gitprotocol-http(5), "Smart Server Response", and git-http-backend(1).
Only fetching, and only from catalogs that are git folders; any other repository is a 404.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from harvest.loopback import faults as fault
from harvest.loopback.archives import stream
from harvest.loopback.catalog import GitCatalog
from harvest.loopback.exchange import Server, host_endpoint, status_fault, suffer_delay_or_drop
from harvest.loopback.hostilepack import hostile_answer

SERVICE = "git-upload-pack"
PATHS = (
    ("GET", "/{owner}/{repo}/info/refs"),
    ("POST", "/{owner}/{repo}/" + SERVICE),
)
_ANNOUNCEMENT = b"001e# service=%s\n0000" % SERVICE.encode()
_MAX_REQUEST_BYTES = 64 << 20
_PIECE_BYTES = 1 << 16
_PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,40}")


def git_endpoint(server: Server) -> Callable[..., Any]:
    """The aiohttp handler of both addresses."""
    return host_endpoint(server, "git", _respond)


async def _respond(
    server: Server, request: web.Request, name: str, actions: list[fault.Action]
) -> web.StreamResponse:
    await suffer_delay_or_drop(request, actions)
    if problem := status_fault(actions, name):
        return web.Response(
            status=problem.status, text=str(problem.body.get("message")), headers=problem.headers
        )
    if moved := _moved(server, request, name):
        return moved
    where = _folder(server, name)
    if where is None:
        return web.Response(status=404, text="Repository not found.")
    if request.method == "GET":
        return await _advertise(request, where, actions)
    return await _upload(request, where, actions)


def _folder(server: Server, name: str) -> Path | None:
    catalog, known = server.index.catalog, server.index.by_name(*name.split("/"))
    if known is None or not isinstance(catalog, GitCatalog):
        return None
    return catalog.folder(known)


def _moved(server: Server, request: web.Request, name: str) -> web.Response | None:
    owner, repo = name.split("/")
    if server.index.by_name(owner, repo):
        return None
    known = server.index.by_former_name(owner, repo)
    if known is None:
        return None
    rest = request.path_qs.partition(f"/{owner}/{request.match_info['repo']}")[2]
    return web.Response(status=301, headers={"Location": f"/{known.full_name}.git{rest}"})


async def _advertise(
    request: web.Request, where: Path, actions: list[fault.Action]
) -> web.StreamResponse:
    if request.query.get("service") != SERVICE:
        return web.Response(status=403, text="Please upgrade your git client.")
    command = [*_command(where, actions), "--http-backend-info-refs"]
    # Version 2 is told at once; older ones are announced first.
    version = _version(request, actions)
    start = b"" if version == "version=2" else _ANNOUNCEMENT
    content_type = f"application/x-{SERVICE}-advertisement"
    return await _stream(request, _spoken(command, version, b"", start), actions, content_type)


async def _upload(
    request: web.Request, where: Path, actions: list[fault.Action]
) -> web.StreamResponse:
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > _MAX_REQUEST_BYTES:
            return web.Response(status=413, text="Too many wants.")
    result = f"application/x-{SERVICE}-result"
    for action in actions:
        if isinstance(action, fault.HostilePack):
            wants = re.findall(rb"want ([0-9a-f]{40})\n", bytes(body))
            pieces = hostile_answer(action.kind, [want.decode() for want in wants])
            return await _stream(request, pieces, actions, result)
    spoken = _spoken(_command(where, actions), _version(request, actions), bytes(body), b"")
    return await _stream(request, spoken, actions, result)


def _command(where: Path, actions: list[fault.Action]) -> list[str]:
    filters = "false" if any(isinstance(each, fault.NoFilter) for each in actions) else "true"
    return [
        "git",
        *("-c", f"uploadpack.allowFilter={filters}"),
        *("-c", "uploadpack.allowAnySHA1InWant=true"),
        *("-c", "safe.directory=*"),
        "upload-pack",
        "--stateless-rpc",
        str(where),
    ]


def _version(request: web.Request, actions: list[fault.Action]) -> str:
    """What the client asks to speak, as git takes it from its environment."""
    old = any(isinstance(each, fault.OldProtocol) for each in actions)
    asked = "" if old else request.headers.get("Git-Protocol", "")
    return asked if _PROTOCOL.fullmatch(asked) else ""


def _spoken(command: list[str], version: str, body: bytes, start: bytes) -> Iterator[bytes]:
    """What the command says to `body`, as it comes, after `start`."""
    if start:
        yield start
    with tempfile.TemporaryFile() as asked:
        asked.write(body)
        asked.seek(0)
        with subprocess.Popen(
            command,
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "GIT_PROTOCOL": version},
        ) as process:
            assert process.stdout is not None
            try:
                while piece := process.stdout.read(_PIECE_BYTES):
                    yield piece
            finally:
                process.kill()  # nobody may be left to read the rest


async def _stream(
    request: web.Request, pieces: Iterator[bytes], actions: list[fault.Action], content_type: str
) -> web.StreamResponse:
    cuts = [each.after_bytes for each in actions if isinstance(each, fault.Truncate)]
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
    return await stream(request, headers, pieces, min(cuts, default=None))
