"""Tar and gzip streams as `git archive` writes them: same files, same bytes."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime

_BLOCK = tarfile.BLOCKSIZE
_RECORD = tarfile.RECORDSIZE


def tar_stream(
    files: Iterable[tuple[str, bytes]], *, folder: str, commit_id: str, date: datetime
) -> Iterator[bytes]:
    """A pax tar: the commit id as global comment, then `folder`/, then each file below it."""
    header = tarfile.TarInfo.create_pax_global_header({"comment": commit_id})
    written = len(header)
    yield header
    seconds = int(date.timestamp())
    for head, content in _members(files, folder, seconds):
        piece = head + content + bytes(-len(content) % _BLOCK)
        written += len(piece)
        yield piece
    yield tar_end(written)


def tar_end(written: int) -> bytes:
    """Two empty blocks, and padding to a full record."""
    end = 2 * _BLOCK
    return bytes(end + -(written + end) % _RECORD)


def member_header(name: str, size: int, seconds: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """The header of one member, as root and with git's modes."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.type = size, seconds, kind
    member.mode = 0o775 if kind == tarfile.DIRTYPE else 0o664
    member.uname = member.gname = "root"
    return member.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")


def _members(
    files: Iterable[tuple[str, bytes]], folder: str, seconds: int
) -> Iterator[tuple[bytes, bytes]]:
    seen = {""}
    yield member_header(f"{folder}/", 0, seconds, tarfile.DIRTYPE), b""
    for path, content in files:
        parents = path.split("/")[:-1]
        for depth in range(len(parents)):
            parent = "/".join(parents[: depth + 1])
            if parent not in seen:
                seen.add(parent)
                yield member_header(f"{folder}/{parent}/", 0, seconds, tarfile.DIRTYPE), b""
        yield member_header(f"{folder}/{path}", len(content), seconds), content


def gzip_stream(pieces: Iterable[bytes], *, level: int = 1) -> Iterator[bytes]:
    """Compress without a time stamp, so that equal tars give equal archives."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        if packed := compressor.compress(piece):
            yield packed
    yield compressor.flush()
