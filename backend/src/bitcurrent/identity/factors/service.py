"""Using second factors: completing a login, making a session fresh, a passkey instead of a password.

Verbs take the caller's connection. A refusal that must leave a trace (a counted try) is returned, not raised: the
caller commits first and raises then.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

import structlog
from redis.asyncio import Redis

from bitcurrent.identity.factors import challenges, codes, passkeys, repository
from bitcurrent.identity.factors.lost import LostFactors
from bitcurrent.identity.factors.model import (
    FRESH,
    METHOD_NAMES,
    SMS_TRIES_MAX,
    Challenge,
    Enrolled,
    Method,
    Passkey,
    Proof,
    Tries,
)
from bitcurrent.identity.factors.notices import Notices, when
from bitcurrent.identity.factors.refusals import (
    ChallengeOver,
    CodeUsed,
    FactorLocked,
    MethodMissing,
    SecondFactorMissing,
    SecondFactorRequired,
    WrongCode,
    WrongPasskey,
)
from bitcurrent.identity.model import Actor, User
from bitcurrent.identity.service import Identity, Login
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Refusal
from bitcurrent.kernel.ids import SessionId, UserId
from bitcurrent.web.limits import Limit, Limiter

log = structlog.get_logger()

CHALLENGES_PER_ADDRESS = Limit("challenge-address", attempts=200, seconds=300)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody is asked for: the challenge's token, the methods, and what a passkey is given."""

    token: str
    expires_at: datetime
    methods: tuple[Method, ...]
    passkey: dict[str, Any] | None


