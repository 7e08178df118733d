"""Which pages of other sites may read our answers: those whose origin the settings name, and nobody else's."""

from bitcurrent.settings import Settings

PREFLIGHT_SECONDS = 600
_METHODS = b"GET, POST, PUT, PATCH, DELETE"
_HEADERS = b"Authorization, Content-Type, Idempotency-Key, If-None-Match, X-CSRF-Token, X-Request-Id"
_EXPOSED = (
    b"ETag, Idempotent-Replayed, RateLimit, RateLimit-Limit, RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, "
    b"Retry-After, X-Request-Id"
)

HeaderList = list[tuple[bytes, bytes]]


class Cors:
    """The allow-list."""

    def __init__(self, settings: Settings) -> None:
        named = (origin.strip().rstrip("/") for origin in settings.allowed_origins.split(","))
        self._allowed = frozenset(origin.encode() for origin in named if origin)

    def headers(self, headers: dict[bytes, bytes]) -> HeaderList:
        """What an answer to this request tells the browser."""
        if not self._allowed:
            return []
        origin = headers.get(b"origin")
        if origin not in self._allowed:
            return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _EXPOSED),
            # For these pages only: everybody else's browser keeps the answer to our own pages.
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"vary", b"Origin"),
        ]

    def preflight(self, method: str, headers: dict[bytes, bytes]) -> HeaderList | None:
        """What a browser's question before a request is told besides; None when this is no such question."""
        if method != "OPTIONS" or b"origin" not in headers or b"access-control-request-method" not in headers:
            return None
        if headers[b"origin"] not in self._allowed:
            return []
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _HEADERS),
            (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
        ]
