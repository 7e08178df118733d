"""The mailbox of everybody: a mail server that accepts all letters and shows them on a page, for people and tests.

Letters lie in memory, the newest five hundred; what HTML they hold is shown in a sandboxed frame that runs no scripts.
"""

import asyncio
import html
import itertools
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from string import Template
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope

from bitcurrent_sandbox.http import Reply, Request, json_reply

PREFIX: Final = "/sandbox/mailbox"
KEPT: Final = 500
BYTES_MAX: Final = 1024 * 1024
PAGE_MAX: Final = 100
_LINK = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter as it arrived."""

    id: int
    at: datetime
    sender: str
    to: tuple[str, ...]
    subject: str
    message_id: str
    text: str
    html: str

    @property
    def links(self) -> list[str]:
        """The addresses in its text."""
        return _LINK.findall(self.text)

    def wire(self) -> dict[str, Any]:
        """The letter as JSON."""
        return {
            "id": self.id,
            "at": self.at,
            "from": self.sender,
            "to": list(self.to),
            "subject": self.subject,
            "message_id": self.message_id,
            "text": self.text,
            "html": self.html,
            "links": self.links,
        }


class Mailbox:
    """Takes letters by SMTP and gives them out by HTTP. Faults that are ordered strike the next letters."""

    def __init__(self) -> None:
        self._letters: deque[Letter] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)
        self._refusals: list[str] = []
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        """Take letters on this port; raises OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._speak, host, port)

    async def stop(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _speak(self) -> SMTP:
        return SMTP(self, data_size_limit=BYTES_MAX, enable_SMTPUTF8=True, hostname="sandbox", timeout=30)

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        """Keep a letter, or refuse it as was ordered."""
        if self._refusals:
            return self._refusals.pop(0)
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)  # what this policy makes
        self._letters.appendleft(
            Letter(
                id=next(self._numbers),
                at=datetime.now(UTC),
                sender=str(message["From"] or envelope.mail_from or ""),
                to=tuple(envelope.rcpt_tos),
                subject=str(message["Subject"] or ""),
                message_id=str(message["Message-ID"] or ""),
                text=_part(message, "plain"),
                html=_part(message, "html"),
            )
        )
        return "250 OK"

    def answer(self, request: Request) -> Reply:
        """Pages, and JSON for tests: messages?to=, refuse (POST {"answer": "451 later", "count": 1})."""
        path = request.path.removeprefix(PREFIX).strip("/")
        if path == "messages" and request.method == "GET":
            return json_reply({"messages": [letter.wire() for letter in self._chosen(request.query)]})
        if path == "messages" and request.method == "DELETE":
            self._letters.clear()
            return Reply(status=204)
        if path == "refuse" and request.method == "POST":
            wish = request.json()
            self._refusals = [str(wish.get("answer", "451 later"))] * int(wish.get("count", 1))
            return Reply(status=204)
        if request.method != "GET":
            return json_reply({"message": "the mailbox is read with GET"}, 405)
        return self._page(path, request)

    def _chosen(self, query: dict[str, str]) -> Sequence[Letter]:
        to = query.get("to", "").casefold()
        found = (letter for letter in self._letters if not to or to in (each.casefold() for each in letter.to))
        return list(itertools.islice(found, PAGE_MAX))

    def _page(self, path: str, request: Request) -> Reply:
        if not path:
            return _shown(_list(self._chosen(request.query), request.query.get("to", "")))
        number, _, part = path.partition("/")
        letter = next((each for each in self._letters if str(each.id) == number), None)
        if letter is None or part not in ("", "html"):
            return _shown(_LAYOUT.substitute(head="", body="<p>There is no such letter.</p>"), status=404)
        if part == "html":
            # Opened outside the frame it is just as harmless: the policy takes scripts and origin away.
            return Reply(body=letter.html.encode(), content_type=_HTML, headers=_LETTER_HEADERS)
        return _shown(_view(letter))


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return "" if body is None else str(body.get_content())


def _shown(page: str, *, status: int = 200) -> Reply:
    return Reply(status=status, body=page.encode(), content_type=_HTML, headers=_PAGE_HEADERS)


def _list(letters: Sequence[Letter], to: str) -> str:
    rows = "".join(
        f"<tr><td>{letter.at:%H:%M:%S}</td><td>{html.escape(', '.join(letter.to))}</td>"
        f'<td><a href="{PREFIX}/{letter.id}">{html.escape(letter.subject)}</a></td></tr>'
        for letter in letters
    )
    table = (
        f"<table><thead><tr><th>Arrived (UTC)</th><th>To</th><th>Subject</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    nothing = "<p>No letter has arrived yet. This page looks again every five seconds.</p>"
    search = (
        f'<form method="get"><label>To <input name="to" type="search" value="{html.escape(to)}"></label> '
        "<button>Show</button></form>"
    )
    refresh = '<meta http-equiv="refresh" content="5">'
    return _LAYOUT.substitute(head=refresh, body=search + (table if letters else nothing))


def _view(letter: Letter) -> str:
    text = _LINK.sub(
        lambda found: f'<a href="{found[0]}" target="_blank" rel="noopener">{found[0]}</a>',
        html.escape(letter.text, quote=False),
    )
    frame = (
        f'<iframe title="The letter" src="{PREFIX}/{letter.id}/html" '
        'sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>'
    )
    body = f"""
<p><a href="{PREFIX}">All letters</a></p>
<h2>{html.escape(letter.subject)}</h2>
<dl><dt>From</dt><dd>{html.escape(letter.sender)}</dd><dt>To</dt><dd>{html.escape(", ".join(letter.to))}</dd>
<dt>Arrived</dt><dd>{letter.at:%Y-%m-%d %H:%M:%S} UTC</dd></dl>
{frame if letter.html else ""}
<h3>Text</h3><pre>{text}</pre>"""
    return _LAYOUT.substitute(head="", body=body)


_HTML: Final = "text/html; charset=utf-8"
_PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_LETTER_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_LAYOUT: Final = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
$head<title>Sandbox mailbox</title>
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 14%, transparent); }
body { margin: 0 auto; padding: 1rem 1.25rem; max-width: 60rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.15rem; } h2 { font-size: 1.05rem; } a { overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; } th { text-align: left; }
th, td { padding: .4rem .5rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
iframe { width: 100%; height: 30rem; border: 1px solid var(--line); border-radius: .6rem; background: #fff; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; }
form { margin-bottom: 1rem; } input, button { font: inherit; padding: .3rem .6rem; }
dl { display: grid; grid-template-columns: 5rem minmax(0, 1fr); } dd { margin: 0; overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
@media (max-width: 36rem) {
  thead { display: none; }
  tr { display: flex; flex-direction: column-reverse; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  td { border: 0; padding: 0; } td:last-child { font-weight: 600; } td:not(:last-child) { opacity: .75; }
  form label { display: grid; gap: .3rem; } input { width: 100%; box-sizing: border-box; }
  form button { margin-top: .5rem; }
}
</style></head>
<body><h1>Sandbox mailbox</h1>
$body
<p><a href="/sandbox">Sandbox</a> · <a href="/sandbox/phone">Phone</a></p>
</body></html>
"""
)
