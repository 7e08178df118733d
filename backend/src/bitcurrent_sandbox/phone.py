"""Everybody's phone: Twilio's Messages resource for one account, and a page that shows the texts that it took.

Any account id of Twilio's form will do; its token is the sandbox's secret key. Numbers with a meaning are Twilio's own
for tests: +15005550001 is no number, +15005550009 gets no texts. Texts lie in memory, the newest five hundred.

Whoever gives a StatusCallback is told what became of the text: queued, sent, then delivered, or what was ordered; each
report is signed as Twilio signs (X-Twilio-Signature) and sent again a few times while nobody answers 2xx.
"""

import asyncio
import base64
import hashlib
import hmac
import html
import itertools
import re
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from string import Template
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import h11

from bitcurrent_sandbox.calling import post
from bitcurrent_sandbox.http import Reply, Request, json_reply

API: Final = "/twilio"
PREFIX: Final = "/sandbox/phone"
KEPT: Final = 500
PAGE_MAX: Final = 100
BODY_MAX: Final = 1600
_MESSAGES = re.compile(API + r"/2010-04-01/Accounts/(?P<account>AC[0-9a-f]{32})/Messages\.json")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NOBODYS: Final = "+15005550001"
_DEAF: Final = "+15005550009"
_REPORT_TRIES: Final = 3
_REPORT_SECONDS: Final = 5.0
_REPORT_PAUSE_SECONDS: Final = 0.2
_REPORTS_MAX: Final = 200
_LIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "delivered": ("queued", "sent", "delivered"),
    "undelivered": ("queued", "sent", "undelivered"),
    "failed": ("queued", "failed"),
}


@dataclass(slots=True)
class Text:
    """One text as it was taken."""

    sid: str
    account: str
    at: datetime
    sender: str
    to: str
    body: str
    callback: str = ""
    status: str = "queued"
    error_code: int | None = None

    def wire(self) -> dict[str, Any]:
        """As Twilio answers a message that it has just taken (api.v2010.account.message)."""
        moment = format_datetime(self.at)
        path = f"/2010-04-01/Accounts/{self.account}/Messages/{self.sid}"
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": moment,
            "date_sent": None,
            "date_updated": moment,
            "direction": "outbound-api",
            "error_code": self.error_code,
            "error_message": None,
            "from": self.sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{path}/Media.json"},
            "to": self.to,
            "uri": f"{path}.json",
        }

    def report(self) -> dict[str, str]:
        """As Twilio reports what became of it."""
        more = {} if self.error_code is None else {"ErrorCode": str(self.error_code)}
        return {
            "AccountSid": self.account,
            "ApiVersion": "2010-04-01",
            "From": self.sender,
            "MessageSid": self.sid,
            "MessageStatus": self.status,
            "SmsSid": self.sid,
            "SmsStatus": self.status,
            "To": self.to,
            **more,
        }


def signature_of(url: str, fields: Mapping[str, str], token: str) -> str:
    """The header X-Twilio-Signature: HMAC-SHA1 over the address and the sorted fields, with the account's token."""
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


