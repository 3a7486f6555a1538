"""Labelled pairs: real functions and files, and copies whose edits are known.

No two bases are alike (exact Jaccard below `MAX_ALIKE`), so that a removal can only be due to the
pair's own edit. Two labels: by construction (every edited copy is a near duplicate, two bases are
not; a copy with lines rewritten has no such label), and by exact Jaccard at 0.7, which is what the
tools are asked for.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.claims import Claim, Outcome
from benchmarks.clean import edits
from benchmarks.clean.corpus import RealCode, open_corpus
from benchmarks.clean.setup import Setup
from benchmarks.clean.shards import File, write_raw
from benchmarks.clean.texts import MIN_JACCARD, texts, write_texts
from benchmarks.clean.tools import PEERS, Survivors, all_survivors
from benchmarks.clean.truth import Truth, join, shingles, truth_of
from corpus.errors import ManifestError
from corpus.shards import Shard

SEED = 20240601
PAIRS = 1000  # of each group
MAX_ALIKE = 0.3  # Jaccard of two bases
_LINES = range(12, 400)
_PER_FILE = 6  # definitions
_MAX_CHARS = 20_000
_WORD = re.compile(r"\b[a-z][a-z_]{3,14}\b")

Edit = Callable[[str, float, Sequence[str], random.Random], str | None]


@dataclass(frozen=True, slots=True)
class Group:
    """Pairs made alike. `near` is the label by construction, None if there is none."""

    kind: str
    degree: str
    edit: Edit | None  # None: two different bases
    share: float
    near: bool | None

    @property
    def name(self) -> str:
        """As a folder has it."""
        return f"{self.kind}-{self.degree}".replace(" ", "-")


GROUPS = (
    Group("renamed", "one name", edits.renamed, 0.0, True),
    Group("renamed", "a third", edits.renamed, 1 / 3, True),
    Group("renamed", "all", edits.renamed, 1.0, True),
    Group("constants", "one", edits.changed_constants, 0.0, True),
    Group("constants", "a third", edits.changed_constants, 1 / 3, True),
    Group("constants", "all", edits.changed_constants, 1.0, True),
    Group("reordered", "two", edits.reordered, 0.0, True),
    Group("reordered", "all", edits.reordered, 1.0, True),
    Group("header", "swapped", edits.other_header, 1.0, True),
    Group("rewritten", "3%", edits.rewritten, 0.03, None),
    Group("rewritten", "6%", edits.rewritten, 0.06, None),
    Group("rewritten", "12%", edits.rewritten, 0.12, None),
    Group("rewritten", "25%", edits.rewritten, 0.25, None),
    Group("unrelated", "bases", None, 0.0, False),
)


class Base(NamedTuple):
    """A function with its body, or a whole file."""

    text: str
    whole: bool


def labelled_pairs(setup: Setup) -> RealCode:
    """The pairs as raw shards: rows 2i and 2i + 1 are a pair; `path` names the group."""
    count = setup.scaled(PAIRS)
    folder = setup.kept(f"pairs-{count}") / "raw"
    try:
        return open_corpus(folder)
    except ManifestError:
        setup.say(f"making {count} labelled pairs of each of {len(GROUPS)} groups")
    bases = unalike(list(candidates(setup.code.shards, 6 * count * len(GROUPS))))
    write_raw(folder, make_pairs(bases, count), {"seed": SEED, "pairs": count})
    return open_corpus(folder)


def candidates(shards: Sequence[Shard], enough: int) -> Iterator[Base]:
    """Functions and files of a size that people write, a few of each file, in a seeded order."""
    rng = random.Random(SEED)
    order = list(shards)
    rng.shuffle(order)
    for number, shard in enumerate(order, 1):
        found = [base for text in texts(shard) for base in _bases(text, rng)]
        rng.shuffle(found)
        yield from found[: enough * number // len(order) - enough * (number - 1) // len(order)]


def _bases(text: str, rng: random.Random) -> Iterator[Base]:
    if not 400 < len(text) < 200_000:
        return
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    if len(text) < _MAX_CHARS and text.count("\n") in _LINES:
        yield Base(text, True)
    lines = text.split("\n")
    definitions = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in rng.sample(definitions, min(len(definitions), _PER_FILE)):
        end = node.end_lineno or node.lineno
        if end - node.lineno in _LINES:
            yield Base("\n".join(lines[node.lineno - 1 : end]) + "\n", False)


def unalike(found: Sequence[Base]) -> list[Base]:
    """As many of these as leave no two alike, the first of each group."""
    sets = [np.fromiter(shingles(base.text), np.int64) for base in found]
    near = join(sets, MAX_ALIKE)
    gone: set[int] = set()
    for first, second in sorted(zip(near.first.tolist(), near.second.tolist(), strict=True)):
        if first not in gone:
            gone.add(second)
    return [base for number, base in enumerate(found) if number not in gone and len(sets[number])]


def make_pairs(bases: Sequence[Base], count: int) -> Iterator[File]:
    """`count` pairs of each group, each of its own base; fewer where bases run out."""
    rng = random.Random(SEED + 1)
    words = sorted({word for base in bases for word in _WORD.findall(base.text)})
    files = [base.text for base in bases if base.whole]
    functions = [base.text for base in bases if not base.whole]
    # Whole files are scarce, and only they have an order of definitions.
    for group in sorted(GROUPS, key=lambda group: group.kind != "reordered"):
        made = 0
        while made < count:
            source = files if files and (group.kind == "reordered" or made % 3 == 0) else functions
            if not source or (group.edit is None and len(source) < 2):
                break
            base = source.pop()
            other = source.pop() if group.edit is None else _edited(group, base, words, rng)
            if other is not None and other != base:
                yield from _pair(group, made, base, other)
                made += 1


def _edited(group: Group, base: str, words: Sequence[str], rng: random.Random) -> str | None:
    assert group.edit is not None, "unrelated pairs have no edit"
    try:
        other = group.edit(base, group.share, words, rng)
        if group.near and other is not None:
            ast.parse(other)
    except (SyntaxError, ValueError):
        return None
    return other


def _pair(group: Group, number: int, base: str, other: str) -> Iterator[File]:
    if group.kind == "header":  # swapped: both have one
        base = edits.other_header(base, 1.0, ["first", "owner"], random.Random(number)) or base
    for side, text in (("a", base), ("b", other)):
        yield File(f"pairs/{group.name}", f"{number:05}{side}.py", text.encode())


def bench_pairs(setup: Setup) -> Outcome:
    """Precision and recall of every tool on the labelled pairs."""
    code = labelled_pairs(setup)
    cache = setup.kept(f"pairs-{setup.scaled(PAIRS)}")
    folder = write_texts(code.shards, cache / "texts")
    truth = truth_of(folder, cache / "jaccard.npz")
    groups = _groups_of(code.shards)
    tools = all_survivors(setup, code.shards, folder)
    scores = {tool.tool: score(tool.kept, truth, groups) for tool in tools}
    claims = list(_claims(tools, scores))
    details = {"input": code.as_dict(), "seed": SEED, "tools": scores}
    return Outcome(claims, {"labelled pairs": details}, _text(tools, scores))


def _groups_of(shards: Sequence[Shard]) -> list[Group]:
    """Each pair's group, in row order."""
    from corpus.shards import read_rows

    by_repo = {f"pairs/{group.name}": group for group in GROUPS}
    repos = [repo for s in shards for repo in read_rows(s, columns=["repo"])["repo"].to_pylist()]
    return [by_repo[repo] for repo in repos[::2]]


