from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harvest.archive import Limits
from harvest.listing import ListedFile, Listing, in_order
from harvest.resolve import Member, resolve, wanted

LIMITS = Limits(
    max_file_bytes=100, max_license_bytes=50, max_archive_bytes=1, max_archive_members=1
)
# The size of a blob follows from its number, around both limits.
SIZES = [0, 10, 50, 51, 100, 101, 500]


def blob(number: int) -> bytes:
    return hashlib.sha1(str(number).encode()).digest()


def size_of(number: int) -> int:
    return SIZES[number % len(SIZES)]


SIZE = {blob(number): size_of(number) for number in range(30)}
NAMES = st.sampled_from(["a.py", "b.py", "c/d.py", "LICENSE", "c/COPYING", "z.py"])
FILES = st.dictionaries(NAMES, st.integers(0, 12), max_size=6)
REPOSITORIES = st.lists(FILES, min_size=1, max_size=6)


def listing(files: dict[str, int], transport: Any = "blobs") -> Listing:
    listed = in_order(ListedFile(path, blob(number)) for path, number in files.items())
    return Listing("c" * 40, transport, 0, listed, Counter())


def fetched_all_at_once(shards: list[list[dict[str, int]]], *, once: bool) -> Any:
    """As if every repository had come whole."""
    known: dict[bytes, int] = {}
    results = []
    for repositories in shards:
        members = []
        for number, files in enumerate(repositories):
            brought = {blob(n): size_of(n) for n in files.values()}
            # An archive lists nothing that is too large.
            members.append(Member(number, listing(files), brought))
        resolved = resolve(members, known, LIMITS, once=once)
        assert not wanted(resolved)
        for each in resolved.values():
            known |= {key: size for key, size in each.stored.items() if key not in known}
        results.append(resolved)
    return results


def fetched_by_wants(shards: list[list[dict[str, int]]], lost: set[int], *, once: bool) -> Any:
    """As the pipeline does it; what is `lost` fails when its blobs are asked for."""
    known: dict[bytes, int] = {}
    results, asked = [], Counter[bytes]()
    for repositories in shards:
        brought: dict[int, dict[bytes, int]] = {n: {} for n in range(len(repositories))}
        while True:
            members = [Member(n, listing(repositories[n]), got) for n, got in brought.items()]
            resolved = resolve(members, known, LIMITS, once=once)
            if not (wants := wanted(resolved)):
                break
            for number, ids in wants.items():
                if number in lost:
                    del brought[number]
                else:
                    asked.update(ids)
                    brought[number] |= {key: SIZE[key] for key in ids}
        for each in resolved.values():
            known |= {key: size for key, size in each.stored.items() if key not in known}
        results.append(resolved)
    return results, asked


def shown(results: Any) -> Any:
    return [
        {n: (each.rows, each.copies, each.counts, each.python_bytes) for n, each in shard.items()}
        for shard in results
    ]


@given(st.lists(REPOSITORIES, min_size=1, max_size=3), st.booleans())
def test_what_is_asked_for_piecemeal_ends_as_what_came_whole(
    shards: list[list[dict[str, int]]], once: bool
) -> None:
    whole = fetched_all_at_once(shards, once=once)
    pieces, asked = fetched_by_wants(shards, set(), once=once)
    assert shown(pieces) == shown(whole)
    if once:
        # Only what is too large for its name, and not for every name, may be asked for again.
        assert all(n == 1 for key, n in asked.items() if SIZE[key] <= 50 or SIZE[key] > 100)


@given(REPOSITORIES, st.sets(st.integers(0, 5)))
def test_what_a_lost_repository_would_have_brought_the_others_bring(
    repositories: list[dict[str, int]], lost: set[int]
) -> None:
    [resolved], _ = fetched_by_wants([repositories], lost, once=True)
    stored = {key for each in resolved.values() for key in (row.blob_id for row in each.rows)}
    for number, each in resolved.items():
        assert {copy.blob_id for copy in each.copies} <= stored
        assert sum(each.counts.values()) == len(repositories[number])
    assert set(resolved) >= set(range(len(repositories))) - lost


@given(st.lists(REPOSITORIES, min_size=1, max_size=3))
def test_every_python_blob_has_one_row_and_every_licence_its_own(
    shards: list[list[dict[str, int]]],
) -> None:
    rows: Counter[bytes] = Counter()
    for resolved in fetched_all_at_once(shards, once=True):
        for each in resolved.values():
            rows.update(row.blob_id for row in each.rows if row.is_python)
            assert not [copy for copy in each.copies if not copy.is_python]
    assert not rows or max(rows.values()) == 1


def test_a_licence_is_borrowed_where_it_is_known() -> None:
    files = {"LICENSE": 1, "a.py": 2}
    members = [
        Member(7, listing(files), {blob(1): 10, blob(2): 50}),
        Member(8, listing(files), {}),
        Member(9, listing({"LICENSE": 8}), {}),
    ]
    resolved = resolve(members, {blob(8): 10}, LIMITS, once=True)
    assert resolved[7].borrowed == {}
    assert resolved[8].borrowed == {blob(1): 7}
    assert resolved[9].borrowed == {blob(8): None}
    assert [len(each.rows) for each in resolved.values()] == [2, 1, 1]
    assert resolved[8].counts == {"kept_license": 1, "copy": 1}


def test_limits_hold_for_what_is_known_by_another_name() -> None:
    known = {blob(3): 51, blob(6): 500}
    members = [Member(1, listing({"LICENSE": 3, "b.py": 3, "c.py": 6}), {})]
    [each] = resolve(members, known, LIMITS, once=True).values()
    assert each.counts == {"too_large": 2, "copy": 1}
    assert [copy.path for copy in each.copies] == ["b.py"]


def test_blobs_repeat_where_the_recipe_says_so() -> None:
    files = {"a.py": 1, "b.py": 1}
    members = [Member(n, listing(files), {blob(1): 10}) for n in range(2)]
    resolved = resolve(members, {blob(1): 10}, LIMITS, once=False)
    assert [[row.path for row in each.rows] for each in resolved.values()] == [["a.py", "b.py"]] * 2


def test_a_missing_blob_is_asked_for_by_the_first_that_needs_it() -> None:
    members = [Member(n, listing({"a.py": 1, "b.py": 1, "c/d.py": n}), {}) for n in (4, 5)]
    assert wanted(resolve(members, {}, LIMITS, once=True)) == {4: [blob(1), blob(4)], 5: [blob(5)]}
    assert wanted(resolve(members, {}, LIMITS, once=False)) == {
        4: [blob(1), blob(4)],
        5: [blob(1), blob(5)],
    }
