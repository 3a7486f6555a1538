import dataclasses
import errno
import fcntl
import os
import shutil

import pyarrow.parquet as pq
import pytest

from clean.aside import placed
from clean.decide import check_measured, decided
from clean.inputs import open_cleaning
from clean.recipe import CleanRecipe, DedupRecipe, LimitsRecipe, RulesRecipe, SplitRecipe
from clean.rules.catalog import active_rules
from clean.run import STAGES, dependents, measure, run_clean
from clean.write import stage as write
from corpus.errors import (
    DiskFullError,
    ManifestError,
    ShardError,
    SidecarError,
    StaleInputError,
    UsageError,
)
from corpus.layout import SPLITS, RunFolder
from corpus.manifest import FILE_NAME, read_manifest, write_manifest
from corpus.shards import list_shards
from corpus.sidecars import sidecar_path

LICENSED = CleanRecipe(
    rules=RulesRecipe(allow_repo_licenses=("permissive",)), dedup=DedupRecipe(near=True)
)


@pytest.fixture
def folder(tmp_path, write_raw, good_code):
    documents = [{"content": good_code(n), "path": f"{n}.py", "repo_id": n} for n in range(8)]
    write_raw(tmp_path / "raw", documents, shards=2)
    return RunFolder(tmp_path)


