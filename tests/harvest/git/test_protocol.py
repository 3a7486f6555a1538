from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.git.errors import RefusedError
from harvest.git.pktline import Mark, encode, encode_mark
from harvest.git.protocol import FetchAnswer, fetch_request, read_advertisement, refusal
from harvest.gunzip import DamagedError

# As github.com and git 2.39's http-backend say it.
GITHUB = (
    b"001e# service=git-upload-pack\n0000000eversion 2\n0028agent=git/github-8c6bd59a5a61-Linux\n"
    b"0013ls-refs=unborn\n0027fetch=shallow wait-for-done filter\n0012server-option\n"
    b"0017object-format=sha1\n0000"
)
OLD = (
    b"001e# service=git-upload-pack\n0000"
    b"0054" + b"1" * 40 + b" HEAD\0multi_ack thin-pack side-band-64k\n"
)
FLUSH, DELIMITER = encode_mark(Mark.FLUSH), encode_mark(Mark.DELIMITER)


def test_the_advertisement_of_a_host_that_can_do_it() -> None:
    told = read_advertisement(GITHUB)
    assert (told.version, told.object_format) == (2, "sha1")
    assert {"shallow", "filter"} <= told.fetch
    assert told.why_not() is None
    assert read_advertisement(GITHUB[GITHUB.index(b"000eversion") :]) == told


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (GITHUB.replace(b"0027fetch=shallow wait-for-done filter\n",
                        b"0020fetch=shallow wait-for-done\n"), "no_filter"),
        (GITHUB.replace(b"0027fetch=shallow wait-for-done filter\n", b""), "no_filter"),
        (GITHUB.replace(b"0017object-format=sha1", b"0019object-format=sha256"), "object_format"),
        (encode(b"version 1\n") + FLUSH, "no_protocol_v2"),
        (encode(b"1" * 40 + b" HEAD\0thin-pack\n") + FLUSH, "no_protocol_v2"),
    ],
)  # fmt: skip
def test_a_host_that_can_not(told: bytes, reason: str) -> None:
    refused = read_advertisement(told).why_not()
    assert refused is not None and refused.reason == reason


@pytest.mark.parametrize("body", [b"", b"0000", b"<html>", b"000eversion 2\n00"])
def test_what_is_no_advertisement(body: bytes) -> None:
    with pytest.raises(DamagedError):
        read_advertisement(body)


def test_the_request_is_what_git_documents() -> None:
    body = fetch_request(["a" * 40, "b" * 40], agent="x", depth=1, filter_spec="blob:none")
    assert body == (
        b"0012command=fetch\n000cagent=x\n0001"
        b"0010no-progress\n000eofs-delta\n000ddeepen 1\n0015filter blob:none\n"
        b"0032want " + b"a" * 40 + b"\n0032want " + b"b" * 40 + b"\n0009done\n0000"
    )
    assert b"deepen" not in fetch_request(["a" * 40], agent="x")


def answer(pack: bytes, size: int = 1000) -> bytes:
    lines = [encode(b"shallow-info\n"), encode(b"shallow " + b"a" * 40), DELIMITER]
    lines += [encode(b"packfile\n"), encode(b"\2Counting objects")]
    lines += [encode(b"\1" + pack[at : at + size]) for at in range(0, len(pack), size)]
    return b"".join((*lines, FLUSH))


@given(st.binary(max_size=5_000), st.integers(1, 900), st.integers(1, 2_000))
def test_the_pack_comes_out_however_the_answer_is_cut(pack: bytes, size: int, cut: int) -> None:
    wire, reader, got = answer(pack, size), FetchAnswer(), bytearray()
    for start in range(0, len(wire), cut):
        for piece in reader.feed(wire[start : start + cut]):
            got += piece
    reader.close()
    assert got == pack


@given(st.integers(0, 60))
def test_an_answer_that_is_cut_off_is_never_taken_for_whole(end: int) -> None:
    wire, reader = answer(b"PACK and some more bytes of it"), FetchAnswer()
    list(reader.feed(wire[: len(wire) - 1 - end]))
    with pytest.raises(DamagedError) as caught:
        reader.close()
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize(
    "wire",
    [
        answer(b"x") + b"0004",
        encode(b"packfile\n") + encode(b"\4what"),
        encode(b"packfile\n") + encode(b""),
        encode(b"packfile\n") + DELIMITER,
        DELIMITER,
        encode_mark(Mark.RESPONSE_END),
    ],
)
def test_answers_out_of_order(wire: bytes) -> None:
    with pytest.raises(DamagedError):
        list(FetchAnswer().feed(wire))


def test_no_pack_is_no_answer() -> None:
    for wire in (b"", FLUSH, encode(b"acknowledgments\n") + encode(b"NAK\n") + FLUSH):
        reader = FetchAnswer()
        list(reader.feed(wire))
        with pytest.raises(DamagedError):
            reader.close()


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (encode(b"ERR upload-pack: not our ref " + b"0" * 40), "not_our_ref"),
        (encode(b"ERR filter 'blob:none' not supported"), "no_filter"),
        (encode(b"packfile\n") + encode(b"\3repository is corrupt"), "error_line"),
        (encode(b"packfile\n") + encode(b"ERR too busy"), "error_line"),
    ],
)
def test_what_the_server_says_in_words(wire: bytes, reason: str) -> None:
    with pytest.raises(RefusedError) as caught:
        list(FetchAnswer().feed(wire))
    assert caught.value.reason == reason


def test_words_are_kept_short_and_in_one_line() -> None:
    told = refusal(b"some\n\n\twords \xff" * 200)
    assert len(told.problem) <= 300
    assert "\n" not in told.problem
    assert refusal(b"").problem
