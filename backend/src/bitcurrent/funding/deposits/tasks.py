"""The poll: whatever a webhook did not say is asked for, pages come to their end, cards are read, letters written.

It claims rows as work (FOR UPDATE SKIP LOCKED), asks the processor with no transaction open, and applies the answer the
way a webhook's is. Recent deposits are looked at often, older ones ever more slowly.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.deposits import repository
from bitcurrent.funding.deposits.crediting import Fact, tell_card
from bitcurrent.funding.deposits.model import GIVEN_UP_AFTER, Deposit, DepositState, next_look
from bitcurrent.funding.deposits.service import Deposits
from bitcurrent.funding.ports import NotConfigured, NotSent, OutcomeUnknown, RefusedOutside
from bitcurrent.funding.provenance.service import release_earlier
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.kernel.money import plain

log = structlog.get_logger(__name__)

TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable)
NO_ANSWER = (NotSent, OutcomeUnknown, NotConfigured)
LEASE: Final = timedelta(minutes=2)
BATCH: Final = 20
SIDE_BY_SIDE: Final = 4
LETTERS_MAX: Final = 50
UNREADABLE_LOOKS: Final = 10
CARD_WAIT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often the poll looks for work."""

    look_seconds: float = 1.0
    bonus_seconds: float = 30.0
    trouble_seconds: float = 5.0


