"""The near index: rule-independent, incremental, the same on any number of workers."""

import dataclasses
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clean.dedup import election, shingling
from clean.dedup.index import (
    candidates_path,
    forget_near_index,
    near_index_is_current,
    star_edges_path,
    store_of,
)
from clean.dedup.store import pack
from clean.signals.fingerprint import content_digest, jaccard, shingle_hashes
from corpus.engine.pool import LocalPool
from corpus.errors import ShardError, SidecarError, StaleInputError
from corpus.events import Notice
from corpus.shards import read_rows


class CountingEngine:
    """Counts the rows whose content is read."""

    def __init__(self, engine):
        self._engine = engine
        self.rows = 0

    def run(self, work, units):
        return self._engine.run(lambda unit, guard: work(unit, self._entering(guard)), units)

    def _entering(self, guard):
        counter = self

        class Guard:
            def enter(self, row):
                counter.rows += 1
                guard.enter(row)

        return Guard()


@pytest.fixture
def indexed(folder, write_raw, family, good_code):
    documents = [*family(1), *family(2), {"content": good_code(9), "path": "alone.py"}]
    write_raw(folder.root / "raw", documents, shards=3)
    folder.fingerprint()
    folder.index()
    return folder


def contents(folder) -> dict[bytes, str]:
    """By digest, the text of every document."""
    texts = [
        text.decode()
        for shard in folder.shards
        for text in read_rows(shard, columns=["content"]).column(0).to_pylist()
    ]
    return {content_digest(text): text for text in texts}


def damage(path) -> None:
    """Zero the data of a Parquet file, and leave its footer."""
    data = path.read_bytes()
    footer = 8 + int.from_bytes(data[-8:-4], "little")
    path.write_bytes(data[:4] + bytes(len(data) - footer - 4) + data[-footer:])


def ids(table: pa.Table, name: str) -> list[bytes]:
    return table.column(name).cast(pa.binary(16)).to_pylist()


def test_candidates_are_the_contents_that_share_a_band_with_another(indexed):
    table = pq.read_table(candidates_path(indexed.sidecars))
    assert table.num_rows == 6, "three contents of each family, once; and not the one alone"
    components = dict(zip(ids(table, "content"), table["component"].to_pylist(), strict=True))
    texts = contents(indexed)
    for number in (1, 2):
        family = {components[d] for d, text in texts.items() if f"total_{number}(" in text}
        assert len(family) == 1
    assert len(set(components.values())) == 2


def test_the_store_holds_the_shingles_of_the_candidates(indexed):
    texts = contents(indexed)
    store = store_of(indexed.sidecars, indexed.recipe)
    found = {}
    for name in store.parts():
        batch = store.open(name).batch
        digests = batch.column("content").cast(pa.binary(16)).to_pylist()
        found.update(zip(digests, batch.column("shingles").to_pylist(), strict=True))
    wanted = ids(pq.read_table(candidates_path(indexed.sidecars)), "content")
    assert found == {digest: pack(shingle_hashes(texts[digest])) for digest in wanted}


def test_star_edges_have_the_smallest_digest_as_hub_and_their_true_similarity(indexed):
    edges = pq.read_table(star_edges_path(indexed.sidecars))
    texts = contents(indexed)
    assert edges.num_rows >= 4
    pairs = zip(ids(edges, "hub"), ids(edges, "member"), edges["jaccard"].to_pylist(), strict=True)
    for hub, member, similarity in pairs:
        assert hub < member
        a, b = (shingle_hashes(texts[digest]) for digest in (hub, member))
        assert similarity == jaccard(a, b)


def test_rules_are_nothing_to_the_index(indexed):
    before = indexed.files("bands", "near")
    indexed.judge(out=["1-0-0.py"])
    indexed.decide()
    assert near_index_is_current(indexed.shards, indexed.sidecars, indexed.recipe)
    order = dataclasses.replace(indexed, recipe=dataclasses.replace(
        indexed.recipe, survivor_order=("size desc",), min_jaccard=0.8))  # fmt: skip
    assert order.index() == 0
    assert indexed.files("bands", "near") == before


