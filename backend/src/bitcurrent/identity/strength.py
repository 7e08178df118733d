"""Which passwords are too easy to guess: common ones, variations of them, and those made of the customer's own name."""

import re
import unicodedata
from functools import lru_cache
from importlib import resources

from bitcurrent.identity.model import check_password_rules
from bitcurrent.kernel.errors import Invalid

OWN_PART_MIN = 4
"""Characters that a part of one's name or address must have to count: shorter ones are in everything."""

DIFFERENT_MIN = 5
BREAK_EVERY = 6
"""Characters for each of which one leap is forgiven in a run like qwertyuiopasdf."""

_COMMENT = "#"
_EDGES = re.compile(r"^[^a-z]+|[^a-z]+$")
_PARTS = re.compile(r"[\W_]+")
_LEET = str.maketrans("013457@$!", "oieastasi")
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


class CommonPassword(Invalid):
    """Among the first that somebody who guesses would try."""

    code = "password_common"
    title = "Password too common"

    def __init__(self, field: str) -> None:
        super().__init__(
            "This password, or one very much like it, is among the most common ones. Take another: several words that "
            "do not belong together make a good one.",
            field=field,
        )


class PasswordIsOwnName(Invalid):
    """Made of what everybody knows about the customer."""

    code = "password_contains_name"
    title = "Password contains your name"

    def __init__(self, field: str) -> None:
        super().__init__("This password contains your name or your e-mail address. Take another.", field=field)


def check_password(password: str, *, email: str, name: str, field: str = "password") -> None:
    """Raise Invalid unless the length is right and it is neither common nor made of the e-mail address or name."""
    check_password_rules(password, field=field)
    plain = unicodedata.normalize("NFKC", password).casefold()
    if _is_easy(plain):
        raise CommonPassword(field)
    packed = _PARTS.sub("", plain)
    if any(part in packed for part in _own_parts(email, name)):
        raise PasswordIsOwnName(field)


def _is_easy(plain: str) -> bool:
    """Whether it is common, or a common one between digits and signs, repeated, or written with 0 for o."""
    if len(set(plain)) < DIFFERENT_MIN or _is_run(plain):
        return True
    whole = {plain, _PARTS.sub("", plain)}
    forms = whole | {_period(form) for form in whole if form}
    forms |= {_EDGES.sub("", form) for form in forms}
    forms |= {_EDGES.sub("", form.translate(_LEET)) for form in forms} | {form.translate(_LEET) for form in forms}
    return not _common().isdisjoint(forms)


def _is_run(plain: str) -> bool:
    """Whether all of it goes up or down the alphabet, the digits or a row of keys, again and again."""
    breaks = 0
    for at in range(len(plain) - 1):
        pair = plain[at : at + 2]
        goes_on = pair[0] == pair[1] or any(pair in row or pair in row[::-1] for row in _RUNS)
        breaks += not goes_on
    return breaks <= len(plain) // BREAK_EVERY


def _period(plain: str) -> str:
    """The part that is repeated: "abcabcabc" gives "abc"; the whole when nothing is."""
    again = (plain + plain).find(plain, 1)
    return plain[:again]


def _own_parts(email: str, name: str) -> set[str]:
    local = email.casefold().partition("@")[0]
    words = [local, name.casefold(), *_PARTS.split(local), *_PARTS.split(name.casefold())]
    packed = {_PARTS.sub("", word) for word in words}
    return {part for part in packed if len(part) >= OWN_PART_MIN}


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    text = resources.files("bitcurrent.identity").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith(_COMMENT))
