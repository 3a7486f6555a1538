"""A loopback server in a process of its own, behind relays that count the bytes on the wire.

`serving(folder)` is for benchmarks; `python -m benchmarks.harvest.served FOLDER` is what it starts.
A relay passes TCP on as it is, so that every tool pays the same for being counted.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from harvest.loopback.catalog import git_catalog
from harvest.loopback.server import ADDRESS, Loopback

_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Wire:
    """Bytes that went over the wire, HTTP headers included, as the client sees them."""

    sent: int
    received: int
    connections: int

    @property
    def total(self) -> int:
        """Both directions."""
        return self.sent + self.received


class Served:
    """The server's addresses, and what went over the wire since it was last asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        told = self._ask()
        self.url: str = told["url"]
        self.git_url: str = told["git_url"]

    def wire(self) -> Wire:
        """The bytes since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Wire(**self._ask())

    def _ask(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve a folder of git repositories while the block runs."""
    command = [sys.executable, "-m", "benchmarks.harvest.served", str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield Served(process)
    finally:
        process.communicate()  # the end of its input is the end of the server


class Relay:
    """Passes connections on to a port, and counts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent = self.received = self.connections = 0

    async def start(self) -> str:
        """Its address."""
        server = await asyncio.start_server(self._connected, ADDRESS, 0)
        return f"http://{ADDRESS}:{server.sockets[0].getsockname()[1]}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there = await asyncio.open_connection(ADDRESS, self._port)
        await asyncio.gather(
            self._pass(reader, there[1], outward=True), self._pass(there[0], writer, outward=False)
        )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outward: bool
    ) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE_BYTES):
                if outward:
                    self.sent += len(piece)
                else:
                    self.received += len(piece)
                writer.write(piece)
                await writer.drain()
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


async def _serve(folder: Path) -> None:
    async with Loopback(git_catalog(folder), limits=None) as github:
        ports = [int(url.rpartition(":")[2]) for url in (github.url, github.archive_url)]
        api, archives = (Relay(port) for port in ports)
        url = await api.start()
        github.archive_url = await archives.start()
        _tell(url=url, git_url=url)
        while await asyncio.to_thread(sys.stdin.readline):
            counts = {
                name: getattr(api, name) + getattr(archives, name)
                for name in ("sent", "received", "connections")
            }
            for relay in (api, archives):
                relay.sent = relay.received = relay.connections = 0
            _tell(**counts)


def _tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
