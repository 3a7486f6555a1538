"""How good a list of survivors is: removals without cause, and duplicates that stayed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.clean.truth import Truth

MIN_SHINGLES = 10  # documents below are not judged: a token more or less decides


@dataclass(frozen=True, slots=True)
class Quality:
    """Counts of documents."""

    removed: int
    no_partner: int  # removed, though nothing in the corpus is near
    no_kept_partner: int  # removed, though nothing that stayed is near: lost for good
    missed: int  # stayed, though one that stayed before it is near

    @property
    def precision(self) -> float:
        """Share of the removals that leave something truly near behind."""
        return 1 - self.no_kept_partner / self.removed if self.removed else 1.0

    @property
    def recall(self) -> float:
        """Share found of the duplicates that were to be found."""
        found = self.removed - self.no_kept_partner
        return found / (found + self.missed) if found + self.missed else 1.0

    def as_dict(self) -> dict[str, float]:
        """For the JSON."""
        rates = {"precision": round(self.precision, 4), "recall": round(self.recall, 4)}
        return {**asdict(self), **rates}


def judge(kept: np.ndarray, truth: Truth) -> Quality:
    """Judge the survivors `kept`, (documents,) bool."""
    partners = _partners(truth)
    judged = truth.sizes >= MIN_SHINGLES
    removed = np.flatnonzero(~kept & judged).tolist()
    no_partner = sum(not partners.get(x) for x in removed)
    no_kept = sum(not any(kept[y] for y in partners.get(x, ())) for x in removed)
    return Quality(len(removed), no_partner, no_kept, _missed(kept & judged, partners))


def _partners(truth: Truth) -> dict[int, list[int]]:
    partners: dict[int, list[int]] = {}
    for x, y in zip(truth.first.tolist(), truth.second.tolist(), strict=True):
        partners.setdefault(x, []).append(y)
        partners.setdefault(y, []).append(x)
    return partners


def _missed(kept: np.ndarray, partners: dict[int, list[int]]) -> int:
    """How many a sweep over the survivors would still remove, the first of each group staying."""
    gone: set[int] = set()
    for x in np.flatnonzero(kept).tolist():
        if any(y < x and kept[y] and y not in gone for y in partners.get(x, ())):
            gone.add(x)
    return len(gone)


def keep_first(truth: Truth, documents: Iterable[int] | None = None) -> np.ndarray:
    """The survivors of an exact keep-first sweep: what the join itself would leave."""
    partners = _partners(truth)
    kept = np.ones(len(truth.sizes), bool)
    for x in documents if documents is not None else range(len(kept)):
        kept[x] = not any(y < x and kept[y] for y in partners.get(x, ()))
    return kept
