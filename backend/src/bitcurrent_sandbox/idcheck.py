"""A provider that checks identities: checks with documents, decided after a while, told by signed webhooks.

The surname decides: Reject, More (needs more), Review (people are to decide), Silent (never decided); everybody else
is approved. Checks lie in memory, the newest thousand. Orders for tests stand below /sandbox/idcheck.
"""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import h11

from bitcurrent_sandbox.calling import post
from bitcurrent_sandbox.http import BadBody, Reply, Request, foreign_origin, json_reply

API: Final = "/idcheck"
PREFIX: Final = "/sandbox/idcheck"
KEPT: Final = 1_000
DOCUMENT_BYTES_MAX: Final = 16_000_000
TRIES: Final = 4
TRY_SECONDS: Final = 5.0
TASKS_MAX: Final = 500
NEEDED: Final = {"basic": frozenset[str](), "full": frozenset({"identity_front", "selfie", "proof_of_address"})}
MAGIC: Final = {
    "reject": ("rejected", ["document_not_genuine"]),
    "more": ("needs_more", ["document_unreadable"]),
    "review": ("review", []),
    "silent": ("processing", []),
}
_CHECK = re.compile(API + r"/v1/checks/(?P<id>chk_[0-9a-f]{24})(?P<rest>/.*)?")
_DOCUMENT = re.compile(r"/documents/(?P<purpose>[a-z_]{1,40})/(?P<sha256>[0-9a-f]{64})")
_REFERENCE = re.compile(r"[0-9a-f-]{36}")


@dataclass(slots=True)
class Checked:
    """One check as it stands."""

    id: str
    reference: str
    level: str
    surname: str
    webhook_url: str
    status: str = "awaiting_documents"
    reasons: list[str] = field(default_factory=list)
    documents: dict[str, str] = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        """As it is answered."""
        return {"id": self.id, "reference": self.reference, "status": self.status, "reasons": self.reasons,
                "documents": sorted(self.documents.values())}  # fmt: skip


@dataclass(slots=True)
class Orders:
    """What tests have ordered."""

    delay_ms: int = 300
    webhooks: str = "on"  # on, drop, twice, forged, stale
    refusals: list[int] = field(default_factory=list)
    lose_answers: int = 0


