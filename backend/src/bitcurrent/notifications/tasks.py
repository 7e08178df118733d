"""The postman and the texter: carry what is queued to its carrier, again after a failure, until it is sent or dead."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Generic, TypeVar

import asyncpg
import structlog

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crypto import CryptoError
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.notifications import repository
from bitcurrent.notifications.model import (
    ATTEMPTS_MAX,
    FIRST_PAUSE_SECONDS,
    TEXT_ATTEMPTS_MAX,
    TEXT_LIFETIME,
    Delivery,
    Mail,
    OutboxName,
    OutgoingText,
    Waiting,
    pause_before,
)
from bitcurrent.notifications.ports import Carrier, NotDelivered, TextCarrier
from bitcurrent.notifications.service import Mails, Texts, purge_told, taken

log = structlog.get_logger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")

TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
BATCH: Final = 20
SIDE_BY_SIDE: Final = 4
LEASE: Final = timedelta(minutes=5)
"""Longer than a batch can take: what a courier died with is tried again after it."""

TROUBLE_PAUSE_SECONDS: Final = 5.0
TROUBLE_LENGTH_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often a courier looks, and how patient he is."""

    look_seconds: float = 1.0
    first_pause_seconds: float = FIRST_PAUSE_SECONDS
    attempts_max: int = ATTEMPTS_MAX


