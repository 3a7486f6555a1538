"""Requests and answers of protocol version 2's `fetch`, without I/O.

Source: git documentation, gitprotocol-v2(5): "Capability Advertisement", "fetch";
gitprotocol-pack(5): "Packfile Data" (side bands); gitprotocol-http(5): "Smart Clients".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harvest.git.errors import Refusal, RefusedError, corrupt, truncated
from harvest.git.pktline import Mark, Packet, PacketReader, encode, encode_mark

SERVICE = "git-upload-pack"
REQUEST_TYPE = f"application/x-{SERVICE}-request"
RESULT_TYPE = f"application/x-{SERVICE}-result"
ADVERTISEMENT_TYPE = f"application/x-{SERVICE}-advertisement"
VERSION_HEADER = ("Git-Protocol", "version=2")
BLOB_NONE = "blob:none"
_DATA, _PROGRESS, _FATAL = 1, 2, 3  # side bands
_MAX_MESSAGE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server says that it can do."""

    version: int
    fetch: frozenset[str] = frozenset()
    object_format: str = "sha1"

    def why_not(self) -> RefusedError | None:
        """Why blobs can't be fetched one by one from this server, if so."""
        if self.version != 2:
            return RefusedError("no_protocol_v2", "the server does not speak protocol version 2")
        if self.object_format != "sha1":
            return RefusedError("object_format", f"objects are named by {self.object_format}")
        if "filter" not in self.fetch or "shallow" not in self.fetch:
            return RefusedError("no_filter", "the server filters no objects")
        return None


def read_advertisement(body: bytes) -> Capabilities:
    """The answer to `GET .../info/refs?service=git-upload-pack`. Raises DamagedError.

    A server that does not know version 2 answers in an older one, which is no damage.
    """
    reader = PacketReader()
    lines = [packet.rstrip(b"\n") for packet in reader.feed(body) if isinstance(packet, bytes)]
    reader.close()
    if lines and lines[0].startswith(b"# service="):
        del lines[0]
    if not lines:
        raise truncated("an empty advertisement")
    if lines[0] != b"version 2":
        return Capabilities(version=1 if lines[0] == b"version 1" else 0)
    known = dict(line.decode("utf-8", "replace").partition("=")[::2] for line in lines[1:])
    return Capabilities(
        version=2,
        fetch=frozenset(known.get("fetch", "").split()),
        object_format=known.get("object-format", "sha1"),
    )


def fetch_request(
    wants: Iterable[str], *, agent: str, depth: int | None = None, filter_spec: str | None = None
) -> bytes:
    """The body of a `fetch` that has nothing yet and wants these object ids (hex)."""
    arguments = ["no-progress", "ofs-delta"]
    if depth is not None:
        arguments.append(f"deepen {depth}")
    if filter_spec is not None:
        arguments.append(f"filter {filter_spec}")
    arguments += [f"want {want}" for want in wants]
    return b"".join(
        (
            *(encode(f"{line}\n".encode()) for line in ("command=fetch", f"agent={agent}")),
            # Without a word of the object format it is SHA-1, for older servers as well.
            encode_mark(Mark.DELIMITER),
            *(encode(f"{line}\n".encode()) for line in arguments),
            # Nothing to negotiate: the server is to answer with the pack at once.
            encode(b"done\n"),
            encode_mark(Mark.FLUSH),
        )
    )


class FetchAnswer:
    """Feed it the answer to a `fetch`; it yields the bytes of the pack."""

    def __init__(self) -> None:
        self._packets = PacketReader()
        self._section: bytes | None = None
        self._had_pack = self._ended = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Raises RefusedError for what the server refuses in words, and DamagedError."""
        for packet in self._packets.feed(chunk):
            if self._ended:
                raise corrupt("more after the end of the answer")
            yield from self._take(packet)

    def close(self) -> None:
        """Say that no more comes. Raises DamagedError if the pack has not."""
        self._packets.close()
        if not self._ended or not self._had_pack:
            raise truncated("the answer ends before its pack does")

    def _take(self, packet: Packet) -> Iterator[bytes]:
        if isinstance(packet, Mark):
            self._mark(packet)
        elif packet.startswith(b"ERR "):
            raise refusal(packet[4:])
        elif self._section is None:
            self._section = packet.rstrip(b"\n")
            self._had_pack = self._section == b"packfile"
        elif self._had_pack:
            yield from _side_band(packet)

    def _mark(self, mark: Mark) -> None:
        if mark is Mark.DELIMITER and self._section is not None and not self._had_pack:
            self._section = None
        elif mark is Mark.FLUSH:
            self._ended = True
        else:
            raise corrupt(f"a {mark.name.lower()} packet in the wrong place")


def _side_band(packet: bytes) -> Iterator[bytes]:
    band = packet[0] if packet else 0
    if band == _DATA:
        yield packet[1:]
    elif band == _FATAL:
        raise refusal(packet[1:])
    elif band != _PROGRESS:
        raise corrupt(f"side band {band}")


def refusal(message: bytes) -> RefusedError:
    """What a line of error says."""
    text = " ".join(message.decode("utf-8", "replace").split())[:_MAX_MESSAGE_CHARS]
    lowered = text.lower()
    reason: Refusal = "error_line"
    if "not our ref" in lowered or "no such remote ref" in lowered:
        reason = "not_our_ref"
    elif "filter" in lowered:
        reason = "no_filter"
    return RefusedError(reason, text or "an error without a word")
