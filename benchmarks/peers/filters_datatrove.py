"""datatrove's local executor with our rules as its filters: reader, two filters, writer."""

from __future__ import annotations

import ast
import sys
import warnings

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from documents import load


class LineLengths:
    """Longest and mean line, in characters without line ends."""

    def __init__(self, max_mean: int, max_longest: int) -> None:
        self.max_mean, self.max_longest = max_mean, max_longest

    def __call__(self, document: Document) -> bool:
        """Whether the document stays."""
        lengths = [len(line) for line in document.text.removesuffix("\n").split("\n")]
        mean = sum(lengths) / len(lengths)
        return mean <= self.max_mean and max(lengths) <= self.max_longest


def parses(document: Document) -> bool:
    """Whether `ast` accepts the document."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(document.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def main() -> None:
    """Run the job given on the command line."""
    job = load(sys.argv[1])
    executor = LocalPipelineExecutor(
        pipeline=[
            ParquetReader(job["texts"], batch_size=1024),
            LambdaFilter(LineLengths(job["max_mean"], job["max_longest"])),
            LambdaFilter(parses),
            ParquetWriter(job["out"], compression="zstd"),
        ],
        tasks=job["tasks"],
        workers=job["workers"],
        logging_dir=job["logs"],
    )
    executor.run()


if __name__ == "__main__":
    main()
