"""Documents without a shard."""

from collections.abc import Callable

import pytest

from clean.signals.decode import Decoded
from clean.signals.document import Document


def document(text: str, path: str = "a/b.py") -> Document:
    return Document(text.encode("utf-8", "surrogatepass"), Decoded(text, "utf-8", None), path, None)


@pytest.fixture(name="document", scope="session")
def _document() -> Callable[..., Document]:
    return document
