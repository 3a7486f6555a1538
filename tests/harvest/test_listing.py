"""The listing of a commit's trees is the one of its archive, whatever the repository holds."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.schema import git_blob_id
from harvest.archive import TOO_LARGE, ArchiveReader, Limits
from harvest.git.pack import PackLimits, PackReader
from harvest.git.protocol import FetchAnswer, fetch_request
from harvest.git.store import MemoryStore
from harvest.listing import ListedFile, archive_listing, list_trees
from harvest.resolve import Member, resolve

LIMITS = Limits(
    max_file_bytes=60, max_license_bytes=30, max_archive_bytes=1 << 30, max_archive_members=1_000
)
NAMES = st.sampled_from(
    ["a.py", "b.py", "LICENSE", "COPYING.txt", "x.txt", "é.py", "z z.py", "q\"q.py",
     "back\\slash.py", "bad\udcff.py", "ctrl\x01.py", "-dash.py", "a-b.py", ".py"]
)  # fmt: skip
FOLDERS = st.lists(st.sampled_from(["a", "a.b", "deep", "ünï", "LICENSE.d"]), max_size=3)
PATHS = st.builds(lambda folders, name: "/".join([*folders, name]), FOLDERS, NAMES)
VALUES = st.one_of(
    st.binary(max_size=70),
    st.tuples(st.just("100755"), st.binary(max_size=70)),
    st.tuples(st.just("120000"), st.just(b"a.py")),
    st.tuples(st.just("160000"), st.just("1" * 40)),
)


def by_trees(where: Path, head: str) -> Any:
    """What `BlobFetcher` makes of it, without the network."""
    request = fetch_request([head], agent="test", depth=1, filter_spec="blob:none")
    command = ["git", "-c", "uploadpack.allowFilter=true", "upload-pack", "--stateless-rpc", where]
    wire = subprocess.run(
        command, input=request, capture_output=True, check=True, env={"GIT_PROTOCOL": "version=2"}
    ).stdout
    answer, store = FetchAnswer(), MemoryStore()
    reader = PackReader(store, PackLimits(max_objects=1_000, max_bytes=1 << 30))
    for piece in answer.feed(wire):
        reader.feed(piece)
    answer.close()
    reader.close()
    return list_trees(head, reader.entries, store, LIMITS, 0)


def by_archive(where: Path, head: str) -> Any:
    command = ["git", "-C", where, "archive", "--format=tar", "--prefix=top/", head]
    tar = subprocess.run(command, capture_output=True, check=True).stdout
    reader = ArchiveReader("a/b", head, LIMITS)
    files = [*reader.feed(gzip.compress(tar))]
    reader.close()
    listed = (ListedFile(f.path, bytes.fromhex(git_blob_id(f.content))) for f in files)
    return archive_listing(head, 0, listed, reader.counts)


def sizes(files: dict[str, Any]) -> dict[bytes, int]:
    contents = [value[1] if isinstance(value, tuple) else value for value in files.values()]
    return {
        bytes.fromhex(git_blob_id(content)): len(content)
        for content in contents
        if isinstance(content, bytes)
    }


@settings(max_examples=25)
@given(st.dictionaries(PATHS, VALUES, max_size=12))
def test_both_transports_list_the_same(
    tmp_path_factory: pytest.TempPathFactory, commit: Any, files: dict[str, Any]
) -> None:
    where = tmp_path_factory.mktemp("listed") / "r.git"
    head = commit(where, files)
    trees, archive = by_trees(where, head), by_archive(where, head)
    assert (trees.commit, trees.transport, archive.transport) == (head, "blobs", "archive")
    resolved = [
        resolve([Member(1, listing, sizes(files))], {}, LIMITS, once=once)[1]
        for listing in (trees, archive)
        for once in (True, False)
    ]
    for one, other in ((resolved[0], resolved[2]), (resolved[1], resolved[3])):
        assert (one.rows, one.copies) == (other.rows, other.copies)
        assert one.counts == other.counts
    assert set(archive.files) <= set(trees.files)
    assert not trees.counts[TOO_LARGE]  # trees know no sizes
