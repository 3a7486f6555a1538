from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.signals.contamination_index import Match, ProblemIndex
from clean.signals.contamination_problems import Section
from clean.signals.document import utf8

PROMPT = "def running_maximum(numbers):\n    '''The greatest number seen so far, for each.'''\n"
SOLUTION = "    best = None\n    for number in numbers:\n        best = max(best, number)\n"
TEST = "assert running_maximum([3, 1, 4]) == [3, 3, 4]\nassert not running_maximum([])\n"


def program(problem: str, *texts: str) -> list[Section]:
    parts = ("prompt", "solution", "test")
    pairs = zip(parts, texts, strict=False)
    return [Section(problem, part, text, part != "prompt") for part, text in pairs]


def found(sections: list[Section], text: str, n: int = 5, distinct: int = 2) -> Match | None:
    match = ProblemIndex(sections, n, distinct).find(utf8(text))
    assert match is None or 0 <= match.start < match.stop <= len(utf8(text))
    return match


def shared(text: str, match: Match | None) -> str:
    assert match is not None
    return utf8(text)[match.start : match.stop].tobytes().decode()


def test_a_run_is_followed_to_both_ends() -> None:
    sections = program("set/1", PROMPT, SOLUTION, TEST)
    text = f"import this\n\n{PROMPT}{SOLUTION}    return 12\n"
    match = found(sections, text)
    assert match is not None
    assert (match.tokens, match.problem, match.part) == (21, "set/1", "prompt")
    assert shared(text, match).startswith("def running")
    assert shared(text, match).endswith("best, number")


@pytest.mark.parametrize(
    ("text", "part", "tokens"),
    [
        ("so far, for each. Best = none; for number in", "solution", 9),
        ("number seen so far for each best", "prompt", 7),
        ("best max best number assert running_maximum 3 1 4", "test", 9),
        ("max(best, number) assert running_maximum", "solution", 5),
    ],
)
def test_the_part_is_where_most_of_the_run_stands(text: str, part: str, tokens: int) -> None:
    match = found(program("set/1", PROMPT, SOLUTION, TEST), text)
    assert match is not None
    assert (match.part, match.tokens) == (part, tokens)


def test_no_run_goes_from_one_problem_into_the_next() -> None:
    sections = [*program("1", "alpha beta gamma"), *program("2", "delta epsilon zeta eta")]
    text = "alpha beta gamma delta epsilon zeta"
    assert found(sections, text, n=4) == Match(3, "1", "prompt", 0, 16)  # as a whole
    assert found(sections, text.replace("alpha", "x"), n=4) is None
    joined = program("1", "alpha beta gamma", "delta epsilon zeta eta")
    match = found(joined, text, n=4)
    assert match is not None
    assert match.tokens == 6


def test_the_longest_run_wins_and_the_first_of_equals() -> None:
    sections = [
        *program("1", "one two three four five six seven"),
        *program("2", "three four five six seven eight nine ten"),
        *program("3", "zero three four five six seven eight nine ten"),
    ]
    match = found(sections, "two three four five six seven eight nine ten eleven")
    assert match is not None
    assert (match.problem, match.tokens) == ("2", 8)


def test_shorter_runs_and_unrelated_texts_are_nothing() -> None:
    sections = program("set/1", PROMPT, SOLUTION, TEST)
    assert found(sections, "greatest number seen so far", n=5) is not None
    assert found(sections, "greatest number seen so", n=5) is None
    assert found(sections, "def other(lines):\n    return [line for line in lines]\n") is None
    assert found(sections, "") is None
    assert found([], PROMPT) is None


