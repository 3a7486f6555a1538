"""What a recipe can tell this stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

LOOPBACK = "loopback"
# How the work is done, as opposed to what comes out: these may change between two runs that
# go on from one frontier. The opt-out list may too, since it must always be honoured.
_PACE = (
    "opt_out",
    "concurrency",
    "connect_timeout_s",
    "read_timeout_s",
    "retries",
    "max_wait_s",
)
_AT_LEAST_ONE = (
    "max_repositories",
    "max_file_bytes",
    "max_license_bytes",
    "max_archive_bytes",
    "max_archive_members",
    "repositories_per_shard",
    "max_shard_bytes",
    "concurrency",
)
_AT_LEAST_ZERO = ("min_stars", "max_stars", "min_size_kb", "max_size_kb", "retries", "max_wait_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestRecipe:
    """Which repositories, which of their files, and how gently. Every default is complete."""

    # A GitHub-compatible API: https://api.github.com, GitHub Enterprise's https://HOST/api/v3,
    # or the word "loopback": a server over the packages installed on this machine.
    api_url: str = "https://api.github.com"
    # With "loopback": serve this folder of bare git repositories instead of the packages.
    loopback_folder: Path | None = None

    language: str | None = "Python"  # the repository's primary language, as search knows it
    min_stars: int | None = None
    max_stars: int | None = None
    min_size_kb: int | None = None  # the repository on GitHub's disk, history included
    max_size_kb: int | None = None
    created_from: str = "1970-01-01"  # mirrors may claim to be older than GitHub
    created_until: str | None = None  # None: the moment when the harvest first starts
    forks: bool = False
    archived: bool = True
    max_repositories: int | None = None  # the most starred ones; None: all
    opt_out: Path | None = None  # a list of OWNER or OWNER/NAME lines, never asked for

    max_file_bytes: int = 1_000_000  # PyCodeGPT: files under 1 MB
    keep_license_files: bool = True  # LICENSE, COPYING and their like, beside the Python files
    max_license_bytes: int = 200_000  # of a licence file; GPL-3.0 has 35,149
    max_archive_bytes: int = 2 << 30  # unpacked; more is a bomb or no place for code
    max_archive_members: int = 100_000

    repositories_per_shard: int | None = 500
    max_shard_bytes: int | None = 2 << 30  # as GitHub states sizes; a larger one stands alone

    concurrency: int = 8  # archives at once; GitHub's secondary limit is 100 requests
    connect_timeout_s: float = 20.0
    read_timeout_s: float = 60.0  # without a single byte
    retries: int = 4  # after a failure that may pass: 5xx, a lost connection, a damaged archive
    max_wait_s: float = 7_200.0  # a server that asks for more ends the run, to be resumed

    def __post_init__(self) -> None:
        _check_url(self.api_url)
        if self.loopback_folder is not None and self.api_url != LOOPBACK:
            raise ValueError('loopback_folder needs api_url = "loopback"')
        self._check_numbers()
        _check_order("stars", self.min_stars, self.max_stars)
        _check_order("size_kb", self.min_size_kb, self.max_size_kb)
        start, stop = moment("created_from", self.created_from), self.created_until
        if stop is not None and moment("created_until", stop) <= start:
            raise ValueError("created_until must be later than created_from")

    def _check_numbers(self) -> None:
        for name in _AT_LEAST_ONE:
            _check_least(name, getattr(self, name), 1)
        for name in _AT_LEAST_ZERO:
            _check_least(name, getattr(self, name), 0)
        for name in ("connect_timeout_s", "read_timeout_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")
        if self.concurrency > 100:
            raise ValueError("concurrency must be at most 100: GitHub's secondary limit")

    @property
    def selection(self) -> dict[str, object]:
        """The values that decide what is harvested: a frontier belongs to one set of them."""
        names = [name for name in self.__dataclass_fields__ if name not in _PACE]
        return {name: getattr(self, name) for name in names}


def moment(name: str, text: str) -> datetime:
    """A day or an ISO 8601 moment, in UTC where it names no zone."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} must be a date like 2020-01-31, not {text!r}") from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _check_url(url: str) -> None:
    if url == LOOPBACK:
        return
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("api_url is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f'api_url must be "{LOOPBACK}" or begin with https:// or http://')
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("api_url must hold no user, password or query; tokens: GITHUB_TOKEN")


def _check_least(name: str, value: float | None, least: int) -> None:
    if value is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def _check_order(name: str, low: int | None, high: int | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"min_{name} must not be more than max_{name}")
