import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from clean.signals.decode import decode
from clean.signals.document import Document
from clean.signals.parameters import SignalParameters
from clean.signals.stages import signal_stages
from clean.signals.tokens import stage
from corpus.errors import FileError, RecipeError
from corpus.shards import Shard

SHARD = Shard(Path("shard-00000.parquet"), 0, (), "digest", {})


def save_tokenizer(path: Path, *merges: tuple[str, str]) -> Path:
    """A byte-level tokenizer that knows single bytes and these merges."""
    known = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    vocabulary = {token: number for number, token in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(path))
    return path


def measure(path: Path, content: bytes) -> dict:
    made = stage(SignalParameters(tokenizer=path))
    assert made is not None
    return dict(made.measure(Document(content, decode(content), "a.py", None)))


def test_tokens_are_counted_and_related_to_characters(tmp_path):
    path = save_tokenizer(tmp_path / "tokenizer.json", ("a", "b"))
    assert measure(path, b"ababa") == {"tokens": 3, "chars_per_token": 5 / 3}
    # Characters, not bytes: é is two tokens of a byte each.
    assert measure(path, "é".encode()) == {"tokens": 2, "chars_per_token": 0.5}


def test_no_character_gives_no_quotient(tmp_path):
    path = save_tokenizer(tmp_path / "tokenizer.json")
    assert measure(path, b"") == {"tokens": 0, "chars_per_token": None}
    assert measure(path, b"\x00") == {}


def test_a_limit_that_the_tokenizer_was_saved_with_does_not_count(tmp_path):
    path = save_tokenizer(tmp_path / "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(path))
    assert measure(path, b"abcdef")["tokens"] == 6


def test_the_stamp_knows_the_file_and_not_its_name(tmp_path):
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    stamps = []
    for path, merges in ((one, ()), (other, ()), (other, (("a", "b"),))):
        made = stage(SignalParameters(tokenizer=save_tokenizer(path, *merges)))
        assert made is not None
        stamps.append(made.stamp(SHARD))
    assert stamps[0] == stamps[1] != stamps[2]


def test_without_a_tokenizer_there_is_no_such_stage(tmp_path):
    assert stage(SignalParameters()) is None
    assert "tokens" not in {made.name for made in signal_stages(SignalParameters())}
    path = save_tokenizer(tmp_path / "tokenizer.json")
    told = SignalParameters(tokenizer=path)
    assert "tokens" in {made.name for made in signal_stages(told)}


def test_what_is_no_tokenizer_is_one_clear_error(tmp_path):
    missing, other = tmp_path / "missing.json", tmp_path / "other.json"
    other.write_text(json.dumps({"a": 1}))
    for path, problem in ((missing, "No such file"), (other, "no tokenizer.json")):
        with pytest.raises(RecipeError, match=problem) as caught:
            stage(SignalParameters(tokenizer=path))
        assert caught.value.key == "clean.tokenizer"
        assert str(path) in str(caught.value)


def test_a_file_that_changes_meanwhile_stops_the_run(tmp_path):
    path = save_tokenizer(tmp_path / "tokenizer.json")
    made = stage(SignalParameters(tokenizer=path))
    assert made is not None
    save_tokenizer(path, ("a", "b"))
    stage(SignalParameters(tokenizer=path))  # another run loads the new one
    document = Document(b"ab", decode(b"ab"), "a.py", None)
    assert made.measure(document)["tokens"] == 2  # this process has the old one in memory
    from clean.signals import tokens

    tokens._load.cache_clear()  # as a worker that starts only now
    with pytest.raises(FileError, match="changed while"):
        made.measure(document)
