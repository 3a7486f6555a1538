"""Answers that are not what was asked for, with GitHub's status codes and bodies.

Source: GitHub REST documentation, "Troubleshooting the REST API" and "Rate limits".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DOCS = "https://docs.github.com/rest"
_LIMIT_DOCS = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
_SEARCH_DOCS = "https://docs.github.com/v3/search/"


class ProblemError(Exception):
    """Ends a request with a status, a JSON body and headers."""

    def __init__(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.body, self.headers = status, body, dict(headers or {})
        super().__init__(f"{status}: {body.get('message')}")


def not_found(docs: str = DOCS) -> ProblemError:
    """Deleted, private, or never there."""
    return ProblemError(404, _body("Not Found", docs, status="404"))


def bad_credentials() -> ProblemError:
    """A token that nobody has, or one where one is needed."""
    return ProblemError(401, _body("Bad credentials", DOCS, status="401"))


def requires_authentication(docs: str = DOCS) -> ProblemError:
    """A token is needed here, and there is none."""
    return ProblemError(401, _body("Requires authentication", docs, status="401"))


def bad_version(version: str, known: Sequence[str]) -> ProblemError:
    """An X-GitHub-Api-Version that is not served."""
    message = f'"{version}" is not a supported version. Supported versions are: {list(known)}'
    return ProblemError(
        400, _body(message, f"{DOCS}/about-the-rest-api/api-versions", status="400")
    )


def no_user_agent() -> ProblemError:
    """GitHub turns away clients that do not say who they are."""
    message = (
        "Request forbidden by administrative rules. Please make sure your request has a "
        "User-Agent header"
    )
    return ProblemError(403, _body(message, f"{DOCS}/overview/resources-in-the-rest-api"))


def bad_json() -> ProblemError:
    """A body that can't be parsed."""
    return ProblemError(400, _body("Problems parsing JSON", DOCS, status="400"))


def validation_failed(
    errors: Sequence[Mapping[str, str]], docs: str = _SEARCH_DOCS
) -> ProblemError:
    """Parameters that are understood but not acceptable."""
    body = {"message": "Validation Failed", "errors": list(errors), "documentation_url": docs}
    return ProblemError(422, body | {"status": "422"})


def invalid_query(message: str) -> ProblemError:
    """A search query that can't be run."""
    error = {"message": message, "resource": "Search", "field": "q", "code": "invalid"}
    return validation_failed([error])


def missing_query() -> ProblemError:
    """A search without a query."""
    return validation_failed([{"resource": "Search", "field": "q", "code": "missing"}])


def beyond_search_cap() -> ProblemError:
    """Search shows the first 1,000 results and no more."""
    message = "Only the first 1000 search results are available"
    return ProblemError(422, _body(message, _SEARCH_DOCS, status="422"))


def no_commit(ref: str) -> ProblemError:
    """A ref that stands for nothing."""
    docs = f"{DOCS}/commits/commits#get-a-commit"
    return ProblemError(422, _body(f"No commit found for SHA: {ref}", docs, status="422"))


def empty_repository() -> ProblemError:
    """A repository without a commit."""
    docs = f"{DOCS}/commits/commits#get-a-commit"
    return ProblemError(409, _body("Git Repository is empty.", docs, status="409"))


def moved(location: str) -> ProblemError:
    """Renamed or transferred: the id stays."""
    body = {"message": "Moved Permanently", "url": location}
    return ProblemError(
        301, body | {"documentation_url": f"{DOCS}/guides/best-practices"}, {"Location": location}
    )


def access_blocked(reason: str, created_at: str) -> ProblemError:
    """Disabled by GitHub's staff, for instance for breaking the terms."""
    block = {"reason": reason, "created_at": created_at, "html_url": None}
    return ProblemError(403, {"message": "Repository access blocked", "block": block})


def taken_down(created_at: str, html_url: str) -> ProblemError:
    """Unavailable for legal reasons."""
    block = {"reason": "dmca", "created_at": created_at, "html_url": html_url}
    return ProblemError(451, {"message": "Repository access blocked", "block": block})


def primary_limit(who: str, *, status: int = 403) -> ProblemError:
    """No requests left in this window; the X-RateLimit headers say until when."""
    message = f"API rate limit exceeded for {who}."
    if not who.startswith("user"):
        message += (
            " (But here's the good news: Authenticated requests get a higher rate limit. "
            "Check out the documentation for more details.)"
        )
    return ProblemError(status, _body(message, _LIMIT_DOCS))


def secondary_limit(*, status: int = 403, retry_after_s: int | None = 60) -> ProblemError:
    """Too much at once; how long to wait is said in Retry-After, or not at all."""
    message = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try "
        "again. If you reach out to GitHub Support for help, please include the request ID."
    )
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return ProblemError(
        status, _body(message, f"{_LIMIT_DOCS}#about-secondary-rate-limits"), headers
    )


def server_error(status: int) -> ProblemError:
    """One of GitHub's own failures."""
    messages = {500: "Server Error", 502: "Server Error", 503: "Service Unavailable"}
    timeout = (
        "We couldn't respond to your request in time. Sorry about that. Please try resubmitting "
        "your request and contact us if the problem persists."
    )
    return ProblemError(status, {"message": messages.get(status, timeout)})


def _body(message: str, docs: str, **more: str) -> dict[str, Any]:
    return {"message": message, "documentation_url": docs, **more}
