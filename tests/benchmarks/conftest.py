"""A corpus of a few dozen files, and a setup without peers in pytest's own folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.clean.corpus import RealCode, open_corpus
from benchmarks.clean.setup import Setup
from benchmarks.clean.shards import File, write_raw

_TEMPLATE = '''"""Work on part {n} of the whole."""

import os

LIMIT_{n} = {n}


def read_{n}(path, limit=LIMIT_{n}, encoding="utf-8"):
    """Read what is below a limit."""
    found_{n} = []
    with open(os.path.join(path, "part{n}"), encoding=encoding) as file_{n}:
        for number_{n}, line_{n} in enumerate(file_{n}):
            if number_{n} > limit * {n}:
                break
            found_{n}.append(line_{n}.strip().split(",{n}"))
    return found_{n}


class Part{n}:
    name_{n} = "part {n}"
    values_{n} = {values}

    def total_{n}(self, start_{n}=0):
        result_{n} = start_{n}
        for value_{n} in self.values_{n}:
            result_{n} += value_{n} ** {n}
        return result_{n}


def write_{n}(path, rows_{n}):
    for row_{n} in rows_{n}:
        print(row_{n}, file=path, end="{n}")
'''


def code(number: int) -> str:
    """A file that parses; no two numbers give near files."""
    return _TEMPLATE.format(n=number, values=[number * 1000 + 7 * i for i in range(30)])


@pytest.fixture
def tiny(tmp_path: Path) -> RealCode:
    """120 files: a near copy and an equal one of file 0 among them, one that does not parse."""
    texts = [code(number) for number in range(117)]
    texts += [code(0).replace("number_0", "place_0"), code(0) + "\n\n", "print 'two'\n" * 9]
    files = (
        File(f"owner/r{number % 7}", f"p{number:03}.py", text.encode())
        for number, text in enumerate(texts)
    )
    write_raw(tmp_path / "raw", files, {}, max_rows=50)
    return open_corpus(tmp_path / "raw")


@pytest.fixture
def setup(tiny: RealCode, tmp_path: Path) -> Setup:
    """Everything at the smallest scale, and nobody beside us."""
    return Setup(
        code=tiny, data=tmp_path / "data", out=tmp_path / "out", scratch=tmp_path / "scratch",
        peers=None, scale=0.0001,
    )  # fmt: skip


@pytest.fixture(name="code")
def _code() -> Callable[[int], str]:
    return code