class Factors:
    """Knows whether somebody is who the password says."""

    def __init__(
        self,
        *,
        database: Database,
        redis: Redis,
        identity: Identity,
        party: passkeys.RelyingParty,
        notices: Notices,
        lost: LostFactors,
    ) -> None:
        self._database = database
        self._identity = identity
        self._vault = identity.vault
        self._party = party
        self._notices = notices
        self._lost = lost
        self._limiter = Limiter(redis)

    async def count_attempt(self, address: str) -> None:
        """Before anything that needs no session; raises TooMany or Unavailable."""
        await self._limiter.attempt(CHALLENGES_PER_ADDRESS, address)

    # ---- the guards' questions

    async def enrolled(self, connection: Connection, user_id: UserId) -> Enrolled:
        """What a user has."""
        return await repository.enrolled(connection, user_id)

    async def fresh_until(self, connection: Connection, session_id: SessionId) -> datetime | None:
        """Until when this session needs no other factor; None when it does now."""
        moment = await repository.stepped_up_at(connection, session_id)
        return moment + FRESH if moment is not None and now() < moment + FRESH else None

    async def require_fresh(self, actor: Actor, *, unless_none: bool = False) -> None:
        """Raise SecondFactorMissing or SecondFactorRequired unless a factor was used in this session just now.

        `unless_none` lets in accounts without any factor: for adding the first one.
        """
        actor.require_session()
        assert actor.session_id is not None  # require_session
        async with self._database.read() as connection:
            have = await repository.enrolled(connection, actor.user_id)
            fresh = await self.fresh_until(connection, actor.session_id)
        if not have.strong:
            if unless_none:
                return
            raise SecondFactorMissing
        if fresh is None:
            raise SecondFactorRequired(have.methods)

    async def require_second_factor(self, actor: Actor) -> None:
        """Raise SecondFactorMissing or SecondFactorRequired unless a factor was used in this session at some time."""
        actor.require_session()
        assert actor.session_id is not None  # require_session
        async with self._database.read() as connection:
            have = await repository.enrolled(connection, actor.user_id)
            used_at = await repository.stepped_up_at(connection, actor.session_id)
        if not have.strong:
            raise SecondFactorMissing
        if used_at is None:
            raise SecondFactorRequired(have.methods)

    # ---- logging in

    async def ask_at_login(self, connection: Connection, user: User) -> Asked | None:
        """What has to follow the password; None when the account has no second factor."""
        have = await repository.enrolled(connection, user.id)
        if not have.strong:
            return None
        begun = await challenges.begin(connection, "login", user_id=user.id)
        return await self._asked(connection, begun, user.id, have)

    async def complete_login(
        self, connection: Connection, *, challenge: str, proof: Proof, address: str, device: str
    ) -> Login | Refusal:
        """The session, once the factor is right. Raises ChallengeOver or MethodMissing; returns other refusals."""
        begun = await challenges.find(connection, challenge, "login")
        if begun.user_id is None:
            raise ChallengeOver
        refusal = await self.check(connection, begun.user_id, proof, challenge=begun, address=address)
        if refusal is not None:
            return refusal
        await repository.use_challenge(connection, begun.id)
        user = await self._identity.user(connection, begun.user_id)
        return await self._fresh_login(connection, user, address=address, device=device)

    async def ask_for_passkey(self, connection: Connection) -> Asked:
        """What a passkey signs to log in without a password."""
        begun = await challenges.begin(connection, "passkey_login")
        options = self._party.authentication_options(challenge=begun.challenge.bytes, known=[], verified=True)
        return Asked(begun.token, begun.challenge.expires_at, ("passkey",), options)

    async def complete_passkey_login(
        self, connection: Connection, *, challenge: str, credential: dict[str, Any], address: str, device: str
    ) -> Login | Refusal:
        """The session of whoever's passkey this is: it has checked a PIN or a finger, so it is two factors in one.

        Raises ChallengeOver; returns WrongPasskey, whatever exactly is wrong.
        """
        begun = await challenges.find(connection, challenge, "passkey_login")
        try:
            passkey = await repository.lock_passkey(connection, passkeys.credential_id_of(credential))
            if passkey is None or passkeys.user_handle_of(credential) not in {passkey.user_id.bytes, None}:
                return WrongPasskey()
        except WrongPasskey as refusal:
            return refusal
        user = await self._identity.user(connection, passkey.user_id)
        refused = await self._use_passkey(
            connection, passkey, credential, challenge=begun, verified=True, address=address
        )
        if refused is not None:
            return refused
        if user.status == "closed":
            return WrongPasskey()
        await repository.use_challenge(connection, begun.id)
        await self._used(connection, user.id, "passkey", address)
        return await self._fresh_login(connection, user, address=address, device=device)

    async def _fresh_login(self, connection: Connection, user: User, *, address: str, device: str) -> Login:
        login = await self._identity.open_session(connection, user, address=address, device=device)
        await repository.freshen(connection, login.session.id)
        return login

    # ---- stepping up

    async def ask_to_step_up(self, connection: Connection, actor: Actor) -> Asked:
        """What a session can be made fresh with; raises SecondFactorMissing."""
        have = await repository.enrolled(connection, actor.user_id)
        if not have.strong:
            raise SecondFactorMissing
        begun = await challenges.begin(connection, "step_up", user_id=actor.user_id, session_id=actor.session_id)
        return await self._asked(connection, begun, actor.user_id, have)

    async def step_up(
        self, connection: Connection, actor: Actor, proof: Proof, *, challenge: str | None, address: str
    ) -> datetime | Refusal:
        """Make the session fresh; until when it is. A passkey needs the challenge that it signed, codes need none.

        Raises ChallengeOver, MethodMissing or SecondFactorMissing; returns other refusals.
        """
        assert actor.session_id is not None  # the route's guard
        begun = None
        if challenge is not None:
            begun = await challenges.find(connection, challenge, "step_up", session_id=actor.session_id)
        elif proof.method == "passkey":
            raise ChallengeOver
        refusal = await self.check(connection, actor.user_id, proof, challenge=begun, address=address)
        if refusal is not None:
            return refusal
        if begun is not None:
            await repository.use_challenge(connection, begun.id)
        return await repository.freshen(connection, actor.session_id) + FRESH

    # ---- checking

    async def check(
        self, connection: Connection, user_id: UserId, proof: Proof, *, challenge: Challenge | None, address: str
    ) -> Refusal | None:
        """Try a factor; None when it was right. Five wrong tries within a quarter of an hour lock it.

        Raises SecondFactorMissing or MethodMissing when there is nothing to try.
        """
        have = await repository.enrolled(connection, user_id)
        if not have.strong:
            raise SecondFactorMissing
        if proof.method not in have.methods:
            raise MethodMissing(have.methods)
        tries = await repository.lock_tries(connection, user_id, proof.method)
        moment = now()
        if tries.locked_until is not None and tries.locked(moment):
            return FactorLocked(proof.method, tries.locked_until, moment)
        refusal = await self._try(connection, user_id, proof, challenge, address)
        if isinstance(refusal, WrongCode | WrongPasskey):
            return await self.count_failure(connection, user_id, proof.method, tries.failed(moment), refusal, address)
        if refusal is None:
            if tries != Tries():
                await repository.save_tries(connection, user_id, proof.method, Tries())
            await self._used(connection, user_id, proof.method, address)
        return refusal

    async def _try(
        self, connection: Connection, user_id: UserId, proof: Proof, challenge: Challenge | None, address: str
    ) -> Refusal | None:
        code = codes.tidy(proof.code)
        match proof.method:
            case "totp":
                return await self.try_totp(connection, user_id, code)
            case "recovery_code":
                return await self._try_recovery_code(connection, user_id, code, address)
            case "sms":
                return await self.try_sms(connection, user_id, code)
            case "passkey":
                return await self._try_passkey(connection, user_id, proof, challenge, address)
            case _:
                assert_never(proof.method)

    async def try_totp(self, connection: Connection, user_id: UserId, code: str) -> Refusal | None:
        """Whether this is the app's code and newer than any that was accepted; it is accepted once."""
        totp = await repository.find_totp(connection, user_id)
        if totp is None:
            return WrongCode(0)
        secret = self._vault.decrypt(
            totp.secret_encrypted, table="totp_factors", column="secret_encrypted", row=user_id
        ).decode()
        step = codes.matching_step(secret, code, at_seconds=int(now().timestamp()))
        if step is None:
            return WrongCode(0)
        return None if await repository.accept_step(connection, user_id, step) else CodeUsed()

    async def _try_recovery_code(
        self, connection: Connection, user_id: UserId, code: str, address: str
    ) -> Refusal | None:
        used = await repository.use_recovery_code(connection, user_id, codes.recovery_hash(self._vault, user_id, code))
        if used is None:
            return WrongCode(0)
        if not used:
            return CodeUsed()
        left = (await repository.enrolled(connection, user_id)).recovery_codes
        await self._notices.note(
            connection,
            user_id=user_id,
            action="recovery_code.used",
            address=address,
            letter={"left": str(left), "address": address},
            left=left,
        )
        return None

    async def try_sms(self, connection: Connection, user_id: UserId, code: str) -> Refusal | None:
        """Whether this is the code that was sent last; three tries, five minutes."""
        code_hash = codes.sms_hash(self._vault, user_id, code)
        right = await repository.try_sms_code(connection, user_id, code_hash, tries_max=SMS_TRIES_MAX)
        return None if right else WrongCode(0)

    async def _try_passkey(
        self, connection: Connection, user_id: UserId, proof: Proof, challenge: Challenge | None, address: str
    ) -> Refusal | None:
        if challenge is None or proof.credential is None:
            return WrongPasskey()
        credential = dict(proof.credential)
        try:
            passkey = await repository.lock_passkey(connection, passkeys.credential_id_of(credential))
        except WrongPasskey as refusal:
            return refusal
        if passkey is None or passkey.user_id != user_id:
            return WrongPasskey()
        # The password, or the session, was the first factor: having the key is enough for a second.
        return await self._use_passkey(
            connection, passkey, credential, challenge=challenge, verified=False, address=address
        )

    async def _use_passkey(
        self,
        connection: Connection,
        passkey: Passkey,
        credential: dict[str, Any],
        *,
        challenge: Challenge,
        verified: bool,
        address: str,
    ) -> WrongPasskey | None:
        try:
            used = self._party.verify_assertion(credential, passkey, challenge=challenge.bytes, verified=verified)
        except WrongPasskey as refusal:
            return refusal
        if passkeys.counter_went_back(passkey, used.sign_count):
            await self._notices.note(
                connection,
                user_id=passkey.user_id,
                action="passkey.copied",
                address=address,
                letter={"address": address},
                passkey=passkey.id,
                counter=used.sign_count,
                counter_before=passkey.sign_count,
            )
            return WrongPasskey("its counter went back, so there may be a copy of it; we have written to you")
        await repository.use_passkey(connection, passkey.id, sign_count=used.sign_count, backed_up=used.backed_up)
        return None

    async def count_failure(
        self,
        connection: Connection,
        user_id: UserId,
        method: Method,
        tries: Tries,
        refusal: WrongCode | WrongPasskey,
        address: str,
    ) -> Refusal:
        """Keep the tries as they are after a wrong one; the refusal to give, or the lock that came of it."""
        await repository.save_tries(connection, user_id, method, tries)
        moment = now()
        locked = tries.locked_until if tries.locked(moment) else None
        await self._notices.note(
            connection,
            user_id=user_id,
            action="factor.locked" if locked else "factor.refused",
            address=address,
            letter={"method": METHOD_NAMES[method], "until": when(locked), "address": address} if locked else None,
            method=method,
        )
        if locked:
            return FactorLocked(method, locked, moment)
        return WrongCode(tries.left(moment)) if isinstance(refusal, WrongCode) else refusal

    async def _used(self, connection: Connection, user_id: UserId, method: Method, address: str) -> None:
        await self._notices.note(connection, user_id=user_id, action="factor.used", address=address, method=method)
        # Whoever has a factor has not lost it: somebody else asked.
        await self._lost.cancel_if_open(connection, user_id, how="a second factor was used", address=address)

    async def login_user(self, connection: Connection, challenge: str) -> UserId:
        """Who is logging in by this challenge; raises ChallengeOver."""
        begun = await challenges.find(connection, challenge, "login")
        if begun.user_id is None:
            raise ChallengeOver
        return begun.user_id

    # ---- parts

    async def _asked(self, connection: Connection, begun: challenges.Begun, user_id: UserId, have: Enrolled) -> Asked:
        options = None
        if have.passkeys:
            known = await repository.passkeys_of(connection, user_id)
            options = self._party.authentication_options(challenge=begun.challenge.bytes, known=known, verified=False)
        return Asked(begun.token, begun.challenge.expires_at, have.methods, options)
