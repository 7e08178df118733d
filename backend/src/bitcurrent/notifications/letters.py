"""What our letters say, and how one becomes text and HTML.

Paragraphs are written once; HTML is the same text, escaped, with the link as a button. A letter never carries what a
stranger could have typed into it (a display name), so nobody can make us send their words.
"""

import html
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from bitcurrent.notifications.factor_letters import FACTOR_LETTERS
from bitcurrent.notifications.withdrawal_letters import WITHDRAWAL_LETTERS

VALUE_LENGTH_MAX = 500
LINK_PAGE = "/account/link"

_NOT_YOU = "If this was not you, change your password now and end the sessions that you do not know."


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter with $names to fill in. `purpose` names what the link's $token is for; the page behind it asks first."""

    subject: str
    paragraphs: tuple[str, ...]
    action: str | None = None
    purpose: str | None = None
    closing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """A letter as it is sent."""

    subject: str
    text: str
    html: str


LETTERS: dict[str, Letter] = {
    **{name: Letter(**words) for name, words in FACTOR_LETTERS.items()},
    **{name: Letter(**words) for name, words in WITHDRAWAL_LETTERS.items()},
    "verify_email": Letter(
        "Confirm your e-mail address",
        ("Somebody, hopefully you, opened a BitCurrent account with this address.",),
        "Confirm this address",
        "verify_email",
        (
            "The link works once, for $hours hours. Until then you can look around, but not trade.",
            "If this was not you, do nothing: without the confirmation the account can trade nothing.",
        ),
    ),
    "already_registered": Letter(
        "You have an account already",
        (
            (
                "Somebody, hopefully you, tried to open a BitCurrent account with this address. There is one already,"
                " so nothing was changed."
            ),
            "Log in with your password, or ask for a new one if you have forgotten it.",
        ),
    ),
    "reset_password": Letter(
        "Set a new password",
        ("Somebody, hopefully you, asked for a new password for your account.",),
        "Set a new password",
        "reset_password",
        (
            "The link works once, for $hours hour. Setting a password ends every session of the account.",
            "If this was not you, do nothing: your password stays as it is.",
        ),
    ),
    "password_changed": Letter(
        "Your password was changed",
        ("The password of your account was changed at $when, from the address $address.", _NOT_YOU),
    ),
    "password_reset": Letter(
        "Your password was set anew",
        (
            (
                "A new password was set by a link that we had sent to this address, at $when, from the address "
                "$address. Every session was ended."
            ),
            "If this was not you, somebody reads your mail: secure your mailbox first, then ask for another link here.",
        ),
    ),
    "confirm_new_email": Letter(
        "Confirm your new e-mail address",
        ("Somebody, hopefully you, wants to use this address for a BitCurrent account.",),
        "Use this address",
        "change_email",
        ("The link works once, for $hours hours. If this was not you, do nothing.",),
    ),
    "email_change_asked": Letter(
        "Somebody asked to change your e-mail address",
        (
            (
                "At $when somebody who knows your password asked, from the address $address, to change the e-mail "
                "address of your account to $new_email. It changes when the new address confirms it."
            ),
            _NOT_YOU,
        ),
    ),
    "email_address_taken": Letter(
        "This address belongs to your account",
        (
            (
                "Somebody tried to use this address for another BitCurrent account. It belongs to yours, so nothing "
                "was changed. If that was you, log in with this address instead."
            ),
        ),
    ),
    "email_changed": Letter(
        "Your e-mail address was changed",
        (
            "The e-mail address of your account is now $new_email, since $when. This address is no longer used.",
            (
                "If this was not you, take it back with the link. It puts this address back, ends every session, and "
                "sends you a link for a new password."
            ),
        ),
        "Take it back",
        "undo_email",
        ("The link works once, for $hours hours.",),
    ),
    "email_change_undone": Letter(
        "Your e-mail address is back",
        (
            (
                "This is the address of your account again, and every session was ended. Set a new password with the "
                "link in our other letter."
            ),
        ),
    ),
    "new_device": Letter(
        "A login from a new device",
        (
            (
                "Somebody logged in to your account at $when with $device, from the address $address. We had not seen"
                " this device there before."
            ),
            "If this was you, there is nothing to do. " + _NOT_YOU,
        ),
    ),
    "account_closed": Letter(
        "Your account is closed",
        (
            (
                "Your account was closed at $when, from the address $address. Its sessions and API keys were ended. "
                "What the law asks us to keep stays with us, and nothing else is done with it."
            ),
            "If this was not you, write to our support at once.",
        ),
    ),
}

LETTERS |= {name: Letter(**words) for name, words in FACTOR_LETTERS.items()}


def write(template: str, values: Mapping[str, str], base_url: str) -> Written:
    """A letter, filled in; raises KeyError for an unknown template or a value that is missing."""
    letter = LETTERS[template]
    clean = {name: _clean(value) for name, value in values.items()}
    before = [Template(text).substitute(clean) for text in letter.paragraphs]
    after = [Template(text).substitute(clean) for text in letter.closing]
    link = f"{base_url.rstrip('/')}{LINK_PAGE}#{letter.purpose}={clean['token']}" if letter.purpose else None
    text = [*before, *([f"{letter.action}:\n{link}"] if link else []), *after, "BitCurrent"]
    return Written(letter.subject, "\n\n".join(text) + "\n", _as_html(letter, before, link, after))


def check(template: str, values: Mapping[str, str]) -> None:
    """Raise KeyError now rather than when it is sent."""
    write(template, values, "http://check")


def _as_html(letter: Letter, before: list[str], link: str | None, after: list[str]) -> str:
    parts = [_paragraph(text) for text in before]
    if link:
        address = html.escape(link)
        parts.append(
            f'<p style="margin:24px 0"><a href="{address}" style="{_BUTTON}">{html.escape(letter.action or "")}</a></p>'
        )
    parts += [_paragraph(text) for text in after]
    title = html.escape(letter.subject)
    return _PAGE.substitute(title=title, body="\n".join(parts))


def _paragraph(text: str) -> str:
    return f'<p style="margin:0 0 14px">{html.escape(text)}</p>'


def _clean(value: str) -> str:
    """One line of visible characters with an end."""
    normal = unicodedata.normalize("NFC", value)
    return "".join(character if character.isprintable() else " " for character in normal)[:VALUE_LENGTH_MAX]


_BUTTON = (
    "display:inline-block;padding:10px 18px;border-radius:8px;background:#1f5fd6;color:#ffffff;text-decoration:none;"
    "font-weight:600"
)
_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title></head>
<body style="margin:0;padding:24px;background:#f4f5f7">
<div style="max-width:34rem;margin:0 auto;padding:28px;background:#ffffff;border-radius:12px;color:#1c2430;\
font:16px/1.5 -apple-system,Segoe UI,Roboto,sans-serif">
<h1 style="margin:0 0 16px;font-size:20px">$title</h1>
$body
<p style="margin:24px 0 0;color:#667085;font-size:13px">BitCurrent. We never ask for your password by e-mail.</p>
</div></body></html>
"""
)
