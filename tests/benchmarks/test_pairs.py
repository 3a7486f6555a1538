import numpy as np

from benchmarks.clean.pairs import GROUPS, Base, make_pairs, score, unalike
from benchmarks.clean.texts import MIN_JACCARD
from benchmarks.clean.truth import Truth

_NEAR = next(group for group in GROUPS if group.near)
_FAR = next(group for group in GROUPS if group.near is False)
_OPEN = next(group for group in GROUPS if group.near is None)


def _truth(pairs: list[int], documents: int) -> Truth:
    first = np.array([2 * pair for pair in pairs], np.int64)
    return Truth(np.full(documents, 50), first, first + 1, np.full(len(pairs), MIN_JACCARD))


def test_found_missed_and_wrong_are_told_apart() -> None:
    groups = [_NEAR, _NEAR, _FAR, _OPEN]
    truth = _truth([0, 1], 8)
    kept = np.array([True, False, True, True, True, True, True, True])
    exact = score(kept, truth, groups)["exact"]
    assert (exact["near"], exact["found"], exact["wrong"]) == (2, 1, 0)
    assert (exact["precision"], exact["recall"]) == (1.0, 0.5)


def test_removing_both_or_the_unrelated_is_wrong() -> None:
    groups = [_NEAR, _FAR]
    kept = np.array([False, False, True, False])
    for label in ("exact", "construction"):
        scored = score(kept, _truth([0], 4), groups)[label]
        assert scored["wrong"] == 2
        assert scored["precision"] == round(1 / 3, 4)


def test_a_group_without_a_label_counts_by_jaccard_alone() -> None:
    kept = np.array([True, False])
    scored = score(kept, _truth([0], 2), [_OPEN])
    assert scored["exact"]["pairs"] == 1
    assert scored["construction"]["pairs"] == 0


def test_alike_bases_are_left_out() -> None:
    text = "\n".join(f"value_{n} = compute({n}, {n * 3})" for n in range(40))
    other = "\n".join(f"thing_{n} = make[{n}] + {n * 7}" for n in range(40))
    copy = text.replace("value_0 ", "changed ")
    bases = [Base(text, True), Base(copy, True), Base(other, False), Base("", False)]
    assert unalike(bases) == [bases[0], bases[2]]


def test_pairs_lie_side_by_side_and_are_the_same_every_time(code) -> None:  # type: ignore[no-untyped-def]
    bases = [Base(code(number), number % 2 == 0) for number in range(150)]
    words = "# alpha bravo charlie delta echoes foxtrot hotel india juliet kilo lima mike november"
    bases.append(Base(f"{code(150)}{words}\n", True))
    files = list(make_pairs(bases, 3))
    assert files == list(make_pairs(bases, 3))
    assert len(files) == 2 * 3 * len(GROUPS)
    for one, other in zip(files[::2], files[1::2], strict=True):
        assert one.repo == other.repo
        assert one.path.replace("a.py", "") == other.path.replace("b.py", "")
        assert one.content != other.content
