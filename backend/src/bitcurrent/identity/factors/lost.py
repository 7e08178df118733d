"""Every second factor lost: a request by whoever knows the password, a long wait, everybody told, somebody's approval.

Using any factor meanwhile proves that it was not lost, and cancels. At the end every factor is removed and every
session ends; the password alone then opens the account, and a new factor is added.
"""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from bitcurrent.audit.model import ActorKind
from bitcurrent.identity import repository as people
from bitcurrent.identity.factors import challenges, lost_repository, repository
from bitcurrent.identity.factors.model import OPEN, LostFactor, LostState
from bitcurrent.identity.factors.notices import Notices, when
from bitcurrent.identity.factors.refusals import ChallengeOver, LostFactorClosed, LostFactorOpen, OwnRequest
from bitcurrent.identity.model import Actor
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid, NotFound
from bitcurrent.kernel.ids import SessionId, UserId, new_id
from bitcurrent.settings import Settings
from bitcurrent.web.limits import Limit, Limiter

REQUESTS_PER_ADDRESS = Limit("lost-factor-address", attempts=20, seconds=3600)
REASON_LENGTH_MAX = 500
BATCH = 200


class LostFactors:
    """Requests of people who lost every second factor."""

    def __init__(
        self, *, database: Database, redis: Redis, settings: Settings, identity: Identity, notices: Notices
    ) -> None:
        self._database = database
        self._identity = identity
        self._notices = notices
        self._limiter = Limiter(redis)
        self._wait = timedelta(seconds=settings.lost_factor_wait_seconds)
        self._key = settings.secret_key.encode()

    async def count_attempt(self, address: str) -> None:
        """Before anything that needs no session; raises TooMany or Unavailable."""
        await self._limiter.attempt(REQUESTS_PER_ADDRESS, address)

    async def request(self, connection: Connection, *, challenge: str, reason: str, address: str) -> LostFactor:
        """Begin the wait, for whoever has just shown the password (the challenge of their login).

        Raises ChallengeOver, Invalid or LostFactorOpen.
        """
        begun = await challenges.find(connection, challenge, "login")
        if begun.user_id is None:
            raise ChallengeOver
        why, moment = _tidy(reason, "reason"), now()
        request = LostFactor(
            id=new_id(),
            user_id=begun.user_id,
            requested_at=moment,
            ends_at=moment + self._wait,
            state=LostState.WAITING,
            reason=why,
            address=address,
            decided_by=None,
            decided_at=None,
            decision=None,
            ended_at=None,
            reminded_at=None,
        )
        if not await lost_repository.insert_request(connection, request):
            known = await lost_repository.lock_open_request(connection, begun.user_id)
            raise LostFactorOpen(known.ends_at if known else moment)
        await self._notices.note(
            connection,
            user_id=request.user_id,
            action="lost_factor.requested",
            address=address,
            letter=self._letter(request),
            request=request.id,
            ends_at=request.ends_at,
        )
        return request

    async def open_request(self, connection: Connection, user_id: UserId) -> LostFactor | None:
        """A user's open request."""
        return await lost_repository.find_open_request(connection, user_id)

    async def cancel_if_open(self, connection: Connection, user_id: UserId, *, how: str, address: str) -> bool:
        """Cancel a user's open request; whether there was one."""
        request = await lost_repository.lock_open_request(connection, user_id)
        if request is None:
            return False
        await lost_repository.end(connection, request.id, state=LostState.CANCELED, at=now())
        await self._notices.note(
            connection,
            user_id=user_id,
            action="lost_factor.canceled",
            address=address,
            letter={"how": how},
            request=request.id,
            how=how,
        )
        return True

    async def cancel_by_token(self, connection: Connection, token: str, *, address: str) -> None:
        """Cancel by the link in a letter; again is no error. Raises NotFound for a token that we did not make."""
        name, _, signature = token.partition(".")
        try:
            request_id = UUID(name)
        except ValueError:
            request_id = UUID(int=0)
        right = hmac.compare_digest(self._signature(request_id).encode(), signature.encode("utf-8", "replace"))
        request = await lost_repository.lock_request(connection, request_id) if right else None
        if request is None:
            raise NotFound("This link is not one of ours.")
        if request.state in OPEN:
            await self.cancel_if_open(connection, request.user_id, how="the link in a letter", address=address)

    # ---- support

    async def requests(
        self, connection: Connection, *, state: LostState | None, before: UUID | None, limit: int
    ) -> list[LostFactor]:
        """Requests, newest first."""
        return await lost_repository.requests(connection, state=state, before=before, limit=limit)

    async def decide(
        self, connection: Connection, actor: Actor, request_id: UUID, *, approve: bool, reason: str, address: str
    ) -> LostFactor:
        """Approve or refuse a waiting request, saying why. The wait goes on; approval alone removes nothing.

        Raises NotFound, OwnRequest, LostFactorClosed or Invalid.
        """
        why, moment = _tidy(reason, "reason"), now()
        request = await lost_repository.lock_request(connection, request_id)
        if request is None:
            raise NotFound("There is no such request.")
        if request.user_id == actor.user_id:
            raise OwnRequest
        if request.state is not LostState.WAITING:
            raise LostFactorClosed(request.state)
        state = LostState.APPROVED if approve else LostState.REFUSED
        await lost_repository.decide(connection, request_id, state=state, by=actor.user_id, decision=why, at=moment)
        await self._notices.note(
            connection,
            user_id=request.user_id,
            action=f"lost_factor.{state}",
            address=address,
            letter=None if approve else {},
            actor_id=actor.user_id,
            kind=ActorKind.OPERATOR,
            reason=why,
            request=request_id,
        )
        return replace(
            request,
            state=state,
            decided_by=actor.user_id,
            decided_at=moment,
            decision=why,
            ended_at=None if approve else moment,
        )

    # ---- time

    async def tend(self) -> int:
        """Do what time demands of open requests: remind, finish, lapse; how many were touched.

        Each in a transaction of its own; done twice it does nothing twice.
        """
        touched, after = 0, None
        while True:
            async with self._database.read() as connection:
                found = await lost_repository.open_request_ids(connection, after=after, limit=BATCH)
            for request_id in found:
                moved = await self._tend_one(request_id)
                touched += moved
            if len(found) < BATCH:
                return touched
            after = found[-1]

    async def _tend_one(self, request_id: UUID) -> bool:
        ended: list[SessionId] = []
        async with self._database.transaction() as connection:
            request = await lost_repository.lock_request(connection, request_id)
            moment = now()
            step = request.next_step(moment) if request else None
            if request is None or step is None:
                return False
            match step:
                case "remind":
                    await lost_repository.note_reminder(connection, request_id, moment)
                    await self._note(connection, request, "lost_factor.reminded", self._letter(request))
                case "lapse":
                    await lost_repository.end(connection, request_id, state=LostState.LAPSED, at=moment)
                    await self._note(connection, request, "lost_factor.lapsed", {})
                case "finish":
                    ended = await self._finish(connection, request, moment)
        await self._identity.announce(sessions=ended)
        return True

    async def _finish(self, connection: Connection, request: LostFactor, moment: datetime) -> list[SessionId]:
        await repository.lock_user(connection, request.user_id)
        await repository.remove_all(connection, request.user_id)
        await repository.end_challenges(connection, request.user_id)
        ended = await people.revoke_sessions(connection, request.user_id)
        await lost_repository.end(connection, request.id, state=LostState.DONE, at=moment)
        await self._note(connection, request, "lost_factor.done", {})
        return ended

    async def _note(self, connection: Connection, request: LostFactor, action: str, letter: dict[str, str]) -> None:
        await self._notices.note(
            connection,
            user_id=request.user_id,
            action=action,
            address=None,
            letter=letter,
            kind=ActorKind.SYSTEM,
            request=request.id,
        )

    def _letter(self, request: LostFactor) -> dict[str, str]:
        return {
            "ends_at": when(request.ends_at),
            "address": request.address,
            "token": f"{request.id}.{self._signature(request.id)}",
        }

    def _signature(self, request_id: UUID) -> str:
        digest = hmac.digest(self._key, f"lost factor cancel {request_id}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _tidy(text: str, field: str) -> str:
    tidied = " ".join(text.split())
    if not 1 <= len(tidied) <= REASON_LENGTH_MAX or not tidied.isprintable():
        raise Invalid(f"A reason has 1 to {REASON_LENGTH_MAX} visible characters.", field=field)
    return tidied
