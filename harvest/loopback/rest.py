"""The REST endpoints that harvesting uses.

Source: GitHub REST documentation, "Search", "Repositories", "Commits", "Licenses", "Rate limit",
"Users".
"""

from __future__ import annotations

import asyncio
import math
import urllib.parse
from collections.abc import Mapping

from harvest.loopback import faults as fault
from harvest.loopback import payloads, problems
from harvest.loopback.exchange import Exchange, Handler, Reply
from harvest.loopback.limits import RESOURCES, Resource
from harvest.loopback.popularity import made_up_popularity
from harvest.loopback.repository import Commit, Repository
from harvest.loopback.search import MAX_RESULTS, ordered, parse_query

_MAX_PAGE = 100
_SHA_MEDIA = ("application/vnd.github.sha", "application/vnd.github.v3.sha")
_TEXT = "application/vnd.github.v3.sha; charset=utf-8"


async def search(exchange: Exchange) -> Reply:
    """GET /search/repositories."""
    query = exchange.request.query
    parsed = parse_query(query.get("q", ""))
    page, size = _page(query), _page_size(query)
    if (page - 1) * size >= MAX_RESULTS:
        raise problems.beyond_search_cap()
    matching = [each for each in exchange.server.index.all if parsed.matches(each)]
    found = ordered(matching, query.get("sort"), query.get("order"))
    missing = sum(each.missing for each in exchange.actions if isinstance(each, fault.Incomplete))
    shown = found[: max(0, min(len(found) - missing, MAX_RESULTS))]
    items = shown[(page - 1) * size : page * size]
    body = {
        "total_count": len(found),
        "incomplete_results": missing > 0,
        "items": [payloads.search_item(exchange.base, each, 1.0) for each in items],
    }
    return Reply(body, headers=_page_links(exchange, page, math.ceil(len(shown) / size)))


async def repositories(exchange: Exchange) -> Reply:
    """GET /repositories: all public ones by id, 100 at a time."""
    since = _whole_number(exchange.request.query.get("since", "0"), 0)
    index = exchange.server.index
    page = index.after(since, _MAX_PAGE)
    more = page and index.after(page[-1].id, 1)
    links = [f'<{exchange.base}/repositories{{?since}}>; rel="first"']
    if more:
        links.insert(0, f'<{exchange.base}/repositories?since={page[-1].id}>; rel="next"')
    body = [payloads.minimal_repository(exchange.base, each) for each in page]
    return Reply(body, headers={"Link": ", ".join(links)})


async def repository(exchange: Exchange) -> Reply:
    """GET /repos/{owner}/{repo} and GET /repositories/{id}."""
    return Reply(payloads.full_repository(exchange.base, _repository(exchange)))


async def languages(exchange: Exchange) -> Reply:
    """GET /repos/{owner}/{repo}/languages: bytes by language."""
    return Reply(dict(_repository(exchange).languages))


async def commit(exchange: Exchange) -> Reply:
    """GET /repos/{owner}/{repo}/commits/{ref}: the commit, or only its id if so accepted."""
    known, ref = _repository(exchange), exchange.request.match_info["ref"]
    if known.empty:
        raise problems.empty_repository()
    found = await _commit(exchange, known, ref)
    if found is None:
        raise problems.no_commit(ref)
    if any(media in exchange.request.headers.get("Accept", "") for media in _SHA_MEDIA):
        return Reply(found.id.encode(), content_type=_TEXT)
    return Reply(payloads.commit(exchange.base, known, found))


async def license_content(exchange: Exchange) -> Reply:
    """GET /repos/{owner}/{repo}/license: the licence file."""
    known = _repository(exchange)
    file = await asyncio.to_thread(exchange.server.index.catalog.license_file, known)
    if file is None:
        raise problems.not_found(f"{problems.DOCS}/licenses/licenses")
    return Reply(payloads.license_content(exchange.base, known, file))


async def tarball(exchange: Exchange) -> Reply:
    """GET /repos/{owner}/{repo}/tarball[/{ref}]: 302 to the archive host."""
    known = _repository(exchange)
    ref = exchange.request.match_info.get("ref") or known.default_branch
    found = None if known.empty else await _commit(exchange, known, ref)
    # The archive host, and not the API, says that a ref does not exist.
    target = urllib.parse.quote(found.id if found else ref)
    where = f"{exchange.server.archive_url}/{known.full_name}/legacy.tar.gz/{target}"
    return Reply(b"", 302, {"Location": where}, "text/html;charset=utf-8")


