"""What is begun and waits for a factor: an opaque token for whoever began it, good for five minutes and once."""

import hashlib
import secrets
from dataclasses import dataclass

from bitcurrent.identity.factors import repository
from bitcurrent.identity.factors.model import CHALLENGE_LIFETIME, Challenge, Purpose
from bitcurrent.identity.factors.refusals import ChallengeOver
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import SessionId, UserId, new_id

BYTES = 32
TOKEN_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """A challenge with its token, which exists in this moment only."""

    token: str
    challenge: Challenge


async def begin(
    connection: Connection, purpose: Purpose, *, user_id: UserId | None = None, session_id: SessionId | None = None
) -> Begun:
    """A new challenge."""
    challenge = Challenge(
        id=new_id(),
        purpose=purpose,
        user_id=user_id,
        session_id=session_id,
        bytes=secrets.token_bytes(BYTES),
        expires_at=now() + CHALLENGE_LIFETIME,
    )
    token = secrets.token_urlsafe(BYTES)
    await repository.insert_challenge(connection, challenge, _hash(token))
    return Begun(token, challenge)


async def find(
    connection: Connection, token: str, purpose: Purpose, *, session_id: SessionId | None = None
) -> Challenge:
    """The challenge of a token, locked; raises ChallengeOver, also when it was begun in another session."""
    if len(token) > TOKEN_LENGTH_MAX:
        raise ChallengeOver
    challenge = await repository.find_challenge(connection, _hash(token), purpose)
    if challenge is None or challenge.session_id != session_id:
        raise ChallengeOver
    return challenge


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
