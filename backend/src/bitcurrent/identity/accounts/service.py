"""Verbs of an account's life: register, confirm, recover, change and close.

Verbs that take a connection run in the caller's transaction, letters included; what takes a password's quarter of a
second or asks Redis is prepared before. After the commit the caller announces the `Ended` that it got.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from bitcurrent.audit.service import record
from bitcurrent.identity import keys_repository
from bitcurrent.identity import repository as people
from bitcurrent.identity.accounts import repository
from bitcurrent.identity.accounts.links import Links
from bitcurrent.identity.accounts.model import (
    LIFETIMES,
    CannotClose,
    EmailVerified,
    LinkUsed,
    Purpose,
    SameEmail,
    masked,
)
from bitcurrent.identity.accounts.ports import Leavings
from bitcurrent.identity.model import (
    AccountFrozen,
    Actor,
    EmailTaken,
    PasswordChangedMeanwhile,
    User,
    check_password_rules,
    normalise_email,
)
from bitcurrent.identity.ports import Letters
from bitcurrent.identity.service import Identity, Registration
from bitcurrent.identity.strength import check_password
from bitcurrent.identity.verified import is_verified, mark_verified
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid, TooMany
from bitcurrent.kernel.ids import SessionId, UserId
from bitcurrent.settings import Settings
from bitcurrent.web.limits import Limit, Limiter

LETTERS_PER_MAILBOX: Final = Limit("letters-mailbox", attempts=5, seconds=3600)
"""Letters that strangers can make us send to one address."""

ASKS_PER_ADDRESS: Final = Limit("account-asks-address", attempts=60, seconds=3600)
LINKS_PER_ADDRESS: Final = Limit("account-links-address", attempts=60, seconds=300)
SAME_SECONDS: Final = 0.25
"""What an answer takes at least that must not tell whether there is such an account."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What has ended with an act."""

    sessions: Sequence[SessionId] = ()
    keys: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked wish of somebody unknown; `may_write` is False when that mailbox has had enough letters."""

    email: str
    may_write: bool


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that may be set, hashed."""

    hash: str = field(repr=False)


