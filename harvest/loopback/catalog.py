"""Where the served repositories come from: installed packages, git folders, or memory."""

from __future__ import annotations

from harvest.loopback.gitfolder import GitCatalog, git_catalog
from harvest.loopback.installed import installed_catalog
from harvest.loopback.repository import Catalog, Commit, Repository, TextFile
from harvest.loopback.trees import TreeCatalog, memory_catalog

__all__ = [
    "Catalog",
    "Commit",
    "GitCatalog",
    "Repository",
    "TextFile",
    "TreeCatalog",
    "git_catalog",
    "installed_catalog",
    "memory_catalog",
]
