"""Which pages may make a browser write here: ours, and those the settings name."""

from urllib.parse import urlsplit

from bitcurrent.settings import Settings

# A program that brings its own credential cannot be tricked by a page: browsers never add these by themselves.
_OWN_CREDENTIAL = (b"authorization", b"apca-api-key-id")


class Origins:
    """The origins of this installation."""

    def __init__(self, settings: Settings) -> None:
        named = [settings.base_url, *settings.allowed_origins.split(",")]
        self._allowed = {_origin(address).encode() for address in named if address.strip()}

    def is_foreign(self, headers: dict[bytes, bytes]) -> bool:
        """Whether a browser sends this on behalf of another site (cookies would go along)."""
        if any(name in headers for name in _OWN_CREDENTIAL):
            return False
        origin = headers.get(b"origin")
        if origin is not None:
            return not self.allows(origin, headers.get(b"host", b""))
        return headers.get(b"sec-fetch-site", b"none") not in {b"same-origin", b"none"}

    def allows(self, origin: bytes, host: bytes) -> bool:
        """Whether a page of this origin may write, or open a live connection, on this host."""
        if origin in self._allowed:
            return True
        # The browser names both: a page served by this very host is ours, under whichever name we were reached.
        return bool(host) and origin.partition(b"://")[2] == host


def _origin(address: str) -> str:
    parts = urlsplit(address.strip())
    return f"{parts.scheme}://{parts.netloc}"
