"""Identity's verbs: register, log in and out, recognise whoever asks, and keep their keys.

Verbs that take a connection run in the caller's transaction; after its commit the caller calls `announce` for what
has ended. Hashing a password happens before any transaction is open.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from redis.asyncio import Redis

from bitcurrent.audit.service import record
from bitcurrent.identity import repository
from bitcurrent.identity.keys import KeyKeeper
from bitcurrent.identity.model import (
    Actor,
    EmailTaken,
    PasswordChangedMeanwhile,
    Role,
    Session,
    User,
    WrongCredentials,
    check_password_rules,
    clean_name,
    normalise_email,
)
from bitcurrent.identity.passwords import Passwords
from bitcurrent.identity.recognition import Recognition
from bitcurrent.identity.tokens import LIFETIME
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid, NotFound
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import SessionId, UserId, new_id
from bitcurrent.settings import Settings
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


@dataclass(frozen=True, slots=True)
class Login:
    """An open session and the token that names it."""

    user: User
    session: Session
    token: str


class Identity(Recognition, KeyKeeper):
    """Knows who somebody is, and keeps their accounts."""

    def __init__(self, database: Database, redis: Redis, settings: Settings) -> None:
        super().__init__(database, redis, settings)
        self.vault = settings.open_vault()
        self._passwords = Passwords(settings.password_pepper, settings.password_cost)
        self._limiter = Limiter(redis)

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database, redis: Redis, settings: Settings) -> AsyncIterator[Self]:
        """Identity with its listener and its hashing threads, until the block ends."""
        identity = cls(database, redis, settings)
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
        check_password_rules(password)
        await self._limiter.attempt(REGISTRATIONS_PER_ADDRESS, address)
        return await self.registration_of(email=email, display_name=display_name, password=password)

    async def registration_of(
        self, *, email: str, display_name: str, password: str, role: Role = "customer"
    ) -> Registration:
        """The same for people we make ourselves: no limit, any role."""
        normal_email, name = normalise_email(email), clean_name(display_name)
        check_password_rules(password)
        return Registration(normal_email, name, await self._passwords.hash(password), role)

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
        """A new session of one day, and its token."""
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
        await record(
            connection,
            actor_id=user.id,
            action="session.opened",
            subject=f"user:{user.id}",
            address=address,
            details={"session": str(session.id)},
        )
        token = self._tokens.sign(user.id, session.id, session.created_at, session.expires_at)
        return Login(user, session, token)

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

    async def prepare_password_change(self, actor: Actor, *, current: str, new: str) -> tuple[str, str]:
        """The old and the new hash, when the current password is right; raises Invalid, WrongCredentials, TooMany."""
        check_password_rules(new, field="new_password")
        stored = await self.confirm_password(actor, current)
        return stored, await self._passwords.hash(new)

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

    async def change_password(
        self, connection: Connection, actor: Actor, *, old_hash: str, new_hash: str, address: str
    ) -> list[SessionId]:
        """Set the new password and end every other session; raises PasswordChangedMeanwhile."""
        if not await repository.replace_password(connection, actor.user_id, old_hash=old_hash, new_hash=new_hash):
            raise PasswordChangedMeanwhile
        await record(
            connection,
            actor_id=actor.user_id,
            action="password.changed",
            subject=f"user:{actor.user_id}",
            address=address,
        )
        return await self.end_other_sessions(connection, actor, address=address)

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
