"""Identity's verbs: register, log in and out, recognise whoever asks, and keep their keys.

Verbs that take a connection run in the caller's transaction; after its commit the caller calls `announce` for what
has ended. Hashing a password happens before any transaction is open.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from redis.asyncio import Redis

from bitcurrent.audit.service import record
from bitcurrent.identity import repository
from bitcurrent.identity.devices import Devices
from bitcurrent.identity.keys import KeyKeeper
from bitcurrent.identity.model import (
    Actor,
    EmailTaken,
    Role,
    Session,
    User,
    WrongCredentials,
    clean_name,
    normalise_email,
)
from bitcurrent.identity.passwords import Passwords
from bitcurrent.identity.ports import Letters, LoginGate
from bitcurrent.identity.recognition import Recognition
from bitcurrent.identity.strength import check_password
from bitcurrent.identity.tokens import LIFETIME
from bitcurrent.identity.verified import VerifiedEmails, mark_verified
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid, NotFound
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import SessionId, UserId, new_id
from bitcurrent.settings import Settings
from bitcurrent.web.csrf import Csrf
from bitcurrent.web.limits import Limit, Limiter

LOGINS_PER_ACCOUNT = Limit("login-account", attempts=10, seconds=300)
LOGINS_PER_ADDRESS = Limit("login-address", attempts=100, seconds=300)
REGISTRATIONS_PER_ADDRESS = Limit("register-address", attempts=100, seconds=300)
DEVICE_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Registration:
    """A checked wish to become a customer; the password is hashed already."""

    email: str
    display_name: str
    password_hash: str
    role: Role = "customer"
    email_verified: bool = True
    """Only who comes by the public door has to confirm the address: we know those whom we make ourselves."""


@dataclass(frozen=True, slots=True)
class Login:
    """An open session and the token that names it."""

    user: User
    session: Session
    token: str
    csrf_token: str
    """What a browser sends along with its writes."""


class Identity(Recognition, KeyKeeper):
    """Knows who somebody is, and keeps their accounts."""

    def __init__(self, database: Database, redis: Redis, settings: Settings, *, letters: Letters | None = None) -> None:
        super().__init__(database, redis, settings)
        self.vault = settings.open_vault()
        self.verified = VerifiedEmails(database)
        self.csrf = Csrf(settings)
        self._devices = Devices(settings.secret_key, letters)
        self._passwords = Passwords(settings.password_pepper, settings.password_cost)
        self.gate: LoginGate | None = None
        self._limiter = Limiter(redis)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, database: Database, redis: Redis, settings: Settings, *, letters: Letters | None = None
    ) -> AsyncIterator[Self]:
        """Identity with its listener and its hashing threads, until the block ends.

        Without `letters` nobody is written to about logins from new devices.
        """
        identity = cls(database, redis, settings, letters=letters)
        try:
            async with identity.listening():
                yield identity
        finally:
            identity.close()

    def close(self) -> None:
        """End the hashing threads."""
        self._passwords.close()

    # ---- becoming a customer, logging in and out

    async def prepare_registration(self, *, email: str, display_name: str, password: str, address: str) -> Registration:
        """Check a registration and hash its password; raises Invalid, TooMany or Unavailable."""
        # What is plainly wrong does not count as an attempt.
        normalise_email(email)
        clean_name(display_name)
        check_password(password, email=email, name=display_name)
        await self._limiter.attempt(REGISTRATIONS_PER_ADDRESS, address)
        wish = await self.registration_of(email=email, display_name=display_name, password=password)
        return replace(wish, email_verified=False)

    async def registration_of(
        self, *, email: str, display_name: str, password: str, role: Role = "customer"
    ) -> Registration:
        """The same for people we make ourselves: no limit, any role."""
        normal_email, name = normalise_email(email), clean_name(display_name)
        check_password(password, email=normal_email, name=name)
        return Registration(normal_email, name, await self._passwords.hash(password), role)

    async def hash_password(self, password: str) -> str:
        """The hash to store, a quarter of a second later; raises Unavailable when too many wait."""
        return await self._passwords.hash(password)

    async def register(self, connection: Connection, wish: Registration, *, address: str) -> User:
        """Make the account; raises EmailTaken."""
        user_id = UserId(new_id())
        user = await repository.insert_user(
            connection,
            self.vault,
            user_id=user_id,
            email=wish.email,
            display_name=wish.display_name,
            password_hash=wish.password_hash,
            role=wish.role,
        )
        if user is None:
            raise EmailTaken
        if wish.email_verified:
            await mark_verified(connection, user_id)
        # The first event makes the customer's sequence.
        await append_event(connection, user_id=user_id, kind="customer.registered", subject=user_id, payload={})
        await record(connection, actor_id=user_id, action="user.registered", subject=f"user:{user_id}", address=address)
        return user

    async def check_login(self, *, email: str, password: str, address: str) -> User:
        """The user with this address and password.

        Raises WrongCredentials, after the same work whether or not there is such a user; TooMany after too many
        attempts; Unavailable when attempts cannot be counted.
        """
        try:
            known_email = normalise_email(email)
        except Invalid:
            known_email = ""
        account = hashlib.sha256((known_email or email).encode("utf-8", "surrogatepass")).hexdigest()
        await self._limiter.attempt(LOGINS_PER_ADDRESS, address)
        await self._limiter.attempt(LOGINS_PER_ACCOUNT, account)
        async with self._database.read() as connection:
            found = await repository.find_login(connection, self.vault, known_email)
        user, stored = found or (None, None)
        right = await self._passwords.matches(password, stored)
        if user is None or not right or user.status == "closed":
            await self._note_failed_login(user, address)
            raise WrongCredentials
        await self._limiter.forgive(LOGINS_PER_ACCOUNT, account)
        return user

    async def _note_failed_login(self, user: User | None, address: str) -> None:
        # Its own transaction: the refusal that follows undoes nothing.
        async with self._database.transaction() as connection:
            await record(
                connection,
                actor_id=None,
                action="login.failed",
                subject=f"user:{user.id}" if user else "user:unknown",
                address=address,
            )

    async def open_session(self, connection: Connection, user: User, *, address: str, device: str) -> Login:
        """A new session of one day, and its token; raises what the gate raises for who may not log in for now."""
        if self.gate is not None:
            await self.gate(connection, user.id)
        opened = now()
        session = Session(
            id=SessionId(new_id()),
            user_id=user.id,
            created_at=opened,
            expires_at=opened + LIFETIME,
            last_seen_at=opened,
            address=address,
            device=_printable(device)[:DEVICE_LENGTH_MAX] or "unknown",
        )
        await repository.insert_session(connection, session)
        await self._devices.see(connection, session)
        await record(
            connection,
            actor_id=user.id,
            action="session.opened",
            subject=f"user:{user.id}",
            address=address,
            details={"session": str(session.id)},
        )
        token = self._tokens.sign(user.id, session.id, session.created_at, session.expires_at)
        return Login(user, session, token, self.csrf.token_for(token))

    async def end_session(
        self, connection: Connection, actor: Actor, session_id: SessionId, *, address: str
    ) -> list[SessionId]:
        """End one of the actor's sessions; ending it again ends nothing."""
        ended = await repository.revoke_sessions(connection, actor.user_id, only=session_id)
        for each in ended:
            await self._note_ended(connection, actor, each, address)
        return ended

    async def end_other_sessions(self, connection: Connection, actor: Actor, *, address: str) -> list[SessionId]:
        """End all of the actor's sessions but the one that asks."""
        ended = await repository.revoke_sessions(connection, actor.user_id, sparing=actor.session_id)
        for each in ended:
            await self._note_ended(connection, actor, each, address)
        return ended

    async def _note_ended(self, connection: Connection, actor: Actor, session_id: SessionId, address: str) -> None:
        await record(
            connection,
            actor_id=actor.user_id,
            action="session.ended",
            subject=f"user:{actor.user_id}",
            address=address,
            details={"session": str(session_id)},
        )

    async def confirm_password(self, actor: Actor, password: str) -> str:
        """The stored hash, when the actor knows the password; raises WrongCredentials, TooMany or Unavailable.

        Takes a quarter of a second: never call it in a transaction.
        """
        await self._limiter.attempt(LOGINS_PER_ACCOUNT, str(actor.user_id))
        async with self._database.read() as connection:
            stored = await repository.password_hash(connection, actor.user_id)
        if not await self._passwords.matches(password, stored) or stored is None:
            raise WrongCredentials
        await self._limiter.forgive(LOGINS_PER_ACCOUNT, str(actor.user_id))
        return stored

    # ---- reading

    async def user(self, connection: Connection, user_id: UserId) -> User:
        """A user by id; raises NotFound."""
        found = await repository.find_user(connection, self.vault, user_id)
        if found is None:
            raise NotFound("There is no such user.")
        return found

    async def user_by_email(self, connection: Connection, email: str) -> User | None:
        """A user by e-mail address."""
        found = await repository.find_login(connection, self.vault, normalise_email(email))
        return found[0] if found else None

    async def sessions(self, connection: Connection, actor: Actor, *, before: UUID | None, limit: int) -> list[Session]:
        """The actor's open sessions, newest first."""
        return await repository.live_sessions(connection, actor.user_id, before=before, limit=limit)


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
