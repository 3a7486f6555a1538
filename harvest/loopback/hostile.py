"""Archives made to hurt whoever unpacks them, for the tests of those who must not be hurt.

Each is an uncompressed tar, made as it is read: the bomb takes no memory here. Every archive
holds one honest file, `honest.py`, where the attack leaves room for it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator

from harvest.loopback.faults import Hostile
from harvest.loopback.tarwriter import member_header, tar_end

HONEST = b"print('honest')\n"
_PIECE = bytes(1 << 20)


def hostile_tar(kind: Hostile, folder: str) -> Iterator[bytes]:
    """The archive of that kind, with `folder`/ as its top folder."""
    return _MAKERS[kind](folder)


def parent_path(folder: str) -> Iterator[bytes]:
    """Members that climb out: `folder/../../escaped.py` and `../escaped.py`."""
    yield _file(f"{folder}/honest.py", HONEST)
    yield _file(f"{folder}/../../escaped.py", b"escaped = 1\n")
    yield _file("../escaped.py", b"escaped = 2\n")
    yield tar_end(0)


def absolute_path(folder: str) -> Iterator[bytes]:
    """A member with a path from the root."""
    yield _file(f"{folder}/honest.py", HONEST)
    yield _file("/tmp/escaped.py", b"escaped = 1\n")
    yield tar_end(0)


def symbolic_link(folder: str) -> Iterator[bytes]:
    """A link to a file outside, one to a folder outside, and a file below the latter."""
    yield _file(f"{folder}/honest.py", HONEST)
    yield _special(f"{folder}/passwords.py", tarfile.SYMTYPE, "/etc/passwd")
    yield _special(f"{folder}/outside", tarfile.SYMTYPE, "/tmp")
    yield _file(f"{folder}/outside/escaped.py", b"escaped = 1\n")
    yield tar_end(0)


def hard_link(folder: str) -> Iterator[bytes]:
    """A hard link to a file outside."""
    yield _file(f"{folder}/honest.py", HONEST)
    yield _special(f"{folder}/passwords.py", tarfile.LNKTYPE, "/etc/passwd")
    yield tar_end(0)


def device(folder: str) -> Iterator[bytes]:
    """A character device, a block device and a named pipe, all named as Python files."""
    yield _file(f"{folder}/honest.py", HONEST)
    for name, kind in (("zero", tarfile.CHRTYPE), ("disk", tarfile.BLKTYPE)):
        yield _special(f"{folder}/{name}.py", kind, "")
    yield _special(f"{folder}/pipe.py", tarfile.FIFOTYPE, "")
    yield tar_end(0)


def many_members(folder: str, members: int = 100_000) -> Iterator[bytes]:
    """So many small files."""
    yield _file(f"{folder}/honest.py", HONEST)
    for number in range(members):
        yield _file(f"{folder}/m{number}.py", b"x = %d\n" % number)
    yield tar_end(0)


def bomb(folder: str, size: int = 10 << 30) -> Iterator[bytes]:
    """One file of zeros, 10 GiB unless told otherwise, that packs to a thousandth."""
    yield _file(f"{folder}/honest.py", HONEST)
    yield member_header(f"{folder}/zeros.py", size, 0)
    for start in range(0, size, len(_PIECE)):
        yield _PIECE[: size - start]
    yield bytes(-size % tarfile.BLOCKSIZE) + tar_end(0)


def duplicate_names(folder: str) -> Iterator[bytes]:
    """Two files of one name: an unpacker keeps the last, a reader sees both."""
    yield _file(f"{folder}/honest.py", HONEST)
    yield _file(f"{folder}/honest.py", b"print('not so honest')\n")
    yield tar_end(0)


def huge_header(folder: str, size: int = 64 << 20) -> Iterator[bytes]:
    """A pax header of 64 MiB before a small file: a reader would take it into memory whole."""
    yield _file(f"{folder}/honest.py", HONEST)
    yield member_header("pax", size, 0, tarfile.XHDTYPE)
    # One record `<length> comment=aaa...\n` that fills the header exactly.
    start = f"{size} comment=".encode()
    yield start
    left = size - len(start) - 1
    while left:
        piece = b"a" * min(left, 1 << 20)
        left -= len(piece)
        yield piece
    yield b"\n" + bytes(-size % tarfile.BLOCKSIZE)
    yield _file(f"{folder}/after.py", HONEST)
    yield tar_end(0)


def claimed_size(folder: str, size: int = 500_000) -> Iterator[bytes]:
    """A file whose header claims far more than the archive holds."""
    yield _file(f"{folder}/honest.py", HONEST)
    yield member_header(f"{folder}/liar.py", size, 0)
    yield b"x = 1\n".ljust(tarfile.BLOCKSIZE, b"#")


def _file(path: str, content: bytes) -> bytes:
    padding = bytes(-len(content) % tarfile.BLOCKSIZE)
    return member_header(path, len(content), 0) + content + padding


def _special(path: str, kind: bytes, target: str) -> bytes:
    member = tarfile.TarInfo(path)
    member.type, member.linkname = kind, target
    member.devmajor, member.devminor = 1, 5
    return member.tobuf(tarfile.PAX_FORMAT)


_MAKERS: dict[Hostile, Callable[[str], Iterator[bytes]]] = {
    "absolute_path": absolute_path,
    "bomb": bomb,
    "claimed_size": claimed_size,
    "device": device,
    "duplicate_names": duplicate_names,
    "hard_link": hard_link,
    "huge_header": huge_header,
    "many_members": many_members,
    "parent_path": parent_path,
    "symbolic_link": symbolic_link,
}