@dataclass
class Courier(ABC, Generic[Item, Answer]):
    """Carries one outbox while this process leads. Without a carrier its lines wait, and that is said once."""

    database: Database
    counts: Counter[str]
    rounds: Rounds = field(default_factory=Rounds)
    waiting: int = 0
    dead: int = 0

    @property
    @abstractmethod
    def outbox(self) -> OutboxName:
        """Which outbox it carries."""

    @property
    @abstractmethod
    def setting_missing(self) -> str | None:
        """The setting without which nothing can be carried; None when all is there."""

    @abstractmethod
    async def claim(self, connection: Connection) -> list[Waiting]:
        """What is due now."""

    @abstractmethod
    def write(self, waiting: Waiting) -> Item:
        """A claimed line as it is carried; raises CryptoError or KeyError when it cannot be read any more."""

    @abstractmethod
    async def hand_over(self, item: Item) -> Answer:
        """Give it to the carrier; raises NotDelivered."""

    async def keep(self, connection: Connection, waiting: Waiting, answer: Answer) -> None:
        """Write down that the carrier has it."""
        await repository.end(connection, self.outbox, waiting.id, state="sent")

    def is_too_late(self, waiting: Waiting) -> bool:
        """Whether nobody needs it any more."""
        return False

    async def run(self) -> None:
        """Carry until cancelled."""
        missing = self.setting_missing
        if missing is not None:
            log.warning("carrier_not_configured", outbox=self.outbox, why=f"{missing} is not set: they wait")
        while True:
            try:
                carried = 0 if missing else await self.carry_due()
                await self._count()
            except TROUBLE as error:
                log.warning("courier_waits", outbox=self.outbox, error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
            except Exception:
                log.exception("courier_failed", outbox=self.outbox)
                self.counts[f"{self.outbox}_courier_failed"] += 1
                await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
            else:
                if not carried:
                    await asyncio.sleep(self.rounds.look_seconds)

    async def carry_due(self) -> int:
        """Carry what is due, once each; how much there was."""
        async with self.database.transaction() as connection:
            due = await self.claim(connection)
        at_once = asyncio.Semaphore(SIDE_BY_SIDE)

        async def carry(waiting: Waiting) -> None:
            async with at_once:
                await self._carry(waiting)

        outcomes = await asyncio.gather(*(carry(waiting) for waiting in due), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return len(due)

    async def _carry(self, waiting: Waiting) -> None:
        if self.is_too_late(waiting):
            await self._bury(waiting, "too late")
            return
        try:
            item = self.write(waiting)
        except (KeyError, CryptoError) as error:
            await self._bury(waiting, f"{type(error).__name__}: {error}")
            return
        try:
            answer = await self.hand_over(item)
        except NotDelivered as error:
            await self._try_later(waiting, error)
        except Exception as error:
            # Whatever else it is, the tries are counted: one line must not come back for ever.
            log.exception("carrier_failed", outbox=self.outbox, id=str(waiting.id))
            await self._try_later(waiting, NotDelivered(type(error).__name__))
        else:
            # Dying right here sends it again: twice is better than never, and a letter's Message-ID is the same.
            async with self.database.transaction() as connection:
                await self.keep(connection, waiting, answer)
            self.counts[f"{self.outbox}_sent"] += 1

    async def _try_later(self, waiting: Waiting, refusal: NotDelivered) -> None:
        if refusal.for_good or waiting.attempts >= self.rounds.attempts_max:
            await self._bury(waiting, str(refusal))
        else:
            await self._postpone(waiting, str(refusal))

    async def _bury(self, waiting: Waiting, trouble: str) -> None:
        words = trouble[:TROUBLE_LENGTH_MAX]
        async with self.database.transaction() as connection:
            await repository.end(connection, self.outbox, waiting.id, state="dead", trouble=words)
        self.counts[f"{self.outbox}_dead"] += 1
        log.error("notification_dead", outbox=self.outbox, id=str(waiting.id), template=waiting.template, trouble=words)

    async def _postpone(self, waiting: Waiting, trouble: str) -> None:
        pause = pause_before(waiting.attempts, self.rounds.first_pause_seconds)
        words = trouble[:TROUBLE_LENGTH_MAX]
        async with self.database.transaction() as connection:
            await repository.postpone(connection, self.outbox, waiting.id, pause=pause, trouble=words)
        self.counts[f"{self.outbox}_postponed"] += 1
        log.warning("notification_postponed", outbox=self.outbox, id=str(waiting.id), trouble=words)

    async def _count(self) -> None:
        async with self.database.read() as connection:
            self.waiting, self.dead = await repository.count(connection, self.outbox)


class Postman(Courier[Mail, None]):
    """Carries letters."""

    def __init__(
        self,
        database: Database,
        mails: Mails,
        carrier: Carrier | None,
        counts: Counter[str],
        *,
        rounds: Rounds | None = None,
    ) -> None:
        super().__init__(database, counts, rounds or Rounds())
        self._mails = mails
        self._carrier = carrier

    @property
    def outbox(self) -> OutboxName:
        """Letters."""
        return self._mails.name

    @property
    def setting_missing(self) -> str | None:
        """The mail server's address."""
        return None if self._carrier else "BITCURRENT_SMTP_URL"

    async def claim(self, connection: Connection) -> list[Waiting]:
        """Letters whose time has come."""
        return await self._mails.claim(connection, limit=BATCH, lease=LEASE)

    def write(self, waiting: Waiting) -> Mail:
        """The letter."""
        return self._mails.write(waiting)

    async def hand_over(self, item: Mail) -> None:
        """To the mail server."""
        assert self._carrier is not None  # run and tests only get here with one
        await self._carrier.carry(item)

    async def purge(self) -> None:
        """Forget old letters, texts and messages."""
        removed = 1
        while removed:
            async with self.database.transaction() as connection:
                removed = await purge_told(connection)


class Texter(Courier[OutgoingText, Delivery]):
    """Carries texts. One that is hours old goes to nobody's phone any more."""

    def __init__(
        self,
        database: Database,
        texts: Texts,
        carrier: TextCarrier,
        counts: Counter[str],
        *,
        rounds: Rounds | None = None,
        lifetime: timedelta = TEXT_LIFETIME,
    ) -> None:
        super().__init__(database, counts, rounds or Rounds(attempts_max=TEXT_ATTEMPTS_MAX))
        self._texts = texts
        self._carrier = carrier
        self._lifetime = lifetime

    @property
    def outbox(self) -> OutboxName:
        """Texts."""
        return self._texts.name

    @property
    def setting_missing(self) -> str | None:
        """The account at the carrier."""
        return None if self._carrier.configured else "BITCURRENT_TWILIO_ACCOUNT_SID"

    async def claim(self, connection: Connection) -> list[Waiting]:
        """Texts whose time has come."""
        return await self._texts.claim(connection, limit=BATCH, lease=LEASE)

    def write(self, waiting: Waiting) -> OutgoingText:
        """The text."""
        return self._texts.write(waiting)

    async def hand_over(self, item: OutgoingText) -> Delivery:
        """To the carrier."""
        return await self._carrier.carry(item)

    async def keep(self, connection: Connection, waiting: Waiting, answer: Delivery) -> None:
        """The carrier has it; its reports may have come before."""
        await taken(connection, waiting.id, answer)

    def is_too_late(self, waiting: Waiting) -> bool:
        """Whether it is older than a text should be."""
        return now() - waiting.created_at > self._lifetime