def score(kept: np.ndarray, truth: Truth, groups: Sequence[Group]) -> dict[str, Any]:
    """Counts and rates, of all pairs and by group.

    A pair is found if one of the two was removed; two removed from one pair is an error, and so
    is any removal from a pair that is not near.
    """
    pairs = kept.reshape(-1, 2)
    removed = 2 - pairs.sum(axis=1)
    near = np.zeros(len(pairs), bool)
    same = (truth.first % 2 == 0) & (truth.second == truth.first + 1)
    near[truth.first[same] // 2] = True
    labels = np.array([-1 if group.near is None else int(group.near) for group in groups])
    rates = {
        "exact": _rates(removed, near, np.ones(len(near), bool)),
        "construction": _rates(removed, labels == 1, labels >= 0),
    }
    names = np.array([f"{group.kind}, {group.degree}" for group in groups])
    table = [
        {"group": name, "pairs": int((names == name).sum()),
         "near": int(near[names == name].sum()), "found": int((removed[names == name] > 0).sum())}
        for name in dict.fromkeys(names.tolist())
    ]  # fmt: skip
    return {**rates, "groups": table}


def _rates(removed: np.ndarray, near: np.ndarray, counted: np.ndarray) -> dict[str, float]:
    found = int((counted & near & (removed > 0)).sum())
    wrong = int(removed[counted & ~near].sum() + (counted & near & (removed == 2)).sum())
    wanted = int((counted & near).sum())
    precision = found / (found + wrong) if found + wrong else 1.0
    recall = found / wanted if wanted else 1.0
    return {"pairs": int(counted.sum()), "near": wanted, "found": found, "wrong": wrong,
            "precision": round(precision, 4), "recall": round(recall, 4)}  # fmt: skip


def _claims(tools: Sequence[Survivors], scores: dict[str, Any]) -> Iterator[Claim]:
    mine = scores[tools[0].tool]
    for label, words in (("exact", f"Jaccard >= {MIN_JACCARD}"), ("construction", "any edit")):
        for rate in ("precision", "recall"):
            name = f"labelled pairs ({words}), {rate}"
            if len(tools) == 1:
                yield Claim(name, mine[label][rate], None, None, "higher")
            for one, tool in zip(PEERS, tools[1:], strict=False):
                # Recall of any edit is nobody's promise at 0.7: it is shown, not claimed.
                theirs = scores[tool.tool][label][rate]
                goal = None if (label, rate) == ("construction", "recall") else theirs
                peer = f"{tool.tool} ({theirs})"
                yield Claim(f"{name} beside {one.name}", mine[label][rate], goal, peer, "higher")


def _text(tools: Sequence[Survivors], scores: dict[str, Any]) -> list[str]:
    names = [tool.tool for tool in tools]
    lines = [f"{'':<22} {'pairs':>6} {'near':>6} " + " ".join(f"{name:>24}" for name in names)]
    for number, group in enumerate(scores[names[0]]["groups"]):
        found = [scores[name]["groups"][number]["found"] for name in names]
        lines.append(f"{group['group']:<22} {group['pairs']:>6} {group['near']:>6} "
                     + " ".join(f"{n:>24}" for n in found))  # fmt: skip
    for label in ("exact", "construction"):
        for rate in ("precision", "recall", "wrong"):
            values = " ".join(f"{scores[name][label][rate]:>24}" for name in names)
            lines.append(f"{label + ', ' + rate:<36} {values}")
    return lines
