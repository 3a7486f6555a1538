"""Documents without a shard."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from clean.signals.decode import Decoded
from clean.signals.document import Document
from clean.signals.structure import structure

Structure = Callable[[str], dict[str, Any]]


def document(text: str, path: str = "a/b.py") -> Document:
    return Document(text.encode("utf-8", "surrogatepass"), Decoded(text, "utf-8", None), path, None)


@pytest.fixture(name="document", scope="session")
def _document() -> Callable[..., Document]:
    return document


@pytest.fixture(scope="session")
def measure() -> Structure:
    return lambda text: structure(document(text))


def repeated(pieces: list[str], most: int) -> st.SearchStrategy[str]:
    return st.builds(str.__mul__, st.sampled_from(pieces), st.integers(0, most))
