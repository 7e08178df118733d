"""How alike two names are, and the index in memory that finds the few listed names worth comparing.

A listed name is found by words that sound alike (rapidfuzz over all words that occur, then the names they occur in), or
because the names as a whole look alike; those few are then compared word by word.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Final, Generic, TypeVar

from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from bitcurrent.compliance.screening.names import Name, Word, read_name

T = TypeVar("T")

WORD_CUTOFF: Final = 72
"""Words less alike than this (0 to 100, by sound) do not bring a listed name up."""
WHOLE_CUTOFF: Final = 82
FOUND_MAX: Final = 60
"""So many listed names are compared word by word."""
ALIKE_MIN: Final = 0.72
"""Two words less alike are two different words."""
SAME_CONSONANTS_MIN: Final = 0.6
"""Words of the same consonants are one word written twice when their vowels do not differ more than this."""
SHORTER_PART: Final = 0.84
"""How much the name with fewer words counts: middle names are left out more often than they differ."""
WITHOUT_FAMILY: Final = 0.82
"""Given names alone, without the family's, are many people's."""
ONE_WORD_MAX: Final = 62.0
"""One word in common is not enough, however rare."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A listed name that looks like the one asked for, 0 to 100."""

    item: T
    alias: str
    score: float


def compare_names(asked: Name, listed: Name) -> float:
    """How alike two names are, 0 to 100."""
    if not asked.words or not listed.words:
        return 0.0
    ours, theirs = _joined(asked, listed.words), _joined(listed, asked.words)
    pairs = _pairs(ours, theirs)
    mine = _covered(ours, [(pair[1], pair[0]) for pair in pairs])
    its = _covered(theirs, [(pair[2], pair[0]) for pair in pairs])
    shorter, longer = (mine, its) if _total(ours) <= _total(theirs) else (its, mine)
    score = 100 * (SHORTER_PART * shorter + (1 - SHORTER_PART) * longer)
    if len(pairs) < 2 and max(len(ours), len(theirs)) > 1:
        return min(score, ONE_WORD_MAX)
    if listed.family and not _has_family(listed.family, theirs, {pair[2] for pair in pairs}):
        return score * WITHOUT_FAMILY
    return score


def _has_family(family: frozenset[str], words: Sequence[Word], matched: set[int]) -> bool:
    """Whether one of the words that were found is the family's, alone or written together with its neighbour."""
    return any(words[index].written == one or one in words[index].written for index in matched for one in family)


def _total(words: Sequence[Word]) -> float:
    return sum(word.weight for word in words)


def _covered(words: Sequence[Word], matched: Iterable[tuple[int, float]]) -> float:
    return sum(words[index].weight * alike for index, alike in matched) / _total(words)


def _pairs(ours: Sequence[Word], theirs: Sequence[Word]) -> list[tuple[float, int, int]]:
    """Which word stands for which, the most alike first; each word once."""
    every = [
        (alike, i, j)
        for i, one in enumerate(ours)
        for j, other in enumerate(theirs)
        if (alike := compare_words(one, other)) >= ALIKE_MIN
    ]
    every.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    mine: set[int] = set()
    its: set[int] = set()
    pairs = []
    for alike, i, j in every:
        if i not in mine and j not in its:
            mine.add(i)
            its.add(j)
            pairs.append((alike, i, j))
    return pairs


