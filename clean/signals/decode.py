"""From a file's bytes to text as Python itself would read it, or to the reason why not.

Follows the language reference (2.1.4, "Encoding declarations") and PEP 263: a byte order mark,
else a cookie on one of the first two lines, else UTF-8. Codecs come from an allow-list, since
some (`unicode_escape`, `utf_7`, `rot13`) hide code from whoever reads the bytes. Text comes out
with LF line ends, and nothing here or later splits lines by `str.splitlines()`, which also
splits at form feeds and U+2028.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Literal

import charset_normalizer

Reject = Literal["binary", "binary_or_utf16", "encoding", "nul"]

GUESSED = " (guessed)"  # follows the codec's name in `Decoded.encoding`

# All are supersets of ASCII, one way at least: a cookie in any of them can be read before it is
# known. The names are those that `codecs.lookup` gives.
CODECS = frozenset(
    {"utf-8", "ascii", "gbk", "gb2312", "gb18030", "big5", "big5hkscs", "cp950", "cp936"}
    | {"euc_jp", "euc_kr", "cp949", "shift_jis", "cp932", "johab"}
    | {"koi8-r", "koi8-u", "mac-roman", "cp437", "cp850", "cp852", "cp866", "cp874", "tis-620"}
    | {f"iso8859-{part}" for part in range(1, 17) if part != 12}
    | {f"cp{page}" for page in range(1250, 1259)}
)
_MAGIC = (
    b"\x1f\x8b",  # gzip
    b"PK\x03\x04",
    b"\x7fELF",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"BZh91AY&SY",
    b"\x28\xb5\x2f\xfd",  # zstd
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",  # JPEG
    b"GIF8",
    b"%PDF-",
    b"SQLite format 3\x00",
    b"\xca\xfe\xba\xbe",  # Mach-O, Java
    b"\xcf\xfa\xed\xfe",
    b"\xfe\xed\xfa\xcf",
)
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_SNIFF_BYTES = 4096

# PEP 263's own expression, over the first two lines; line 2 counts only below a blank or comment.
_LINE = rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)"
_FIRST_LINES = re.compile(_LINE + _LINE)
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_NOT_CODE = re.compile(rb"^[ \t\f]*(?:#|$)")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Either `text` and its `encoding`, or the reason in `reject`."""

    text: str | None
    encoding: str | None
    reject: Reject | None


def decode(content: bytes, *, guess: bool = False) -> Decoded:
    """Read a file as Python would. Never raises.

    With `guess`, bytes that are neither UTF-8 nor declare a codec are guessed at, and the
    encoding says so.
    """
    if reject := sniff(content):
        return Decoded(None, None, reject)
    body = content.removeprefix(codecs.BOM_UTF8)
    cookie = find_cookie(body)
    codec = codec_of(cookie[0]) if cookie else "utf-8"
    if codec is None or (len(body) < len(content) and codec != "utf-8"):
        return Decoded(None, None, "encoding")
    text = _strictly(body, codec)
    if text is None and cookie is None and guess:
        codec, text = _guessed(body)
    if text is None:
        return Decoded(None, None, "encoding")
    return Decoded(to_lf(text), codec, None)


def sniff(content: bytes) -> Reject | None:
    """What the bytes give away before any codec is tried."""
    if content.startswith(_UTF16_MARKS):
        return "binary_or_utf16"
    # A .pyc opens with two bytes of version and then CR LF.
    if content.startswith(_MAGIC) or (
        content[2:4] == b"\r\n" and content[1:2] in (b"\x0c", b"\x0d", b"\x0e")
    ):
        return "binary"
    if b"\0" not in content:
        return None
    head = content[:_SNIFF_BYTES]
    # ASCII in UTF-16 has a NUL for every other byte, always on the same side.
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > max(1, len(head) // 4) and min(even, odd) <= len(head) // 64:
        return "binary_or_utf16"
    return "nul"


def find_cookie(body: bytes) -> tuple[str, int, int] | None:
    """A PEP 263 cookie as (name, start, stop) of the name's bytes in `body`."""
    lines = _FIRST_LINES.match(body)
    assert lines is not None, "the expression matches anything, the empty file too"
    for number in (1, 2):
        if cookie := _COOKIE.match(lines[number]):
            offset = lines.start(number)
            name = cookie[1].decode("ascii")
            return name, offset + cookie.start(1), offset + cookie.end(1)
        if not _NOT_CODE.match(lines[number]):
            return None
    return None


def codec_of(name: str) -> str | None:
    """The codec's own name if it is on the allow-list. `utf-8-unix` is Emacs for UTF-8."""
    plain = name[:12].lower().replace("_", "-")
    if plain == "utf-8" or plain.startswith("utf-8-"):
        return "utf-8"
    for latin in ("latin-1", "iso-8859-1", "iso-latin-1"):
        if plain == latin or plain.startswith(latin + "-"):
            return "iso8859-1"
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return known if known in CODECS else None


def to_lf(text: str) -> str:
    """CRLF and CR alone both end a line in Python; afterwards only LF does."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _strictly(body: bytes, codec: str) -> str | None:
    try:
        text = body.decode(codec)
        if codec != "utf-8":
            text.encode("utf-8")  # some codecs let lone surrogates through
    except UnicodeError:
        return None
    return text


def _guessed(body: bytes) -> tuple[str, str | None]:
    best = charset_normalizer.from_bytes(body, cp_isolation=sorted(CODECS)).best()
    codec = codec_of(best.encoding) if best else None
    if codec is None:
        return "", None
    return codec + GUESSED, _strictly(body, codec)
