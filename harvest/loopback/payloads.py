"""The JSON of users, repositories, licences and commits.

Field names and types are those of GitHub's OpenAPI description (github/rest-api-description):
`simple-user`, `repository`, `full-repository`, `minimal-repository`, `license-simple`, `commit`.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from harvest.loopback.gitobjects import object_id
from harvest.loopback.licenses import NOASSERTION, license_name
from harvest.loopback.repository import Commit, Repository, TextFile, global_id, stable_number

Json = dict[str, Any]
_USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPOSITORY_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def timestamp(moment: datetime) -> str:
    """GitHub's form of a time: UTC, whole seconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user_number(login: str) -> int:
    """The made-up id of a user or organization."""
    return stable_number(f"user:{login.lower()}", 2**31 - 2) + 1


def user(base: str, login: str, *, organization: bool) -> Json:
    """A `simple-user`. `base` is the API's address, as the client knows it."""
    number = user_number(login)
    url = f"{base}/users/{login}"
    return {
        "login": login,
        "id": number,
        "node_id": global_id("O_" if organization else "U_", number),
        "avatar_url": "",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{_web(base)}/{login}",
        **{field: url + path for field, path in _USER_LINKS.items()},
        "type": "Organization" if organization else "User",
        "user_view_type": "public",
        "site_admin": False,
    }


def private_user(base: str, login: str, created_at: datetime) -> Json:
    """A `private-user`: what /user says of the token's owner."""
    return user(base, login, organization=False) | {
        "name": login,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": timestamp(created_at),
        "updated_at": timestamp(created_at),
    }


def minimal_repository(base: str, repository: Repository) -> Json:
    """What `GET /repositories` lists: names and links, no language and no stars."""
    url = f"{base}/repos/{repository.full_name}"
    return {
        "id": repository.id,
        "node_id": repository.node_id,
        "name": repository.name,
        "full_name": repository.full_name,
        "private": False,
        "owner": user(base, repository.owner, organization=repository.owner_is_organization),
        "html_url": f"{_web(base)}/{repository.full_name}",
        "description": repository.description,
        "fork": repository.fork,
        "url": url,
        **{field: url + path for field, path in _REPOSITORY_LINKS.items()},
    }


def repository(base: str, repository: Repository) -> Json:
    """A `repository`, as search lists it."""
    web = f"{_web(base)}/{repository.full_name}"
    return minimal_repository(base, repository) | {
        "created_at": timestamp(repository.created_at),
        "updated_at": timestamp(repository.pushed_at),
        "pushed_at": timestamp(repository.pushed_at),
        "git_url": web.replace("http://", "git://", 1) + ".git",
        "ssh_url": f"git@127.0.0.1:{repository.full_name}.git",
        "clone_url": f"{web}.git",
        "svn_url": web,
        "homepage": repository.homepage,
        "size": repository.size_kb,
        "stargazers_count": repository.stars,
        "watchers_count": repository.stars,
        "language": repository.language,
        "has_issues": True,
        "has_projects": False,
        "has_downloads": True,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "has_pull_requests": True,
        "pull_request_creation_policy": "all",
        "forks_count": repository.forks,
        "mirror_url": None,
        "archived": repository.archived,
        "disabled": False,
        "open_issues_count": 0,
        "license": license_simple(base, repository.license),
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "public",
        "forks": repository.forks,
        "open_issues": 0,
        "watchers": repository.stars,
        "default_branch": repository.default_branch,
        "permissions": {
            "admin": False,
            "maintain": False,
            "push": False,
            "triage": False,
            "pull": True,
        },
    }


def full_repository(base: str, known: Repository) -> Json:
    """A `full-repository`, as `GET /repos/{owner}/{repo}` gives it."""
    more: Json = {
        "temp_clone_token": "",
        "custom_properties": {},
        "network_count": known.forks,
        "subscribers_count": known.stars // 50,
    }
    if known.owner_is_organization:
        more["organization"] = user(base, known.owner, organization=True)
    return repository(base, known) | more


def search_item(base: str, known: Repository, score: float) -> Json:
    """A `repo-search-result-item`."""
    return repository(base, known) | {"score": score}


def license_simple(base: str, spdx: str | None) -> Json | None:
    """The `license` of a repository; `other` for a text that GitHub doesn't know."""
    if spdx is None:
        return None
    known = spdx != NOASSERTION
    key = spdx.lower() if known else "other"
    return {
        "key": key,
        "name": license_name(spdx),
        "spdx_id": spdx,
        "url": f"{base}/licenses/{key}" if known else None,
        "node_id": base64.b64encode(f"07:License{stable_number(key, 1000)}".encode()).decode(),
    }


def license_content(base: str, known: Repository, file: TextFile) -> Json:
    """A `license-content`: the licence file itself."""
    blob = object_id("blob", file.content)
    url = f"{base}/repos/{known.full_name}/contents/{file.path}?ref={known.default_branch}"
    git_url = f"{base}/repos/{known.full_name}/git/blobs/{blob}"
    html_url = f"{_web(base)}/{known.full_name}/blob/{known.default_branch}/{file.path}"
    return {
        "name": file.path,
        "path": file.path,
        "sha": blob,
        "size": len(file.content),
        "url": url,
        "html_url": html_url,
        "git_url": git_url,
        "download_url": None,
        "type": "file",
        "content": base64.encodebytes(file.content).decode(),
        "encoding": "base64",
        "_links": {"self": url, "git": git_url, "html": html_url},
        "license": license_simple(base, known.license),
    }


def commit(base: str, known: Repository, commit: Commit) -> Json:
    """A `commit`, less the files that it changed."""
    url = f"{base}/repos/{known.full_name}/commits/{commit.id}"
    web = f"{_web(base)}/{known.full_name}/commit/{commit.id}"
    git = f"{base}/repos/{known.full_name}/git"
    signature = {"name": commit.author, "email": commit.email, "date": timestamp(commit.date)}
    reason = {"verified": False, "reason": "unsigned", "signature": None, "payload": None}
    return {
        "sha": commit.id,
        "node_id": "C_" + hashlib.sha256(commit.id.encode()).hexdigest()[:22],
        "commit": {
            "author": signature,
            "committer": signature,
            "message": commit.message,
            "tree": {"sha": commit.tree_id, "url": f"{git}/trees/{commit.tree_id}"},
            "url": f"{git}/commits/{commit.id}",
            "comment_count": 0,
            "verification": reason | {"verified_at": None},
        },
        "url": url,
        "html_url": web,
        "comments_url": f"{url}/comments",
        "author": None,
        "committer": None,
        "parents": [
            {
                "sha": parent,
                "url": f"{base}/repos/{known.full_name}/commits/{parent}",
                "html_url": f"{_web(base)}/{known.full_name}/commit/{parent}",
            }
            for parent in commit.parents
        ],
        "stats": {"additions": 0, "deletions": 0, "total": 0},
        "files": [],
    }


def _web(base: str) -> str:
    return base.removesuffix("/api/v3")
