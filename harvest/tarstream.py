"""A tar archive read from blocks as they come, holding no more than one wanted file.

Source: POSIX pax interchange format; GNU tar manual, "Basic Tar Format". The readers of `tarfile`
are not used: they take a long name or a pax header of any size into memory, and pull, where a
download pushes; and its headers cost as much as all the rest.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harvest.gunzip import DamagedError

BLOCK = 512
MAX_HEADER_BYTES = 1 << 20  # of a pax header or a GNU long name
MAX_TRAILING_BYTES = 1 << 20  # after the end mark; git fills records of 10,240
_END = bytes(BLOCK)
_PAX, _PAX_GLOBAL = tarfile.XHDTYPE, tarfile.XGLTYPE
_LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_EXTENSIONS = frozenset({_PAX, _PAX_GLOBAL, tarfile.SOLARIS_XHDTYPE, *_LONG})


@dataclass(frozen=True, slots=True)
class Member:
    """One entry; `content` is there only for a file that was wanted."""

    path: str  # surrogates where the bytes are not UTF-8
    kind: bytes  # tarfile's type constants
    size: int
    content: bytes | None = None

    @property
    def is_file(self) -> bool:
        """A regular file, as opposed to a folder, link, device or pipe."""
        return self.kind in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)

    @property
    def is_folder(self) -> bool:
        """A folder."""
        return self.kind == tarfile.DIRTYPE

    @property
    def is_link(self) -> bool:
        """A symbolic or hard link."""
        return self.kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)


@dataclass(frozen=True, slots=True)
class Header:
    """A header block, before what extensions say of its member."""

    path: str
    kind: bytes
    size: int


class TarStream:
    """Feed it blocks; it yields members. `wanted` says which contents to keep.

    A header that claims more than `max_bytes` are left for is the end: nobody decompresses a bomb
    to find out that it is one.
    """

    def __init__(self, wanted: Callable[[Member], bool], max_members: int, max_bytes: int) -> None:
        self.comment: str | None = None  # of the global pax header: git's commit id
        self._wanted = wanted
        self._max_members, self._max_bytes = max_members, max_bytes
        self._claimed = self._trailing = 0
        self._headers = 0
        self._buffer = bytearray()
        self._needed = BLOCK
        self._skip = 0
        self._pending: Member | None = None  # its content is being collected
        self._extension: bytes | None = None  # kind of the extension being collected
        self._overrides: dict[str, str] = {}  # what extensions say of the next member
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Member]:
        """Read on. Raises DamagedError."""
        view = memoryview(data)
        if self._ended:
            self._trail(len(view))
        while view and not self._ended:
            if self._skip:
                skipped = min(self._skip, len(view))
                self._skip -= skipped
                view = view[skipped:]
                continue
            taken = min(self._needed - len(self._buffer), len(view))
            self._buffer += view[:taken]
            view = view[taken:]
            if len(self._buffer) == self._needed:
                whole = bytes(self._buffer)
                self._buffer.clear()
                yield from self._complete(whole)
                if self._ended:
                    self._trail(len(view))

    def _trail(self, size: int) -> None:
        """Writers fill up their last record; without end that would be a bomb of another kind."""
        self._trailing += size
        if self._trailing > MAX_TRAILING_BYTES:
            raise DamagedError("too_large", "no end of bytes after the end of the archive")

    def close(self) -> None:
        """Say that no more comes. Raises DamagedError if the end mark was not seen."""
        if not self._ended:
            raise DamagedError("truncated", "the tar archive ends before its end mark")

    def _complete(self, whole: bytes) -> Iterator[Member]:
        if self._pending is not None:
            member, self._pending = self._pending, None
            self._expect_header(padding=_padding(member.size))
            yield Member(member.path, member.kind, member.size, whole)
        elif self._extension is not None:
            kind, self._extension = self._extension, None
            self._expect_header(padding=_padding(len(whole)))
            self._extend(kind, whole)
        elif whole == _END:
            self._ended = True
        else:
            yield from self._header(whole)

    def _header(self, block: bytes) -> Iterator[Member]:
        self._headers += 1
        if self._headers > self._max_members:
            raise DamagedError("too_many_members", f"more than {self._max_members} members")
        info = _parsed(block)
        if info.kind in _EXTENSIONS:
            self._collect_extension(info)
            return
        member = self._member(info)
        self._claim(member.size)
        if member.is_file and self._wanted(member):
            yield from self._collect(member)
            return
        # Links, folders and devices have no content, whatever their size field says.
        size = member.size if member.is_file or info.kind not in tarfile.SUPPORTED_TYPES else 0
        self._skip = size + _padding(size)
        yield member

    def _claim(self, size: int) -> None:
        self._claimed += size
        if self._claimed > self._max_bytes:
            raise DamagedError("too_large", f"more than {self._max_bytes} bytes in the archive")

    def _collect(self, member: Member) -> Iterator[Member]:
        if member.size == 0:
            yield Member(member.path, member.kind, 0, b"")
            return
        self._pending, self._needed = member, member.size

    def _collect_extension(self, info: Header) -> None:
        if not 0 < info.size <= MAX_HEADER_BYTES:
            raise DamagedError("corrupt", f"an extended header of {info.size} bytes")
        self._extension, self._needed = info.kind, info.size

    def _expect_header(self, *, padding: int) -> None:
        self._needed, self._skip = BLOCK, padding

    def _extend(self, kind: bytes, content: bytes) -> None:
        if kind in _LONG:
            self._overrides[_LONG[kind]] = _text(content.partition(b"\0")[0])
        elif kind == _PAX_GLOBAL:
            self.comment = _pax_records(content).get("comment", self.comment)
        else:
            self._overrides |= _pax_records(content)

    def _member(self, info: Header) -> Member:
        overrides, self._overrides = self._overrides, {}
        size = overrides.get("size", str(info.size))
        if not (size.isascii() and size.isdigit()) or len(size) > 15:
            raise DamagedError("corrupt", f"a member of {size[:20]} bytes")
        if info.kind == tarfile.GNUTYPE_SPARSE or any(
            k.startswith("GNU.sparse") for k in overrides
        ):
            raise DamagedError("corrupt", "a sparse member, which git never writes")
        return Member(overrides.get("path", info.path), info.kind, int(size))


def _parsed(block: bytes) -> Header:
    """The fields that matter, by their places in the ustar and GNU headers."""
    stored, size = _number(block[148:156]), _number(block[124:136])
    # The checksum's own field counts as eight spaces.
    if stored != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise DamagedError("corrupt", "a damaged tar header (bad checksum)")
    path, kind = _text(block[:100].partition(b"\0")[0]), block[156:157]
    if kind not in tarfile.GNU_TYPES and block[345:346] not in (b"\0", b""):
        path = f"{_text(block[345:500].partition(bytes(1))[0])}/{path}"
    if kind == tarfile.AREGTYPE and path.endswith("/"):
        kind = tarfile.DIRTYPE  # as tar wrote folders before there was a type for them
    return Header(path, kind, size)


def _number(field: bytes) -> int:
    """Octal digits, or GNU's form for what they can't hold: base 256 after a byte of 128."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    if digits and not digits.isdigit():
        raise DamagedError("corrupt", "a damaged tar header (no number)")
    try:
        return int(digits or b"0", 8)
    except ValueError:  # an 8 or a 9
        raise DamagedError("corrupt", "a damaged tar header (no number)") from None


def _pax_records(content: bytes) -> dict[str, str]:
    """Records of the form `LENGTH KEY=VALUE\\n`, the length counting itself."""
    records: dict[str, str] = {}
    while content.strip(b"\0"):
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or len(length) > 7 or not len(length) + 2 < int(length):
            raise DamagedError("corrupt", "a damaged pax header")
        record, content = content[: int(length)], content[int(length) :]
        key, equals, value = record[len(length) + 1 :].partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise DamagedError("corrupt", "a damaged pax header")
        records[_text(key)] = _text(value[:-1])
    return records


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _padding(size: int) -> int:
    return -size % BLOCK