def test_new_shards_cost_the_reading_of_new_candidates_alone(indexed, tmp_path, write_raw, family):
    counting = CountingEngine(indexed.engine)
    assert indexed.index(engine=counting) == counting.rows == 0
    old = indexed.files("near/shingles")
    # A copy of what is known, a stranger, and a near duplicate of what was alone until now.
    extra = tmp_path / "extra"
    documents = [
        family(1)[0] | {"path": "copy.py"},
        family(5)[0] | {"path": "stranger.py"},
        {"content": family(9)[2]["content"], "path": "near_alone.py"},
    ]
    (shard,) = write_raw(extra, documents)
    shutil.copy(shard.path, indexed.root / "raw" / "shard-00009.parquet")
    indexed.fingerprint()
    assert indexed.index(engine=counting) == 1
    assert counting.rows == 2, "the two of the pair that is new"
    now = indexed.files("near/shingles")
    assert {name: data for name, data in now.items() if name in old} == old


def test_incremental_is_all_at_once(folder, tmp_path, write_raw, family, engine):
    documents = [document for number in range(1, 6) for document in family(number)]
    write_raw(folder.root / "raw", documents, shards=5)
    later = folder.root / "later"
    later.mkdir()
    held = [folder.root / "raw" / f"shard-0000{n}.parquet" for n in (0, 3, 4)]
    for path in held:
        shutil.move(path, later / path.name)
    folder.run()
    for path in held:
        shutil.move(later / path.name, path)
        outcomes = folder.run()
    whole = dataclasses.replace(folder, root=tmp_path / "whole")
    shutil.copytree(folder.root / "raw", whole.root / "raw")
    assert whole.run() == outcomes
    assert whole.files("dedup", "edges") == folder.files("dedup", "edges")
    names = {name for name in whole.files("near") if "shingles" not in name}
    edges = pq.read_table(star_edges_path(whole.sidecars))
    assert edges.equals(pq.read_table(star_edges_path(folder.sidecars)))
    assert names == {"near/candidates.parquet", "near/edges.parquet"}


def test_workers_and_threads_change_nothing(indexed, tmp_path):
    other = dataclasses.replace(indexed, root=tmp_path / "pool")
    shutil.copytree(indexed.root / "raw", other.root / "raw")
    other.fingerprint()
    other.index(engine=LocalPool(2), threads=2)
    assert other.files("bands", "near") == indexed.files("bands", "near")
    for each, threads in ((indexed, 1), (other, 2)):
        each.judge()
        each.decide(threads=threads)
    assert other.files("dedup", "edges") == indexed.files("dedup", "edges")


def test_parts_end_where_the_shard_says_whatever_was_there_before(
    folder, tmp_path, write_raw, family, monkeypatch
):
    monkeypatch.setattr(shingling, "PART_BYTES", 1)
    monkeypatch.setattr("corpus.shards.ROW_GROUP_ROWS", 64)
    documents = [document for number in range(1, 41) for document in family(number)]
    write_raw(folder.root / "raw", documents)
    folder.fingerprint()
    folder.index()
    before = folder.files("near")
    parts = store_of(folder.sidecars, folder.recipe).parts()
    assert len(parts) > 2
    # As a killed run leaves it: the first parts, and nothing that says that the index is whole.
    for name in parts[1:]:
        (folder.sidecars / "near" / "shingles" / name).unlink()
    candidates_path(folder.sidecars).unlink()
    folder.index()
    assert folder.files("near") == before


def test_one_index_serves_all_thresholds_from_the_one_that_it_was_made_for(indexed):
    derived = dataclasses.replace(indexed.recipe, bands=None, band_rows=None, min_jaccard=0.7)
    low = dataclasses.replace(derived, min_jaccard=0.6)
    dataclasses.replace(indexed, recipe=derived).index()
    for min_jaccard in (0.7, 0.85, 1.0):
        other = dataclasses.replace(derived, min_jaccard=min_jaccard)
        assert near_index_is_current(indexed.shards, indexed.sidecars, other)
    assert not near_index_is_current(indexed.shards, indexed.sidecars, low)


def test_a_lost_part_or_another_banding_makes_the_index_stale(indexed):
    shards, sidecars, recipe = indexed.shards, indexed.sidecars, indexed.recipe
    assert near_index_is_current(shards, sidecars, recipe)
    other = dataclasses.replace(recipe, bands=8, band_rows=4)
    assert not near_index_is_current(shards, sidecars, other)
    assert not near_index_is_current(shards[:-1], sidecars, recipe)
    indexed.judge()
    indexed.decide()
    before = indexed.files("near")
    store = store_of(sidecars, recipe)
    store.delete(store.parts()[0])
    assert not near_index_is_current(shards, sidecars, recipe)
    with pytest.raises(StaleInputError, match=r"near: no near index .* `clean run`"):
        indexed.decide()
    indexed.index()
    assert indexed.files("near") == before


