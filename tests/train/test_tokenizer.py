import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

from corpus.errors import (
    FileError,
    ManifestError,
    ShardError,
    StaleInputError,
    TokensError,
    TrainError,
)
from corpus.events import Event, Notice, Progress
from corpus.layout import RunFolder
from corpus.manifest import Manifest, file_entry, read_manifest, write_manifest
from corpus.recipe import build
from corpus.shards import write_shard
from train.recipe import TokenizerRecipe
from train.tokenizer import (
    END_OF_TEXT,
    PAD,
    load_tokenizer,
    token_byte_counts,
    tokenizer_digest,
    train_tokenizer,
)

MakeRun = Callable[..., RunFolder]
TINY = TokenizerRecipe(vocab_size=400)
CODE = st.text(alphabet="ab1_ \t\n\r:()\"'#.é漢\x0c\u2028", max_size=60)
ANY_TEXT = st.one_of(CODE, st.text())


def train(run: RunFolder, recipe: TokenizerRecipe = TINY, **options) -> Manifest:
    options = {"seed": 1, **options}
    return train_tokenizer(run.clean, run.tokenizer, recipe, **options)


@pytest.fixture(scope="module")
def tokenizer(tiny_run: RunFolder) -> Tokenizer:
    return load_tokenizer(tiny_run.tokenizer)


@pytest.fixture(scope="module")
def by_transformers(tiny_run: RunFolder):
    return AutoTokenizer.from_pretrained(tiny_run.tokenizer, local_files_only=True)


