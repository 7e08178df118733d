"""Signed requests: the key's secret stays at home, a signature of the request comes along, and works once.

The signature is HMAC-SHA-256 over five lines (method, path with query, timestamp, nonce, SHA-256 of the body in hex).
Its key is the SHA-256 of the key's secret: that is all we store. docs/api-keys.md has examples.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis

from bitcurrent.kernel.errors import Unauthenticated, Unavailable
from bitcurrent.web.problems import REDIS_ERRORS

log = structlog.get_logger()

WINDOW_MILLISECONDS = 30_000
NONCE_SECONDS = 65
"""Longer than a request can stay valid: from 30 s before its timestamp to 30 s after."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})
PREFIX = b"x-bc-"
SIGNED_HEADERS = (b"x-bc-key", b"x-bc-timestamp", b"x-bc-nonce", b"x-bc-signature")
_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TIMESTAMP = re.compile(r"[0-9]{10,16}")


class BadSignature(Unauthenticated):
    """Unknown key, wrong secret, or another request than the one that was signed: nobody learns which."""

    code = "bad_signature"
    title = "Bad signature"

    def __init__(self, why: str = "the signature does not fit this request and key") -> None:
        super().__init__(f"The signed request was refused: {why}. See docs/api-keys.md.")


class StaleTimestamp(Unauthenticated):
    """Signed too long ago, or in the future."""

    code = "stale_timestamp"
    title = "Signed too long ago"

    def __init__(self, now_milliseconds: int) -> None:
        super().__init__(
            "X-BC-Timestamp must be within 30 seconds of our clock, in milliseconds since 1970.",
            field="X-BC-Timestamp",
            details={"server_time": str(now_milliseconds)},
        )


class NonceUsed(Unauthenticated):
    """The very same request came before."""

    code = "nonce_used"
    title = "Nonce used before"

    def __init__(self) -> None:
        super().__init__("This nonce was used before: make a new one for each request.", field="X-BC-Nonce")


async def no_body() -> bytes:
    """What a request without a body says."""
    return b""


@dataclass(frozen=True, slots=True)
class Approach:
    """How a request came: from where, and what it says; that is what a key may be bound to."""

    address: str | None
    method: str = "GET"
    target: str = ""
    """The path with its query, as it was sent."""
    body: Callable[[], Awaitable[bytes]] = no_body


@dataclass(frozen=True, slots=True)
class Proof:
    """A signature and what it was made over."""

    key_id: str
    timestamp: str
    nonce: str
    signature: str


def read_proof(headers: Iterable[tuple[bytes, bytes]]) -> Proof | None:
    """The proof in a request's headers (ASGI's: lower-case names); None without X-BC-Key. Raises BadSignature."""
    found = {name: value.decode("latin-1") for name, value in headers if name.startswith(PREFIX)}
    if SIGNED_HEADERS[0] not in found:
        return None
    missing = [name.decode() for name in SIGNED_HEADERS if name not in found]
    if missing:
        raise BadSignature(f"missing {', '.join(missing)}")
    return Proof(*(found[name] for name in SIGNED_HEADERS))


def target_of(scope: Mapping[str, Any]) -> str:
    """The path and query of a request (an ASGI scope), as they were sent."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path, query = raw.partition(b"?")[0], scope["query_string"]
    return (path + b"?" + query if query else path).decode("utf-8", "surrogateescape")


def signed_text(method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """The bytes that are signed."""
    digest = hashlib.sha256(body).hexdigest()
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n{digest}".encode("utf-8", "surrogateescape")


def sign(secret_hash: bytes, text: bytes) -> str:
    """The signature in hex."""
    return hmac.new(secret_hash, text, hashlib.sha256).hexdigest()


def check_time(proof: Proof) -> None:
    """Raise StaleTimestamp unless the request was signed within 30 seconds of now."""
    now = time.time_ns() // 1_000_000
    if not _TIMESTAMP.fullmatch(proof.timestamp) or abs(int(proof.timestamp) - now) > WINDOW_MILLISECONDS:
        raise StaleTimestamp(now)


async def check_signature(proof: Proof, secret_hash: bytes, approach: Approach) -> None:
    """Raise BadSignature unless the proof fits this request and key."""
    if not _NONCE.fullmatch(proof.nonce):
        raise BadSignature("a nonce has 8 to 64 letters, digits, - or _")
    text = signed_text(approach.method, approach.target, proof.timestamp, proof.nonce, await approach.body())
    given = proof.signature.encode("latin-1", "replace")
    if not hmac.compare_digest(sign(secret_hash, text).encode(), given):
        raise BadSignature


async def spend_nonce(redis: Redis, proof: Proof, method: str) -> None:
    """Use the nonce up; raises NonceUsed, and Unavailable for a write that cannot be checked without Redis."""
    try:
        fresh = await redis.set(f"nonce:{proof.key_id}:{proof.nonce}", b"1", ex=NONCE_SECONDS, nx=True)
    except REDIS_ERRORS as error:
        if method in READING:
            # Reading twice harms nobody, and the window still holds.
            log.warning("nonce_unchecked", cause=type(error).__name__)
            return
        raise Unavailable(
            "It cannot be checked at the moment whether this request came before, so nothing was done."
        ) from error
    if not fresh:
        raise NonceUsed
