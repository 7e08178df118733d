"""Writes by cookie need a token that only our own pages can read (double submit, bound to the session by HMAC).

A browser adds the session cookie by itself, whoever makes it write; it does not add the header X-CSRF-Token. Programs
that bring a credential of their own (bearer token, API key) need none. The origin of the page is checked beside this.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from litestar.datastructures import Cookie

from bitcurrent.kernel.errors import Forbidden
from bitcurrent.settings import Settings

HEADER = "X-CSRF-Token"
_HEADER = HEADER.lower().encode()
_OWN_CREDENTIAL = (b"authorization", b"apca-api-key-id", b"x-bc-key")


class CsrfMissing(Forbidden):
    """A browser writes with our cookie, and nothing shows that one of our pages made it do so."""

    code = "csrf_token"
    title = "CSRF token missing"

    def __init__(self) -> None:
        super().__init__(
            f"A write with the session cookie needs the header {HEADER}: its value is in the csrf cookie, in the "
            "answer to the login and at GET /api/csrf. Nothing was done."
        )


class Csrf:
    """Makes and checks the tokens of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._key = hmac.digest(settings.secret_key.encode(), b"csrf tokens", hashlib.sha256)
        self._session_cookie = session_cookie(settings).encode()
        self._secure = settings.secure_cookies

    def token_for(self, session_token: str) -> str:
        """The token that belongs to the session named by the cookie's value."""
        digest = hmac.digest(self._key, session_token.encode("latin-1", "replace"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def cookie(self, session_token: str, seconds: int) -> Cookie:
        """The cookie that our pages read; empty and over when the session ends (no token, no seconds)."""
        return Cookie(
            key=csrf_cookie(secure=self._secure),
            value=self.token_for(session_token) if session_token else "",
            max_age=seconds,
            path="/",
            httponly=False,
            secure=self._secure,
            samesite="strict",
        )

    def check_write(self, headers: Mapping[bytes, bytes]) -> None:
        """Raise CsrfMissing for a write that a cookie alone speaks for; `headers` have lower-case names."""
        if any(name in headers for name in _OWN_CREDENTIAL):
            return
        session_token = _cookie_in(headers.get(b"cookie", b""), self._session_cookie)
        if session_token is None:
            return
        given = headers.get(_HEADER, b"").decode("latin-1")
        if not hmac.compare_digest(given.encode(), self.token_for(session_token).encode()):
            raise CsrfMissing

    def session_token_in(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The session cookie's value, if there is one."""
        return _cookie_in(headers.get(b"cookie", b""), self._session_cookie)


def session_cookie(settings: Settings) -> str:
    """The cookie that holds the session's token: bound to this very host wherever https allows that."""
    return "__Host-session" if settings.secure_cookies else "session"


def csrf_cookie(*, secure: bool) -> str:
    """The cookie that our own pages read the CSRF token from."""
    return "__Host-csrf" if secure else "csrf"


def _cookie_in(cookies: bytes, name: bytes) -> str | None:
    """The last cookie of a name, which is the one that recognition takes."""
    found = None
    for part in cookies.split(b";"):
        key, equals, value = part.strip().partition(b"=")
        if equals and key == name:
            found = value.decode("latin-1")
    return found
