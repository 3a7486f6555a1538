"""What runs of words a text shares with problems.

The words of all problems stand in one stream. Each n-gram of it that says something is listed by
its hash; a text's n-grams are looked up there, and a match is compared word by word and followed
to both sides. So a run is exact, and a text that shares none costs no more than being hashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clean.compiled.contamination import gram_hashes, longest_run
from clean.signals.contamination_problems import ProblemFile, Section, read_sections
from clean.signals.contamination_recipe import MIN_TOKENS
from clean.signals.contamination_words import Flags, Hashes, Offsets, telling, words_of
from clean.signals.document import Bytes, utf8
from corpus.errors import ProblemsError

Places = npt.NDArray[np.int64]

_MAX_PLACES = 256  # of one n-gram: what stands in more problems is none's own
_SEEN_BITS = 16  # a key: one of 16 strange n-grams is looked up in vain


@dataclass(frozen=True, slots=True)
class ProblemSets:
    """Which problems are looked for, and in what units: small, and the same in every process."""

    files: tuple[ProblemFile, ...]
    parts: tuple[str, ...]
    ngram_tokens: int
    distinct_words: int


@dataclass(frozen=True, slots=True)
class Match:
    """The longest run that a text shares with a problem."""

    tokens: int
    problem: str
    part: str  # the one that most of the run stands in
    start: int  # bytes of the text
    stop: int


@lru_cache(maxsize=2)
def problem_index(sets: ProblemSets) -> ProblemIndex:
    """The index of problem sets, made once a process.

    Raises ProblemsError if a file is not what it was, or holds nothing that can be looked for.
    """
    sections = []
    for file in sets.files:
        chosen = read_sections(file, sets.parts)
        if not ProblemIndex(chosen, sets.ngram_tokens, sets.distinct_words).grams:
            problem = f"holds no {' or '.join(sets.parts)} long enough to be looked for"
            raise ProblemsError(file.path, problem)
        sections += chosen
    return ProblemIndex(sections, sets.ngram_tokens, sets.distinct_words)


class ProblemIndex:
    """The words of problems, ready to be looked for."""

    def __init__(self, sections: Sequence[Section], ngram_tokens: int, distinct_words: int) -> None:
        """Texts of fewer than `ngram_tokens` words, but at least 3, must match as a whole."""
        texts = [_read(section) for section in sections]
        short = [text for text in texts if MIN_TOKENS <= len(text.words) < ngram_tokens]
        alone = [text._replace(follows=False) for text in short]
        self._runs = _Stream(texts, ngram_tokens, distinct_words)
        self._wholes = _Stream(alone, MIN_TOKENS, distinct_words, whole=True)

    @property
    def grams(self) -> int:
        """How many n-grams and short texts are looked for."""
        return self._runs.grams + self._wholes.grams

    def find(self, data: Bytes) -> Match | None:
        """The longest run that a text in UTF-8 shares with a problem; the first of equals."""
        words = words_of(data)
        for stream in (self._runs, self._wholes):
            if not stream.grams:
                continue
            tokens, start, place = stream.longest(words.hashes)
            if tokens:
                owner = stream.owner(place, place + tokens)
                stop = int(words.stops[start + tokens - 1])
                return Match(tokens, owner.problem, owner.part, int(words.starts[start]), stop)
        return None


class _Text(NamedTuple):
    """A section's words."""

    section: Section
    words: Hashes
    telling: Flags
    follows: bool  # it goes on where the text before it ends


def _read(section: Section) -> _Text:
    data = utf8(section.text)
    words = words_of(data)
    return _Text(section, words.hashes, telling(data, words), section.follows)


class _Stream:
    """Texts end to end, with a 0 between two that don't belong together, and their n-grams."""

    def __init__(
        self, texts: Sequence[_Text], size: int, distinct_words: int, *, whole: bool = False
    ) -> None:
        self._size, self._whole = size, whole
        self._sections = [text.section for text in texts]
        self._words, says, self._starts = _joined(texts)
        if whole:
            says_enough = [_distinct(text) >= distinct_words for text in texts]
            places = self._starts[np.array(says_enough, np.bool_)]
        else:
            places = _telling_grams(self._words, says, size, distinct_words)
        self._keys, self._places = _listed(self._words, places, size)
        self._seeds = np.zeros(len(self._words), np.bool_)
        self._seeds[self._places] = True
        self._seen = _bit_field(self._keys)

    @property
    def grams(self) -> int:
        """How many places are listed."""
        return len(self._keys)

    def longest(self, words: Hashes) -> tuple[int, int, int]:
        """The longest run: how many words, and where it starts in `words` and in the stream."""
        out = np.empty(3, np.int64)
        longest_run(
            words, self._size, self._whole, self._seen, self._keys, self._places, self._words,
            self._seeds, out,
        )  # fmt: skip
        tokens, start, place = out.tolist()
        return tokens, start, place

    def owner(self, start: int, stop: int) -> Section:
        """The section that most of stream[start:stop] stands in; the first of equals."""
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        last = int(np.searchsorted(self._starts, stop, side="left"))
        ends = [*self._starts[first + 1 : last].tolist(), stop]
        shares = np.diff([start, *ends])
        return self._sections[first + int(np.argmax(shares))]


def _joined(texts: Sequence[_Text]) -> tuple[Hashes, Flags, Places]:
    """The stream of the texts' words, which of them tell, and where each text starts."""
    words: list[Hashes] = []
    says: list[Flags] = []
    starts = []
    size = 0
    for text in texts:
        if size and not text.follows:
            words.append(np.zeros(1, np.uint64))
            says.append(np.zeros(1, np.bool_))
            size += 1
        starts.append(size)
        words.append(text.words)
        says.append(text.telling)
        size += len(text.words)
    if not texts:
        return np.empty(0, np.uint64), np.empty(0, np.bool_), np.empty(0, np.int64)
    return np.concatenate(words), np.concatenate(says), np.array(starts, np.int64)


def _distinct(text: _Text) -> int:
    """How many different words tell what a text is about."""
    return len(np.unique(text.words[text.telling]))


def _telling_grams(words: Hashes, says: Flags, size: int, distinct_words: int) -> Places:
    """Where n-grams start that lie in one text and hold so many different telling words."""
    count = max(len(words) - size + 1, 0)
    found = np.zeros(count, np.int8)
    in_one_text = np.ones(count, np.bool_)
    for offset in range(size):
        word = words[offset : offset + count]
        new = says[offset : offset + count].copy()
        for earlier in range(offset):
            new &= word != words[earlier : earlier + count]
        found += new
        in_one_text &= word != 0
    return np.flatnonzero(in_one_text & (found >= distinct_words))


def _listed(words: Hashes, places: Places, size: int) -> tuple[Hashes, Offsets]:
    """The hashes of the n-grams at `places`, ascending, and these places in the same order."""
    grams = np.empty(max(len(words) - size + 1, 0), np.uint64)
    gram_hashes(words, size, grams)
    keys = grams[places]
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    few = np.arange(len(keys)) - first[inverse] < _MAX_PLACES
    return keys[few], places[few].astype(np.uint32)


def _bit_field(keys: Hashes) -> Bytes:
    """One bit for the low bits of each key: what is not set there is no key."""
    size = 1 << min(max(_SEEN_BITS * len(keys), 1 << 12).bit_length(), 27)
    bits = np.zeros(size, np.bool_)
    bits[keys & np.uint64(size - 1)] = True
    return np.packbits(bits, bitorder="little")
