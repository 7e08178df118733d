"""Tokens: a JWT of one day that names a session; the session itself is checked every time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from bitcurrent.identity.model import InvalidToken, TokenExpired
from bitcurrent.kernel.ids import SessionId, UserId

ALGORITHM = "HS256"
LIFETIME = timedelta(hours=24)
ISSUER = "bitcurrent"
AUDIENCE = "bitcurrent-api"
TYPE = "session"
LENGTH_MAX = 1_000
_REQUIRED = ["sub", "sid", "iat", "exp", "aud", "iss", "typ"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says."""

    user_id: UserId
    session_id: SessionId
    expires_at: int
    """Unix seconds."""


class Tokens:
    """Signs and reads tokens with one key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._jwt = jwt.PyJWT()

    def sign(self, user_id: UserId, session_id: SessionId, issued_at: datetime, expires_at: datetime) -> str:
        """A token for a session."""
        claims = {
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": int(issued_at.timestamp()),
            "exp": int(expires_at.timestamp()),
            "aud": AUDIENCE,
            "iss": ISSUER,
            "typ": TYPE,
        }
        return self._jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def read(self, token: str) -> Claims:
        """What a token says, once its signature, purpose and time are right; raises InvalidToken or TokenExpired."""
        if len(token) > LENGTH_MAX:
            raise InvalidToken
        try:
            claims: dict[str, Any] = self._jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _REQUIRED},
            )
            if claims["typ"] != TYPE:
                raise InvalidToken
            return Claims(UserId(UUID(claims["sub"])), SessionId(UUID(claims["sid"])), int(claims["exp"]))
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.InvalidTokenError, ValueError, TypeError):
            raise InvalidToken from None
