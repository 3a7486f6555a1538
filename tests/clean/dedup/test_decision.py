"""The decision: the same in any order of shards, from any memory, with anything cached."""

import dataclasses
import shutil

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clean.dedup import election, stage
from clean.dedup.extract import Extractor, Workspace
from clean.dedup.stage import duplicate_stamps, duplicates_are_current, edges_path
from clean.recipe import DedupRecipe
from clean.signals.fingerprint import jaccard, shingle_hashes
from corpus.shards import read_rows
from tests.clean.dedup.conftest import RECIPE, kept

FEW = {"max_examples": 3, "deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture
def families(folder, write_raw, family):
    documents = [document for number in range(1, 4) for document in family(number)]
    write_raw(folder.root / "raw", documents, shards=2)
    return folder


def texts(folder) -> dict[str, str]:
    found = {}
    for shard in folder.shards:
        table = read_rows(shard, columns=["path", "content"])
        contents = (content.decode() for content in table["content"].to_pylist())
        found.update(zip(table["path"].to_pylist(), contents, strict=True))
    return found


def by_definition(folder, out: set[str]) -> set[str]:
    """Who stays, from the texts alone and every pair compared: the best first, as recipe says."""
    found = texts(folder)
    order = {}
    for shard in folder.shards:
        table = read_rows(shard, columns=["path", "stars", "repo_id"]).to_pylist()
        order.update({row["path"]: (-row["stars"], row["repo_id"], row["path"]) for row in table})
    stay: list[str] = []
    for path in sorted(set(order) - out, key=order.__getitem__):
        shingles = shingle_hashes(found[path])
        near = (jaccard(shingles, shingle_hashes(found[better])) for better in stay)
        if not any(similarity >= folder.recipe.min_jaccard for similarity in near):
            stay.append(path)
    return set(stay)


PATHS = [f"{number}-{place}-{copy}.py" for number in (1, 2, 3) for place in range(3)
         for copy in range(2)]  # fmt: skip


@settings(**FEW)
@given(
    order=st.permutations(range(18)), shards=st.integers(1, 5), out=st.sets(st.sampled_from(PATHS))
)
def test_the_best_of_those_that_passed_stay_whatever_the_order_of_rows_and_shards(
    folder, write_raw, family, order, shards, out
):
    shutil.rmtree(folder.root, ignore_errors=True)
    documents = [document for number in range(1, 4) for document in family(number)]
    write_raw(folder.root / "raw", [documents[place] for place in order], shards=shards)
    outcomes = folder.run(out=sorted(out))
    assert kept(outcomes) - out == by_definition(folder, out)
    for path, (reason, survivor, similarity) in outcomes.items():
        if reason is None:
            continue
        assert path not in out, "a rule's drop is no duplicate"
        assert survivor not in out, "the survivor passed the rules"
        assert outcomes[survivor][0] is None, "the survivor stays"
        equal = texts(folder)[path].strip() == texts(folder)[survivor].strip()
        assert (reason == "exact_duplicate") == equal
        assert similarity >= 0.7


@settings(**FEW)
@given(first=st.sets(st.sampled_from(PATHS)), second=st.sets(st.sampled_from(PATHS)))
def test_a_decision_does_not_depend_on_the_one_before(families, tmp_path, first, second):
    families.fingerprint()
    families.index()
    for out in (first, second):
        families.judge(out=sorted(out))
        families.decide()
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    families.judge(fresh, out=sorted(second))
    shutil.rmtree(families.sidecars / "edges")
    families.decide(fresh)
    for path in sorted(fresh.glob("dedup/*.parquet")):
        assert path.read_bytes() == (families.sidecars / "dedup" / path.name).read_bytes()


def test_what_is_kept_has_no_duplicates(families, write_raw, tmp_path):
    outcomes = families.run()
    documents = [
        {**row, "path": row["path"]}
        for shard in families.shards
        for row in read_rows(shard).to_pylist()
        if outcomes[row["path"]][0] is None
    ]
    again = dataclasses.replace(families, root=tmp_path / "again")
    write_raw(again.root / "raw", documents)
    assert kept(again.run()) == kept(outcomes) == {document["path"] for document in documents}


def test_one_decision_is_made_once(families):
    families.run()
    assert families.decide() == 0
    stamps = duplicate_stamps(
        families.shards, families.sidecars, families.sidecars, families.recipe
    )
    assert duplicates_are_current(families.shards, families.sidecars, stamps)
    families.judge(out=["1-0-0.py"])
    assert families.decide() == len(families.shards)
    edges_path(families.sidecars).unlink()
    assert families.decide() == len(families.shards)


def test_shards_in_another_order_are_the_same_question(families):
    families.run()
    before = families.files("dedup", "edges")
    assert families.decide(shards=families.shards[::-1]) == 0
    shutil.rmtree(families.sidecars / "dedup")
    families.decide(shards=families.shards[::-1])
    assert families.files("dedup", "edges") == before


def test_a_decision_fetches_no_shingles_for_pairs_that_were_compared(families, monkeypatch):
    extracted: list[bool] = []
    extract = Extractor.extract

    def counted(self, sql, *, shingles):
        rows = self.scratch.table(f"SELECT count(*) AS n FROM ({sql})")["n"][0].as_py()
        extracted.append(bool(shingles and rows))
        return extract(self, sql, shingles=shingles)

    monkeypatch.setattr(Extractor, "extract", counted)
    outcomes = families.run()
    assert any(extracted), "a family of three has a pair that is no star edge"
    before = families.files("dedup", "edges")
    shutil.rmtree(families.sidecars / "dedup")
    extracted.clear()
    families.decide()
    assert extracted
    assert not any(extracted)
    assert families.files("dedup", "edges") == before
    assert families.outcomes() == outcomes


def test_what_if_leaves_the_run_as_it_was(families, tmp_path):
    outcomes = families.run()
    before = families.files("dedup", "edges", "near", "bands")
    elsewhere = tmp_path / "what-if"
    out = sorted(kept(outcomes))
    families.judge(elsewhere, out=out)
    families.decide(elsewhere)
    assert families.files("dedup", "edges", "near", "bands") == before
    assert kept(families.outcomes(elsewhere)) - set(out) == by_definition(families, set(out))


@pytest.mark.parametrize("exact", [True, False])
def test_little_memory_changes_nothing(families, tmp_path, monkeypatch, exact):
    families = dataclasses.replace(
        families, recipe=dataclasses.replace(RECIPE, exact=exact, min_jaccard=0.8)
    )
    families.run()
    monkeypatch.setattr(stage, "Workspace", lambda folder, _: Workspace(folder, 0))
    monkeypatch.setattr(election, "_usable", lambda *_: False)
    monkeypatch.setattr(stage, "CONTENTS_SHARE", 1 << 60)
    elsewhere = tmp_path / "elsewhere"
    families.judge(elsewhere)
    families.decide(elsewhere)
    for name in ("dedup", "edges"):
        for path in sorted((elsewhere / name).iterdir()):
            assert path.read_bytes() == (families.sidecars / name / path.name).read_bytes()


def test_copies_are_near_duplicates_where_only_those_are_wanted(families):
    recipe = dataclasses.replace(RECIPE, exact=False)
    outcomes = dataclasses.replace(families, recipe=recipe).run()
    assert kept(outcomes) == by_definition(families, set())
    assert {reason for reason, _, _ in outcomes.values()} == {None, "near_duplicate"}


def test_without_near_no_index_is_needed(families):
    recipe = DedupRecipe(permutations=64)
    outcomes = dataclasses.replace(families, recipe=recipe).run()
    assert not (families.sidecars / "near").exists()
    assert len(kept(outcomes)) == 9
    assert {reason for reason, _, _ in outcomes.values()} == {None, "exact_duplicate"}


def test_files_of_other_kinds_are_nobodys_duplicate(folder, write_raw):
    """Rows without a fingerprint: no Python, or no text."""
    documents = [
        {"content": "same text\n", "path": "a/LICENSE"},
        {"content": "same text\n", "path": "b/LICENSE"},
        {"content": b"\x00\x01", "path": "a.py"},
        {"content": b"\x00\x01", "path": "b.py"},
    ]
    write_raw(folder.root / "raw", documents)
    assert kept(folder.run()) == {"a/LICENSE", "b/LICENSE", "a.py", "b.py"}


def test_every_pair_that_was_compared_is_told(families):
    outcomes = families.run()
    edges = pq.read_table(edges_path(families.sidecars)).to_pylist()
    found = texts(families)
    paths = {
        (shard.name, row): path
        for shard in families.shards
        for row, path in enumerate(read_rows(shard, columns=["path"])["path"].to_pylist())
    }
    told = set()
    for edge in edges:
        better = paths[edge["kept_shard"], edge["kept_row"]]
        other = paths[edge["other_shard"], edge["other_row"]]
        told.add((better, other))
        assert edge["jaccard"] == jaccard(*(shingle_hashes(found[p]) for p in (better, other)))
        assert abs(edge["estimate"] - edge["jaccard"]) < 0.3
        assert outcomes[better][0] is None
    near = {(o[1], path) for path, o in outcomes.items() if o[0] == "near_duplicate"}
    leaders = {other for _, other in told}
    assert {pair for pair in near if pair[1] in leaders} <= told
