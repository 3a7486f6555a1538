import shutil
from collections import namedtuple

import pytest

from clean.dedup import preflight
from corpus.errors import DiskFullError
from corpus.events import Notice

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def free(monkeypatch):
    def set_to(size: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, size))

    return set_to


def test_too_little_room_is_said_with_figures(tmp_path, free):
    free(10**9)
    with pytest.raises(DiskFullError, match=r"need about 2\.0 GB, and 1\.0 GB are free"):
        preflight.check_room(tmp_path / "new", 2 * 10**9, print)


def test_a_tight_disk_is_told_and_a_roomy_one_is_not(tmp_path, free):
    told: list[Notice] = []
    free(10**9)
    preflight.check_room(tmp_path, 9 * 10**8, told.append)
    assert "near duplicates need about 0.9 GB, and 1.0 GB are free" in told[0].text
    preflight.check_room(tmp_path, 7 * 10**8, told.append)
    assert len(told) == 1


def test_an_index_that_would_not_fit_is_refused_before_it_begins(folder, write_raw, family, free):
    write_raw(folder.root / "raw", family(1))
    folder.fingerprint()
    free(100)
    with pytest.raises(DiskFullError, match="free some and run again"):
        folder.index()
    assert not (folder.sidecars / "bands").exists()
