"""rensa's RMinHash and RMinHashLSH, with its own check of the Jaccard estimate."""

from __future__ import annotations

import re
import sys

from documents import finish, load, shingles, texts
from rensa import RMinHash, RMinHashLSH

BANDS = 32  # must divide the permutations; 32 x 8 is the nearest to 25 x 10 that does


def main() -> None:
    """Run the job given on the command line."""
    job = load(sys.argv[1])
    token = re.compile(job["token"])
    permutations, threshold = job["permutations"], job["min_jaccard"]
    lsh = RMinHashLSH(threshold=threshold, num_perm=permutations, num_bands=BANDS)
    sketches: dict[int, RMinHash] = {}
    kept = []
    for row, text in enumerate(texts(job["texts"])):
        found = shingles(text, token, job["shingle_tokens"])
        sketch = RMinHash(num_perm=permutations, seed=42)
        sketch.update(list(found))
        near = lsh.query(sketch) if found else []
        stays = not any(sketches[other].jaccard(sketch) >= threshold for other in near)
        if stays and found:
            lsh.insert(row, sketch)
            sketches[row] = sketch
        kept.append(stays)
    finish(kept, f"{BANDS} bands x {permutations // BANDS} rows, its estimate >= {threshold}")


if __name__ == "__main__":
    main()