def _joined(name: Name, others: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words, with neighbours written as one where the other name has them so."""
    made: list[Word] = []
    skip = False
    for word, both in zip_longest(name.words, name.neighbours):
        if skip:
            skip = False
        elif both is not None and _written_as_one(word, both, others):
            made.append(both)
            skip = True
        else:
            made.append(word)
    return tuple(made)


def _written_as_one(word: Word, both: Word, others: tuple[Word, ...]) -> bool:
    length = len(both.consonants)
    for other in others:
        if abs(len(other.consonants) - length) <= 1 and compare_words(both, other) >= 0.86:
            return compare_words(both, other) > compare_words(word, other)
    return False


@lru_cache(maxsize=100_000)
def compare_words(one: Word, other: Word) -> float:
    """How alike two words are, 0 to 1."""
    if one.text == other.text:
        return 1.0
    if one.vowelless != other.vowelless:
        return _without_vowels(one, other)
    if one.known and other.known:
        return 0.3
    if len(one.text) == 1 or len(other.text) == 1:
        return 0.8 if one.text[0] == other.text[0] else 0.0
    if one.sound == other.sound:
        return 0.97
    plain = OSA.normalized_similarity(one.text, other.text)
    heard = OSA.normalized_similarity(one.sound, other.sound)
    alike = max(plain, heard * 0.98)
    if one.consonants == other.consonants and len(one.consonants) >= 3 and one.sound[0] == other.sound[0]:
        alike = max(alike, 0.85) if heard >= SAME_CONSONANTS_MIN else alike
    return alike


def _without_vowels(one: Word, other: Word) -> float:
    if one.consonants == other.consonants:
        return 0.95 if len(one.consonants) >= 3 else 0.88
    alike = OSA.normalized_similarity(one.consonants, other.consonants)
    return alike * 0.95 if min(len(one.consonants), len(other.consonants)) >= 4 else alike * 0.8


class NameIndex(Generic[T]):
    """Listed names in memory. Built once for each version of the lists; reading it changes nothing."""

    def __init__(self, aliases: Iterable[tuple[T, str, bool]]) -> None:
        """`aliases` are items with a name of theirs and whether it is a company's."""
        self._items: list[T] = []
        self._texts: list[str] = []
        self._names: list[Name] = []
        by_sound: defaultdict[str, list[int]] = defaultdict(list)
        by_joined: defaultdict[str, list[int]] = defaultdict(list)
        by_consonants: defaultdict[str, list[int]] = defaultdict(list)
        for item, text, company in aliases:
            name = read_name(text, company=company)
            if not name.words:
                continue
            number = len(self._names)
            self._items.append(item)
            self._texts.append(text)
            self._names.append(name)
            for sound in {word.sound for word in name.words}:
                by_sound[sound].append(number)
            for sound in {both.sound for both in name.neighbours}:
                by_joined[sound].append(number)
            for consonants in {word.consonants for word in name.words}:
                by_consonants[consonants].append(number)
        self._by_sound, self._by_joined, self._by_consonants = dict(by_sound), dict(by_joined), dict(by_consonants)
        self._sounds = list(by_sound)
        self._wholes = [name.whole for name in self._names]
        self._weights = [_total(name.words) for name in self._names]

    def __len__(self) -> int:
        return len(self._names)

    def find(self, text: str, *, cutoff: float, company: bool = False) -> list[Found[T]]:
        """Listed names at least so alike (0 to 100), the most alike first."""
        asked = read_name(text, company=company)
        if not asked.words:
            return []
        found = []
        for number in self._worth_comparing(asked):
            score = compare_names(asked, self._names[number])
            if score >= cutoff:
                found.append(Found(self._items[number], self._texts[number], round(score, 1)))
        found.sort(key=lambda one: -one.score)
        return found

    def _worth_comparing(self, asked: Name) -> list[int]:
        """The names with the most in common, by words and as a whole."""
        points: defaultdict[int, float] = defaultdict(float)
        for word in asked.words:
            best: dict[int, float] = {}
            for sound, alike in self._alike(word).items():
                for number in self._by_sound[sound]:
                    if alike > best.get(number, 0.0):
                        best[number] = alike
            for number in self._by_joined.get(word.sound, ()):
                best[number] = 1.0
            if word.vowelless or not self._by_sound.get(word.sound):
                for number in self._by_consonants.get(word.consonants, ()):
                    best[number] = max(best.get(number, 0.0), 0.85)
            for number, alike in best.items():
                points[number] += word.weight * alike
        for both in asked.neighbours:
            for number in self._by_sound.get(both.sound, ()):
                points[number] += both.weight
        weight = _total(asked.words)
        ranked = {number: total / min(weight, self._weights[number]) for number, total in points.items()}
        wholes = process.extract(
            asked.whole, self._wholes, scorer=fuzz.ratio, score_cutoff=WHOLE_CUTOFF, limit=FOUND_MAX
        )
        for _, alike, number in wholes:
            ranked[number] = max(ranked.get(number, 0.0), alike / 100)
        return sorted(ranked, key=lambda number: (-ranked[number], number))[:FOUND_MAX]

    def _alike(self, word: Word) -> dict[str, float]:
        """Words of listed names that sound like this one, with how much."""
        found = process.extract(word.sound, self._sounds, scorer=fuzz.ratio, score_cutoff=WORD_CUTOFF, limit=400)
        return {sound: alike / 100 for sound, alike, _ in found}
