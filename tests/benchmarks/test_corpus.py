import zipfile
from pathlib import Path

import pytest

from benchmarks.clean.corpus import MAX_FILE_BYTES, RealCode, members, tree, unique
from benchmarks.clean.many import documents, first_documents, fresh, pieces, write_documents
from benchmarks.clean.shards import File, write_raw
from benchmarks.clean.texts import texts, write_texts
from benchmarks.clean.truth import read_texts
from corpus.manifest import read_manifest
from corpus.shards import list_shards, read_rows


def test_a_folder_gives_its_python_files_by_package(tmp_path: Path) -> None:
    for name in ("one/a.py", "one/b.txt", "two.py", "site-packages/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    (tmp_path / "one" / "large.py").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    found = [(file.repo, file.path) for file in tree("me", tmp_path, skip=("site-packages",))]
    assert found == [("me/one", "one/a.py"), ("me/two", "two.py")]


def test_a_wheel_is_read_in_place(tmp_path: Path) -> None:
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("thing/b.py", "b = 1\n")
        archive.writestr("thing/a.py", "a = 1\n")
        archive.writestr("thing/data.json", "{}")
    assert [(file.repo, file.path) for file in members(wheel)] == [
        ("wheel/thing", "thing/a.py"), ("wheel/thing", "thing/b.py"),
    ]  # fmt: skip


def test_equal_bytes_are_taken_once() -> None:
    files = [File("a/a", "x.py", b"1"), File("a/b", "y.py", b"2"), File("a/c", "z.py", b"1")]
    assert [file.path for file in unique(files)] == ["x.py", "y.py"]


def test_shards_are_bounded_and_the_manifest_says_what_they_hold(tmp_path: Path) -> None:
    files = [File("a/a", f"{n}.py", b"x = %d" % n) for n in range(7)]
    shards = write_raw(tmp_path / "raw", files, {"more": 1}, max_rows=3)
    assert [shard.rows for shard in shards] == [3, 3, 1]
    facts = read_manifest(tmp_path / "raw", "harvest").facts
    assert (facts["documents"], facts["bytes"], facts["more"]) == (7, 7 * len(b"x = 0"), 1)
    again = write_raw(tmp_path / "again", files, {}, max_rows=5)
    assert [shard.rows for shard in again] == [5, 2]
    # Other shards, the same documents: the digest is over each shard's rows.
    assert facts["digest"] != read_manifest(tmp_path / "again", "harvest").facts["digest"]


def test_peers_read_the_documents_in_row_order_without_comments(
    tiny: RealCode, tmp_path: Path
) -> None:
    folder = write_texts(tiny.shards, tmp_path / "texts")
    written = list(read_texts(folder))
    assert written == [text for shard in tiny.shards for text in texts(shard)]
    assert len(written) == tiny.documents


def test_many_documents_keep_their_shares(tiny: RealCode) -> None:
    real = pieces(tiny.shards)
    assert len(real) > 30
    stream = documents(real)
    drawn = [next(stream) for _ in range(250)]
    assert len(drawn) - len(set(drawn)) == 10  # 1 of 25 is equal to another


def test_fresh_documents_never_end_and_never_repeat(tiny: RealCode) -> None:
    real = pieces(tiny.shards)
    stream = fresh(real)
    drawn = [next(stream) for _ in range(3 * len(real))]
    assert drawn[: len(real)] == real
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("wanted", [10, 25, 60])
def test_a_smaller_size_is_the_first_documents_of_the_largest(
    tiny: RealCode, tmp_path: Path, wanted: int
) -> None:
    raw = write_documents(tmp_path / "many", tiny.shards, 60)
    before = [path.stat().st_mtime_ns for path in sorted(raw.glob("*.parquet"))]
    assert write_documents(tmp_path / "many", tiny.shards, 60) == raw
    assert [path.stat().st_mtime_ns for path in sorted(raw.glob("*.parquet"))] == before
    chosen = list_shards(first_documents(raw, wanted, tmp_path / "run" / "raw"))
    names = [name for shard in chosen for name in read_rows(shard, columns=["path"])[0].to_pylist()]
    assert len(names) >= wanted
    assert names == sorted(names)
