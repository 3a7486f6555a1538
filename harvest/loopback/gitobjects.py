"""Git's own ids for a folder of files that never was in git.

Source: git documentation, "gitformat-pack" and "git-hash-object". The ids are the ones that git
would give to the same files, so a client can check what it got against them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Union

from harvest.loopback.repository import Commit

FILE_MODE = "100644"
_AUTHOR, _EMAIL = "Loopback", "loopback@localhost"
_Folder = dict[str, Union[str, "_Folder"]]


def object_id(kind: str, content: bytes) -> str:
    """The SHA-1 object id of `content` as a blob, tree or commit."""
    header = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def tree_id(blobs: Mapping[str, str]) -> str:
    """The id of the tree that holds `blobs`: path -> blob id, all plain files."""
    root: _Folder = {}
    for path, blob in blobs.items():
        folder = root
        *parents, name = path.split("/")
        for parent in parents:
            below = folder.setdefault(parent, {})
            assert isinstance(below, dict), f"{path} lies under a file"
            folder = below
        folder[name] = blob
    return _folder_id(root)


def _folder_id(folder: _Folder) -> str:
    entries = []
    for name, below in folder.items():
        if isinstance(below, str):
            entries.append((name.encode(), FILE_MODE, name, below))
        else:
            # git sorts a folder as if its name ended in a slash.
            entries.append((name.encode() + b"/", "40000", name, _folder_id(below)))
    content = b"".join(
        f"{mode} {name}\0".encode() + bytes.fromhex(below)
        for _, mode, name, below in sorted(entries)
    )
    return object_id("tree", content)


def root_commit(tree: str, date: datetime, message: str) -> Commit:
    """The one commit of a repository without history."""
    signed = f"{_AUTHOR} <{_EMAIL}> {int(date.timestamp())} +0000"
    content = f"tree {tree}\nauthor {signed}\ncommitter {signed}\n\n{message}\n"
    return Commit(
        id=object_id("commit", content.encode()),
        tree_id=tree,
        parents=(),
        author=_AUTHOR,
        email=_EMAIL,
        date=date,
        message=message,
    )
