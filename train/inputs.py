"""What tokenizer and packing read: the cleaned shards that the clean stage's manifest lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpus.errors import ManifestError, ShardError, StaleInputError
from corpus.files import file_digest
from corpus.manifest import FILE_NAME, FileEntry, Manifest, file_entry, read_manifest
from corpus.recipe import as_plain
from corpus.shards import Shard, open_shard, read_rows

_TEXT = "text"


def cleaned_shards(clean: Path, split: str) -> list[Shard]:
    """A split's shards in the order of the manifest.

    Raises StaleInputError if the clean stage has not finished, and ShardError naming a shard that
    is missing, truncated or not the one that the manifest speaks of.
    """
    if not (clean / FILE_NAME).exists():
        raise StaleInputError(f"{clean}: no cleaned corpus here; run the clean stage first")
    manifest = read_manifest(clean, "clean")
    entries = [e for e in manifest.outputs if Path(e.path).parts[0] == split]
    return [_checked_shard(clean / entry.path, entry) for entry in entries]


def _checked_shard(path: Path, entry: FileEntry) -> Shard:
    shard = open_shard(path)
    # An entry of a shard may carry the digest of its documents or that of its bytes.
    if entry.digest not in (shard.digest, file_digest(path)):
        raise ShardError(path, "not the shard that the manifest speaks of; run clean again")
    return shard


def input_entries(shards: Sequence[Shard], folder: Path) -> tuple[FileEntry, ...]:
    """Entries for the manifest in `folder`.

    They carry digests of the files' bytes: a shard's own digest says which documents it holds,
    and stays the same when cleaning rewrites their text in another way.
    """
    return tuple(file_entry(shard.path, folder, rows=shard.rows) for shard in shards)


def finished(folder: Path, wanted: Manifest) -> Manifest | None:
    """The folder's manifest, if it tells of the same work and all its outputs are there."""
    try:
        manifest = read_manifest(folder, wanted.stage)
    except ManifestError:
        return None
    same = manifest.inputs == wanted.inputs and manifest.parameters == as_plain(wanted.parameters)
    return manifest if same and all(_is_there(folder, e) for e in manifest.outputs) else None


def _is_there(folder: Path, entry: FileEntry) -> bool:
    path = folder / entry.path
    return path.is_file() and path.stat().st_size == entry.bytes


def read_texts(shards: Sequence[Shard], skip: int = 0) -> Iterator[list[str]]:
    """The documents' texts but the first `skip`, a row group at a time. Raises ShardError."""
    for shard in shards:
        start = 0
        for rows in shard.row_groups:
            if skip < rows:
                yield _texts(shard, start + skip, start + rows)
            skip = max(0, skip - rows)
            start += rows


def sample_texts(shards: Sequence[Shard], max_bytes: int, seed: int) -> Iterator[str]:
    """Texts of at most `max_bytes` UTF-8 bytes together; only what is taken is read.

    Row groups come in an order drawn by `seed`, their documents in the order of the shard, which
    the clean stage has shuffled; the first document that does not fit ends the sample.
    """
    groups = [
        (shard, sum(shard.row_groups[:index]), rows)
        for shard in shards
        for index, rows in enumerate(shard.row_groups)
    ]
    left = max_bytes
    for shard, start, rows in sorted(groups, key=lambda g: _draw(g[0], g[1], seed)):
        for text in _texts(shard, start, start + rows):
            left -= len(text.encode())
            if left < 0:
                return
            yield text


def _draw(shard: Shard, start: int, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{shard.name}:{start}".encode()).digest()


def _texts(shard: Shard, start: int, stop: int) -> list[str]:
    try:
        column = read_rows(shard, start, stop, [_TEXT])[_TEXT]
    except KeyError as error:
        raise ShardError(shard.path, f"not a cleaned shard: it has no column {_TEXT!r}") from error
    texts: list[str] = column.to_pylist()
    return texts
