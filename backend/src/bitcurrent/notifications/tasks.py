"""The postman: carries queued letters to the mail server, again after a failure, until they are sent or dead."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from bitcurrent.kernel.crypto import CryptoError
from bitcurrent.kernel.database import Database
from bitcurrent.notifications import repository
from bitcurrent.notifications.model import ATTEMPTS_MAX, FIRST_PAUSE_SECONDS, WaitingMail, pause_before
from bitcurrent.notifications.ports import Carrier, NotDelivered
from bitcurrent.notifications.service import Mails, purge_mails

log = structlog.get_logger(__name__)

TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
BATCH: Final = 20
SIDE_BY_SIDE: Final = 4
LEASE: Final = timedelta(minutes=5)
"""Longer than a batch can take: a letter whose postman died is tried again after it."""

TROUBLE_PAUSE_SECONDS: Final = 5.0
TROUBLE_LENGTH_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often the postman looks, and how patient he is."""

    look_seconds: float = 1.0
    first_pause_seconds: float = FIRST_PAUSE_SECONDS
    attempts_max: int = ATTEMPTS_MAX


class Postman:
    """Carries letters while this process leads. Without a carrier they wait, and that is said once."""

    def __init__(
        self,
        database: Database,
        mails: Mails,
        carrier: Carrier | None,
        counts: Counter[str],
        *,
        rounds: Rounds | None = None,
    ) -> None:
        self._database = database
        self._mails = mails
        self._carrier = carrier
        self._counts = counts
        self._rounds = rounds or Rounds()
        self.waiting = 0
        self.dead = 0

    async def run(self) -> None:
        """Carry letters until cancelled."""
        if self._carrier is None:
            log.warning("mail_not_configured", why="BITCURRENT_SMTP_URL is not set: letters wait and are not sent")
        while True:
            try:
                carried = await self.carry_due() if self._carrier else 0
                await self._count()
            except TROUBLE as error:
                log.warning("postman_waits", error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
            except Exception:
                log.exception("postman_failed")
                self._counts["postman_failed"] += 1
                await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
            else:
                if not carried:
                    await asyncio.sleep(self._rounds.look_seconds)

    async def carry_due(self) -> int:
        """Carry the letters whose time has come, once each; how many there were."""
        async with self._database.transaction() as connection:
            due = await self._mails.claim(connection, limit=BATCH, lease=LEASE)
        at_once = asyncio.Semaphore(SIDE_BY_SIDE)

        async def carry(waiting: WaitingMail) -> None:
            async with at_once:
                await self._carry(waiting)

        outcomes = await asyncio.gather(*(carry(waiting) for waiting in due), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return len(due)

    async def _carry(self, waiting: WaitingMail) -> None:
        assert self._carrier is not None  # run and tests only get here with one
        try:
            mail = self._mails.write(waiting)
        except (KeyError, CryptoError) as error:
            await self._bury(waiting, f"{type(error).__name__}: {error}")
            return
        try:
            await self._carrier.carry(mail)
        except NotDelivered as error:
            await self._try_later(waiting, error)
        except Exception as error:
            # Whatever else it is, the letter's tries are counted: one letter must not come back for ever.
            log.exception("carrier_failed", mail=str(waiting.id))
            await self._try_later(waiting, NotDelivered(type(error).__name__))
        else:
            # Dying right here sends the letter again: twice is better than never, and the Message-ID is the same.
            async with self._database.transaction() as connection:
                await repository.end_mail(connection, waiting.id, state="sent")
            self._counts["mails_sent"] += 1

    async def _try_later(self, waiting: WaitingMail, refusal: NotDelivered) -> None:
        if refusal.for_good or waiting.attempts >= self._rounds.attempts_max:
            await self._bury(waiting, str(refusal))
        else:
            await self._postpone(waiting, str(refusal))

    async def _bury(self, waiting: WaitingMail, trouble: str) -> None:
        async with self._database.transaction() as connection:
            await repository.end_mail(connection, waiting.id, state="dead", trouble=trouble[:TROUBLE_LENGTH_MAX])
        self._counts["mails_dead"] += 1
        log.error("mail_dead", mail=str(waiting.id), template=waiting.template, trouble=trouble[:TROUBLE_LENGTH_MAX])

    async def _postpone(self, waiting: WaitingMail, trouble: str) -> None:
        pause = pause_before(waiting.attempts, self._rounds.first_pause_seconds)
        async with self._database.transaction() as connection:
            await repository.postpone_mail(connection, waiting.id, pause=pause, trouble=trouble[:TROUBLE_LENGTH_MAX])
        self._counts["mails_postponed"] += 1
        log.warning("mail_postponed", mail=str(waiting.id), attempt=waiting.attempts, trouble=trouble[:200])

    async def _count(self) -> None:
        async with self._database.read() as connection:
            self.waiting, self.dead = await repository.count_mails(connection)

    async def purge(self) -> None:
        """Forget old letters."""
        removed = 1
        while removed:
            async with self._database.transaction() as connection:
                removed = await purge_mails(connection)
