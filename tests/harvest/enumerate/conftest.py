from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harvest.database import writing
from harvest.frontier import Frontier


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    path = tmp_path / "frontier.sqlite"
    with writing(path) as database:
        yield Frontier(path, database)