class Phone:
    """Takes texts as Twilio does and gives them out by HTTP. Refusals that are ordered strike the next texts."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._texts: deque[Text] = deque(maxlen=KEPT)
        self._refusals: list[int] = []
        self._fates: list[tuple[str, int | None]] = []
        self._reports: set[asyncio.Task[None]] = set()

    def take(self, request: Request) -> Reply:
        """Answer one request below /twilio."""
        found = _MESSAGES.fullmatch(request.path)
        if found is None or request.method != "POST":
            return _error(404, 20404, f"The requested resource {request.path} was not found")
        account = found["account"]
        if not self._is_known(request.headers.get("authorization", ""), account):
            return _error(401, 20003, "Authenticate")
        if self._refusals:
            return _error(self._refusals.pop(0), 20500, "Internal Server Error")
        fields = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        to, sender, body = (fields.get(name, "") for name in ("To", "From", "Body"))
        refusal = _refusal(to, sender, body)
        if refusal is not None:
            return refusal
        callback = fields.get("StatusCallback", "")
        if callback and urlsplit(callback).scheme not in {"http", "https"}:
            return _error(400, 21609, f"The StatusCallback URL {callback} is not a valid URL.")
        text = Text("SM" + secrets.token_hex(16), account, datetime.now(UTC), sender, to, body, callback)
        self._texts.appendleft(text)
        answer = json_reply(text.wire(), 201)
        self._begin(text)
        return answer

    def answer(self, request: Request) -> Reply:
        """The page, and JSON for tests: messages?to=, refuse (POST {"status": 503, "count": 1}).

        fate (POST {"status": "undelivered", "error_code": 30003, "count": 1}) says how the next texts end.
        """
        path = request.path.removeprefix(PREFIX).strip("/")
        if path == "messages" and request.method == "GET":
            return json_reply({"messages": [text.wire() for text in self._chosen(request.query)]})
        if path == "messages" and request.method == "DELETE":
            self._texts.clear()
            return Reply(status=204)
        if path == "refuse" and request.method == "POST":
            wish = request.json()
            self._refusals = [int(wish.get("status", 503))] * int(wish.get("count", 1))
            return Reply(status=204)
        if path == "fate" and request.method == "POST":
            wish = request.json()
            end, code = str(wish.get("status", "undelivered")), wish.get("error_code", 30003)
            if end not in _LIVES:
                return json_reply({"message": f"a text ends as one of {', '.join(_LIVES)}"}, 400)
            self._fates = [(end, None if code is None else int(code))] * int(wish.get("count", 1))
            return Reply(status=204)
        if path or request.method != "GET":
            return json_reply({"message": "not found"}, 404)
        return _shown(self._chosen(request.query))

    def _begin(self, text: Text) -> None:
        """The text's life goes on by itself, reported or not."""
        end, code = self._fates.pop(0) if self._fates else ("delivered", None)
        if len(self._reports) >= _REPORTS_MAX:
            return
        task = asyncio.get_running_loop().create_task(self._live(text, end, code))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _live(self, text: Text, end: str, code: int | None) -> None:
        for status in _LIVES[end]:
            text.status = status
            if status == end:
                text.error_code = None if end == "delivered" else code
            if text.callback:
                await self._report(text)

    async def _report(self, text: Text) -> None:
        fields = text.report()
        body = urlencode(fields).encode()
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "user-agent": "TwilioProxy/1.1",
            "x-twilio-signature": signature_of(text.callback, fields, self._token),
        }
        for attempt in range(_REPORT_TRIES):
            try:
                async with asyncio.timeout(_REPORT_SECONDS):
                    status, _ = await post(text.callback, body, headers)
            except (OSError, TimeoutError, h11.RemoteProtocolError, ValueError):
                status = 0
            if 200 <= status < 300:
                return
            await asyncio.sleep(_REPORT_PAUSE_SECONDS * 2**attempt)

    def _is_known(self, header: str, account: str) -> bool:
        pair = base64.b64encode(f"{account}:{self._token}".encode()).decode()
        return hmac.compare_digest(header.encode(), f"Basic {pair}".encode())

    def _chosen(self, query: dict[str, str]) -> Sequence[Text]:
        to = query.get("to", "")
        # A plus sign in a query stands for a space.
        wanted = "+" + to.strip().removeprefix("+") if to else ""
        return list(itertools.islice((text for text in self._texts if not wanted or text.to == wanted), PAGE_MAX))


def _refusal(to: str, sender: str, body: str) -> Reply | None:
    if not to:
        return _error(400, 21604, "A 'To' phone number is required.")
    if not sender:
        return _error(400, 21603, "A 'From' phone number is required.")
    if not body:
        return _error(400, 21602, "Message body is required.")
    if len(body) > BODY_MAX:
        return _error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    if to == _NOBODYS or not _E164.fullmatch(to):
        return _error(400, 21211, f"The 'To' number {to} is not a valid phone number.")
    if to == _DEAF:
        return _error(400, 21614, f"'To' number: {to}, is not a valid mobile number")
    return None


def _error(status: int, code: int, message: str) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_reply({"code": code, "message": message, "more_info": more, "status": status}, status)


def _shown(texts: Sequence[Text]) -> Reply:
    lines = [
        f"<li><time>{text.at:%Y-%m-%d %H:%M:%S} UTC</time> <b>{html.escape(text.to)}</b> "
        f'<small class="{text.status}">{text.status}{f" ({text.error_code})" if text.error_code else ""}</small>'
        f"<p>{html.escape(text.body)}</p></li>"
        for text in texts
    ]
    body = f"<ol>{''.join(lines)}</ol>" if lines else "<p>No texts yet.</p>"
    return Reply(
        body=_PAGE.substitute(body=body).encode(),
        content_type="text/html; charset=utf-8",
        headers={
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        },
    )


_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5"><title>Sandbox phone</title>
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 14%, transparent); }
body { margin: 0 auto; max-width: 40rem; padding: 1rem 1.25rem; font: 14px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.15rem; } ol { list-style: none; padding: 0; display: grid; gap: .75rem; }
li { border: 1px solid var(--line); border-radius: .6rem; padding: .75rem 1rem; } p { margin: .35rem 0 0; }
time { opacity: .75; } small { border: 1px solid var(--line); border-radius: 1rem; padding: .05rem .5rem; }
li, p { overflow-wrap: anywhere; } .undelivered, .failed { color: light-dark(#b42318, #ff9c92); }
</style></head>
<body><h1>Sandbox phone</h1>$body
<p><a href="/sandbox">Sandbox</a> · <a href="/sandbox/mailbox">Mailbox</a></p></body></html>
""")
