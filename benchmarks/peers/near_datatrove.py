"""datatrove's four MinHash steps, one after the other in one process, with our tokens injected."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import ParquetReader
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig
from datatrove.utils.word_tokenizers import WordTokenizer
from documents import count, finish, load
from loguru import logger

BUCKETS, ROWS = 25, 10  # what datasketch derives from Jaccard 0.7 and 256 permutations


class SameTokens(WordTokenizer):
    """The tokens that all others get; its default for English is spaCy, many times as slow."""

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self._find = re.compile(pattern).findall

    def word_tokenize(self, text: str) -> list[str]:
        """All tokens, in order."""
        return self._find(text)

    def sent_tokenize(self, text: str) -> list[str]:
        """Not asked for by MinHash."""
        raise NotImplementedError

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """Not asked for by MinHash."""
        raise NotImplementedError


def main() -> None:
    """Run the job given on the command line."""
    job = load(sys.argv[1])
    logger.remove()
    # Lower-casing and erasing numbers and punctuation, its defaults, would compare other texts.
    norm = TextNormConfig(
        lowercase=False, norm_whitespace=False, remove_punctuation=False,
        norm_unicode_diacritics=False, norm_numbers=False, norm_weekdays=False,
        norm_monthnames=False,
    )  # fmt: skip
    config = MinhashConfig(
        n_grams=job["shingle_tokens"], num_buckets=BUCKETS, hashes_per_bucket=ROWS,
        hash_config=HashConfig(precision=64), norm_config=norm,
    )  # fmt: skip
    tokens = SameTokens(job["token"])
    # It leaves out documents without text; nobody judges those.
    kept = np.zeros(count(job["texts"]), bool)
    for row in survivors(job["texts"], Path(job["scratch"]), config, tokens):
        kept[row] = True
    finish(kept, f"{BUCKETS} buckets x {ROWS} hashes, 64 bit, no normalisation, tokens injected")


def survivors(
    folder: str, scratch: Path, config: MinhashConfig, tokens: SameTokens
) -> Iterator[int]:
    """Signatures, buckets, clusters, filter; the rows that are left."""
    tasks = len(list(Path(folder).glob("*.parquet")))
    signatures, buckets, remove = (str(scratch / name) for name in ("sigs", "buckets", "remove"))
    for rank in range(tasks):
        data = ParquetReader(folder, batch_size=1024).run(None, rank, tasks)
        MinhashDedupSignature(signatures, config, tokens).run(data, rank, tasks)
    for rank in range(config.num_buckets):
        MinhashDedupBuckets(signatures, buckets, config=config).run(None, rank, config.num_buckets)
    MinhashDedupCluster(buckets, remove, config=config).run(None, 0, 1)
    for rank in range(tasks):
        data = ParquetReader(folder, batch_size=1024).run(None, rank, tasks)
        for document in MinhashDedupFilter(remove).run(data, rank, tasks):
            yield int(document.id)


if __name__ == "__main__":
    main()