class DepositKeeper:
    """Looks after deposits and bonuses while this process leads."""

    def __init__(
        self,
        *,
        database: Database,
        deposits: Deposits,
        bonuses: Bonuses,
        letters: Letters,
        counts: Counter[str],
        rounds: Rounds | None = None,
    ) -> None:
        self._database = database
        self._deposits = deposits
        self._processor = deposits.processor
        self._bonuses = bonuses
        self._letters = letters
        self._counts = counts
        self._rounds = rounds or Rounds()
        self.waiting = 0
        self.problems = 0

    async def run(self) -> None:
        """Until cancelled: deposits, letters and bonuses, each in its own round."""
        await asyncio.gather(
            self._repeat("deposits", self.look_after_due, self._rounds.look_seconds),
            self._repeat("letters", self.write_letters, self._rounds.look_seconds),
            self._repeat("bonuses", self.settle_bonuses, self._rounds.bonus_seconds),
        )

    async def look_after_due(self) -> int:
        """Look after the deposits whose time has come; how many there were."""
        if not self._processor.configured:
            return 0
        async with self._database.transaction() as connection:
            due = await repository.claim_due(connection, limit=BATCH, lease=LEASE)
        at_once = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(deposit: Deposit) -> None:
            async with at_once:
                await self._look_after(deposit)

        for outcome in await asyncio.gather(*(one(deposit) for deposit in due), return_exceptions=True):
            if outcome is not None:
                raise outcome
        async with self._database.read() as connection:
            self.waiting, self.problems = await repository.count_waiting(connection)
        return len(due)

    async def write_letters(self) -> int:
        """Queue the letters of deposits that were credited; how many."""

        async def work(connection: Connection) -> int:
            untold = await repository.claim_untold(connection, limit=LETTERS_MAX, card_wait=CARD_WAIT)
            for deposit in untold:
                await self._write_letter(connection, deposit)
            crash_point("deposit.told")
            return len(untold)

        return await self._database.in_transaction(work)

    async def settle_bonuses(self) -> int:
        """Release and forfeit bonuses whose time has come; how many were looked at."""
        return await self._bonuses.settle_due(limit=BATCH)

    async def _repeat(self, name: str, work: Callable[[], Awaitable[int]], seconds: float) -> None:
        while True:
            done = 0
            try:
                done = await work()
            except TROUBLE as error:
                log.warning("deposits_wait", part=name, error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(self._rounds.trouble_seconds)
            except Exception:
                log.exception("deposits_failed", part=name)
                self._counts["deposits_failed"] += 1
                await asyncio.sleep(self._rounds.trouble_seconds)
            if not done:
                await asyncio.sleep(seconds)

    async def _look_after(self, deposit: Deposit) -> None:
        self._counts["deposits_looked_at"] += 1
        try:
            if deposit.state.was_paid:
                again = await self._read_card(deposit)
            elif deposit.cancel_requested_at is not None:
                again = await self._ended(await self._deposits.close(deposit.id))
            elif deposit.state is DepositState.CREATED and now() > deposit.checkout_expires_at:
                again = await self._end_unopened(deposit)
            elif deposit.state is DepositState.CREATED:
                again = await self._ended(await self._deposits.open(deposit.id))
            else:
                again = await self._read_page(deposit)
        except NO_ANSWER as error:
            log.warning("deposit_not_looked_at", deposit=str(deposit.id), cause=type(error).__name__)
            again = next_look(deposit.looks)
        except RefusedOutside as error:
            again = await self._refused(deposit, error)
        if again is not None:
            async with self._database.transaction() as connection:
                await repository.look_again(connection, deposit.id, again)

    async def _ended(self, deposit: Deposit) -> timedelta | None:
        return next_look(deposit.looks) if deposit.state.is_open else None

    async def _end_unopened(self, deposit: Deposit) -> timedelta | None:
        """Nobody was ever given its page, and its time is over; should money come all the same, it is credited."""

        async def work(connection: Connection) -> None:
            known = (await repository.lock(connection, [deposit.id]))[deposit.id]
            if known.state is DepositState.CREATED:
                await self._deposits.crediting.end(connection, known, DepositState.EXPIRED, "expired")

        await self._database.in_transaction(work)
        return None

    async def _read_page(self, deposit: Deposit) -> timedelta | None:
        """Ask for the page; one that is complete and unpaid has a payment on its way, which may have failed."""
        assert deposit.checkout_id is not None  # a pending deposit has a page
        checkout = await self._processor.read_checkout(deposit.checkout_id)
        failed = False
        if checkout.status == "complete" and checkout.payment_status == "unpaid" and checkout.payment_intent:
            payment = await self._processor.read_payment(checkout.payment_intent)
            failed = payment.status in {"requires_payment_method", "canceled"}
        if checkout.payment_status == "paid":
            self._counts["deposits_healed"] += 1
        await self._deposits.learn(Fact(checkout, payment_failed=failed))
        async with self._database.read() as connection:
            after = await self._deposits.read(connection, None, deposit.id)
        if not after.state.is_open or after.problem is not None:
            return None
        if now() - after.created_at > GIVEN_UP_AFTER:
            await self._flag(after, "stuck", {"page": checkout.status, "payment": checkout.payment_status})
            return None
        return next_look(deposit.looks)

    async def _read_card(self, deposit: Deposit) -> timedelta | None:
        """What is known of the card decides when its money is released; what was credited must be what came."""
        assert deposit.payment_intent is not None  # paid deposits have one
        payment = await self._processor.read_payment(deposit.payment_intent)
        if payment.card is None:
            return next_look(deposit.looks)
        if payment.status == "succeeded" and (payment.amount_received, payment.currency) != (
            deposit.amount,
            deposit.currency,
        ):
            paid = {"paid": plain(payment.amount_received), "paid_currency": payment.currency}
            await self._flag(deposit, "amount_differs", {**paid, "asked": plain(deposit.amount), "credited": "true"})
        card = payment.card

        async def work(connection: Connection) -> None:
            first = not await repository.paid_before(connection, [deposit])
            assert deposit.paid_at is not None  # paid deposits have it
            assert deposit.release_at is not None  # likewise
            release_at = min(deposit.release_at, deposit.paid_at + self._deposits.rules.hold_of(card, first=first))
            # The lot before the deposit: so does whoever writes on a lot what became of it.
            await release_earlier(connection, deposit.id, release_at)
            await repository.keep_card(connection, deposit.id, card, release_at)
            await tell_card(connection, deposit, card)
            crash_point("deposit.card_read")

        await self._database.in_transaction(work)
        return None

    async def _refused(self, deposit: Deposit, error: RefusedOutside) -> timedelta | None:
        """The processor does not know it, or does not want to say: tried for a while, then a person has to look."""
        log.warning("deposit_refused_outside", deposit=str(deposit.id), code=error.code)
        if deposit.looks < UNREADABLE_LOOKS:
            return next_look(deposit.looks)
        await self._flag(deposit, "unreadable", {"code": error.code})
        return None

    async def _flag(self, deposit: Deposit, problem: str, details: dict[str, str]) -> None:
        async with self._database.transaction() as connection:
            await repository.flag(connection, deposit.id, problem, details)
        log.error("deposit_flagged", deposit=str(deposit.id), problem=problem)

    async def _write_letter(self, connection: Connection, deposit: Deposit) -> None:
        await self._letters.queue(
            connection,
            user_id=deposit.user_id,
            template="deposit_credited",
            values={"amount": plain(deposit.credited), "asset": deposit.currency, "fee": plain(deposit.fee)},
        )
