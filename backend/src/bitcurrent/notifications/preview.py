"""Every letter with sample values, for operators and developers who want to see what customers get."""

from dataclasses import dataclass

from bitcurrent.kernel.errors import NotFound
from bitcurrent.notifications import letters
from bitcurrent.notifications.topics import TOPICS, Channel, Topic

PREVIEW_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; sandbox"
"""What a preview may do on a screen of ours: be looked at."""

_SAMPLES = {
    "amount": "1250.00",
    "level": "full",
    "reasons": "the picture is not sharp enough",
    "asset": "USD",
    "fee": "2.50",
    "destination": "My wallet (bc1q…7k4m)",
    "address": "203.0.113.7",
    "when": "2026-01-31 12:00 UTC",
    "until": "2026-02-14 12:00 UTC",
    "ends_at": "2026-02-03 12:00 UTC",
    "release": "2026-02-14",
    "usable_from": "2026-02-01 12:00 UTC",
    "device": "Firefox on Linux",
    "method": "authenticator app",
    "how": "a session of yours",
    "hours": "24",
    "left": "7",
    "label": "My wallet",
    "new_email": "a•••@example.com",
    "reason": "the bank declined it",
    "condition": "trade for 100 USD until then",
    "sold": "100.00",
    "from_asset": "USD",
    "bought": "92.10",
    "to_asset": "EUR",
    "document": "The statement of January 2026",
    "token": "sample",
}


class LetterNotFound(NotFound):
    """No letter has this name."""

    code = "letter_not_found"

    def __init__(self) -> None:
        super().__init__("There is no letter with this name.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A letter by its name, as every channel shows it. `names` must be filled in by whoever sends it."""

    template: str
    topic: Topic
    subject: str
    essential: bool
    channels: tuple[Channel, ...]
    names: tuple[str, ...]
    text: str
    html: str
    phone: str | None


def samples(base_url: str) -> list[Sample]:
    """Every letter, by name."""
    return [sample(template, base_url) for template in sorted(letters.LETTERS)]


def sample(template: str, base_url: str) -> Sample:
    """One letter with sample values; raises LetterNotFound."""
    letter = letters.LETTERS.get(template)
    if letter is None:
        raise LetterNotFound
    values = {name: _SAMPLES.get(name, f"({name})") for name in letter.names}
    written = letters.write(template, values, base_url, unsubscribe="sample")
    channels: list[Channel] = ["email"]
    if letter.phone is not None:
        channels.append("sms")
    if letter.in_inbox:
        channels.append("in_app")
    return Sample(
        template=template,
        topic=letter.topic,
        subject=letter.subject,
        essential=TOPICS[letter.topic].essential,
        channels=tuple(channels),
        names=tuple(sorted(letter.names)),
        text=written.text,
        html=written.html,
        phone=None if letter.phone is None else letters.write_text(template, values),
    )
