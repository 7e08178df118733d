"""Names as they are compared: in Latin letters, without titles and particles, each word by what stands for it.

Pure functions. A name's words are compared as sets: their order, and what stands between them, does not count.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final

from anyascii import anyascii

from bitcurrent.compliance.screening.spellings import CANONICAL, COMMON, COMPANY_WORDS, PARTICLES, TITLES

NAME_LENGTH_MAX: Final = 300
WORDS_MAX: Final = 12
"""More are left out: no name has so many, and each one costs time."""

_CHINESE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_VOWELLESS = re.compile(r"[\u0590-\u07ff\ufb1d-\ufdff\ufe70-\ufeff]")
_SYLLABLES = re.compile(r"(?<=[a-z])(?=[A-Z])")
_APOSTROPHES = re.compile(r"['`’‘ʼʻ´\u02be\u02bf]")
_NOT_LETTERS = re.compile(r"[^a-z0-9]+")
_DOUBLED = re.compile(r"(.)\1+")
_VOWELS = re.compile(r"[aeiou]")
_HALF_VOWELS = re.compile(r"[wy]")
_SOFT_J = re.compile(r"(?<=[b-df-hj-np-tv-z])j(?=[aeou])")
_GLUED = re.compile(r"^(?:vanden|vander)(?=[a-z]{4})")

# One sound written in several ways, the longest first; both sides of a comparison go through it.
_SOUNDS: Final = (
    ("shch", "sh"), ("sch", "sh"), ("tch", "ch"), ("dzh", "j"), ("tsch", "ch"), ("kh", "h"), ("gh", "g"), ("ph", "f"),
    ("dj", "j"), ("zh", "j"), ("dh", "d"), ("th", "t"), ("tz", "ts"), ("ck", "k"), ("cz", "ch"), ("x", "ks"),
    ("q", "k"), ("ou", "u"), ("oo", "u"), ("ee", "i"), ("ue", "u"), ("oe", "o"), ("ae", "e"), ("ie", "e"), ("iy", "i"),
    ("yi", "i"), ("ij", "i"), ("ii", "i"), ("ey", "ei"), ("ay", "ai"), ("ya", "ia"), ("yu", "iu"),
    ("ye", "e"), ("yo", "o"), ("w", "v"), ("y", "i"), ("z", "s"), ("c", "k"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a name: as written, as it stands for its spellings, by its sound, and by its consonants."""

    written: str
    text: str
    sound: str
    consonants: str
    known: bool
    """Whether it is in the table of spellings: two known words that stand for different names are not the same."""
    weight: float
    vowelless: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A name ready to be compared."""

    words: tuple[Word, ...]
    family: frozenset[str]
    """Those of the words that stand before a comma: the family's name, where somebody says which one it is."""
    neighbours: tuple[Word, ...]
    """Each word and the next one, written as one."""

    @property
    def whole(self) -> str:
        """All words' sounds in order, without spaces."""
        return "".join(word.sound for word in self.words)


def read_name(text: str, *, company: bool = False) -> Name:
    """A name in any script; empty when it holds no letters."""
    text = unicodedata.normalize("NFKC", text[:NAME_LENGTH_MAX])
    vowelless = bool(_VOWELLESS.search(text))
    if _CHINESE.search(text):
        latin = _SYLLABLES.sub(" ", anyascii(text))
    else:
        latin = anyascii(unicodedata.normalize("NFKD", text))
    before, comma, _ = latin.partition(",")
    left_out = COMPANY_WORDS if company else PARTICLES | TITLES
    words = _words(latin, left_out, vowelless=vowelless)
    family = _words(before, left_out, vowelless=vowelless) if comma and not company else ()
    neighbours = (_join(left, right) for left, right in pairwise(words))
    return Name(words, frozenset(word.written for word in family), tuple(neighbours))


def _words(latin: str, left_out: frozenset[str], *, vowelless: bool) -> tuple[Word, ...]:
    plain = _APOSTROPHES.sub("", latin).lower()
    tokens = [token for token in _NOT_LETTERS.split(plain) if token][:WORDS_MAX]
    kept = [token for token in tokens if token not in left_out] or tokens
    return tuple(_word(_GLUED.sub("", token), vowelless=vowelless) for token in kept)


def _join(left: Word, right: Word) -> Word:
    joined = _word(left.written + right.written, vowelless=left.vowelless)
    return replace(joined, weight=left.weight + right.weight)


@lru_cache(maxsize=100_000)
def _word(token: str, *, vowelless: bool) -> Word:
    text = token
    if vowelless:
        text = text[1:] if len(text) > 3 and text[0] == "l" else text  # the article, written together
        text = text[:-1] if len(text) > 2 and text[-1] == "h" else text
    text = CANONICAL.get(text, text)
    return Word(token, text, sound_of(text), consonants_of(text), token in CANONICAL, _weight(text), vowelless)


def sound_of(token: str) -> str:
    """How a word sounds, roughly, whatever language wrote it down."""
    token = _SOFT_J.sub("i", token)
    for written, heard in _SOUNDS:
        token = token.replace(written, heard)
    token = _DOUBLED.sub(r"\1", token)
    return token[:-1] if len(token) > 3 and token.endswith("h") else token


def consonants_of(token: str) -> str:
    """What Arabic and Hebrew write of a word; their w and y may be vowels."""
    sound = sound_of(_HALF_VOWELS.sub("", token.replace("j", "g")))
    return _DOUBLED.sub(r"\1", _VOWELS.sub("", sound)) or sound_of(token)


def _weight(text: str) -> float:
    if len(text) == 1:
        return 0.3
    return 0.7 if text in COMMON or len(text) == 2 else 1.0
