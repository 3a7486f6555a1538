from __future__ import annotations

import dataclasses
import gzip
import io
import tarfile
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.errors import ArchiveError
from harvest.archive import ArchiveReader, Limits, SourceFile, safe_parts
from harvest.gunzip import DamagedError, Gunzip
from harvest.tarstream import MAX_HEADER_BYTES

COMMIT = "c" * 40
LIMITS = Limits(max_file_bytes=1000, max_archive_bytes=1 << 20, max_archive_members=50)


def entry(path: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.size = kind, len(content)
    info.linkname = "target" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    return info


def tar_of(
    files: Iterable[tuple[tarfile.TarInfo, bytes]],
    *,
    commit: str | None = COMMIT,
    format: int = tarfile.PAX_FORMAT,
) -> bytes:
    buffer = io.BytesIO()
    headers = {"comment": commit} if commit else {}
    with tarfile.open(fileobj=buffer, mode="w", format=format, pax_headers=headers) as tar:
        for info, content in files:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def plain(files: dict[str, bytes]) -> bytes:
    return tar_of((entry(path, content), content) for path, content in files.items())


def read(
    archive: bytes, limits: Limits = LIMITS, chunk: int = 700
) -> tuple[list[SourceFile], Counter[str]]:
    reader = ArchiveReader("a/b", COMMIT, limits)
    kept = [
        file
        for start in range(0, len(archive), chunk)
        for file in reader.feed(archive[start : start + chunk])
    ]
    reader.close()
    return kept, reader.counts


def reason(archive: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(ArchiveError) as caught:
        read(archive, limits)
    assert str(caught.value).startswith("a/b: ")
    return caught.value.reason


def test_python_files_are_kept_byte_for_byte_and_the_rest_is_counted() -> None:
    content = b"\xef\xbb\xbfx = 1\r\n\xff"
    archive = plain(
        {"top/a.py": content, "top/deep/b.py": b"", "top/c.txt": b"c", "top/big.py": b"#" * 1001}
    )
    kept, counts = read(gzip.compress(archive))
    assert kept == [SourceFile("a.py", content), SourceFile("deep/b.py", b"")]
    assert counts == {"kept": 2, "not_python": 1, "too_large": 1}


LICENSED = plain(
    {
        "top/LICENSE": b"free" * 10,
        "top/vendor/COPYING.LESSER": b"share",
        "top/license.py": b"x = 1",
        "top/README.md": b"# read me",
        "top/huge/LICENSE.txt": b"l" * 41,
    }
)


def test_licence_files_are_kept_and_counted_apart() -> None:
    limits = dataclasses.replace(LIMITS, max_license_bytes=40)
    kept, counts = read(gzip.compress(LICENSED), limits)
    assert {file.path: file.is_python for file in kept} == {
        "LICENSE": False,
        "vendor/COPYING.LESSER": False,
        "license.py": True,
    }
    assert counts == {"kept": 1, "kept_license": 2, "not_python": 1, "too_large": 1}


def test_licence_files_may_be_left() -> None:
    kept, counts = read(gzip.compress(LICENSED))
    assert [file.path for file in kept] == ["license.py"]
    assert counts == {"kept": 1, "not_python": 4}


@given(
    st.dictionaries(
        st.from_regex(r"[a-zé]{1,60}(/[a-z]{1,60}){0,4}\.py", fullmatch=True),
        st.binary(max_size=1000),
        max_size=8,
    ),
    st.integers(1, 5000),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_what_tarfile_writes_is_read_however_it_is_cut(
    files: dict[str, bytes], chunk: int, format: int
) -> None:
    # Long names and names beyond ASCII take the extended headers of either format.
    pairs = [(entry(f"top/{path}", content), content) for path, content in files.items()]
    archive = gzip.compress(tar_of(pairs, commit=None, format=format))
    kept, counts = read(archive, chunk=chunk)
    assert {file.path: file.content for file in kept} == files
    assert counts["kept"] == len(files)


def test_links_devices_and_paths_that_lead_out_are_counted_and_left() -> None:
    files = [
        (entry("top/", kind=tarfile.DIRTYPE), b""),
        (entry("top/ok.py", b"1"), b"1"),
        (entry("top/soft.py", kind=tarfile.SYMTYPE), b""),
        (entry("top/hard.py", kind=tarfile.LNKTYPE), b""),
        (entry("top/pipe.py", kind=tarfile.FIFOTYPE), b""),
        (entry("top/disk.py", kind=tarfile.BLKTYPE), b""),
        (entry("/top/absolute.py", b"1"), b"1"),
        (entry("top/../../up.py", b"1"), b"1"),
        (entry("other/top.py", b"1"), b"1"),
        (entry("lonely.py", b"1"), b"1"),
        (entry("top/back\\slash.py", b"1"), b"1"),
        (entry("top/line\nbreak.py", b"1"), b"1"),
        (entry("top/./ok.py", b"2"), b"2"),
    ]
    kept, counts = read(gzip.compress(tar_of(files)))
    assert kept == [SourceFile("ok.py", b"1")]
    assert counts == {"kept": 1, "link": 2, "device": 2, "bad_path": 6, "duplicate": 1}


def test_a_name_that_is_not_utf8_is_a_bad_path() -> None:
    archive = plain({"top/ok.py": b"1", "top/XX.py": b"2"})
    block = archive.index(b"top/XX.py")
    header = bytearray(archive[block : block + 512])
    header[4:6] = b"\xff\xfe"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    hurt = archive[:block] + bytes(header) + archive[block + 512 :]
    kept, counts = read(gzip.compress(hurt))
    assert [file.path for file in kept] == ["ok.py"]
    assert counts["bad_path"] == 1


@given(
    st.text(max_size=30) | st.from_regex(r"/?([.]{0,3}[a-b]?/){0,5}[.]{0,3}[a-b]?", fullmatch=True)
)
@example("a/../b.py")
@example("a/\x00.py")
def test_a_path_stays_inside_or_is_refused(path: str) -> None:
    parts = safe_parts(path)
    if parts is not None:
        assert not any(part in ("", ".", "..") or "/" in part or "\\" in part for part in parts)
        assert not any(ord(c) < 32 or ord(c) == 127 for part in parts for c in part)
        assert safe_parts("/".join(parts)) == parts
        assert not path.startswith("/")
        "/".join(parts).encode()


def test_a_path_of_any_length_is_refused() -> None:
    assert safe_parts("top/" + "a" * 5000) is None


def test_the_commit_of_the_archive_is_checked() -> None:
    pairs = [(entry("top/a.py", b"1"), b"1")]
    assert reason(gzip.compress(tar_of(pairs, commit="d" * 40))) == "wrong_commit"
    assert read(gzip.compress(tar_of(pairs, commit=None)))[0]


def test_what_is_no_gzip_is_said_to_be_none() -> None:
    assert reason(b"<html>sorry</html>") == "not_gzip"
    assert reason(b"\x1f\x00") == "not_gzip"


@pytest.mark.parametrize("kept_bytes", [0, 1, 2, 9, 30, 100, -9, -1])
def test_a_cut_archive_is_truncated(kept_bytes: int) -> None:
    archive = gzip.compress(plain({"top/a.py": b"print('hello')\n" * 20}))
    assert reason(archive[:kept_bytes]) == "truncated"


def test_a_tar_without_its_end_is_truncated() -> None:
    assert reason(gzip.compress(plain({"top/a.py": b"1" * 900})[: 512 * 4])) == "truncated"


def test_damage_is_corrupt() -> None:
    archive = bytearray(gzip.compress(plain({"top/a.py": bytes(range(256)) * 3})))
    archive[-6] ^= 0xFF
    assert reason(bytes(archive)) == "corrupt"
    tar = bytearray(plain({"top/a.py": b"1"}))
    tar[5] ^= 0xFF
    assert reason(gzip.compress(bytes(tar))) == "corrupt"
    assert reason(gzip.compress(plain({})) + b"trailing") == "corrupt"


@given(st.binary(max_size=2000))
def test_any_bytes_end_in_an_archive_error_or_in_nothing(noise: bytes) -> None:
    for archive in (noise, gzip.compress(noise), b"\x1f\x8b\x08\x00" + noise):
        try:
            read(archive)
        except ArchiveError as error:
            assert error.reason
        else:
            assert noise.startswith(bytes(512))


def test_two_gzip_members_are_one_stream() -> None:
    tar = plain({"top/a.py": b"1" * 900})
    kept, _ = read(gzip.compress(tar[:700]) + gzip.compress(tar[700:]))
    assert kept == [SourceFile("a.py", b"1" * 900)]


def test_too_many_members() -> None:
    archive = gzip.compress(plain({f"top/{i}.py": b"" for i in range(51)}))
    assert reason(archive) == "too_many_members"


def zeros(gigabytes: int, claimed: int) -> Iterator[bytes]:
    """Gzip of a tar whose one file claims so much and goes on for so many GB, from one piece."""
    member = tarfile.TarInfo("top/zeros.py")
    member.size = claimed
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(member.tobuf(tarfile.GNU_FORMAT)) + packer.flush(zlib.Z_FULL_FLUSH)
    yield head
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(gigabytes * 1024):
        yield piece


@pytest.mark.parametrize(("claimed", "pieces"), [(10 << 30, 0), (60 << 20, 61), (700, 1)])
def test_a_bomb_stops_where_it_shows_in_little_memory(claimed: int, pieces: int) -> None:
    limits = Limits(max_file_bytes=1000, max_archive_bytes=100 << 20, max_archive_members=50)
    reader = ArchiveReader("a/b", COMMIT, limits)
    fed = -1  # the first chunk is the header
    tracemalloc.start()
    with pytest.raises(ArchiveError) as caught:
        for chunk in zeros(10, claimed):
            fed += 1
            list(reader.feed(chunk))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.reason == "too_large"
    assert fed <= pieces + 1
    assert peak < 20 << 20


def test_many_files_that_claim_too_much_together_are_refused() -> None:
    limits = Limits(max_file_bytes=1000, max_archive_bytes=5_000, max_archive_members=50)
    archive = gzip.compress(plain({f"top/{i}.py": b"1" * 900 for i in range(6)}))
    assert reason(archive, limits) == "too_large"


def test_endless_empty_members_stop_at_the_limit() -> None:
    gunzip = Gunzip(10_000)
    with pytest.raises(DamagedError, match="more than 10000 bytes"):
        for _ in range(1000):
            list(gunzip.feed(gzip.compress(b"")))


def test_a_header_that_would_fill_memory_is_refused() -> None:
    huge = tarfile.TarInfo("pax")
    huge.type, huge.size = tarfile.XHDTYPE, MAX_HEADER_BYTES + 1
    assert reason(gzip.compress(huge.tobuf(tarfile.GNU_FORMAT))) == "corrupt"


def test_a_sparse_or_negative_size_is_refused() -> None:
    sparse = tarfile.TarInfo("top/a.py")
    sparse.type = tarfile.GNUTYPE_SPARSE
    assert reason(gzip.compress(sparse.tobuf(tarfile.GNU_FORMAT))) == "corrupt"
    pairs = [(entry("top/a.py"), b"")]
    pairs[0][0].pax_headers = {"size": "-5"}
    assert reason(gzip.compress(tar_of(pairs))) == "corrupt"


def test_a_full_last_block_is_no_truncation() -> None:
    # zlib may hold output back when a block is filled exactly as its input ends.
    content = bytes(1 << 18) * 3
    packed = gzip.compress(content)
    for chunk in (1, len(packed) - 8, len(packed)):
        gunzip = Gunzip(1 << 30)
        out = b"".join(
            block
            for start in range(0, len(packed), chunk)
            for block in gunzip.feed(packed[start : start + chunk])
        )
        gunzip.close()
        assert out == content