class Accounts:
    """Keeps accounts."""

    def __init__(
        self,
        *,
        database: Database,
        redis: Redis,
        settings: Settings,
        identity: Identity,
        letters: Letters,
        leavings: Leavings,
    ) -> None:
        self._database = database
        self._limiter = Limiter(redis)
        self._identity = identity
        self._letters = letters
        self._leavings = leavings
        self._vault = identity.vault
        self._links = Links(settings.secret_key, identity.vault)

    # ---- the address

    async def prepare_registration(
        self, *, email: str, display_name: str, password: str, address: str
    ) -> tuple[Registration, Asked]:
        """Check a registration and hash its password; raises Invalid, TooMany or Unavailable."""
        wish = await self._identity.prepare_registration(
            email=email, display_name=display_name, password=password, address=address
        )
        return wish, await self._asked(wish.email)

    async def register(self, connection: Connection, wish: Registration, asked: Asked, *, address: str) -> None:
        """Make the account and write to its address; where there is one already, its owner is told instead."""
        try:
            user = await self._identity.register(connection, wish, address=address)
        except EmailTaken:
            owner = await self._owner_of(connection, wish.email)
            if owner is not None and asked.may_write:
                await self._letters.queue(connection, user_id=owner.id, template="already_registered", values={})
        else:
            await self._send_link(connection, user.id, "verify_email", "verify_email")

    async def prepare_verification(self, actor: Actor) -> None:
        """Raise TooMany when this customer has asked for enough letters."""
        await self._limiter.attempt(LETTERS_PER_MAILBOX, str(actor.user_id))

    async def send_verification(self, connection: Connection, actor: Actor) -> None:
        """Another link to confirm the address; raises EmailVerified."""
        await repository.lock_user(connection, actor.user_id)
        if await is_verified(connection, actor.user_id):
            raise EmailVerified
        await self._send_link(connection, actor.user_id, "verify_email", "verify_email")

    async def verify_email(self, connection: Connection, token: str, *, address: str) -> None:
        """The address is confirmed; raises InvalidLink, LinkUsed or LinkExpired."""
        link = await self._links.use(connection, "verify_email", token)
        await mark_verified(connection, link.user_id)
        await self._note(connection, link.user_id, "email.verified", address)

    async def prepare_email_change(self, actor: Actor, *, new_email: str, password: str) -> Asked:
        """Check the wish and the password; raises Invalid, WrongCredentials or TooMany."""
        try:
            email = normalise_email(new_email)
        except Invalid as error:
            raise Invalid(error.message, field="new_email") from None
        await self._identity.confirm_password(actor, password)
        return await self._asked(email)

    async def ask_email_change(self, connection: Connection, actor: Actor, asked: Asked, *, address: str) -> None:
        """Write to the new address, and tell the old one; raises SameEmail or AccountFrozen.

        Where the new address belongs to somebody else it is they who are told; the answer is the same.
        """
        if actor.status != "active":
            raise AccountFrozen
        await repository.lock_user(connection, actor.user_id)
        user = await self._identity.user(connection, actor.user_id)
        if asked.email == user.email:
            raise SameEmail
        await self._letters.queue(
            connection,
            user_id=user.id,
            template="email_change_asked",
            values={**_place(address), "new_email": masked(asked.email)},
        )
        await self._note(connection, user.id, "email.change_asked", address)
        owner = await self._owner_of(connection, asked.email)
        if not asked.may_write:
            return
        if owner is None:
            await self._send_link(
                connection, user.id, "change_email", "confirm_new_email", to=asked.email, about=asked.email
            )
        else:
            await self._letters.queue(connection, user_id=owner.id, template="email_address_taken", values={})

    async def confirm_email(self, connection: Connection, token: str, *, address: str) -> None:
        """The new address counts from now on, and the old one is sent a link to undo that.

        Raises InvalidLink, LinkUsed, LinkExpired, or EmailTaken when somebody else has taken it meanwhile.
        """
        link = await self._links.use(connection, "change_email", token)
        assert link.email is not None  # what the link is about
        await repository.lock_user(connection, link.user_id)
        user = await self._identity.user(connection, link.user_id)
        if not await people.replace_email(connection, self._vault, user.id, link.email):
            raise EmailTaken
        await mark_verified(connection, user.id)
        # Whoever still reads the old mailbox has the undo and nothing else.
        await repository.use_links(connection, user.id, "verify_email", "reset_password", "change_email")
        await self._send_link(
            connection,
            user.id,
            "undo_email",
            "email_changed",
            to=user.email,
            about=user.email,
            new_email=masked(link.email),
            **_place(address),
        )
        await self._note(connection, user.id, "email.changed", address)

    async def undo_email(self, connection: Connection, token: str, *, address: str) -> Ended:
        """The old address is back; sessions and keys end, and it gets a link for a new password.

        Raises InvalidLink, LinkUsed, LinkExpired, or EmailTaken when somebody else has taken it meanwhile.
        """
        link = await self._links.use(connection, "undo_email", token)
        assert link.email is not None  # what the link is about
        await repository.lock_user(connection, link.user_id)
        if not await people.replace_email(connection, self._vault, link.user_id, link.email):
            raise EmailTaken
        await repository.use_links(connection, link.user_id, *LIFETIMES)
        ended = await self._end_all(connection, link.user_id)
        await self._note(connection, link.user_id, "email.change_undone", address)
        await self._letters.queue(connection, user_id=link.user_id, template="email_change_undone", values={})
        await self._send_link(connection, link.user_id, "reset_password", "reset_password")
        return ended

    # ---- the password

    async def prepare_reset_request(self, *, email: str, address: str) -> Asked | None:
        """Check somebody's wish for a new password; None for what is no address. Raises TooMany or Unavailable."""
        await self._limiter.attempt(ASKS_PER_ADDRESS, address)
        try:
            return await self._asked(normalise_email(email))
        except Invalid:
            return None

    async def ask_reset(self, connection: Connection, asked: Asked, *, address: str) -> None:
        """Send a link, if there is such an account; nobody learns whether."""
        user = await self._owner_of(connection, asked.email)
        if user is None or not asked.may_write:
            return
        await self._send_link(connection, user.id, "reset_password", "reset_password")
        await record(
            connection, actor_id=None, action="password.reset_asked", subject=f"user:{user.id}", address=address
        )

    async def prepare_reset(self, *, token: str, password: str, address: str) -> NewPassword:
        """Check the link and the password, and hash it; the link is not used yet.

        Raises InvalidLink, LinkUsed, LinkExpired, Invalid, TooMany or Unavailable.
        """
        check_password_rules(password, field="new_password")
        await self._limiter.attempt(LINKS_PER_ADDRESS, address)
        async with self._database.read() as connection:
            link = await self._links.look(connection, "reset_password", token)
            user = await self._identity.user(connection, link.user_id)
        check_password(password, email=user.email, name=user.display_name, field="new_password")
        return NewPassword(await self._identity.hash_password(password))

    async def reset_password(self, connection: Connection, token: str, password: NewPassword, *, address: str) -> Ended:
        """Set the password and end every session; raises InvalidLink, LinkUsed or LinkExpired."""
        link = await self._links.use(connection, "reset_password", token)
        await repository.lock_user(connection, link.user_id)
        user = await self._identity.user(connection, link.user_id)
        if user.status == "closed":
            raise LinkUsed
        await repository.set_password(connection, user.id, password.hash)
        # The link came by this very mailbox.
        await mark_verified(connection, user.id)
        sessions = await people.revoke_sessions(connection, user.id)
        await self._note(connection, user.id, "password.reset", address, sessions=len(sessions))
        await self._letters.queue(connection, user_id=user.id, template="password_reset", values=_place(address))
        return Ended(sessions)

    async def prepare_password_change(self, actor: Actor, *, current: str, new: str) -> tuple[str, str]:
        """The old and the new hash, when the current password is right; raises Invalid, WrongCredentials, TooMany."""
        check_password_rules(new, field="new_password")
        stored = await self._identity.confirm_password(actor, current)
        async with self._database.read() as connection:
            user = await self._identity.user(connection, actor.user_id)
        check_password(new, email=user.email, name=user.display_name, field="new_password")
        return stored, await self._identity.hash_password(new)

    async def change_password(
        self, connection: Connection, actor: Actor, *, old_hash: str, new_hash: str, address: str
    ) -> Ended:
        """Set the new password and end every other session; raises PasswordChangedMeanwhile."""
        if not await people.replace_password(connection, actor.user_id, old_hash=old_hash, new_hash=new_hash):
            raise PasswordChangedMeanwhile
        await repository.use_links(connection, actor.user_id, "reset_password")
        await self._note(connection, actor.user_id, "password.changed", address)
        await self._letters.queue(
            connection, user_id=actor.user_id, template="password_changed", values=_place(address)
        )
        return Ended(await self._identity.end_other_sessions(connection, actor, address=address))

    # ---- the end

    async def prepare_closing(self, actor: Actor, password: str) -> None:
        """Raise WrongCredentials or TooMany unless the actor knows the password."""
        await self._identity.confirm_password(actor, password)

    async def close(self, connection: Connection, actor: Actor, *, address: str) -> Ended:
        """Close the account; raises CannotClose while there is something in it, and AccountFrozen."""
        if actor.status != "active":
            raise AccountFrozen
        await repository.lock_user(connection, actor.user_id)
        obstacles = await self._leavings.left_in(connection, actor.user_id)
        if obstacles:
            raise CannotClose(obstacles)
        await self._letters.queue(connection, user_id=actor.user_id, template="account_closed", values=_place(address))
        await repository.close(connection, actor.user_id)
        await repository.use_links(connection, actor.user_id, *LIFETIMES)
        await record(
            connection,
            actor_id=actor.user_id,
            action="account.closed",
            subject=f"user:{actor.user_id}",
            address=address,
            before={"status": actor.status},
            after={"status": "closed"},
        )
        return await self._end_all(connection, actor.user_id)

    async def announce(self, ended: Ended) -> None:
        """After the commit: what has ended is refused from now on."""
        await self._identity.announce(sessions=ended.sessions, keys=ended.keys)

    # ---- parts

    async def _asked(self, email: str) -> Asked:
        mailbox = hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()
        try:
            await self._limiter.attempt(LETTERS_PER_MAILBOX, mailbox)
        except TooMany:
            return Asked(email, may_write=False)
        return Asked(email, may_write=True)

    async def _owner_of(self, connection: Connection, email: str) -> User | None:
        found = await people.find_login(connection, self._vault, email)
        return found[0] if found and found[0].status != "closed" else None

    async def _send_link(
        self,
        connection: Connection,
        user_id: UserId,
        purpose: Purpose,
        template: str,
        *,
        to: str | None = None,
        about: str | None = None,
        **values: str,
    ) -> None:
        token = await self._links.make(connection, user_id, purpose, email=about)
        hours = str(int(LIFETIMES[purpose].total_seconds()) // 3600)
        await self._letters.queue(
            connection, user_id=user_id, template=template, values={**values, "token": token, "hours": hours}, to=to
        )

    async def _end_all(self, connection: Connection, user_id: UserId) -> Ended:
        return Ended(
            await people.revoke_sessions(connection, user_id), await keys_repository.revoke_all(connection, user_id)
        )

    async def _note(
        self, connection: Connection, user_id: UserId, action: str, address: str, **details: object
    ) -> None:
        await record(
            connection, actor_id=user_id, action=action, subject=f"user:{user_id}", address=address, details=details
        )


@asynccontextmanager
async def same_time(seconds: float = SAME_SECONDS) -> AsyncIterator[None]:
    """The block takes at least so long, so that its time does not tell what it found."""
    ends_at = asyncio.get_running_loop().time() + seconds
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, ends_at - asyncio.get_running_loop().time()))


def _place(address: str) -> dict[str, str]:
    return {"when": f"{now():%Y-%m-%d %H:%M} UTC", "address": address}