@given(ANY_TEXT)
def test_decoding_gives_back_any_text(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@given(ANY_TEXT)
def test_transformers_reads_it_the_same(tokenizer: Tokenizer, by_transformers, text: str) -> None:
    ids = tokenizer.encode(text).ids
    assert by_transformers(text).input_ids == ids
    assert by_transformers.decode(ids) == text


def test_special_tokens_have_their_roles(by_transformers) -> None:
    assert (by_transformers.bos_token, by_transformers.eos_token) == (END_OF_TEXT, END_OF_TEXT)
    assert by_transformers.pad_token == PAD
    assert (by_transformers.eos_token_id, by_transformers.pad_token_id) == (0, 1)
    assert by_transformers(END_OF_TEXT).input_ids == [0]


def test_a_models_own_configuration_beside_it_changes_nothing(
    tokenizer: Tokenizer, tiny_run: RunFolder, tmp_path: Path
) -> None:
    # With a GPT-Neo's config.json, transformers could bring GPT-2's pattern in.
    folder = shutil.copytree(tiny_run.tokenizer, tmp_path / "model")
    (folder / "config.json").write_text('{"model_type": "gpt_neo"}')
    text = "def f(x):\n        return x\n\n\nclass A:\n    pass\n"
    loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert loaded(text).input_ids == tokenizer.encode(text).ids


def test_a_document_cannot_fake_a_boundary(tokenizer: Tokenizer, by_transformers) -> None:
    text = f"x = '{END_OF_TEXT}{PAD}'\n"
    ids = tokenizer.encode(text).ids
    assert not {0, 1} & set(ids)
    assert by_transformers(text, split_special_tokens=True).input_ids == ids


@given(CODE, CODE)
def test_a_prompt_that_ends_in_a_newline_is_a_prefix(
    tokenizer: Tokenizer, prompt: str, rest: str
) -> None:
    prompt, first_line = prompt + "\n", rest.split("\n")[0]
    if "\n" in rest and not first_line.strip():
        rest = "x" + rest  # a blank line belongs to the newlines before it
    ids = tokenizer.encode(prompt).ids
    assert tokenizer.encode(prompt + rest).ids[: len(ids)] == ids


def test_the_indent_split_joins_newline_and_indent(make_run: MakeRun) -> None:
    run = make_run()
    train(run, TokenizerRecipe(vocab_size=400, split="indent"))
    encoded = load_tokenizer(run.tokenizer).encode("if x:\n        return x\n")
    assert ":ĊĠĠĠĠĠĠĠĠ" in encoded.tokens


@given(ANY_TEXT)
def test_byte_counts_add_up_to_the_text(tokenizer: Tokenizer, text: str) -> None:
    counts = token_byte_counts(tokenizer)
    assert counts[tokenizer.encode(text).ids].sum() == len(text.encode())


def test_special_tokens_stand_for_no_bytes(tokenizer: Tokenizer) -> None:
    counts = token_byte_counts(tokenizer)
    assert len(counts) == tokenizer.get_vocab_size()
    assert (counts[:2] == 0).all() and (counts[2:] > 0).all()


def test_the_same_text_gives_the_same_bytes(make_run: MakeRun, tiny_run: RunFolder) -> None:
    run = make_run()
    train(run)
    for path in sorted(run.tokenizer.glob("tokenizer*.json")):
        assert path.read_bytes() == (tiny_run.tokenizer / path.name).read_bytes()


def test_the_manifest_tells_what_was_made(make_run: MakeRun) -> None:
    run = make_run()
    manifest = train(run)
    assert manifest == read_manifest(run.tokenizer, "tokenizer")
    assert manifest.facts["vocab_size"] == 400
    assert manifest.facts["digest"] == tokenizer_digest(run.tokenizer)
    assert manifest.facts["sample"]["documents"] == 60
    assert 2 < manifest.facts["held_out_bytes_per_token"] < 10
    assert manifest.parameters["vocab_size"] == 400
    assert [Path(entry.path).name for entry in manifest.inputs[:2]] == [
        "shard-00000.parquet",
        "shard-00001.parquet",
    ]


def test_what_is_current_is_not_trained_again(make_run: MakeRun) -> None:
    run = make_run()
    first = train(run)
    (run.tokenizer / "tokenizer_config.json").touch()
    inode = (run.tokenizer / "tokenizer.json").stat().st_ino
    events: list[Event] = []
    assert train(run, report=events.append) == first
    assert (run.tokenizer / "tokenizer.json").stat().st_ino == inode
    assert events == [Notice("tokenizer: up to date, 400 tokens")]


@pytest.mark.parametrize("options", [{"seed": 2}, {"recipe": TokenizerRecipe(vocab_size=350)}])
def test_another_recipe_or_seed_trains_again(make_run: MakeRun, options: dict) -> None:
    run = make_run()
    before = train(run)
    after = train(run, **options)
    assert after.parameters != before.parameters
    assert after == read_manifest(run.tokenizer)


def test_another_text_of_the_same_documents_trains_again(make_run: MakeRun) -> None:
    # The same identity columns, so the same shard digest: cleaning rewrote the text only.
    run = make_run(train=[["first = 1\n" * 50]])
    before = train(run)
    other = make_run("other", train=[["second = 2\n" * 50]])
    shutil.rmtree(run.clean)
    shutil.copytree(other.clean, run.clean)
    assert train(run).facts["sample"]["digest"] != before.facts["sample"]["digest"]


def test_a_lost_file_trains_again(make_run: MakeRun) -> None:
    run = make_run()
    train(run)
    (run.tokenizer / "tokenizer.json").unlink()
    train(run)
    load_tokenizer(run.tokenizer)


def test_the_sample_is_bounded_and_drawn_by_the_seed(make_run: MakeRun) -> None:
    run = make_run()
    recipe = TokenizerRecipe(vocab_size=300, max_sample_bytes=5_000)
    facts = [train(run, recipe, seed=seed).facts["sample"] for seed in (*range(8), 0)]
    assert all(0 < fact["bytes"] <= 5_000 for fact in facts)
    assert len({fact["digest"] for fact in facts}) == 3  # one for each shard to begin with
    assert facts[-1] == facts[0]


def test_too_little_text_is_said_and_recorded(make_run: MakeRun) -> None:
    run = make_run(train=[["x = 1\n"]])
    events: list[Event] = []
    manifest = train(run, TokenizerRecipe(vocab_size=5_000), report=events.append)
    size = manifest.facts["vocab_size"]
    assert 258 <= size < 300
    assert load_tokenizer(run.tokenizer).get_vocab_size() == size
    (warning,) = [event for event in events if isinstance(event, Notice) and event.warning]
    assert "vocab_size = 5,000" in warning.text and f"only {size} tokens" in warning.text


def test_without_held_out_text_nothing_is_claimed(make_run: MakeRun) -> None:
    run = make_run(validation=[])
    assert train(run).facts["held_out_bytes_per_token"] is None


def test_progress_ends_at_its_total(make_run: MakeRun) -> None:
    events: list[Event] = []
    train(make_run(train=[["y = 1\n" * 100_000, "z = 2\n" * 100_000]]), report=events.append)
    told = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert len(told) > 1 and told[-1].done == told[-1].total == 1_200_000


@pytest.mark.parametrize("splits", [{"train": []}, {"train": [[]]}, {"train": [["", ""]]}])
def test_no_text_at_all_is_an_error(make_run: MakeRun, splits: dict) -> None:
    run = make_run(**splits)
    with pytest.raises(TrainError, match=r"clean/train: no text to train a tokenizer on"):
        train(run)
    assert not run.tokenizer.exists()


def test_a_file_where_the_folder_should_be_is_named(make_run: MakeRun) -> None:
    run = make_run()
    run.tokenizer.write_text("mine")
    with pytest.raises(FileError, match="tokenizer: Not a directory"):
        train(run)
    assert run.tokenizer.read_text() == "mine"


def test_an_unfinished_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StaleInputError, match="run the clean stage first"):
        train(RunFolder(tmp_path))