def test_runs_that_say_nothing_do_not_count() -> None:
    boilerplate = "for i in range(n): for j in range(i + 1, n): if i % j == 0: return False"
    sections = program("set/1", boilerplate + " smallest divisor candidate")
    assert found(sections, boilerplate, n=8, distinct=2) is None
    assert found(sections, boilerplate, n=8, distinct=1) is not None
    # What says something carries what stands beside it.
    match = found(sections, boilerplate + " smallest divisor", n=8, distinct=2)
    assert match is not None
    assert match.tokens == 20
    numbers = program("set/2", " ".join(map(str, range(100))))
    assert found(numbers, " ".join(map(str, range(100))), n=8, distinct=1) is None
    assert found(numbers, " ".join(map(str, range(100))), n=8, distinct=0) is not None


def test_short_texts_match_as_a_whole() -> None:
    sections = program("set/1", PROMPT, "return sorted(set(values))")
    sections[1] = Section("set/1", "solution", "return sorted(set(values))")
    for text in ("x = 1; return sorted(set(values)) + y", "Return Sorted set values"):
        match = found(sections, text, n=9)
        assert match is not None
        assert (match.tokens, match.part) == (4, "solution")
    for part in ("return sorted(set(value))", "return sorted(set", "sorted(set(values))"):
        assert found(sections, part, n=9) is None
    assert found(sections, "return sorted(set(values))", n=9, distinct=4) is None
    two_words = [Section("set/2", "solution", "merge intervals")]
    assert found(two_words, "merge intervals", n=9, distinct=0) is None
    assert ProblemIndex(two_words, 9, 0).grams == 0


def test_a_whole_text_is_found_wherever_it_stands_and_the_longest_first() -> None:
    sections = [Section("1", "prompt", "merge all"), Section("2", "prompt", "merge sorted lists")]
    sections += [Section("3", "prompt", "merge sorted lists again")]
    match = found(sections, "merge sorted lists; merge sorted lists again", n=9)
    assert match is not None
    assert (match.problem, match.tokens) == ("3", 4)
    match = found(sections, "then merge sorted lists", n=9)
    assert match is not None
    assert (match.problem, match.start) == ("2", 5)


def test_boilerplate_of_many_problems_is_found_and_its_own_words_decide() -> None:
    frame = "metadata author team dataset test check candidate assert candidate"
    sections = [s for k in range(400) for s in program(f"set/{k}", f"{frame} unique{k} again{k}")]
    match = found(sections, f"{frame} unique399 again399 once more", n=5)
    assert match is not None
    assert (match.problem, match.tokens) == ("set/399", 11)
    match = found(sections, f"before {frame} after", n=5)
    assert match is not None
    assert (match.problem, match.tokens) == ("set/0", 9)


words = st.lists(st.sampled_from(["aa", "bb", "cc"]), max_size=30).map(" ".join)


def longest(ours: list[str], theirs: list[str], n: int) -> int:
    """The same by trying everything."""
    if len(theirs) < n:
        whole = len(theirs) >= 3 and f" {' '.join(theirs)} " in f" {' '.join(ours)} "
        return len(theirs) if whole else 0
    best = 0
    for i, k in product(range(len(ours)), range(len(theirs))):
        length = 0
        while ours[i + length : i + length + 1] == theirs[k + length : k + length + 1] != []:
            length += 1
        best = max(best, length)
    return best if best >= n else 0


@given(st.lists(words, min_size=1, max_size=3), words, st.integers(3, 6))
def test_the_run_is_the_longest_there_is(problems: list[str], text: str, n: int) -> None:
    sections = [Section(str(k), "prompt", problem) for k, problem in enumerate(problems)]
    match = found(sections, text, n, distinct=0)
    expected = max(longest(text.split(), problem.split(), n) for problem in problems)
    assert (match.tokens if match else 0) == expected
    if match:
        run = shared(text, match)
        assert len(run.split()) == match.tokens
        assert f" {run} " in f" {problems[int(match.problem)]} "


@given(st.text(), st.text(), st.integers(3, 6), st.integers(0, 3))
def test_any_text_can_be_searched(problem: str, text: str, n: int, distinct: int) -> None:
    sections = [Section("1", "prompt", problem), Section("2", "test", text)]
    assert found(sections, text, n, distinct) == found(sections, text, n, distinct)
