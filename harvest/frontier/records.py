"""What the frontier hands out and takes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Where a repository can come from; a row keeps one bit for each, whichever came first.
SOURCES = ("search", "ids", "gharchive", "list", "earlier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository that is known; the fields from `state` on say what became of it."""

    id: int
    node_id: str
    name: str
    stars: int
    fork: bool
    license: str | None
    pushed_at: str | None
    shard: int  # -1: it has no place in one
    commit: str | None
    languages: Mapping[str, int] | None
    state: str
    reason: str | None = None
    rows: int = 0
    bytes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    archived: bool | None = None  # None: no listing has said so yet
    size_kb: int | None = None  # its disk usage on GitHub, history included
    created_at: str | None = None
    python_bytes: int | None = None
    sources: tuple[str, ...] = ("search",)
    previous_commit: str | None = None  # what an earlier generation fetched
    generation: int = 0  # how often it was asked for before


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What is asked for each repository before it is fetched; None: as its listing said."""

    id: int
    name: str
    node_id: str | None = None
    stars: int | None = None
    fork: bool | None = None
    archived: bool | None = None
    size_kb: int | None = None
    license: str | None = None
    created_at: str | None = None
    pushed_at: str | None = None
    commit: str
    languages: Mapping[str, int]
    state: str = "eligible"
    reason: str | None = None

    @property
    def python_bytes(self) -> int:
        """How many bytes of Python GitHub counts."""
        return self.languages.get("Python", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one repository."""

    state: str
    reason: str | None = None
    rows: int = 0
    bytes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A shard on disk."""

    shard: int
    digest: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a source that is read by itself: a range of ids, an hour, a line, a folder."""

    source: str
    key: str
    state: str = "open"
    position: int = 0  # how far it was read
    facts: Mapping[str, int] = field(default_factory=dict)  # what came of it, by name


def source_bits(names: tuple[str, ...]) -> int:
    """The sources as the database keeps them."""
    return sum(1 << SOURCES.index(name) for name in names)


def source_names(bits: int) -> tuple[str, ...]:
    """The way back."""
    return tuple(name for place, name in enumerate(SOURCES) if bits >> place & 1)
