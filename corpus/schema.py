"""A document: one file of one repository at one commit, as a row of a raw shard.

It is a Python file, or a licence file that speaks for those around it (`corpus.license_files`).
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

# Row order within a shard is the harvest's; row i of every sidecar speaks of row i.
DOCUMENT = pa.schema(
    [
        pa.field("repo_id", pa.int64(), nullable=False),  # survives renames and transfers
        pa.field("repo", pa.string(), nullable=False),  # owner/name when fetched
        pa.field("commit", pa.string(), nullable=False),  # 40 hex digits
        pa.field("path", pa.string(), nullable=False),  # inside the repository, with slashes
        pa.field("blob_id", pa.string(), nullable=False),  # git's id of the content
        pa.field("size", pa.int64(), nullable=False),  # bytes
        pa.field("content", pa.binary(), nullable=False),  # exactly as it came
        pa.field("stars", pa.int64(), nullable=False),
        pa.field("fork", pa.bool_(), nullable=False),
        pa.field("license", pa.string()),  # SPDX id as GitHub reports it; null: none found
        pa.field("language_bytes", pa.map_(pa.string(), pa.int64())),  # null: not asked
        pa.field("pushed_at", pa.timestamp("s", tz="UTC")),
        pa.field("fetched_at", pa.timestamp("s", tz="UTC"), nullable=False),
        pa.field("transport", pa.string(), nullable=False),  # archive, blobs
    ]
)

# A file whose content is a row elsewhere in the same harvest: the row of the same `blob_id`.
COPY = pa.schema(
    [DOCUMENT.field(name) for name in ("repo_id", "repo", "commit", "path", "blob_id")]
    + [DOCUMENT.field(name) for name in ("stars", "fork", "license")]
)

# What a document *is*; the shard digest is taken over these columns and no others.
IDENTITY = ("repo_id", "repo", "commit", "path", "blob_id")


def git_blob_id(content: bytes) -> str:
    """The object id that git gives these bytes (SHA-1 object format), in hex."""
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


# A document of the cleaned corpus; `source_shard` and `source_row` lead back to the raw one.
CLEANED = pa.schema(
    [
        pa.field("text", pa.string(), nullable=False),  # LF line ends and a final newline
        pa.field("repo_id", pa.int64(), nullable=False),
        pa.field("repo", pa.string(), nullable=False),
        pa.field("commit", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("blob_id", pa.string(), nullable=False),  # of the raw content
        pa.field("license", pa.string()),
        pa.field("stars", pa.int64(), nullable=False),
        pa.field("source_shard", pa.string(), nullable=False),
        pa.field("source_row", pa.int64(), nullable=False),
        # PyCodeGPT resamples by stars and these; null: not measured.
        pa.field("unit_test_score", pa.float32()),
        pa.field("function_score", pa.float32()),
    ]
)
