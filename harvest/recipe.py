"""What a recipe can tell this stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

LOOPBACK = "loopback"
GHARCHIVE = "https://data.gharchive.org"
SourceName = Literal["search", "ids", "gharchive", "list", "earlier"]
# How the work is done, as opposed to what comes out: these may change between two runs that
# go on from one frontier. The opt-out list may too, since it must always be honoured.
_PACE = (
    "git_url",
    "transport",
    "token_file",
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
_AT_LEAST_ZERO = (
    "ids_from",
    "ids_until",
    "min_python_bytes",
    "min_stars",
    "max_stars",
    "min_size_kb",
    "max_size_kb",
    "retries",
    "max_wait_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestRecipe:
    """Which repositories, which of their files, and how gently. Every default is complete."""

    # A GitHub-compatible API: https://api.github.com, GitHub Enterprise's https://HOST/api/v3,
    # or the word "loopback": a server over the packages installed on this machine.
    api_url: str = "https://api.github.com"
    # With "loopback": serve this folder of bare git repositories instead of the packages.
    loopback_folder: Path | None = None

    # Where repositories are cloned from. None: https://github.com for its API, else the API's host.
    git_url: str | None = None
    # Tokens, separated by lines or commas; beside GITHUB_TOKEN, in place of GITHUB_TOKEN_FILE.
    token_file: Path | None = None

    # Where repositories come from; several may be combined, and none comes twice.
    # search: GitHub's search, which knows primary languages only. ids: every public repository by
    # its id. gharchive: the hour files of GH Archive. list: a file. earlier: other harvests.
    sources: tuple[SourceName, ...] = ("search",)
    ids_from: int = 0  # with "ids": the lowest id to look at
    ids_until: int | None = None  # and the highest; None: up to the newest repository
    gharchive: str = GHARCHIVE  # with "gharchive": the address of hour files, or a folder of them
    gharchive_from: str | None = None  # the first hour, like 2015-01-31-7, in UTC
    gharchive_until: str | None = None  # the last hour, included
    list_file: Path | None = None  # with "list": lines of OWNER/NAME, address or numeric id
    earlier: tuple[Path, ...] = ()  # with "earlier": run folders whose repositories are taken

    language: str | None = "Python"  # the primary language: the one with the most bytes
    min_python_bytes: int | None = None  # as GitHub counts them; 1 with language off: any Python
    min_stars: int | None = None
    max_stars: int | None = None
    min_size_kb: int | None = None  # the repository on GitHub's disk, history included
    max_size_kb: int | None = None
    created_from: str = "1970-01-01"  # mirrors may claim to be older than GitHub
    created_until: str | None = None  # None: the moment when the harvest first starts
    forks: bool = False
    archived: bool = True
    pushed_after: str | None = None  # a day or moment; what is older is asleep
    licenses: tuple[str, ...] | None = None  # SPDX ids as GitHub reports them; None: any or none
    max_repositories: int | None = None  # the most starred ones; None: all
    opt_out: Path | None = None  # a list of OWNER or OWNER/NAME lines, never asked for

    # How a repository travels. archive: one gzipped tar, a request of the API's limit. blobs: its
    # trees and then the wanted files by git's own protocol, a quarter of the bytes or less.
    # auto: what is less for each, by its language bytes and its size on GitHub's disk.
    transport: Literal["auto", "archive", "blobs"] = "auto"
    # One row for a Python file that stands in many places; the others are lines in raw/copies/.
    each_blob_once: bool = True
    max_file_bytes: int = 1_000_000  # PyCodeGPT: files under 1 MB
    keep_license_files: bool = True  # LICENSE, COPYING and their like, beside the Python files
    max_license_bytes: int = 200_000  # of a licence file; GPL-3.0 has 35,149
    max_archive_bytes: int = 2 << 30  # unpacked, whichever way it comes; more is a bomb
    max_archive_members: int = 100_000

    repositories_per_shard: int | None = 500
    max_shard_bytes: int | None = 2 << 30  # as GitHub states sizes; a larger one stands alone

    concurrency: int = 8  # repositories at once; GitHub's secondary limit is 100 requests
    connect_timeout_s: float = 20.0
    read_timeout_s: float = 60.0  # without a single byte
    retries: int = 4  # after what may pass: 5xx, a lost connection, damage on the way
    max_wait_s: float = 7_200.0  # a server that asks for more ends the run, to be resumed

    def __post_init__(self) -> None:
        _check_url("api_url", self.api_url)
        if self.git_url is not None:
            _check_url("git_url", self.git_url)
        if self.loopback_folder is not None and self.api_url != LOOPBACK:
            raise ValueError('loopback_folder needs api_url = "loopback"')
        self._check_numbers()
        _check_order("stars", self.min_stars, self.max_stars)
        _check_order("size_kb", self.min_size_kb, self.max_size_kb)
        self._check_sources()
        if self.pushed_after is not None:
            moment("pushed_after", self.pushed_after)
        start, stop = moment("created_from", self.created_from), self.created_until
        if stop is not None and moment("created_until", stop) <= start:
            raise ValueError("created_until must be later than created_from")

    def _check_sources(self) -> None:
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise ValueError("sources must name at least one source, and each once")
        if self.ids_until is not None and self.ids_until < self.ids_from:
            raise ValueError("ids_from must not be more than ids_until")
        if "ids" not in self.sources and (self.ids_from or self.ids_until is not None):
            raise ValueError('ids_from and ids_until need "ids" in sources')
        for source, key in (("list", "list_file"), ("earlier", "earlier")):
            if (source in self.sources) != bool(getattr(self, key)):
                raise ValueError(f'{key} and "{source}" in sources need one another')
        first, last = self.gharchive_from, self.gharchive_until
        hours = [moment_of_hour(text) for text in (first, last) if text is not None]
        wanted = 2 if "gharchive" in self.sources else 0
        if len(hours) != wanted or hours != sorted(hours):
            raise ValueError(
                '"gharchive" in sources needs gharchive_from and a gharchive_until that is no '
                "earlier, and they need it"
            )

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


def moment_of_hour(text: str) -> datetime:
    """An hour as GH Archive names it: 2015-01-31-7."""
    day, _, hour = text.rpartition("-")
    try:
        return datetime.strptime(f"{day} {int(hour):02}", "%Y-%m-%d %H").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"gharchive hours look like 2015-01-31-7, not {text!r}") from None


def _check_url(key: str, url: str) -> None:
    if url == LOOPBACK and key == "api_url":
        return
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"{key} is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(_form_of(key))
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{key} must hold no user, password or query; tokens: GITHUB_TOKEN")


def _form_of(key: str) -> str:
    either = f'be "{LOOPBACK}" or ' if key == "api_url" else ""
    return f"{key} must {either}begin with https:// or http://"


def _check_least(name: str, value: float | None, least: int) -> None:
    if value is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def _check_order(name: str, low: int | None, high: int | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"min_{name} must not be more than max_{name}")
