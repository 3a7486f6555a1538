"""datasketch's MinHashLSH loop, as documented: sketch, ask, insert if nobody answers."""

from __future__ import annotations

import re
import sys

from datasketch import MinHash, MinHashLSH
from documents import finish, load, shingles, texts


def main() -> None:
    """Run the job given on the command line."""
    job = load(sys.argv[1])
    token = re.compile(job["token"])
    arguments = {"num_perm": job["permutations"]}
    if job["tuned"]:
        import xxhash

        arguments["hashfunc"] = xxhash.xxh32_intdigest
    lsh = MinHashLSH(threshold=job["min_jaccard"], num_perm=job["permutations"])
    first = MinHash(**arguments)
    kept = []
    for row, text in enumerate(texts(job["texts"])):
        found = shingles(text, token, job["shingle_tokens"])
        # Tuned: the permutations are made once and copied.
        sketch = first.copy() if job["tuned"] else MinHash(**arguments)
        sketch.update_batch([shingle.encode() for shingle in found])
        stays = not found or not lsh.query(sketch)
        if stays and found:
            lsh.insert(row, sketch)
        kept.append(stays)
    finish(kept, f"{lsh.b} bands x {lsh.r} rows, {'xxhash32' if job['tuned'] else 'SHA-1'}")


if __name__ == "__main__":
    main()
