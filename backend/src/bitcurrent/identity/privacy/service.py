"""Privacy's verbs: keep and show a profile, export everything about a customer, forget them when the law allows."""

import asyncio
import zipfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Final

import msgspec
import structlog
from redis.asyncio import Redis

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.identity import repository as people
from bitcurrent.identity.model import Actor
from bitcurrent.identity.privacy import repository
from bitcurrent.identity.privacy.model import (
    AccountNotEmpty,
    Erasure,
    KeptProfile,
    Profile,
    ProfileVerified,
    changed_fields,
    checked,
    normalise_phone,
)
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import SessionId, UserId
from bitcurrent.kernel.money import plain
from bitcurrent.kernel.personal_data import Erase, Export
from bitcurrent.ledger.service import read_balances
from bitcurrent.web.limits import Limit, Limiter

log = structlog.get_logger(__name__)

SPOOL_BYTES: Final = 4_000_000
"""An export up to this size stays in memory; a larger one goes through a nameless temporary file."""
EXPORTS_PER_ACCOUNT: Final = Limit("export-account", attempts=5, seconds=3_600)
EXPORTS_AT_ONCE: Final = 2
"""In one process: each holds a connection for as long as it reads."""
CHUNK_BYTES: Final = 64 * 1024
ERASURES_PER_ROUND: Final = 100
POSTPONED_DAYS: Final = 30
VERIFIED_ONCE: Final = ("legal_name", "birth_date", "documents")
"""What only support changes once a customer has been verified."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """An erasure asked for, and what ended with it: announce these after the commit."""

    erasure: Erasure
    sessions: Sequence[SessionId]
    keys: Sequence[str]


class Privacy:
    """Keeps profiles, gives exports, and erases."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        identity: Identity,
        *,
        erase_after_days: int,
        exports: Sequence[Export],
        erases: Sequence[Erase] = (),
    ) -> None:
        """`exports` and `erases` are the rooms' own, in the order in which they are to be called."""
        self._database = database
        self._limiter = Limiter(redis)
        self._exporting = asyncio.Semaphore(EXPORTS_AT_ONCE)
        self._vault = identity.vault
        self._erase_after_days = erase_after_days
        self._exports = exports
        self._erases = erases

    # ---- profile

    async def profile(self, connection: Connection, user_id: UserId) -> KeptProfile | None:
        """A customer's profile, if they have one."""
        return await repository.find_profile(connection, self._vault, user_id)

    async def country(self, connection: Connection, user_id: UserId) -> str | None:
        """Where a customer lives, as they say: a country of ISO 3166; None when they did not."""
        kept = await self.profile(connection, user_id)
        return kept.profile.address.country if kept else None

    async def save_profile(
        self, connection: Connection, actor: Actor, profile: Profile, *, address: str
    ) -> KeptProfile:
        """Keep the actor's profile instead of any earlier one; raises Invalid or ProfileVerified."""
        after = checked(profile, today=now().date())
        verified = await repository.lock_user(connection, actor.user_id) != "none"
        before = await repository.find_profile(connection, self._vault, actor.user_id)
        changed = changed_fields(before.profile if before else None, after)
        if before and not changed:
            return before
        if before and verified and (fixed := [name for name in VERIFIED_ONCE if name in changed]):
            raise ProfileVerified(fixed[0])
        saved = await repository.save_profile(connection, self._vault, actor.user_id, after)
        await record(
            connection,
            actor_id=actor.user_id,
            action="profile.changed",
            subject=f"user:{actor.user_id}",
            address=address,
            details={"fields": ", ".join(changed)},
        )
        return KeptProfile(profile=after, updated_at=saved)

    async def users_with_phone(self, connection: Connection, phone: str) -> list[UserId]:
        """Whose profile has this telephone number; raises Invalid."""
        return await repository.users_with_phone(connection, self._vault, normalise_phone(phone))

    # ---- export

    async def export(self, actor: Actor, *, address: str) -> IO[bytes]:
        """Everything about the actor: an open zip of JSON files, at its beginning; raises TooMany or Unavailable.

        Read in one snapshot of the database: what it says of money adds up. The caller closes it, and it is gone.
        """
        await self._limiter.attempt(EXPORTS_PER_ACCOUNT, str(actor.user_id))
        async with self._database.transaction() as connection:
            await record(
                connection,
                actor_id=actor.user_id,
                action="customer.exported",
                subject=f"user:{actor.user_id}",
                address=address,
            )
        with ExitStack() as stack:
            file = stack.enter_context(SpooledTemporaryFile(max_size=SPOOL_BYTES))
            async with (
                self._exporting,
                self._database.read() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                await self._write_zip(connection, actor.user_id, file)
            file.seek(0)
            stack.pop_all()
            return file

    async def _write_zip(self, connection: Connection, user_id: UserId, file: IO[bytes]) -> None:
        made_at = now()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            rows_by_file: dict[str, int] = {}
            for export in self._exports:
                for part in export(connection, user_id):
                    name = f"{part.name}.json"
                    with archive.open(_entry(name, made_at), "w", force_zip64=True) as entry:
                        rows_by_file[name] = await _write_rows(entry, part.rows)
            about = {"customer": str(user_id), "made_at": made_at, "rows": rows_by_file}
            archive.writestr(_entry("about.json", made_at), msgspec.json.format(msgspec.json.encode(about)))

    # ---- erasure

    async def ask_erasure(self, connection: Connection, actor: Actor, *, address: str) -> Farewell:
        """Close the account, end every session and key, and schedule the erasure; raises AccountNotEmpty.

        The caller has confirmed the password, and announces what ended after the commit.
        """
        await repository.lock_user(connection, actor.user_id)
        left = {balance.currency: plain(balance.total) for balance in await read_balances(connection, actor.user_id)}
        if left:
            raise AccountNotEmpty(left)
        keys = await repository.close_user(connection, actor.user_id)
        sessions = await people.revoke_sessions(connection, actor.user_id)
        erasure = await self.schedule_erasure(connection, actor.user_id, actor_id=actor.user_id, address=address)
        return Farewell(erasure, sessions, keys)

    async def schedule_erasure(
        self, connection: Connection, user_id: UserId, *, actor_id: UserId | None, address: str | None
    ) -> Erasure:
        """Schedule a closed account's erasure for when the law allows it; again changes nothing."""
        erasure = await repository.schedule_erasure(connection, user_id, days=self._erase_after_days)
        await record(
            connection,
            actor_id=actor_id,
            action="erasure.scheduled",
            subject=f"user:{user_id}",
            address=address,
            details={"due_at": erasure.due_at.isoformat()},
        )
        await append_event(
            connection,
            user_id=user_id,
            kind="customer.erasure_scheduled",
            subject=user_id,
            payload={"due_at": erasure.due_at.isoformat()},
        )
        return erasure

    async def erase_due(self) -> int:
        """Erase, or postpone, those whose time has come; how many. A chore: may run twice without harm."""
        for done in range(ERASURES_PER_ROUND):
            if not await self._database.in_transaction(self._erase_one):
                return done
        return ERASURES_PER_ROUND

    async def _erase_one(self, connection: Connection) -> bool:
        user_id = await repository.next_due(connection)
        if user_id is None:
            return False
        if await read_balances(connection, user_id):
            await self._postpone(connection, user_id)
            return True
        for erase in self._erases:
            await erase(connection, user_id)
        await repository.shred(connection, user_id)
        await record(
            connection,
            actor_id=None,
            actor_kind=ActorKind.SYSTEM,
            action="customer.erased",
            subject=f"user:{user_id}",
            reason="asked for by the customer, and the time that the law wants it kept has passed",
        )
        log.info("customer_erased", user_id=str(user_id))
        return True

    async def _postpone(self, connection: Connection, user_id: UserId) -> None:
        """Money came after the account was closed: somebody must give it back while we still know to whom."""
        await repository.postpone_erasure(connection, user_id, days=POSTPONED_DAYS)
        await record(
            connection,
            actor_id=None,
            actor_kind=ActorKind.SYSTEM,
            action="erasure.postponed",
            subject=f"user:{user_id}",
            reason="the account holds money",
        )
        log.warning("erasure_postponed", user_id=str(user_id))


async def _write_rows(entry: IO[bytes], rows: AsyncIterator[Mapping[str, object]]) -> int:
    """Write a JSON array row by row, a chunk at a time; how many rows."""
    chunk, count = bytearray(b"["), 0
    async for row in rows:
        chunk += (b",\n" if count else b"\n") + msgspec.json.encode(row)
        count += 1
        if len(chunk) >= CHUNK_BYTES:
            entry.write(chunk)
            chunk.clear()
    entry.write(chunk + b"\n]\n")
    return count


def _entry(name: str, made_at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, made_at.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def chunks(file: IO[bytes]) -> Iterable[bytes]:
    """A file's bytes, some at a time."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
