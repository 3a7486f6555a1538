from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from itertools import islice
from typing import get_args

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from harvest.loopback.faults import Fault, Hostile, HostileArchive
from harvest.loopback.gitobjects import object_id, tree_id
from harvest.loopback.hostile import bomb, hostile_tar, huge_header, many_members
from harvest.loopback.server import Loopback
from harvest.loopback.tarwriter import gzip_stream, tar_stream
from harvest.loopback.trees import TreeCatalog, memory_catalog

Serve = Callable[..., Loopback]
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
FILES = st.dictionaries(NAMES.filter(lambda name: name not in (".", "..")), st.binary(max_size=999))


def members(tar: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return opened.getmembers()


def test_an_archive_holds_the_commit_under_one_folder(serve: Serve, catalog: TreeCatalog) -> None:
    server = serve()
    known = next(each for each in catalog.repositories() if each.name == "engine")
    commit = catalog.commit(known, "HEAD")
    assert commit is not None
    redirect = requests.get(
        f"{server.url}/repos/ada/engine/tarball/main", allow_redirects=False, timeout=10
    )
    assert redirect.status_code == 302
    where = redirect.headers["Location"]
    assert where == f"{server.archive_url}/ada/engine/legacy.tar.gz/{commit.id}"
    assert server.archive_url != server.url
    answer = requests.get(where, timeout=10)
    assert answer.headers["Content-Type"] == "application/x-gzip"
    assert "Content-Length" not in answer.headers
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        assert tar.pax_headers["comment"] == commit.id
        folder = f"ada-engine-{commit.id[:7]}"
        blobs = {}
        for member in tar:
            assert member.name == folder or member.name.startswith(f"{folder}/")
            if member.isfile():
                content = tar.extractfile(member)
                assert content is not None
                path = member.name.removeprefix(f"{folder}/")
                blobs[path] = object_id("blob", content.read())
    assert tree_id(blobs) == commit.tree_id
    assert requests.get(where, timeout=10).content == answer.content


def test_what_the_archive_host_does_not_have(serve: Serve) -> None:
    server = serve()
    for path in ("/repos/ada/engine/tarball/nowhere", "/repos/bob/empty/tarball"):
        answer = requests.get(server.url + path, timeout=10)
        assert (answer.status_code, answer.text) == (404, "404: Not Found")
    assert requests.get(f"{server.archive_url}/a/b/legacy.tar.gz/x", timeout=10).status_code == 404


@given(FILES)
def test_tar_then_untar_is_the_identity(files: dict[str, bytes]) -> None:
    known = memory_catalog({"a/b": {"x": b""}}).repositories()[0]
    tar = b"".join(
        tar_stream(files.items(), folder="top", commit_id="c" * 40, date=known.pushed_at)
    )
    assert len(tar) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        assert opened.pax_headers == {"comment": "c" * 40}
        found = {}
        for member in opened.getmembers():
            if member.isfile():
                content = opened.extractfile(member)
                assert content is not None
                found[member.name.removeprefix("top/")] = content.read()
    assert found == files


@given(st.lists(st.binary()))
def test_gzip_is_the_same_bytes_each_time(pieces: list[bytes]) -> None:
    packed = b"".join(gzip_stream(pieces))
    assert gzip.decompress(packed) == b"".join(pieces)
    assert packed == b"".join(gzip_stream(pieces))


# What each attack must contain, so that a defence is tested against the real thing.
SMALL: dict[Hostile, Callable[[list[tarfile.TarInfo]], bool]] = {
    "absolute_path": lambda found: any(each.name.startswith("/") for each in found),
    "device": lambda found: sum(each.isdev() for each in found) == 3,
    "duplicate_names": lambda found: len({each.name for each in found}) == 1 < len(found),
    "hard_link": lambda found: any(each.islnk() for each in found),
    "parent_path": lambda found: any(".." in each.name.split("/") for each in found),
    "symbolic_link": lambda found: any(each.issym() for each in found),
}


@pytest.mark.parametrize("kind", SMALL)
def test_hostile_archives_hold_their_attack(kind: Hostile) -> None:
    found = members(b"".join(hostile_tar(kind, "top")))
    assert found[0].name == "top/honest.py"
    assert SMALL[kind](found)


def test_hostile_archives_of_size() -> None:
    assert len(members(b"".join(many_members("top", 1_000)))) == 1_001
    small = members(b"".join(bomb("top", 3_000_000)))
    assert small[1].size == 3_000_000
    # The real one is made as it is read.
    assert len(b"".join(islice(bomb("top"), 10))) < 20_000_000
    padded = members(b"".join(huge_header("top", 10_000)))
    assert len(padded[1].pax_headers["comment"]) > 9_000
    lying = b"".join(hostile_tar("claimed_size", "top"))
    with (
        tarfile.open(fileobj=io.BytesIO(lying), mode="r|") as opened,
        pytest.raises(tarfile.ReadError),
    ):
        for member in opened:
            assert member.size < len(lying) or member.name == "top/liar.py"
            opened.extractfile(member).read()  # type: ignore[union-attr]


def test_every_hostile_archive_is_served(serve: Serve) -> None:
    for kind in get_args(Hostile):
        server = serve(faults=[Fault(action=HostileArchive(kind), route="archive")])
        url = f"{server.url}/repos/ada/engine/tarball"
        with requests.get(url, stream=True, timeout=10) as answer:
            start = answer.raw.read(200)
        assert start.startswith(b"\x1f\x8b"), kind
