"""The archive host: what codeload.github.com is to github.com, on a port of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

from corpus.errors import PycodegptError
from harvest.loopback import faults as fault
from harvest.loopback.exchange import (
    Server,
    hang_up,
    host_endpoint,
    status_fault,
    suffer_delay_or_drop,
)
from harvest.loopback.hostile import hostile_tar
from harvest.loopback.repository import Commit, Repository
from harvest.loopback.tarwriter import gzip_stream

PATH = "/{owner}/{repo}/legacy.tar.gz/{ref:.+}"
_PIECE_BYTES = 1 << 18
_NOT_GZIP = b"<!DOCTYPE html>\n<html><body>This is not the archive you are looking for.</body>\n"


def archive_endpoint(server: Server) -> Callable[..., Any]:
    """The aiohttp handler that streams archives."""
    return host_endpoint(server, "archive", _respond)


async def _respond(
    server: Server, request: web.Request, name: str, actions: list[fault.Action]
) -> web.StreamResponse:
    await suffer_delay_or_drop(request, actions)
    if problem := status_fault(actions, name):
        return web.json_response(dict(problem.body), status=problem.status, headers=problem.headers)
    known = server.index.by_name(request.match_info["owner"], request.match_info["repo"])
    commit = await _commit(server, known, request.match_info["ref"]) if known else None
    if known is None or commit is None:
        return web.Response(status=404, text="404: Not Found")
    pieces = _pieces(server, known, commit, actions)
    cuts = [each.after_bytes for each in actions if isinstance(each, fault.Truncate)]
    return await stream(request, _headers(known, commit), pieces, min(cuts, default=None))


async def _commit(server: Server, known: Repository, ref: str) -> Commit | None:
    if known.empty:
        return None
    return await asyncio.to_thread(server.index.catalog.commit, known, ref)


def archive_folder(known: Repository, commit: Commit) -> str:
    """The one folder at the top of an archive."""
    return f"{known.owner}-{known.name}-{commit.id[:7]}"


def _pieces(
    server: Server, known: Repository, commit: Commit, actions: list[fault.Action]
) -> Iterator[bytes]:
    folder = archive_folder(known, commit)
    for action in actions:
        if isinstance(action, fault.NotGzip):
            return iter((_NOT_GZIP,))
        if isinstance(action, fault.HostileArchive):
            return gzip_stream(hostile_tar(action.kind, folder))
    return gzip_stream(server.index.catalog.tar(known, commit, folder))


def _headers(known: Repository, commit: Commit) -> dict[str, str]:
    file_name = re.sub(r'["\\\r\n]', "_", f"{archive_folder(known, commit)}.tar.gz")
    return {
        "Content-Type": "application/x-gzip",
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "ETag": f'W/"{commit.id}"',
        "Vary": "Authorization,Accept-Encoding",
    }


async def stream(
    request: web.Request, headers: dict[str, str], pieces: Iterator[bytes], cut: int | None
) -> web.StreamResponse:
    """Send in chunks, without a length, as the archive host does; hang up after `cut` bytes."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    sent = 0
    try:
        while piece := await asyncio.to_thread(_gather, pieces):
            if cut is not None and sent + len(piece) >= cut:
                await response.write(piece[: cut - sent])
                hang_up(request)
            await response.write(piece)
            sent += len(piece)
    except PycodegptError:
        # Too late for a status: a cut connection tells the client that the archive is not whole.
        hang_up(request)
    return response


def _gather(pieces: Iterator[bytes]) -> bytes:
    """At least some 256 KB, so that a small file doesn't cost a change of threads."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= _PIECE_BYTES:
            break
    return bytes(gathered)
