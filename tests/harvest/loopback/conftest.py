from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from harvest.loopback.server import Loopback, serve_in_thread
from harvest.loopback.trees import TreeCatalog, memory_catalog

Serve = Callable[..., Loopback]

CONTENTS = {
    "ada/engine": {
        "LICENSE": b"MIT License",
        "engine.py": b"print('engine')\n",
        "deep/er/note.py": b"# note\n",
        "fast.c": b"int x;",
    },
    "ada/forked": {"a.py": b"a = 1\n"},
    "bob/empty": {},
    "bob/native": {"native.c": b"int main() { return 0; }\n", "setup.py": b"x = 1\n"},
    "bob/old": {"old.py": b"old = 1\n"},
}
FACTS = {
    "ada/engine": {
        "stars": 120,
        "license": "MIT",
        "description": "An analytical engine",
        "created_at": datetime(2015, 3, 1, 12, tzinfo=UTC),
        "pushed_at": datetime(2024, 5, 6, tzinfo=UTC),
        "former_names": ("ada/difference",),
    },
    "ada/forked": {"stars": 7, "fork": True, "license": "NOASSERTION"},
    "bob/old": {"stars": 3, "archived": True},
}


@pytest.fixture(scope="session")
def catalog() -> TreeCatalog:
    return memory_catalog(CONTENTS, FACTS)


@pytest.fixture
def serve(catalog: TreeCatalog) -> Iterator[Serve]:
    """Start a server over the small catalog (or another one) until the test ends."""
    with ExitStack() as stack:

        def start(other: object = None, **options: object) -> Loopback:
            served = catalog if other is None else other
            return stack.enter_context(serve_in_thread(served, **options))  # type: ignore[arg-type]

        yield start
