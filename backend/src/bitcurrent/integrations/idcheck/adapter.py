"""Identity checks over REST (POST /v1/checks, then its documents, then run), and webhooks signed with HMAC-SHA256.

A check belongs to our reference: creating it twice, sending a document twice or running it twice has one effect.
"""

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self
from uuid import UUID

import httpx
import msgspec

from bitcurrent.compliance.kyc.model import REASONS, Reason
from bitcurrent.compliance.kyc.ports import (
    Applicant,
    Check,
    CheckStatus,
    Evidence,
    ForgedIdentityEvent,
    IdentityEvent,
    IdentityRefused,
    IdentityTrouble,
    StaleIdentityEvent,
)
from bitcurrent.settings import Settings

TIMEOUT: Final = httpx.Timeout(10.0, connect=3.0, write=30.0)
ANSWER_BYTES_MAX: Final = 64 * 1024
TOLERANCE_SECONDS: Final = 300
SKEW_SECONDS: Final = 30
HEADER_MAX: Final = 4_096
SIGNATURES_MAX: Final = 16
WEBHOOK_PATH: Final = "/api/webhooks/identity"
STATUSES: Final[dict[str, CheckStatus]] = {
    "awaiting_documents": "waiting",
    "processing": "pending",
    "approved": "approved",
    "rejected": "rejected",
    "needs_more": "needs_more",
    "review": "unsure",
}
"""A word that is not here counts as pending: whatever it means, it is no approval."""
_EPOCH_MAX: Final = 253_402_300_799  # the last second of the year 9999


class _Check(msgspec.Struct):
    id: str
    reference: UUID
    status: str
    reasons: list[str] = []


class _Found(msgspec.Struct):
    checks: list[_Check]


class _About(msgspec.Struct):
    check_id: str
    reference: UUID


class _Event(msgspec.Struct):
    id: str
    created: int
    data: _About
    object: Literal["event"]


class IdcheckProvider:
    """The provider of the settings, or none."""

    def __init__(self, client: httpx.AsyncClient | None, *, webhook_secret: str, webhook_url: str) -> None:
        self._client = client
        self._webhook_secret = webhook_secret
        self._webhook_url = webhook_url

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator[Self]:
        """The provider, until the block ends. Nothing is sent yet."""
        url = f"{settings.base_url.rstrip('/')}{WEBHOOK_PATH}"
        if not (settings.identity_url and settings.identity_api_key):
            yield cls(None, webhook_secret="", webhook_url=url)
            return
        headers = {"Authorization": f"Bearer {settings.identity_api_key}"}
        async with httpx.AsyncClient(
            base_url=settings.identity_url.rstrip("/"), headers=headers, timeout=TIMEOUT
        ) as client:
            yield cls(client, webhook_secret=settings.identity_webhook_secret, webhook_url=url)

    @property
    def configured(self) -> bool:
        """Whether there is a provider."""
        return self._client is not None

    async def find(self, reference: UUID) -> Check | None:
        """See IdentityCheck."""
        found = await self._ask("GET", "/v1/checks", _Found, params={"reference": str(reference)})
        ours = [each for each in found.checks if each.reference == reference]
        return _check(ours[0]) if ours else None

    async def start(self, applicant: Applicant, documents: Sequence[Evidence]) -> Check:
        """See IdentityCheck."""
        body = {
            "reference": applicant.reference,
            "level": applicant.level,
            "webhook_url": self._webhook_url,
            "applicant": {
                "legal_name": applicant.profile.legal_name,
                "birth_date": applicant.profile.birth_date,
                "nationality": applicant.nationality,
                "address": applicant.profile.address,
                "documents": applicant.profile.documents,
            },
        }
        made = await self._ask("POST", "/v1/checks", _Check, content=msgspec.json.encode(body))
        for document in documents:
            await self._ask(
                "PUT",
                f"/v1/checks/{made.id}/documents/{document.purpose}/{document.sha256}",
                _Check,
                content=document.content,
                headers={"Content-Type": document.media_type},
            )
        return _check(await self._ask("POST", f"/v1/checks/{made.id}/run", _Check))

    def verified_event(self, *, body: bytes, signature: str, now: datetime) -> IdentityEvent:
        """See IdentityCheck. The header reads t=<seconds>,v1=<hex>; what is signed is "<seconds>.<body>"."""
        at, shown = _parts(signature)
        secret = self._webhook_secret.encode()
        expected = hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest().encode()
        if not secret or not sum(hmac.compare_digest(expected, each) for each in shown):
            raise ForgedIdentityEvent("no signature fits the body")
        age = now.timestamp() - at
        if not -SKEW_SECONDS <= age <= TOLERANCE_SECONDS:
            raise StaleIdentityEvent(f"signed {age:.0f} s ago")
        try:
            event = msgspec.json.decode(body, type=_Event)
            if not (0 < len(event.id) <= 255 and 0 < len(event.data.check_id) <= 255):
                raise ForgedIdentityEvent("the event has no id")
            created_at = datetime.fromtimestamp(event.created, UTC)
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
            raise ForgedIdentityEvent("the body is no event") from error
        return IdentityEvent(
            id=event.id, check_id=event.data.check_id, reference=event.data.reference, created_at=created_at
        )

    async def _ask(self, method: str, path: str, kind: Any, **more: Any) -> Any:
        """One request; raises IdentityRefused for a refusal of this very check, IdentityTrouble for all else."""
        if self._client is None:
            raise IdentityTrouble("no provider is configured")
        body = bytearray()
        try:
            async with self._client.stream(method, path, **more) as answer:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        raise IdentityTrouble(f"{method} {path} answered more than {ANSWER_BYTES_MAX} bytes")
        except httpx.HTTPError as error:
            raise IdentityTrouble(f"{method} {path}: {type(error).__name__}") from error
        if answer.status_code in {400, 409, 413, 422}:
            raise IdentityRefused(f"{method} {path} was refused with {answer.status_code}")
        if not answer.is_success:
            raise IdentityTrouble(f"{method} {path} answered {answer.status_code}")
        try:
            return msgspec.json.decode(bytes(body), type=kind)
        except msgspec.MsgspecError as error:
            raise IdentityTrouble(f"{method} {path} answered what cannot be read") from error


def _check(found: _Check) -> Check:
    reasons: list[Reason] = [reason for reason in REASONS if reason in found.reasons]
    status = STATUSES.get(found.status, "pending")
    return Check(id=found.id, reference=found.reference, status=status, reasons=reasons)


def _parts(header: str) -> tuple[int, list[bytes]]:
    if not 0 < len(header) <= HEADER_MAX:
        raise ForgedIdentityEvent("the signature is missing or too long")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in pairs if name == "t"]
    shown = [value.encode("utf-8", "replace") for name, _, value in pairs if name == "v1"][:SIGNATURES_MAX]
    if len(moments) != 1 or not shown or not (moments[0].isascii() and moments[0].isdigit() and len(moments[0]) <= 12):
        raise ForgedIdentityEvent("the signature cannot be read")
    at = int(moments[0])
    if at > _EPOCH_MAX:
        raise StaleIdentityEvent("signed in a far future")
    return at, shown
