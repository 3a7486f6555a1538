"""The types and fields of GitHub's GraphQL API that are served, and where their values come from.

Source: GitHub documentation, "GraphQL API reference": Query, Repository, LanguageConnection,
License, Ref, Commit, RateLimit. Each field has the type of the published schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harvest.loopback.index import Index
from harvest.loopback.licenses import NOASSERTION, license_name
from harvest.loopback.limits import Standing
from harvest.loopback.payloads import timestamp, user_number
from harvest.loopback.repository import Commit, Repository, global_id

SCALARS = frozenset({"Boolean", "DateTime", "GitObjectID", "BigInt", "ID", "Int", "String", "URI"})


@dataclass(frozen=True, slots=True)
class Context:
    """What resolving may look at."""

    index: Index
    web: str  # the address that people would use
    login: str
    standing: Standing | None
    ids_asked: int = 0


@dataclass(frozen=True, slots=True)
class License:
    """A licence as GraphQL knows it."""

    spdx: str


@dataclass(frozen=True, slots=True)
class Language:
    """A language by name."""

    name: str


@dataclass(frozen=True, slots=True)
class LanguageEdge:
    """A language of a repository, and its bytes there."""

    language: Language
    size: int


@dataclass(frozen=True, slots=True)
class LanguageConnection:
    """One page of a repository's languages."""

    total: int
    total_size: int
    edges: list[LanguageEdge]


@dataclass(frozen=True, slots=True)
class Branch:
    """A repository's default branch; the commit is hashed only if it is asked for."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose repository it is."""

    login: str
    organization: bool


Resolver = Callable[[Any, Mapping[str, Any], Context], Any]


@dataclass(frozen=True, slots=True)
class FieldType:
    """A field: the name of its type, how to get it, which arguments it takes."""

    type: str
    resolve: Resolver
    arguments: Mapping[str, str] = field(default_factory=dict)  # name -> type
    many: bool = False


def _plain(type_name: str, read: Callable[[Any], Any]) -> FieldType:
    return FieldType(type_name, lambda parent, arguments, context: read(parent))


def _languages(known: Repository, arguments: Mapping[str, Any], _: Context) -> LanguageConnection:
    order = arguments.get("orderBy") or {}
    found = sorted(known.languages.items(), key=lambda item: (-item[1], item[0]))
    if order.get("direction") == "ASC":
        found.reverse()
    first, last = arguments.get("first"), arguments.get("last")
    page = found[:first] if first is not None else found[len(found) - (last or 0) :]
    edges = [LanguageEdge(Language(name), size) for name, size in page]
    return LanguageConnection(len(found), sum(known.languages.values()), edges)


def _target(branch: Branch, _: Mapping[str, Any], context: Context) -> Commit | None:
    return context.index.catalog.commit(branch.repository, "HEAD")


def _named(_: Any, arguments: Mapping[str, Any], context: Context) -> Repository | None:
    owner, name = str(arguments["owner"]), str(arguments["name"])
    known = context.index.by_name(owner, name)
    if known is None and arguments.get("followRenames", True):
        return context.index.by_former_name(owner, name)
    return known


