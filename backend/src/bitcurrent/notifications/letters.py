"""What we write to customers: one file for each letter, which becomes text, HTML, a message in the inbox and a text.

Paragraphs are written once; HTML is the same text, escaped, in the one layout, with the link as a button. A letter
never carries what a stranger could have typed into it (a display name), so nobody can make us send their words.

A file has lines "Subject:", "Topic:", perhaps "Text:" (what goes to a phone), "Inbox: no" (nothing for the inbox),
"Action:" and "Purpose:" (a link and what its $token is for); then paragraphs, and behind a line "---" those that
follow the link. $names are filled in.
"""

import html
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from string import Template
from typing import get_args

from bitcurrent.notifications.topics import TOPICS, Topic

VALUE_LENGTH_MAX = 500
TEXT_LENGTH_MAX = 300
"""Of a text to a phone, in characters: two parts of what the network carries."""
LINK_PAGE = "/account/link"
UNSUBSCRIBE = "unsubscribe"
"""The purpose of the link that ends letters of a topic."""

_NO_MORE = "No more letters of this kind"
_HEADERS = frozenset({"subject", "topic", "text", "inbox", "action", "purpose"})


class BadTemplate(ValueError):
    """A letter's file cannot be read; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter with $names to fill in. `purpose` names what the link's $token is for; the page behind it asks first.

    `phone` is the text to a phone, when there is one; `in_inbox` says whether the inbox gets it too.
    """

    subject: str
    topic: Topic
    paragraphs: tuple[str, ...]
    action: str | None = None
    purpose: str | None = None
    closing: tuple[str, ...] = ()
    phone: str | None = None
    in_inbox: bool = True

    @property
    def names(self) -> frozenset[str]:
        """The names that must be filled in."""
        texts = (*self.paragraphs, *self.closing, self.phone or "", "$token" if self.purpose else "")
        return frozenset(name for text in texts for name in Template(text).get_identifiers())


@dataclass(frozen=True, slots=True)
class Written:
    """A letter as it is sent."""

    subject: str
    text: str
    html: str
    is_essential: bool = True


@dataclass(frozen=True, slots=True)
class Note:
    """A letter as the inbox shows it: without its link, which is for whoever reads the mail."""

    topic: Topic
    title: str
    body: str


def write(template: str, values: Mapping[str, str], base_url: str, *, unsubscribe: str | None = None) -> Written:
    """A letter, filled in, with a link by which to get no more of its topic, when there is a token for one.

    Raises KeyError for an unknown template or a value that is missing.
    """
    letter = LETTERS[template]
    clean = _clean_all(values)
    before = [_fill(text, clean) for text in letter.paragraphs]
    after = [_fill(text, clean) for text in letter.closing]
    home = base_url.rstrip("/")
    link = f"{home}{LINK_PAGE}#{letter.purpose}={clean['token']}" if letter.purpose else None
    essential = TOPICS[letter.topic].essential
    end = None if essential or unsubscribe is None else f"{home}{LINK_PAGE}#{UNSUBSCRIBE}={unsubscribe}"
    last = [f"{_NO_MORE}:\n{end}"] if end else []
    text = [*before, *([f"{letter.action}:\n{link}"] if link else []), *after, *last, "BitCurrent"]
    return Written(letter.subject, "\n\n".join(text) + "\n", _as_html(letter, before, link, after, end), essential)


def write_note(template: str, values: Mapping[str, str]) -> Note:
    """A letter for the inbox; raises KeyError."""
    letter = LETTERS[template]
    clean = _clean_all(values)
    return Note(letter.topic, letter.subject, "\n\n".join(_fill(text, clean) for text in letter.paragraphs))


def write_text(template: str, values: Mapping[str, str]) -> str:
    """A letter for a phone, cut where it would be too long; raises KeyError, also when there is no such text."""
    phone = LETTERS[template].phone
    if phone is None:
        raise KeyError(template)
    return _fill(phone, _clean_all(values))[:TEXT_LENGTH_MAX]


def check(template: str, values: Mapping[str, str]) -> Letter:
    """The letter; raises KeyError now rather than when it is sent."""
    letter = LETTERS[template]
    write(template, values, "http://check")
    if letter.phone is not None:
        write_text(template, values)
    return letter


def read_letter(name: str, source: str) -> Letter:
    """A letter from its file's text; raises BadTemplate."""
    head, _, rest = source.partition("\n\n")
    headers: dict[str, str] = {}
    for line in head.splitlines():
        key, colon, value = line.partition(":")
        if not colon or key.lower() not in _HEADERS or key.lower() in headers:
            raise BadTemplate(f"{name}: {line!r} is no line of a letter's head")
        headers[key.lower()] = value.strip()
    body, _, closing = rest.partition("\n---\n")
    topic = next((known for known in get_args(Topic) if known == headers.get("topic")), None)
    if topic is None or not headers.get("subject") or not _paragraphs(body):
        raise BadTemplate(f"{name}: a letter needs a subject, a topic that there is, and words")
    if ("action" in headers) != ("purpose" in headers):
        raise BadTemplate(f"{name}: a link needs both its words and its purpose")
    if "text" in headers and not TOPICS[topic].texted:
        raise BadTemplate(f"{name}: nobody can choose texts about {topic}")
    return Letter(
        subject=headers["subject"],
        topic=topic,
        paragraphs=_paragraphs(body),
        action=headers.get("action"),
        purpose=headers.get("purpose"),
        closing=_paragraphs(closing),
        phone=headers.get("text"),
        in_inbox=headers.get("inbox") != "no",
    )


def _read_all() -> dict[str, Letter]:
    folder = resources.files("bitcurrent.notifications").joinpath("templates", "letters")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".txt")), key=lambda file: file.name)
    return {file.name[:-4]: read_letter(file.name, file.read_text("utf-8")) for file in files}


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


@lru_cache(maxsize=1)
def _layout() -> Template:
    folder = resources.files("bitcurrent.notifications").joinpath("templates")
    return Template(folder.joinpath("layout.html").read_text("utf-8"))


def _fill(text: str, values: Mapping[str, str]) -> str:
    return Template(text).substitute(values)


def _as_html(letter: Letter, before: list[str], link: str | None, after: list[str], end: str | None) -> str:
    parts = [_paragraph(text) for text in before]
    if link:
        address = html.escape(link)
        parts.append(
            f'<p style="margin:24px 0"><a href="{address}" style="{_BUTTON}">{html.escape(letter.action or "")}</a></p>'
        )
    parts += [_paragraph(text) for text in after]
    footer = f' <a href="{html.escape(end)}" style="color:inherit">{_NO_MORE}</a>.' if end else ""
    return _layout().substitute(title=html.escape(letter.subject), body="\n".join(parts), footer=footer)


def _paragraph(text: str) -> str:
    return f'<p style="margin:0 0 14px">{html.escape(text)}</p>'


def _clean_all(values: Mapping[str, str]) -> dict[str, str]:
    return {name: _clean(value) for name, value in values.items()}


def _clean(value: str) -> str:
    """One line of visible characters with an end."""
    normal = unicodedata.normalize("NFC", value)
    return "".join(character if character.isprintable() else " " for character in normal)[:VALUE_LENGTH_MAX]


_BUTTON = (
    "display:inline-block;padding:10px 18px;border-radius:8px;background:#1f5fd6;color:#ffffff;text-decoration:none;"
    "font-weight:600"
)

LETTERS: dict[str, Letter] = _read_all()
"""Every letter by its name."""