class IdentityChecks:
    """The provider's interface and its control."""

    def __init__(self, secret: str) -> None:
        self._key = f"idcheck_{secret}"
        self._webhook_secret = f"idsec_{secret}"
        self._checks: deque[Checked] = deque(maxlen=KEPT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._orders = Orders()
        self._told = 0

    # ---- the interface

    def take(self, request: Request) -> Reply:
        """Answer a request to /idcheck/v1."""
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {self._key}".encode()):
            return json_reply({"error": "unknown key"}, 401)
        if self._orders.refusals:
            return json_reply({"error": "ordered"}, self._orders.refusals.pop(0))
        reply = self._answer(request)
        if request.method == "POST" and self._orders.lose_answers > 0:
            self._orders.lose_answers -= 1
            return json_reply({"error": "the answer was lost"}, 504)
        return reply

    def _answer(self, request: Request) -> Reply:
        if request.path == f"{API}/v1/checks":
            if request.method == "GET":
                wanted = request.query.get("reference", "")
                return json_reply({"checks": [each.wire() for each in self._checks if each.reference == wanted]})
            return self._create(request.json()) if request.method == "POST" else _error(405, "no such method")
        match = _CHECK.fullmatch(request.path)
        check = self._find(id=match["id"]) if match else None
        if match is None or check is None:
            return _error(404, "no such check")
        rest = match["rest"] or ""
        if rest == "" and request.method == "GET":
            return json_reply(check.wire())
        if rest == "/run" and request.method == "POST":
            return self._run(check)
        document = _DOCUMENT.fullmatch(rest)
        if document and request.method == "PUT":
            return self._keep(check, document["purpose"], document["sha256"], request.body)
        return _error(404, "no such thing of a check")

    def _create(self, wish: dict[str, Any]) -> Reply:
        reference, level = str(wish.get("reference", "")), str(wish.get("level", ""))
        applicant = wish.get("applicant")
        if not _REFERENCE.fullmatch(reference) or level not in NEEDED or not isinstance(applicant, dict):
            return _error(422, "a check needs a reference, a level and an applicant")
        name, url = str(applicant.get("legal_name", "")).split(), str(wish.get("webhook_url", ""))
        if not name or not applicant.get("birth_date") or (url and urlsplit(url).scheme not in {"http", "https"}):
            return _error(422, "an applicant has a name and a birth date")
        known = self._find(reference=reference)
        if known is None:
            known = Checked("chk_" + secrets.token_hex(12), reference, level, name[-1].lower(), url)
            self._checks.appendleft(known)
        return json_reply(known.wire(), 201)

    def _keep(self, check: Checked, purpose: str, sha256: str, content: bytes) -> Reply:
        if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), sha256):
            return _error(422, "the document is not the one that was announced")
        if check.status == "awaiting_documents":
            check.documents[sha256] = purpose
        return json_reply(check.wire())

    def _run(self, check: Checked) -> Reply:
        if lacking := NEEDED[check.level] - set(check.documents.values()):
            return _error(409, f"documents are missing: {', '.join(sorted(lacking))}")
        if check.status == "awaiting_documents":
            check.status = "processing"
            self._spawn(self._decide(check))
        return json_reply(check.wire())

    async def _decide(self, check: Checked) -> None:
        await asyncio.sleep(self._orders.delay_ms / 1000)
        if check.status == "processing":
            check.status, check.reasons = MAGIC.get(check.surname, ("approved", []))
            if check.status != "processing":
                await self._tell(check)

    # ---- webhooks

    async def _tell(self, check: Checked) -> None:
        if self._orders.webhooks == "drop" or not check.webhook_url:
            return
        self._told += 1
        event = {
            "id": "evt_" + secrets.token_hex(12),
            "object": "event",
            "created": int(time.time()),
            "data": {"check_id": check.id, "reference": check.reference},
        }
        body = json.dumps(event).encode()
        for _ in range(2 if self._orders.webhooks == "twice" else 1):
            await self._send(check.webhook_url, body)

    async def _send(self, url: str, body: bytes) -> None:
        for attempt in range(TRIES):
            at = int(time.time()) - (3_600 if self._orders.webhooks == "stale" else 0)
            secret = self._webhook_secret if self._orders.webhooks != "forged" else "somebody else's"
            signed = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
            headers = {"content-type": "application/json", "x-idcheck-signature": f"t={at},v1={signed}"}
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    status, _ = await post(url, body, headers)
            except (OSError, TimeoutError, h11.RemoteProtocolError, ValueError):
                status = 0
            if 200 <= status < 300:
                return
            await asyncio.sleep(0.2 * 2**attempt)

    # ---- orders

    def answer(self, request: Request) -> Reply:
        """GET checks; POST orders {"delay_ms", "webhooks", "refusals": [503], "lose_answers"}, decide, reset."""
        if foreign_origin(request):
            return json_reply({"message": "requests from another origin are refused"}, 403)
        path = request.path.removeprefix(PREFIX).strip("/")
        if path == "checks" and request.method == "GET":
            wanted = request.query.get("reference")
            shown = [each.wire() for each in self._checks if not wanted or each.reference == wanted]
            return json_reply({"checks": shown[:100], "told": self._told})
        if request.method != "POST":
            return json_reply({"message": "not found"}, 404)
        try:
            wish = request.json()
        except BadBody as error:
            return json_reply({"message": str(error)}, 422)
        if path == "reset":
            self._orders = Orders()
        elif path == "orders":
            self._orders.delay_ms = int(wish.get("delay_ms", self._orders.delay_ms))
            self._orders.webhooks = str(wish.get("webhooks", self._orders.webhooks))
            self._orders.refusals = [int(each) for each in wish.get("refusals", [])]
            self._orders.lose_answers = int(wish.get("lose_answers", 0))
        elif path == "decide":
            check = self._find(reference=str(wish.get("reference", "")))
            if check is None:
                return json_reply({"message": "no such check"}, 404)
            check.status, check.reasons = str(wish.get("status", "approved")), list(wish.get("reasons", []))
            self._spawn(self._tell(check))
        else:
            return json_reply({"message": "not found"}, 404)
        return Reply(status=204)

    def _find(self, **wanted: str) -> Checked | None:
        ((name, value),) = wanted.items()
        return next((each for each in self._checks if getattr(each, name) == value), None)

    def _spawn(self, work: Any) -> None:
        if len(self._tasks) >= TASKS_MAX:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _error(status: int, words: str) -> Reply:
    return json_reply({"error": words}, status)
