import duckdb
import pytest

from clean.dedup.scratch import open_scratch
from corpus.errors import DiskFullError, FileError

FULL = 'Failed to commit: Could not write file "scratch.duckdb.wal": No space left on device'


@pytest.mark.parametrize(
    ("kind", "message", "named"),
    [
        (duckdb.IOException, FULL, DiskFullError),
        (duckdb.TransactionException, FULL, DiskFullError),
        (duckdb.FatalException, FULL, DiskFullError),
        (duckdb.IOException, "cannot\nopen", FileError),
    ],
)
def test_what_the_disk_does_to_the_database_is_one_line(tmp_path, kind, message, named):
    folder = tmp_path / "scratch"
    with (
        pytest.raises(named, match=r"^\S*scratch: [^\n]+$"),
        open_scratch(folder, max_memory_bytes=128 << 20, threads=1),
    ):
        raise kind(message)
    assert not folder.exists()


def test_a_mistake_of_ours_is_not_dressed_up(tmp_path):
    with (
        pytest.raises(duckdb.CatalogException),
        open_scratch(tmp_path / "scratch", max_memory_bytes=128 << 20, threads=1) as scratch,
    ):
        scratch.run("SELECT * FROM nothing")