def test_a_damaged_manifest_is_refused(make_run: MakeRun) -> None:
    run = make_run()
    (run.clean / "manifest.json").write_text("{")
    with pytest.raises(ManifestError, match=r"manifest\.json: damaged"):
        train(run)


def test_a_missing_shard_is_named(make_run: MakeRun) -> None:
    run = make_run()
    (run.clean / "train" / "shard-00001.parquet").unlink()
    with pytest.raises(ShardError, match=r"train/shard-00001\.parquet: no such shard"):
        train(run)


def test_a_truncated_shard_is_named(make_run: MakeRun) -> None:
    run = make_run()
    path = run.clean / "train" / "shard-00002.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ShardError, match=r"shard-00002\.parquet: truncated"):
        train(run)


def test_a_shard_of_another_corpus_is_refused(make_run: MakeRun) -> None:
    run, other = make_run(), make_run("other", train=[["a = 1\n", "b = 2\n"]])
    name = "train/shard-00000.parquet"
    shutil.copyfile(other.clean / name, run.clean / name)
    with pytest.raises(ShardError, match="not the shard that the manifest speaks of"):
        train(run)


def test_a_shard_without_text_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    schema = pa.schema([pa.field("repo_id", pa.int64())])
    path = run.clean / "train" / "shard-00000.parquet"
    with write_shard(path, schema) as writer:
        writer.write(pa.Table.from_pylist([{"repo_id": 1}], schema))
    entries = (file_entry(path, run.clean),)
    write_manifest(run.clean, Manifest(stage="clean", parameters={}, outputs=entries))
    with pytest.raises(ShardError, match="no column 'text'"):
        train(run)


@pytest.mark.parametrize("contents", ["", "{}", '{"model": 3}', "\x00\x01"])
def test_a_damaged_tokenizer_is_named(tmp_path: Path, contents: str) -> None:
    (tmp_path / "tokenizer.json").write_text(contents)
    with pytest.raises(TokensError, match=r"tokenizer\.json: not a tokenizer"):
        load_tokenizer(tmp_path)


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match=r"tokenizer\.json: no such tokenizer; train one first"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_the_boundary_is_refused(tmp_path: Path) -> None:
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokensError, match=r"has no <\|endoftext\|> token"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"vocab_size": 257}, "vocab_size must be at least 300"),
        ({"min_count": 0}, "min_count must be at least 1"),
        ({"max_sample_bytes": 0}, "max_sample_bytes must be at least 1"),
        ({"split": "lines"}, "split: must be one of 'line', 'indent'"),
    ],
)
def test_a_recipe_is_checked(table: dict, problem: str) -> None:
    with pytest.raises(Exception, match=problem):
        build(TokenizerRecipe, table)