def test_a_damaged_part_is_named_and_made_anew(indexed):
    before = indexed.files("near")
    store = store_of(indexed.sidecars, indexed.recipe)
    path = store.folder / store.parts()[0]
    path.write_bytes(path.read_bytes()[:-40])
    told = []
    indexed.index(lambda event: told.append(event) if isinstance(event, Notice) else None)
    assert any(str(path) in notice.text for notice in told)
    assert indexed.files("near") == before


def test_an_entry_that_is_not_what_was_written_is_an_error_that_names_its_part(
    indexed, monkeypatch
):
    store = store_of(indexed.sidecars, indexed.recipe)
    for name in store.parts():
        path = store.folder / name
        data = bytearray(path.read_bytes())
        shingles = store.open(name).batch.column("shingles")[0].as_py()
        data[bytes(data).index(shingles)] ^= 1
        path.write_bytes(data)
    indexed.judge()
    monkeypatch.setattr(election, "_usable", lambda *_: False)  # else no shingle is looked at
    with pytest.raises(SidecarError, match=r"shard-\d+\.0000\.arrow: damaged .*; delete it and"):
        indexed.decide()


@pytest.mark.parametrize("stage", ["bands", "near"])
def test_damaged_keys_and_candidates_are_named(indexed, stage):
    bands = indexed.sidecars / "bands" / "shard-00001.parquet"
    path = bands if stage == "bands" else candidates_path(indexed.sidecars)
    damage(path)
    indexed.judge()
    if stage == "bands":
        candidates_path(indexed.sidecars).unlink()
    with pytest.raises(SidecarError, match=rf"{path.name}: damaged .*delete it and run again"):
        indexed.index() or indexed.decide()


def test_a_damaged_shard_is_named(indexed):
    forget_near_index(indexed.sidecars)
    path = indexed.shards[0].path
    shards = indexed.shards
    damage(path)
    assert shards
    with pytest.raises(ShardError, match=r"shard-00000\.parquet"):
        indexed.index()


def test_what_is_in_no_shard_any_more_is_forgotten(indexed):
    store = store_of(indexed.sidecars, indexed.recipe)
    gone = indexed.shards[0]
    texts = read_rows(gone, columns=["content"]).column(0).to_pylist()
    gone.path.unlink()
    indexed.index()
    left = set(contents(indexed))
    lost = {content_digest(text.decode()) for text in texts} - left
    stored = set()
    for name in store.parts():
        stored.update(store.open(name).batch.column("content").cast(pa.binary(16)).to_pylist())
    assert stored <= left
    assert not stored & lost


def test_other_shingles_make_the_store_anew(indexed):
    other = dataclasses.replace(
        indexed, recipe=dataclasses.replace(indexed.recipe, shingle_tokens=3)
    )
    from clean.signals.parameters import SignalParameters

    other.fingerprint(SignalParameters(permutations=64, shingle_tokens=3))
    other.index()
    edges = pq.read_table(star_edges_path(other.sidecars))
    texts = contents(other)
    pairs = zip(ids(edges, "hub"), ids(edges, "member"), edges["jaccard"].to_pylist(), strict=True)
    for hub, member, similarity in pairs:
        a, b = (shingle_hashes(texts[digest], 3) for digest in (hub, member))
        assert similarity == jaccard(a, b)


def test_no_document_at_all(folder, write_raw):
    write_raw(folder.root / "raw", [])
    assert folder.run() == {}
    assert pq.read_table(candidates_path(folder.sidecars)).num_rows == 0
    assert folder.index() == 0


def test_an_entry_is_the_same_whichever_copy_was_read(folder, write_raw, family, tmp_path):
    first, second, *_ = family(1)[::2]
    spaced = first["content"].replace("\n", "   \r\n") + "\n\n"
    found = []
    for name, content in (("plain", first["content"]), ("spaced", spaced)):
        one = dataclasses.replace(folder, root=tmp_path / name)
        write_raw(one.root / "raw", [second, first | {"content": content}])
        one.fingerprint()
        one.index()
        found.append(one.files("near/shingles"))
    assert found[0] == found[1]