def inodes(folder: RunFolder) -> dict[str, int]:
    """By file: what changes whenever the file is written again."""
    files = [*folder.sidecars.rglob("*.parquet"), *folder.clean.rglob("*.parquet")]
    return {str(path.relative_to(folder.root)): path.stat().st_mtime_ns for path in files}


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The stages whose files were written again."""
    assert set(before) == set(after)
    names = {name for name in before if before[name] != after[name]}
    return {name.split("/")[1] if name.startswith("sidecars") else "write" for name in names}


def test_nothing_is_made_twice(folder, engine):
    first = run_clean(folder, LICENSED, seed=1, engine=engine)
    assert list(first.made) == [stage for stage in STAGES if stage in first.made]
    assert {"text", "syntax", "license", "fingerprint", "verdict", "dedup", "write"} <= set(
        first.made
    )
    assert all(first.made.values())
    before = inodes(folder)
    second = run_clean(folder, LICENSED, seed=1, engine=engine)
    assert not any(second.made.values())
    assert changed(before, inodes(folder)) == set()
    assert (second.counts, second.splits) == (first.counts, first.splits)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("text", {"text", "verdict", "dedup", "edges", "write"}),
        ("license", {"license", "verdict", "dedup", "edges", "write"}),
        ("fingerprint", {"fingerprint", "bands", "near", "dedup", "edges", "write"}),
        ("near", {"near", "bands", "dedup", "edges", "write"}),
        ("dedup", {"dedup", "edges", "write"}),
        ("write", {"write"}),
    ],
)
def test_a_stage_is_made_anew_with_what_depends_on_it_and_nothing_else(
    folder, engine, stage, expected
):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    before = inodes(folder)
    summary = run_clean(folder, LICENSED, seed=1, engine=engine, stage=stage)
    assert changed(before, inodes(folder)) == expected
    assert {name for name, made in summary.made.items() if made} == expected - {"edges", "bands"}


def test_a_signal_that_no_rule_reads_has_no_dependents():
    rules = active_rules(RulesRecipe(), seed=1)
    assert dependents("license", rules, DedupRecipe()) == ("license",)
    by_license = DedupRecipe(survivor_order=("license",))
    assert dependents("license", rules, by_license) == ("license", "dedup", "write")
    assert dependents("license", active_rules(LICENSED.rules, seed=1), DedupRecipe()) == (
        "license",
        "verdict",
        "dedup",
        "write",
    )


def test_a_changed_threshold_measures_no_file_again(folder, engine):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    before = inodes(folder)
    rules = dataclasses.replace(LICENSED.rules, max_longest_line=200)
    run_clean(folder, dataclasses.replace(LICENSED, rules=rules), seed=1, engine=engine)
    assert changed(before, inodes(folder)) == {"verdict", "dedup", "edges", "write"}


def test_a_changed_split_only_writes(folder, engine):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    before = inodes(folder)
    split = SplitRecipe(validation_share=0.02, test_share=0.02)
    run_clean(folder, dataclasses.replace(LICENSED, split=split), seed=1, engine=engine)
    assert changed(before, inodes(folder)) == {"write"}


def test_a_changed_shard_is_measured_again_alone(folder, engine, write_raw, good_code):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    before = inodes(folder)
    documents = [{"content": good_code(n), "path": f"{n}.py", "repo_id": n} for n in range(8)]
    documents[1]["path"] = "renamed.py"  # in the second shard
    write_raw(folder.raw, documents, shards=2)
    run_clean(folder, LICENSED, seed=1, engine=engine)
    after = inodes(folder)
    assert before["sidecars/text/shard-00000.parquet"] == after["sidecars/text/shard-00000.parquet"]
    assert before["sidecars/text/shard-00001.parquet"] != after["sidecars/text/shard-00001.parquet"]


def test_a_damaged_or_lost_file_is_made_again(folder, engine):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    reference = {path: path.read_bytes() for path in folder.clean.rglob("*.parquet")}
    (folder.sidecars / "text" / "shard-00000.parquet").write_bytes(b"damaged")
    (folder.sidecars / "edges" / "edges.parquet").unlink()
    next(iter(reference)).unlink()
    summary = run_clean(folder, LICENSED, seed=1, engine=engine)
    assert summary.made["text"] == 1
    assert summary.made["dedup"] == summary.shards
    assert {path: path.read_bytes() for path in folder.clean.rglob("*.parquet")} == reference


def test_an_unknown_stage_names_the_nearest(folder, engine):
    with pytest.raises(UsageError, match="no stage 'licence'; did you mean 'license'"):
        run_clean(folder, LICENSED, seed=1, engine=engine, stage="licence")
    assert not folder.sidecars.exists()


def test_without_a_harvest_there_is_nothing_to_clean(tmp_path, engine):
    with pytest.raises(StaleInputError, match="no raw shards; run the harvest first"):
        run_clean(RunFolder(tmp_path), CleanRecipe(), seed=1, engine=engine)


def test_a_harvest_that_has_not_finished_is_refused(folder, engine):
    (folder.raw / FILE_NAME).unlink()
    with pytest.raises(StaleInputError, match="has not finished"):
        run_clean(folder, CleanRecipe(), seed=1, engine=engine)


def test_another_stages_manifest_is_refused(folder, engine):
    path = folder.raw / FILE_NAME
    path.write_text(path.read_text().replace('"harvest"', '"train"'))
    with pytest.raises(ManifestError, match="written by stage 'train'"):
        run_clean(folder, CleanRecipe(), seed=1, engine=engine)


def test_a_missing_shard_is_named(folder, engine):
    (folder.raw / "shard-00001.parquet").unlink()
    with pytest.raises(ShardError, match=r"shard-00001\.parquet: missing"):
        run_clean(folder, CleanRecipe(), seed=1, engine=engine)


def test_a_truncated_shard_is_named(folder, engine):
    path = folder.raw / "shard-00001.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ShardError, match=r"shard-00001\.parquet: truncated or damaged"):
        run_clean(folder, CleanRecipe(), seed=1, engine=engine)


def test_a_shard_with_other_rows_than_the_manifest_says_is_named(folder, engine):
    (folder.raw / "shard-00001.parquet").write_bytes(b"")
    path = folder.raw / FILE_NAME
    path.write_text(path.read_text().replace('"rows": 4', '"rows": 5'))
    with pytest.raises(ShardError, match=r"shard-00000\.parquet: 4 rows, not 5"):
        run_clean(folder, CleanRecipe(), seed=1, engine=engine)


def test_shards_beside_the_manifest_are_left_out_aloud(folder, engine, write_raw, good_code):
    other = write_raw(folder.root / "other", [{"content": good_code(99)}])[0]
    os.link(other.path, folder.raw / "shard-00007.parquet")
    notices = []
    summary = run_clean(folder, CleanRecipe(), seed=1, engine=engine, report=notices.append)
    assert summary.counts == {"kept": 8}
    assert any("1 shards are not in the harvest's" in getattr(n, "text", "") for n in notices)


def test_a_sidecar_of_another_shard_is_measured_again(folder, engine):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    sidecars = folder.sidecars / "text"
    right = (sidecars / "shard-00001.parquet").read_bytes()
    (sidecars / "shard-00001.parquet").write_bytes((sidecars / "shard-00000.parquet").read_bytes())
    summary = run_clean(folder, LICENSED, seed=1, engine=engine)
    assert summary.made["text"] == 1
    assert (sidecars / "shard-00001.parquet").read_bytes() == right


def test_a_sidecar_that_is_damaged_behind_its_footer_is_named(folder, engine):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    shard = list_shards(folder.raw)[0]
    path = sidecar_path(folder.sidecars, "text", shard)
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(SidecarError, match=r"text/shard-00000\.parquet: damaged"):
        run_clean(folder, LICENSED, seed=1, engine=engine, stage="verdict")


def test_a_full_disk_names_the_file_and_leaves_the_old_corpus(folder, engine, monkeypatch):
    run_clean(folder, CleanRecipe(), seed=1, engine=engine)
    before = {path: path.read_bytes() for path in folder.clean.rglob("*.parquet")}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("corpus.shards.pq.ParquetWriter.write_table", full)
        with pytest.raises(DiskFullError, match="no space left on the disk"):
            run_clean(folder, CleanRecipe(), seed=2, engine=engine)
    assert {path: path.read_bytes() for path in folder.clean.rglob("*.parquet")} == before
    assert run_clean(folder, CleanRecipe(), seed=2, engine=engine).made["write"]
    assert not write.next_folder(folder.clean).exists()


def test_a_second_run_is_kept_out(folder, engine):
    with (folder.root / "clean.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another cleaning run is at work"):
            run_clean(folder, CleanRecipe(), seed=1, engine=engine)


def test_a_missing_split_is_said(tmp_path, write_raw, good_code, engine):
    write_raw(tmp_path / "raw", [{"content": good_code(1)}])
    notices = []
    run_clean(RunFolder(tmp_path), CleanRecipe(), seed=1, engine=engine, report=notices.append)
    texts = [notice.text for notice in notices if getattr(notice, "warning", False)]
    assert texts == [
        "the validation split is empty: too few repositories were kept",
        "the test split is empty: too few repositories were kept",
    ]


def test_a_signal_of_an_unmeasured_stage_is_no_reason_to_stop(folder, engine):
    """Asked for one stage on a fresh folder, a run makes whatever that needs."""
    summary = run_clean(folder, LICENSED, seed=1, engine=engine, stage="license")
    assert all(summary.made.values())
    assert read_manifest(folder.clean, "clean").counts == {"kept": 8}


def contents(folder: RunFolder) -> dict[str, bytes]:
    """Every shard of the corpus and every sidecar."""
    files = [*folder.clean.rglob("*.parquet"), *folder.sidecars.rglob("*.parquet")]
    return {str(path.relative_to(folder.root)): path.read_bytes() for path in files}


class Watched:
    """Remembers which shards were worked on."""

    def __init__(self, engine) -> None:
        self._engine, self.measured = engine, set()

    def run(self, work, units):
        def seen():
            for unit in units:
                if "measure_unit" in repr(work):
                    self.measured.add(unit.shard.name)
                yield unit

        return self._engine.run(work, seen())


def near_documents(good_code) -> list[dict]:
    texts = [good_code(n % 7).replace("result = 0", f"result = {n}") for n in range(24)]
    return [
        {"content": text, "path": f"{n}.py", "repo_id": n, "stars": n % 5}
        for n, text in enumerate(texts)
    ]


def with_shards(folder: RunFolder, source: RunFolder, names: set[str]) -> None:
    """Let `folder` have these raw shards of `source`, as another harvest would leave them."""
    shutil.rmtree(folder.raw, ignore_errors=True)
    shutil.copytree(source.raw, folder.raw)
    manifest = read_manifest(folder.raw)
    for entry in manifest.outputs:
        if entry.path not in names:
            (folder.raw / entry.path).unlink()
    outputs = tuple(entry for entry in manifest.outputs if entry.path in names)
    write_manifest(folder.raw, dataclasses.replace(manifest, outputs=outputs))


def test_a_new_shard_is_measured_alone_and_all_ends_as_if_made_at_once(
    tmp_path, write_raw, good_code, engine
):
    whole, grown = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "grown")
    write_raw(whole.raw, near_documents(good_code), shards=3)
    run_clean(whole, LICENSED, seed=1, engine=engine)
    names = {shard.name for shard in list_shards(whole.raw)}
    with_shards(grown, whole, names - {"shard-00001.parquet"})
    few = run_clean(grown, LICENSED, seed=1, engine=engine)
    assert sum(few.counts.values()) == 16

    with_shards(grown, whole, names)
    watched = Watched(engine)
    summary = run_clean(grown, LICENSED, seed=1, engine=watched)
    assert watched.measured == {"shard-00001.parquet"}
    assert summary.made["text"] == summary.made["fingerprint"] == 1
    assert contents(grown).keys() == contents(whole).keys()
    same_names = [name for name in contents(whole) if "/near/" not in f"/{name}"]
    assert {n: contents(grown)[n] for n in same_names} == {
        n: contents(whole)[n] for n in same_names
    }
    assert summary.counts == run_clean(whole, LICENSED, seed=1, engine=engine).counts


def test_a_shard_that_went_is_forgotten(tmp_path, write_raw, good_code, engine):
    whole, few = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "few")
    write_raw(whole.raw, near_documents(good_code), shards=3)
    with_shards(few, whole, {"shard-00000.parquet", "shard-00002.parquet"})
    run_clean(few, LICENSED, seed=1, engine=engine)
    run_clean(whole, LICENSED, seed=1, engine=engine)
    with_shards(whole, RunFolder(few.root), {"shard-00000.parquet", "shard-00002.parquet"})
    watched = Watched(engine)
    run_clean(whole, LICENSED, seed=1, engine=watched)
    assert watched.measured == set()
    corpora = [{p.name: p.read_bytes() for p in f.clean.rglob("*.parquet")} for f in (whole, few)]
    assert corpora[0] == corpora[1]


def test_other_parameters_are_measured_aside_and_nothing_of_the_run_changes(folder, engine):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    before = contents(folder)
    other = dataclasses.replace(LICENSED, dedup=DedupRecipe(near=True, shingle_tokens=3))
    made = measure(folder, other, seed=1, engine=engine).made
    assert {name for name, count in made.items() if count} == {"fingerprint", "near"}
    assert contents(folder) == before
    assert not any(measure(folder, other, seed=1, engine=engine).made.values())
    asked = placed(open_cleaning(folder, other, seed=1, measures=False))
    assert asked.sidecars.parent == folder.aside
    with decided(asked) as decisions:
        assert sidecar_path(decisions, "dedup", asked.shards[0]).exists()
    # A run with this recipe takes over what was measured aside.
    watched = Watched(engine)
    run_clean(folder, other, seed=1, engine=watched)
    assert watched.measured == set()


def test_a_signal_that_was_missing_is_measured_in_place(folder, engine):
    run_clean(folder, LICENSED, seed=1, engine=engine)
    sidecar_path(folder.sidecars, "license", list_shards(folder.raw)[0]).unlink()
    made = measure(folder, LICENSED, seed=1, engine=engine).made
    assert {name: count for name, count in made.items() if count} == {"license": 1}
    assert not folder.aside.exists()


def test_a_small_budget_is_refused_before_anything_happens(folder):
    recipe = CleanRecipe(limits=LimitsRecipe(max_memory_bytes=100_000_000))
    with pytest.raises(UsageError, match="the least that works"):
        run_clean(folder, recipe, seed=1)
    assert not folder.sidecars.exists()


def test_what_a_killed_pool_left_goes_with_the_scratch_folder(folder, engine):
    left = folder.scratch / "pycodegpt-pool-killed" / "rows"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"")
    run_clean(folder, LICENSED, seed=1, engine=engine)
    assert not folder.scratch.exists()


FEW = CleanRecipe(
    measure="needed",
    rules=RulesRecipe(require_syntax=False),
    dedup=DedupRecipe(exact=False),
)


def test_only_what_is_needed_is_measured_and_the_corpus_is_the_same(folder, engine):
    few = run_clean(folder, FEW, seed=1, engine=engine)
    assert {*few.made} == {"text", "verdict", "dedup", "write"}
    assert {path.name for path in folder.sidecars.iterdir()} == {
        "text",
        "verdict",
        "dedup",
        "edges",
    }
    everything = dataclasses.replace(FEW, measure="all")
    with pytest.raises(StaleInputError, match="not measured"):
        check_measured(placed_for(folder, dataclasses.replace(FEW, dedup=DedupRecipe()), engine))
    written = texts(folder)
    whole = run_clean(folder, everything, seed=1, engine=engine)
    assert {"syntax", "license", "fingerprint", "structure"} <= {*whole.made}
    assert whole.made["text"] == 0
    assert (whole.counts, texts(folder)) == (few.counts, written)


def test_a_near_index_needs_fingerprints_however_little_is_measured(folder, engine):
    recipe = dataclasses.replace(FEW, dedup=DedupRecipe(near=True))
    assert {"fingerprint", "near"} <= {*run_clean(folder, recipe, seed=1, engine=engine).made}


def test_a_stage_that_is_not_measured_can_not_be_made_anew(folder, engine):
    with pytest.raises(UsageError, match=r"does not measure the stage license \(clean.measure"):
        run_clean(folder, FEW, seed=1, stage="license", engine=engine)
    with pytest.raises(UsageError, match=r"does not measure the stage tokens$"):
        run_clean(folder, LICENSED, seed=1, stage="tokens", engine=engine)


def placed_for(folder, recipe, engine):
    return placed(open_cleaning(folder, recipe, seed=1, engine=engine))


def texts(folder):
    shards = [
        shard for split in SPLITS for shard in sorted((folder.clean / split).glob("*.parquet"))
    ]
    return [pq.read_table(path, columns=["text"])["text"].to_pylist() for path in shards]
