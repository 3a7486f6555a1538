"""A repository in GraphQL: its id made from its number, its fields, and what an answer says."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from harvest.selection import Found, posix

# What a listing holds; GitHub's GraphQL reference, "Repository".
FIELDS = """
      id
      databaseId
      nameWithOwner
      stargazerCount
      isFork
      isArchived
      diskUsage
      createdAt
      pushedAt
      licenseInfo { spdxId }
"""
_MAX_UINT32 = 2**32 - 1
NOT_A_NODE = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def made_node_id(number: int) -> str:
    """The GraphQL id of a repository whose numeric id alone is known, as GitHub forms it.

    `R_` and the base64 of the MessagePack array [0, number]; octocat/Hello-World, 1296269, is
    R_kgDOABPHjQ. An answer's databaseId shows whether it is still formed so.
    """
    narrow = number <= _MAX_UINT32
    packed = b"\x92\x00" + (b"\xce" if narrow else b"\xcf")
    packed += number.to_bytes(4 if narrow else 8, "big")
    return "R_" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def found_in(node: Mapping[str, Any]) -> Found:
    """A GraphQL Repository with FIELDS as a listing.

    Raises one of NOT_A_NODE for anything else, or HarvestError for impossible numbers.
    """
    if "/" not in node["nameWithOwner"]:
        raise ValueError("no owner/name")
    found = Found(
        id=int(node["databaseId"]),
        node_id=node["id"],
        name=node["nameWithOwner"],
        stars=node.get("stargazerCount"),
        fork=node.get("isFork"),
        size_kb=node.get("diskUsage"),
        license=(node.get("licenseInfo") or {}).get("spdxId"),
        pushed_at=node.get("pushedAt"),
        created_at=node.get("createdAt"),
        archived=node.get("isArchived"),
    )
    for moment in (found.pushed_at, found.created_at):
        posix(moment)
    return found
