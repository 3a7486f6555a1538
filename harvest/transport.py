"""By which way a repository travels, and where its git host is: decided without I/O.

Two ways lead to the same rows. *archive*: one gzipped tar of the whole commit, by the API, which
costs a request of its hourly limit. *blobs*: a fetch of the commit's trees, then one of exactly the
wanted blobs, by the git host, which costs none.

Measured on six public repositories (docs/harvest.md, "What travels"), wire bytes for a byte of
Python: archives 0.30 to 9.4, blobs 0.23 to 0.31, trees included. Blobs lose only where a repository
is hardly more than its Python files, and young: there the archive is no larger than the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from harvest.listing import Transport

Choice = Literal["auto", "archive", "blobs"]
PYTHON = "Python"
# Wire bytes for a byte of Python as blobs, trees left out: sympy and numpy.
BLOBS_PER_BYTE = 0.225
MIN_PYTHON_SHARE = 0.95
_GITHUB_API = "api.github.com"
_API_PREFIX = "api."
_ENTERPRISE_PATH = "/api/v3"


def plan_transport(
    choice: Choice, languages: Mapping[str, int] | None, disk_bytes: int | None
) -> Transport:
    """The way for one repository.

    `languages`: bytes by language at the commit; None where nobody asked. `disk_bytes`: the
    repository on GitHub's disk, packed, history included: no archive of one commit is much larger.
    """
    if choice != "auto":
        return choice
    total = sum((languages or {}).values())
    python = (languages or {}).get(PYTHON, 0)
    if not total or not disk_bytes or python < MIN_PYTHON_SHARE * total:
        return "blobs"
    return "archive" if disk_bytes < BLOBS_PER_BYTE * python else "blobs"


def git_address(api_url: str, git_url: str | None) -> str:
    """Where repositories are cloned from, for an API's address; `git_url` where the recipe says."""
    if git_url is not None:
        return git_url.rstrip("/")
    parts = urlsplit(api_url)
    if parts.hostname == _GITHUB_API:
        return "https://github.com"
    path = parts.path.rstrip("/").removesuffix(_ENTERPRISE_PATH)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def repository_address(git_url: str, name: str) -> str:
    """The address of one repository, as `git clone` takes it."""
    return f"{git_url}/{quote(name)}.git"


def may_carry_token(api_url: str, git_url: str) -> bool:
    """Whether the git host is of the API's own site, and may see the token that is for the API."""
    api, git = urlsplit(api_url), urlsplit(git_url)
    if api.scheme != git.scheme or api.hostname is None or git.hostname is None:
        return False
    if api.hostname == git.hostname:
        return api.scheme == "https" or api.port == git.port
    return api.hostname == _API_PREFIX + git.hostname and api.port == git.port
