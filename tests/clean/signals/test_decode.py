import codecs
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.decode import GUESSED, codec_of, decode, find_cookie

PY = "x = 'é'\n"


@pytest.mark.parametrize(
    ("content", "text", "encoding"),
    [
        (b"", "", "utf-8"),
        (PY.encode(), PY, "utf-8"),
        (codecs.BOM_UTF8 + PY.encode(), PY, "utf-8"),
        (codecs.BOM_UTF8 + b"# coding: utf-8\nx\n", "# coding: utf-8\nx\n", "utf-8"),
        (b"# coding: latin-1\nx = '\xe9'\n", "# coding: latin-1\nx = 'é'\n", "iso8859-1"),
        (b"\n# -*- coding: gbk -*-\n#\xc4\xe3\n", "\n# -*- coding: gbk -*-\n#你\n", "gbk"),
        (b"#!/usr/bin/python\r# vim: fileencoding=cp1251\r#\xff", None, "cp1251"),
        (b"# coding=utf-8-unix\n", "# coding=utf-8-unix\n", "utf-8"),
        (b"# coding: Latin_1-dos\n#\xe9\n", "# coding: Latin_1-dos\n#é\n", "iso8859-1"),
        (b"a\r\nb\rc\n\r\nd", "a\nb\nc\n\nd", "utf-8"),
        ("x\x0c\u2028\x85y\n".encode(), "x\x0c\u2028\x85y\n", "utf-8"),
    ],
)
def test_reads_what_python_reads(content: bytes, text: str | None, encoding: str) -> None:
    decoded = decode(content)
    assert decoded.reject is None
    assert decoded.encoding == encoding
    if text is not None:
        assert decoded.text == text


@pytest.mark.parametrize(
    ("content", "reject"),
    [
        (gzip.compress(b"x = 1\n", mtime=0), "binary"),
        (b"\xa7\r\r\n" + bytes(12), "binary"),  # .pyc of 3.11
        (b"\x7fELF\x02\x01", "binary"),
        (b"PK\x03\x04abc", "binary"),
        (b"\x89PNG\r\n\x1a\n", "binary"),
        ("x = 1\n".encode("utf-16"), "binary_or_utf16"),
        ("x = 1\n".encode("utf-16-be"), "binary_or_utf16"),
        ("x = 1\n".encode("utf-32"), "binary_or_utf16"),
        (b"x = 1\0\n", "nul"),
        (b"x = '\xe9'\n", "encoding"),
        (b"\n\n# coding: latin-1\nx = '\xe9'\n", "encoding"),  # line 3
        (b"x = 1\n# coding: latin-1\nx = '\xe9'\n", "encoding"),  # below code
        (b"# coding: ascii\nx = '\xe9'\n", "encoding"),
        (codecs.BOM_UTF8 + b"# coding: latin-1\n", "encoding"),
        (b"x = '\xed\xa0\x80'\n", "encoding"),  # a lone surrogate
    ]
    + [
        (f"# coding: {name}\nx = 1\n".encode(), "encoding")
        for name in ("nonsense", "rot13", "hex", "punycode", "unicode_escape", "utf-7", "utf-16")
    ],
)
def test_rejects_with_a_reason(content: bytes, reject: str) -> None:
    decoded = decode(content)
    assert (decoded.text, decoded.encoding, decoded.reject) == (None, None, reject)


def test_guesses_only_when_told_and_says_so() -> None:
    content = "# Привет, как дела? Это обычный русский текст.\nx = 'слово'\n".encode("cp1251")
    assert decode(content).reject == "encoding"
    guessed = decode(content, guess=True)
    assert guessed.text is not None
    assert "Привет" in guessed.text
    assert guessed.encoding is not None
    assert guessed.encoding.endswith(GUESSED)
    declared = b"# coding: utf-8\n" + content
    assert decode(declared, guess=True).reject == "encoding"


def test_a_cookie_is_found_where_its_name_stands() -> None:
    body = b"#!/bin/python\n#  coding:  koi8-r \n"
    cookie = find_cookie(body)
    assert cookie is not None
    name, start, stop = cookie
    assert name == "koi8-r"
    assert body[start:stop] == b"koi8-r"


def test_codec_names_are_pythons_own() -> None:
    assert codec_of("UTF8") == codec_of("utf_8") == "utf-8"
    assert codec_of("x" * 1000) is None
    assert codec_of("idna") is None


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_give_text_or_a_reason(content: bytes, guess: bool) -> None:
    decoded = decode(content, guess=guess)
    assert decoded == decode(content, guess=guess)
    assert (decoded.text is None) == (decoded.reject is not None) == (decoded.encoding is None)
    if decoded.text is not None:
        decoded.text.encode("utf-8")
        assert "\r" not in decoded.text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=200))
def test_text_without_a_cookie_survives(text: str) -> None:
    body = ("pass\n" + text).encode()
    assert decode(body).text == "pass\n" + text