async def rate_limit(exchange: Exchange) -> Reply:
    """GET /rate_limit: costs nothing; 404 where limits are off, as on Enterprise."""
    accounts = exchange.server.accounts
    if accounts is None:
        raise problems.ProblemError(404, {"message": "Rate limiting is not enabled."})
    shown: dict[Resource, Mapping[str, object]] = {}
    for resource in RESOURCES:
        if standing := accounts.standing(exchange.caller, resource):
            shown[resource] = {
                "limit": standing.limit,
                "used": min(standing.used, standing.limit),
                "remaining": standing.remaining,
                "reset": standing.reset,
            }
    return Reply({"resources": shown, "rate": shown.get("core", {})})


async def user(exchange: Exchange) -> Reply:
    """GET /user: whose token this is."""
    if exchange.login is None:
        raise problems.requires_authentication(f"{problems.DOCS}/users/users")
    created = made_up_popularity(exchange.login).created_at
    return Reply(payloads.private_user(exchange.base, exchange.login, created))


async def access_tokens(exchange: Exchange) -> Reply:
    """POST /app/installations/{installation}/access_tokens: a token for an hour."""
    number, installations = (
        exchange.request.match_info["installation"],
        exchange.server.installations,
    )
    try:
        granted = installations.issue(int(number), exchange.request.headers.get("Authorization"))
    except (KeyError, ValueError):
        raise problems.not_found(f"{problems.DOCS}/apps/apps") from None
    if granted is None:
        raise problems.bad_credentials()
    return Reply(granted, status=201)


_OF_REPOSITORY: tuple[tuple[str, str, Handler], ...] = (
    ("languages", "/languages", languages),
    ("commit", "/commits/{ref:.+}", commit),
    ("license", "/license", license_content),
    ("tarball", "/tarball", tarball),
    ("tarball", "/tarball/{ref:.*}", tarball),
)
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("search", "/search/repositories", search),
    ("repositories", "/repositories", repositories),
    ("repository_by_id", "/repositories/{number}", repository),
    ("repository", "/repos/{owner}/{repo}", repository),
    ("rate_limit", "/rate_limit", rate_limit),
    ("user", "/user", user),
    # A renamed repository's 301 leads to its id, and everything below works there as well.
    *(
        (route, start + path, handler)
        for start in ("/repos/{owner}/{repo}", "/repositories/{number}")
        for route, path, handler in _OF_REPOSITORY
    ),
)

POST_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("access_tokens", "/app/installations/{installation}/access_tokens", access_tokens),
)


def _repository(exchange: Exchange) -> Repository:
    """The repository that the path names. Raises ProblemError 301 or 404."""
    path, index = exchange.request.match_info, exchange.server.index
    if "number" in path:
        known = index.by_number(path["number"])
    else:
        owner, name = path["owner"], path["repo"]
        known = index.by_name(owner, name)
        renamed = None if known else index.by_former_name(owner, name)
        if renamed is not None:
            rest = exchange.request.path.partition(f"/repos/{owner}/{name}")[2]
            raise problems.moved(f"{exchange.base}/repositories/{renamed.id}{rest}")
    if known is None:
        raise problems.not_found(f"{problems.DOCS}/repos/repos#get-a-repository")
    return known


async def _commit(exchange: Exchange, known: Repository, ref: str) -> Commit | None:
    return await asyncio.to_thread(exchange.server.index.catalog.commit, known, ref)


def _page_links(exchange: Exchange, page: int, last: int) -> dict[str, str]:
    """The Link header of one page; none where everything fits one."""
    targets = {}
    if page > 1:
        targets["prev"] = page - 1
    if page < last:
        targets |= {"next": page + 1, "last": last}
    if page > 1:
        targets["first"] = 1
    path = exchange.request.path.removeprefix("/api/v3")
    links = []
    for relation, number in targets.items():
        query = urllib.parse.urlencode({**exchange.request.query, "page": number})
        links.append(f'<{exchange.base}{path}?{query}>; rel="{relation}"')
    return {"Link": ", ".join(links)} if links else {}


def _page(query: Mapping[str, str]) -> int:
    return max(1, _whole_number(query.get("page", "1"), 1))


def _page_size(query: Mapping[str, str]) -> int:
    return min(_MAX_PAGE, max(1, _whole_number(query.get("per_page", "30"), 30)))


def _whole_number(text: str, otherwise: int) -> int:
    """GitHub ignores a number that is none."""
    try:
        return int(text)
    except ValueError:
        return otherwise
