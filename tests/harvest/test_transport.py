from __future__ import annotations

import pytest

from harvest.transport import git_address, may_carry_token, plan_transport, repository_address

PYTHON = {"Python": 100_000, "Shell": 900}


@pytest.mark.parametrize(
    ("choice", "languages", "disk_bytes", "expected"),
    [
        ("archive", {"C": 1}, 1, "archive"),
        ("blobs", PYTHON, 1, "blobs"),
        ("auto", PYTHON, 20_000, "archive"),  # nearly all Python, and no history
        ("auto", PYTHON, 22_500, "blobs"),  # 0.225 wire bytes a byte of Python
        ("auto", {"Python": 94_000, "C": 6_000}, 20_000, "blobs"),
        ("auto", {"Python": 95_000, "C": 5_000}, 20_000, "archive"),
        ("auto", {"C": 5_000}, 20, "blobs"),
        ("auto", {}, 20, "blobs"),
        ("auto", None, 20, "blobs"),
        ("auto", PYTHON, None, "blobs"),
        ("auto", PYTHON, 0, "blobs"),  # no figure: an empty repository has none of Python
    ],
)
def test_the_way_of_one_repository(
    choice: str, languages: dict[str, int] | None, disk_bytes: int | None, expected: str
) -> None:
    assert plan_transport(choice, languages, disk_bytes) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("api", "git", "expected"),
    [
        ("https://api.github.com", None, "https://github.com"),
        ("https://api.github.com/", None, "https://github.com"),
        ("https://ghe.example.org/api/v3", None, "https://ghe.example.org"),
        ("https://ghe.example.org/api/v3/", None, "https://ghe.example.org"),
        ("http://127.0.0.1:8080", None, "http://127.0.0.1:8080"),
        ("https://api.github.com", "https://mirror.example.org/git/", "https://mirror.example.org/git"),
    ],
)  # fmt: skip
def test_where_the_git_host_is(api: str, git: str | None, expected: str) -> None:
    assert git_address(api, git) == expected


def test_the_address_of_a_repository() -> None:
    assert repository_address("https://github.com", "a/b") == "https://github.com/a/b.git"
    assert repository_address("https://x", "a b/c?d") == "https://x/a%20b/c%3Fd.git"


@pytest.mark.parametrize(
    ("api", "git", "may"),
    [
        ("https://api.github.com", "https://github.com", True),
        ("https://ghe.example.org/api/v3", "https://ghe.example.org", True),
        ("http://127.0.0.1:80", "http://127.0.0.1:80", True),
        ("http://127.0.0.1:80", "http://127.0.0.1:81", False),
        ("http://127.0.0.1:80", "http://localhost:80", False),
        ("https://api.github.com", "http://github.com", False),
        ("https://api.github.com", "https://github.com.evil.org", False),
        ("https://api.github.com", "https://evilgithub.com", False),
        ("https://api.github.com", "https://example.org", False),
        ("https://api.github.com", "https://hub.com", False),
        ("https://api.github.com", "https://com", False),
        ("https://api.github.com", "https://github.com:8443", False),
    ],
)
def test_who_may_see_the_token(api: str, git: str, may: bool) -> None:
    assert may_carry_token(api, git) is may
