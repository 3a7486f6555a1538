"""Millions of small documents out of a corpus: pieces of real files first, then changed copies.

The shares of fresh, near and equal documents are the same at every size, so that only the number
of documents changes: of 25 documents, 22 are fresh, 2 are near one of the others and 1 is equal to
one. A fresh document beyond the real pieces is a piece whose words are all others.
"""

from __future__ import annotations

import keyword
import random
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path

from benchmarks.clean.shards import File, write_raw
from benchmarks.clean.texts import texts
from corpus.files import write_text
from corpus.manifest import Manifest, file_entry, write_manifest
from corpus.shards import Shard, list_shards

SHARD_ROWS = 10_000
PIECE_CHARS = 500  # a piece ends at the first top-level line beyond
MAX_PIECE_CHARS = 1500
PER_REPOSITORY = 40
_BLOCK = re.compile(r"\n(?=[^\s#)\]}])")  # before a line that starts at the margin
_WORD = re.compile(r"[A-Za-z_]{4,}")
_KEPT = frozenset(keyword.kwlist) | {"self", "None", "True", "False"}
_SEED = 7


def pieces(shards: Sequence[Shard]) -> list[str]:
    """Distinct stretches of top-level code, shuffled by a fixed seed."""
    found: dict[str, None] = {}
    for shard in shards:
        for text in texts(shard):
            found.update(dict.fromkeys(_cut(text)))
    ordered = list(found)
    random.Random(_SEED).shuffle(ordered)
    return ordered


def _cut(text: str) -> Iterator[str]:
    piece = ""
    for block in _BLOCK.split(text):
        piece += block.rstrip() + "\n"
        if len(piece) >= PIECE_CHARS:
            if len(piece) <= MAX_PIECE_CHARS:
                yield piece
            piece = ""


def fresh(real: Sequence[str]) -> Iterator[str]:
    """The pieces, and then again and again with other words."""
    yield from real
    for turn in count(1):
        other = partial(_other, turn)
        for piece in real:
            yield _WORD.sub(other, piece)


def _other(turn: int, match: re.Match[str]) -> str:
    return match[0] if match[0] in _KEPT else f"{match[0]}_{turn}"


def documents(real: Sequence[str]) -> Iterator[str]:
    """Without end: 22 fresh, 2 near the last but two, 1 equal to an earlier one."""
    rng = random.Random(_SEED + 1)
    source = fresh(real)
    while True:
        batch = list(islice(source, 22))
        batch += [_touched(batch[rng.randrange(22)], rng) for _ in range(2)]
        batch.append(batch[rng.randrange(22)])
        rng.shuffle(batch)
        yield from batch


def _touched(text: str, rng: random.Random) -> str:
    """A copy with one word changed."""
    words = [match for match in _WORD.finditer(text) if match[0] not in _KEPT]
    if not words:
        return text + "pass\n"
    word = rng.choice(words)
    return f"{text[: word.start()]}other_{rng.randrange(1000)}{text[word.end() :]}"


def write_documents(folder: Path, shards: Sequence[Shard], wanted: int) -> Path:
    """At least `wanted` documents below `folder`, in shards of `SHARD_ROWS`; made once."""
    done = folder / f"complete-{wanted}"
    if not done.exists():
        stream = documents(pieces(shards))
        files = (
            File(f"many/r{row // PER_REPOSITORY:07}", f"{row:08}.py", text.encode())
            for row, text in enumerate(islice(stream, wanted))
        )
        write_raw(folder, files, {}, max_rows=min(SHARD_ROWS, wanted))
        write_text(done, "")
    return folder


def first_documents(raw: Path, wanted: int, folder: Path) -> Path:
    """A raw folder with the shards that hold the first `wanted` documents."""
    folder.mkdir(parents=True)
    entries, rows = [], 0
    for shard in list_shards(raw):
        if rows >= wanted:
            break
        link = folder / shard.name
        link.symlink_to(shard.path)
        entries.append(file_entry(link, folder, rows=shard.rows))
        rows += shard.rows
    write_manifest(folder, Manifest(stage="harvest", parameters={}, outputs=tuple(entries)))
    return folder
