import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clean.recipe import CleanRecipe, RulesRecipe, SplitRecipe, WriteRecipe
from clean.run import run_clean
from clean.write import scores
from corpus.errors import FileError
from corpus.files import file_digest
from corpus.layout import SPLITS, RunFolder
from corpus.manifest import read_manifest
from corpus.schema import CLEANED
from corpus.shards import list_shards, read_rows
from corpus.sidecars import Stamp, sidecar_path, write_sidecar

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


# Put together at run time, so that no file holds one.
TOKEN = "np" + "m_" + "Zk3qW8rT1yU6iO9pA2sD5fG7hJ4lX0cVbNmQ"
REDACT = WriteRecipe(redact=("secrets", "emails", "ips"), shard_bytes=4000)


@pytest.fixture
def secretive(tmp_path, write_raw, good_code):
    """Files with something to redact: in a string, in comments, in code, and nothing."""
    code = [good_code(number) for number in range(8)]
    code[0] += f"\nTOKEN = '{TOKEN}'\nAGAIN = b'{TOKEN}'\n"
    code[1] += "# ann@mail.org, bob@mail.org, ann@mail.org at 93.184.216.34\n"
    code[2] += f"\nTOKEN = {TOKEN}  # ann@mail.org\n"
    documents = [
        {"content": text, "path": f"m{number}.py", "repo_id": number}
        for number, text in enumerate(code)
    ]
    write_raw(tmp_path / "raw", documents, shards=2)
    return RunFolder(tmp_path)


def texts_of(folder: RunFolder) -> dict[str, str]:
    return {row["path"]: row["text"] for split in SPLITS for row in documents_of(folder, split)}


def test_what_was_redacted_is_counted_and_never_told(secretive, engine):
    notices = []
    recipe = CleanRecipe(split=HALVES, write=REDACT)
    run_clean(secretive, recipe, seed=1, engine=engine, report=notices.append)
    texts = texts_of(secretive)
    assert "TOKEN = '<KEY_1>'\nAGAIN = b'<KEY_1>'\n" in texts["m0.py"]
    assert "# <EMAIL_1>, <EMAIL_2>, <EMAIL_1> at <IP_ADDRESS_1>\n" in texts["m1.py"]
    manifest = read_manifest(secretive.clean)
    assert manifest.facts["redactions"] == {"email": 2, "ip_address": 1, "npm_token": 1}
    assert manifest.facts["edits"] == {"redaction": 3, "redaction_left": 1}
    for path in secretive.root.rglob("*"):
        if path.is_file() and path.parent != secretive.raw:
            assert TOKEN.encode() not in path.read_bytes()
    assert TOKEN not in repr(notices)


def test_a_file_that_cannot_be_redacted_is_not_written(secretive, engine):
    run_clean(secretive, CleanRecipe(split=HALVES, write=REDACT), seed=1, engine=engine)
    assert sorted(texts_of(secretive)) == [f"m{number}.py" for number in (0, 1, 3, 4, 5, 6, 7)]
    manifest = read_manifest(secretive.clean)
    assert manifest.counts == {"kept": 7, "write_unredacted": 1}
    assert manifest.facts["quarantined"] == [
        {
            "shard": "shard-00000.parquet",
            "row": 1,
            "reason": "unredacted",
            "detail": "a finding stands in code",
            "stage": "write",
        }
    ]
    assert manifest.facts["funnel"][-1]["files"] == 7


def test_a_recipe_may_keep_what_cannot_be_redacted(secretive, engine):
    write = replace(REDACT, drop_unredacted=False)
    run_clean(secretive, CleanRecipe(split=HALVES, write=write), seed=1, engine=engine)
    assert f"TOKEN = {TOKEN}  # <EMAIL_1>\n" in texts_of(secretive)["m2.py"]
    assert read_manifest(secretive.clean).counts == {"kept": 8}


def test_without_edits_nothing_is_parsed_and_nothing_changes(secretive, engine, monkeypatch):
    plain = WriteRecipe(strip_license_header=False, strip_junk_comments=False)
    recipe = CleanRecipe(split=HALVES, write=plain)
    measured = RulesRecipe(require_syntax=False)
    run_clean(secretive, replace(recipe, rules=measured), seed=1, engine=engine)

    def refuse(text):
        raise AssertionError("parsed")

    monkeypatch.setattr("clean.signals.syntax.parse", refuse)
    run_clean(secretive, replace(recipe, rules=measured), seed=1, stage="write", engine=engine)
    rows = [row for shard in list_shards(secretive.raw) for row in read_rows(shard).to_pylist()]
    assert texts_of(secretive) == {row["path"]: row["content"].decode() for row in rows}
    assert read_manifest(secretive.clean).facts["edits"] == {}


def test_scores_stand_beside_their_documents(tmp_path, write_raw):
    (shard,) = write_raw(tmp_path / "raw", [{"content": f"x = {n}\n"} for n in range(4)])
    rows = pa.table({"source_row": pa.array([3, 0], pa.int64())})
    path = sidecar_path(tmp_path, scores.STAGE, shard)
    missing = scores.with_scores(rows, shard, tmp_path)
    assert [missing.column(name).to_pylist() for name in scores.COLUMNS] == [[None] * 2] * 2
    assert scores.score_stamps([shard], tmp_path) == [None]
    measured = pa.table(
        {
            "unit_test_score": pa.array([0.0, 0.25, 0.5, 0.75], pa.float32()),
            "function_score": pa.array([1.0, None, None, None], pa.float32()),
        }
    )
    stamp = Stamp(scores.STAGE, 1, "", shard.digest)
    write_sidecar(path, measured, stamp, shard.rows)
    found = scores.with_scores(rows, shard, tmp_path)
    assert found.column("unit_test_score").to_pylist() == [0.75, 0.0]
    assert found.column("function_score").to_pylist() == [None, 1.0]
    assert scores.score_stamps([shard], tmp_path) == [stamp.digest]


@pytest.mark.parametrize("name", ["clean", "clean.next", "clean.old"])
def test_a_file_in_the_place_of_a_folder_is_one_clear_error(secretive, engine, name):
    (secretive.root / name).write_text("mine")
    with pytest.raises(FileError, match=f"{name}: a file stands where"):
        run_clean(secretive, CleanRecipe(), seed=1, engine=engine)
    assert (secretive.root / name).read_text() == "mine"
    assert not secretive.sidecars.exists()


def test_scores_reach_the_corpus(cleaned):
    for split in SPLITS:
        for document in documents_of(cleaned, split):
            assert all(0 <= document[name] <= 1 for name in scores.COLUMNS)
