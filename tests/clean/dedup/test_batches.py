import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clean.dedup.batches import SCHEMA, Following, batches, positions
from clean.dedup.extract import Workspace


class Rows:
    """A database that has one answer, in pieces."""

    def __init__(self, table: pa.Table, piece: int) -> None:
        self._table, self._piece = table, piece

    def batches(self, _: str, rows: int = 0):
        return iter(self._table.to_batches(max_chunksize=self._piece))


def table_of(sizes: list[list[int]]) -> pa.Table:
    """One component a list, of contents with so many shingles."""
    components = np.repeat(np.arange(len(sizes)), [len(members) for members in sizes])
    count = len(components)
    shingles = [size for members in sizes for size in members]
    columns = [components, np.arange(count), shingles]
    arrays = [
        pa.array(column).cast(kind) for column, kind in zip(columns, SCHEMA.types, strict=True)
    ]
    return pa.table(arrays, schema=SCHEMA)


@settings(max_examples=200)
@given(
    sizes=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), max_size=12),
    piece=st.integers(1, 9),
    max_bytes=st.integers(0, 400),
)
def test_batches_are_whole_components_within_the_budget(sizes, piece, max_bytes):
    table = table_of(sizes)
    cut = list(batches(Rows(table, piece), "", max_bytes=max_bytes, bytes_each=4))
    assert pa.concat_tables([SCHEMA.empty_table(), *cut]).equals(table)
    for batch in cut:
        components = batch["component"].to_pylist()
        for component in set(components):
            assert components.count(component) == len(sizes[component])
        weight = 14 * sum(batch["shingles"].to_pylist()) + 4 * batch.num_rows
        assert weight <= max_bytes or len(set(components)) == 1


@given(
    components=st.lists(st.integers(0, 9), max_size=20).map(sorted),
    piece=st.integers(1, 5),
    stops=st.lists(st.integers(0, 9)).map(sorted),
)
def test_following_gives_every_row_once_with_its_component(components, piece, stops):
    rows = Rows(pa.table({"component": pa.array(components, pa.int64())}), piece)
    following = Following(rows, "")
    seen: list[int] = []
    for stop in [*stops, 9]:
        table = following.up_to(stop)
        found = [] if table is None else table["component"].to_pylist()
        assert all(component <= stop for component in found)
        seen += found
        assert seen == [component for component in components if component <= stop]


@given(ids=st.lists(st.integers(0, 50), unique=True), wanted=st.lists(st.integers(0, 50)))
def test_positions(ids, wanted):
    found = positions(np.array(ids, np.int64), np.array(wanted, np.int64)).tolist()
    assert found == [ids.index(one) if one in ids else -1 for one in wanted]


@pytest.mark.parametrize("max_bytes", [0, 1 << 20])
def test_arrays_in_memory_or_mapped(tmp_path, max_bytes):
    workspace = Workspace(tmp_path / "mapped", max_bytes)
    one, two = workspace.array((3, 4), np.uint32), workspace.array(7, np.uint64)
    one[:], two[:] = 5, 6
    assert one.sum() == 60
    assert two.sum() == 42
    assert workspace.array(0, np.uint64).shape == (0,)
    assert not list(tmp_path.rglob("*.bin")), "a mapped file has no name that could be left"