_REPOSITORY: dict[str, FieldType] = {
    "id": _plain("ID", lambda each: each.node_id),
    "databaseId": _plain("Int", lambda each: each.id),
    "fullDatabaseId": _plain("BigInt", lambda each: str(each.id)),
    "name": _plain("String", lambda each: each.name),
    "nameWithOwner": _plain("String", lambda each: each.full_name),
    "owner": _plain("RepositoryOwner", lambda each: Owner(each.owner, each.owner_is_organization)),
    "url": FieldType("URI", lambda each, _, context: f"{context.web}/{each.full_name}"),
    "description": _plain("String", lambda each: each.description),
    "homepageUrl": _plain("URI", lambda each: each.homepage),
    "stargazerCount": _plain("Int", lambda each: each.stars),
    "forkCount": _plain("Int", lambda each: each.forks),
    "isFork": _plain("Boolean", lambda each: each.fork),
    "isArchived": _plain("Boolean", lambda each: each.archived),
    "isDisabled": _plain("Boolean", lambda each: False),
    "isEmpty": _plain("Boolean", lambda each: each.empty),
    "isLocked": _plain("Boolean", lambda each: False),
    "isMirror": _plain("Boolean", lambda each: False),
    "isPrivate": _plain("Boolean", lambda each: False),
    "isTemplate": _plain("Boolean", lambda each: False),
    "visibility": _plain("String", lambda each: "PUBLIC"),
    "diskUsage": _plain("Int", lambda each: each.size_kb),
    "createdAt": _plain("DateTime", lambda each: timestamp(each.created_at)),
    "pushedAt": _plain("DateTime", lambda each: timestamp(each.pushed_at)),
    "updatedAt": _plain("DateTime", lambda each: timestamp(each.pushed_at)),
    "licenseInfo": _plain("License", lambda each: License(each.license) if each.license else None),
    "primaryLanguage": _plain(
        "Language", lambda each: Language(each.language) if each.language else None
    ),
    "languages": FieldType(
        "LanguageConnection",
        _languages,
        {"first": "Int", "last": "Int", "after": "String", "before": "String", "orderBy": "Order"},
    ),
    "defaultBranchRef": _plain("Ref", lambda each: None if each.empty else Branch(each)),
}
_COMMIT: dict[str, FieldType] = {
    "id": _plain("ID", lambda each: "C_" + each.id[:22]),
    "oid": _plain("GitObjectID", lambda each: each.id),
    "abbreviatedOid": _plain("String", lambda each: each.id[:7]),
    "committedDate": _plain("DateTime", lambda each: timestamp(each.date)),
    "message": _plain("String", lambda each: each.message),
    "messageHeadline": _plain("String", lambda each: each.message.partition("\n")[0]),
}
_OWNER: dict[str, FieldType] = {
    "id": _plain(
        "ID", lambda each: global_id("O_" if each.organization else "U_", user_number(each.login))
    ),
    "login": _plain("String", lambda each: each.login),
    "url": FieldType("URI", lambda each, _, context: f"{context.web}/{each.login}"),
}
TYPES: dict[str, dict[str, FieldType]] = {
    "Query": {
        # `node` and `nodes` are looked up by the run itself, which reports what it can't find.
        "node": FieldType("Node", lambda *_: None, {"id": "ID!"}),
        "nodes": FieldType("Node", lambda *_: None, {"ids": "[ID!]!"}, many=True),
        "rateLimit": FieldType(
            "RateLimit", lambda _, __, context: context.standing, {"dryRun": "Boolean"}
        ),
        "repository": FieldType(
            "Repository",
            _named,
            {"owner": "String!", "name": "String!", "followRenames": "Boolean"},
        ),
        "viewer": FieldType("User", lambda _, __, context: Owner(context.login, False)),
    },
    "RateLimit": {
        "cost": _plain("Int", lambda each: 1),
        "limit": _plain("Int", lambda each: each.limit),
        "nodeCount": FieldType("Int", lambda _, __, context: context.ids_asked),
        "remaining": _plain("Int", lambda each: each.remaining),
        "resetAt": _plain(
            "DateTime", lambda each: timestamp(datetime.fromtimestamp(each.reset, UTC))
        ),
        "used": _plain("Int", lambda each: each.used),
    },
    "Node": {"id": _plain("ID", lambda each: each.node_id)},
    "Repository": _REPOSITORY,
    "RepositoryOwner": _OWNER,
    "Organization": _OWNER,
    "User": _OWNER | {"databaseId": _plain("Int", lambda each: user_number(each.login))},
    "License": {
        "id": _plain("ID", lambda each: "L_" + each.spdx),
        "key": _plain(
            "String", lambda each: "other" if each.spdx == NOASSERTION else each.spdx.lower()
        ),
        "name": _plain("String", lambda each: license_name(each.spdx)),
        "spdxId": _plain("String", lambda each: each.spdx),
    },
    "Language": {
        "id": _plain("ID", lambda each: "LA_" + each.name),
        "name": _plain("String", lambda each: each.name),
    },
    "LanguageConnection": {
        "edges": FieldType("LanguageEdge", lambda each, _, __: each.edges, many=True),
        "nodes": FieldType(
            "Language", lambda each, _, __: [edge.language for edge in each.edges], many=True
        ),
        "pageInfo": _plain("PageInfo", lambda each: each),
        "totalCount": _plain("Int", lambda each: each.total),
        "totalSize": _plain("Int", lambda each: each.total_size),
    },
    "LanguageEdge": {
        "cursor": _plain("String", lambda each: each.language.name),
        "node": _plain("Language", lambda each: each.language),
        "size": _plain("Int", lambda each: each.size),
    },
    "PageInfo": {
        "endCursor": _plain(
            "String", lambda each: each.edges[-1].language.name if each.edges else None
        ),
        "hasNextPage": _plain("Boolean", lambda each: len(each.edges) < each.total),
    },
    "Ref": {
        "id": _plain("ID", lambda each: "REF_" + each.repository.node_id[2:]),
        "name": _plain("String", lambda each: each.repository.default_branch),
        "prefix": _plain("String", lambda each: "refs/heads/"),
        "target": FieldType("GitObject", _target),
    },
    "GitObject": {name: _COMMIT[name] for name in ("abbreviatedOid", "id", "oid")},
    "Commit": _COMMIT,
}
_INTERFACES = {
    "Node": frozenset({"Repository", "Commit", "User", "Organization", "License", "Language"}),
    "RepositoryOwner": frozenset({"User", "Organization"}),
    "GitObject": frozenset({"Commit"}),
}


def concrete_type(declared: str, value: Any) -> str:
    """The object type behind an interface."""
    if isinstance(value, Owner):
        return "Organization" if value.organization else "User"
    return {"Node": "Repository", "GitObject": "Commit"}.get(declared, declared)


def applies(condition: str | None, type_name: str) -> bool:
    """True if a fragment on `condition` holds for an object type."""
    return condition in (None, type_name) or type_name in _INTERFACES.get(condition or "", ())
