"""A program that signs its requests, written from docs/api-keys.md and nothing else."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Generator
from dataclasses import dataclass

import httpx


@dataclass
class Signed(httpx.Auth):
    """Signs what httpx is about to send. `skew` moves the clock, in milliseconds; `nonce` is new unless given."""

    key_id: str
    secret: str
    skew: int = 0
    nonce: str | None = None

    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self.headers(request.method, request.url.raw_path.decode(), request.content))
        yield request

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """The four headers for one request."""
        timestamp = str(time.time_ns() // 1_000_000 + self.skew)
        nonce = self.nonce or secrets.token_urlsafe(16)
        text = "\n".join((method, target, timestamp, nonce, hashlib.sha256(body).hexdigest()))
        key = hashlib.sha256(self.secret.encode()).digest()
        return {
            "X-BC-Key": self.key_id,
            "X-BC-Timestamp": timestamp,
            "X-BC-Nonce": nonce,
            "X-BC-Signature": hmac.new(key, text.encode(), hashlib.sha256).hexdigest(),
        }
