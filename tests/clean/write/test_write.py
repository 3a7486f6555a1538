import json

import pyarrow.parquet as pq
import pytest

from clean.recipe import CleanRecipe, SplitRecipe, WriteRecipe
from clean.run import run_clean
from corpus.files import file_digest
from corpus.layout import SPLITS, RunFolder
from corpus.manifest import read_manifest
from corpus.schema import CLEANED
from corpus.shards import list_shards, read_rows

HALVES = SplitRecipe(validation_share=0.25, test_share=0.25)
HEADER = "# Copyright 2020 Somebody. All rights reserved.\n# Licensed under the MIT license.\n\n"


@pytest.fixture
def cleaned(tmp_path, write_raw, good_code, engine):
    """Eight repositories with five files each, over many small shards."""
    documents = [
        {
            "content": HEADER + good_code(number),
            "path": f"m{number}.py",
            "repo_id": number % 8,
            "stars": number,
            "license": None if number % 4 == 0 else "MIT",
        }
        for number in range(40)
    ]
    documents.append({"content": "x = 1\n", "path": "short.py"})
    write_raw(tmp_path / "raw", documents, shards=3)
    recipe = CleanRecipe(split=HALVES, write=WriteRecipe(shard_bytes=2000))
    folder = RunFolder(tmp_path)
    run_clean(folder, recipe, seed=1, engine=engine)
    return folder


def documents_of(folder: RunFolder, split: str) -> list[dict]:
    shards = list_shards(folder.clean / split)
    return [row for shard in shards for row in read_rows(shard).to_pylist()]


def test_every_kept_document_is_written_once_with_its_origin(cleaned):
    raw = {shard.name: read_rows(shard).to_pylist() for shard in list_shards(cleaned.raw)}
    seen = set()
    for split in SPLITS:
        for document in documents_of(cleaned, split):
            origin = (document["source_shard"], document["source_row"])
            source = raw[origin[0]][origin[1]]
            for name in ("repo_id", "repo", "commit", "path", "blob_id", "license", "stars"):
                assert document[name] == source[name]
            assert document["text"] == source["content"].decode().removeprefix(HEADER)
            seen.add(origin)
    kept = {
        (n, i) for n, rows in raw.items() for i, r in enumerate(rows) if r["path"] != "short.py"
    }
    assert seen == kept


def test_no_repository_is_in_two_splits(cleaned):
    repositories = {s: {d["repo_id"] for d in documents_of(cleaned, s)} for s in SPLITS}
    assert all(repositories.values())
    assert sum(map(len, repositories.values())) == 8


def test_shards_have_the_schema_and_their_order_is_shuffled(cleaned):
    shards = [shard for split in SPLITS for shard in list_shards(cleaned.clean / split)]
    assert len(list_shards(cleaned.clean / "train")) > 1
    for shard in shards:
        assert pq.read_schema(shard.path).remove_metadata().equals(CLEANED)
    numbers = [document["stars"] for document in documents_of(cleaned, "train")]
    assert numbers != sorted(numbers)


def test_the_manifest_accounts_for_everything(cleaned):
    manifest = read_manifest(cleaned.clean, "clean")
    assert manifest.counts == {"kept": 40, "few_lines": 1}
    assert [entry.path for entry in manifest.inputs] == [
        f"../raw/shard-0000{number}.parquet" for number in range(3)
    ]
    on_disk = sorted(cleaned.clean.rglob("*.parquet"))
    assert sorted(cleaned.clean / entry.path for entry in manifest.outputs) == on_disk
    for entry in manifest.outputs:
        assert entry.digest == file_digest(cleaned.clean / entry.path)
    facts = manifest.facts
    assert sum(split["documents"] for split in facts["splits"].values()) == 40
    texts = [d["text"] for split in SPLITS for d in documents_of(cleaned, split)]
    assert sum(split["bytes"] for split in facts["splits"].values()) == sum(map(len, texts))
    assert facts["licenses"] == {"MIT": 30, "none": 10}
    assert facts["edits"] == {"header": 40}
    steps = {step["step"]: step for step in facts["funnel"]}
    assert (steps["raw"]["files"], steps["written"]["files"]) == (41, 40)
    assert steps["min_code_lines"]["reasons"] == {"few_lines": 1}
    assert "write" in facts["seconds"]
    assert manifest.parameters["seed"] == 1


def test_another_seed_changes_order_and_splits_but_no_document(cleaned, engine):
    before = {split: documents_of(cleaned, split) for split in SPLITS}
    recipe = CleanRecipe(split=HALVES, write=WriteRecipe(shard_bytes=2000))
    run_clean(cleaned, recipe, seed=2, engine=engine)
    after = {split: documents_of(cleaned, split) for split in SPLITS}
    assert after != before

    def everything(found: dict) -> list[str]:
        return sorted(json.dumps(document) for split in SPLITS for document in found[split])

    assert everything(after) == everything(before)


def test_fewer_shards_leave_none_of_the_old_ones(cleaned, engine):
    run_clean(cleaned, CleanRecipe(split=HALVES), seed=1, engine=engine)
    names = sorted(
        str(p.relative_to(cleaned.clean)) for p in cleaned.clean.rglob("*") if p.is_file()
    )
    assert names == ["manifest.json", *(f"{s}/shard-00000.parquet" for s in sorted(SPLITS))]
    assert sorted(path.name for path in cleaned.root.iterdir()) == [
        "clean",
        "clean.lock",
        "raw",
        "sidecars",
    ]


def test_a_document_that_is_lost_while_rewriting_is_counted(cleaned, losing_engine):
    loses = losing_engine([("shard-00001.parquet", 2)])
    recipe = CleanRecipe(split=HALVES)
    notices = []
    run_clean(cleaned, recipe, seed=1, engine=loses, report=notices.append)
    manifest = read_manifest(cleaned.clean)
    assert manifest.counts == {"kept": 39, "few_lines": 1, "write_crash": 1}
    assert manifest.facts["quarantined"] == [
        {
            "shard": "shard-00001.parquet",
            "row": 2,
            "reason": "crash",
            "detail": "made to crash",
            "stage": "write",
        }
    ]
    assert sum(len(documents_of(cleaned, split)) for split in SPLITS) == 39
    texts = [notice.text for notice in notices if getattr(notice, "warning", False)]
    assert any("shard-00001.parquet rows 2-2: crash while rewriting" in text for text in texts)


def test_an_empty_corpus_is_a_corpus(tmp_path, write_raw, engine):
    write_raw(tmp_path / "raw", [{"content": "", "path": "empty.py"}])
    folder = RunFolder(tmp_path)
    summary = run_clean(folder, CleanRecipe(), seed=1, engine=engine)
    assert summary.counts == {"few_lines": 1}
    assert [list_shards(folder.clean / split) for split in SPLITS] == [[], [], []]
