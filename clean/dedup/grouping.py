"""Find the contents that share a band with another, and what hangs together: the candidates.

One grouping a band, in a database that spills: no step's memory grows with the corpus but the
union-find's, at 4 bytes a candidate. The edges of a bucket form a star around its smallest
digest, so that they follow from the contents alone: from no rule, no shard and no order of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from clean.dedup.near import components
from clean.dedup.scratch import Scratch, quoted
from corpus.events import Progress, Report

_BATCH_ROWS = 1 << 16


def find_candidates(scratch: Scratch, sidecars: Sequence[Path], bands: int, report: Report) -> int:
    """Make the tables `candidates` and `stars` from band sidecars; how many candidates.

    `candidates` has candidate (numbered by content), content and component (its smallest
    candidate); `stars` has hub and member, both candidates, and the number of bands they share.
    The view `keys` has the sidecars' columns, with shard (its place in `sidecars`) and row.
    """
    files = ", ".join(map(quoted, sidecars))
    scratch.run(
        "CREATE VIEW keys AS SELECT *, file_index::INTEGER AS shard, file_row_number AS row "
        f"FROM read_parquet([{files}]) WHERE content IS NOT NULL"
    )
    scratch.run("CREATE TABLE edges (hub UUID, member UUID)")
    for band in range(bands):
        scratch.run(_STARS.format(band=band))
        report(Progress("near: group bands", band + 1, bands, "bands"))
    scratch.run(
        "CREATE TABLE numbered AS SELECT row_number() OVER (ORDER BY content) - 1 AS candidate, "
        "content FROM (SELECT hub AS content FROM edges UNION SELECT member FROM edges)"
    )
    scratch.run(
        "CREATE TABLE stars AS SELECT h.candidate AS hub, m.candidate AS member, bands "
        "FROM (SELECT hub, member, count(*)::SMALLINT AS bands FROM edges GROUP BY ALL) e "
        "JOIN numbered h ON h.content = e.hub JOIN numbered m ON m.content = e.member"
    )
    scratch.run("DROP TABLE edges")
    return _connect(scratch)


# A bucket whose contents are all the same has no edge.
_STARS = """
    INSERT INTO edges WITH band AS (SELECT content, band{band} AS key FROM keys),
        buckets AS (SELECT key, min(content) AS hub FROM band GROUP BY key
            HAVING min(content) <> max(content))
    SELECT DISTINCT hub, content FROM band JOIN buckets USING (key) WHERE content <> hub
"""


def _connect(scratch: Scratch) -> int:
    """Make `candidates` from `numbered` and `stars`; how many there are."""
    count = int(scratch.table("SELECT count(*) AS n FROM numbered").column(0)[0].as_py())
    edges = (
        (batch.column("hub").to_numpy(), batch.column("member").to_numpy())
        for batch in scratch.batches("SELECT hub, member FROM stars", _BATCH_ROWS)
    )
    labels = components(count, edges)
    scratch.run("CREATE TABLE labels (candidate BIGINT, component BIGINT)")
    for start in range(0, count, _BATCH_ROWS):
        part = labels[start : start + _BATCH_ROWS]
        numbers = np.arange(start, start + len(part))
        scratch.append("labels", pa.table({"candidate": numbers, "component": part}))
    scratch.run(
        "CREATE TABLE candidates AS SELECT candidate, content, component "
        "FROM numbered JOIN labels USING (candidate)"
    )
    scratch.run("DROP TABLE numbered")
    scratch.run("DROP TABLE labels")
    return count
