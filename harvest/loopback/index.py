"""The catalog's repositories, found by name, by a former name, or by id."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from harvest.loopback.repository import Catalog, Repository


class Index:
    """Look-ups over one catalog. Names are matched without regard to case, as on GitHub."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.all: Sequence[Repository] = catalog.repositories()
        self._ids = [each.id for each in self.all]
        self._by_id = {each.id: each for each in self.all}
        self._by_name = {each.full_name.lower(): each for each in self.all}
        self._by_former = {
            former.lower(): each for each in self.all for former in each.former_names
        }
        self._by_node = {each.node_id: each for each in self.all}

    def by_name(self, owner: str, name: str) -> Repository | None:
        """By the name that it has today."""
        return self._by_name.get(f"{owner}/{name}".lower())

    def by_former_name(self, owner: str, name: str) -> Repository | None:
        """By a name that it had; a repository that took the name since goes first."""
        return self._by_former.get(f"{owner}/{name}".lower())

    def by_number(self, number: str) -> Repository | None:
        """By its id in decimal digits."""
        return self._by_id.get(int(number)) if number.isdecimal() else None

    def by_node_id(self, node_id: str) -> Repository | None:
        """By its GraphQL id."""
        return self._by_node.get(node_id)

    def after(self, number: int, count: int) -> Sequence[Repository]:
        """The next `count` repositories with a larger id."""
        first = bisect_right(self._ids, number)
        return self.all[first : first + count]
