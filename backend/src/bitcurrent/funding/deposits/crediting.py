"""What the processor says of deposits, applied: by webhook or by poll, one way for both.

Deposits are locked, each fact is judged purely, and everything that follows from it is one transaction: the state, the
journal, the lot with its release date, debts that are paid first, the bonus, and the event.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from bitcurrent.funding.bonuses.model import PaidDeposit
from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.deposits import repository
from bitcurrent.funding.deposits.model import (
    Credit,
    Deposit,
    DepositRules,
    DepositState,
    End,
    Flag,
    Opened,
    judge,
)
from bitcurrent.funding.deposits.repository import ToCredit
from bitcurrent.funding.ports import Card, Checkout, Processor, ProcessorEvent
from bitcurrent.funding.provenance.model import Receipt
from bitcurrent.funding.provenance.service import receive_many
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.money import plain

log = structlog.get_logger(__name__)

PAYMENT_FAILED: Final = "checkout.session.async_payment_failed"
EVENT_TYPES: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    PAYMENT_FAILED,
    "checkout.session.expired",
)

CREDITED = Counter("bitcurrent_deposits_credited", "Deposits that were credited.")
FLAGGED = Counter("bitcurrent_deposits_flagged", "Deposits that need a person.", ("problem",))
STRANGE = Counter("bitcurrent_checkouts_unknown", "Hosted pages that belong to no deposit of ours.")


@dataclass(frozen=True, slots=True)
class Fact:
    """What the processor said of a page at some time."""

    checkout: Checkout
    payment_failed: bool = False


class Crediting:
    """Applies facts about deposits in the caller's transaction."""

    def __init__(self, processor: Processor, rules: DepositRules, bonuses: Bonuses, letters: Letters) -> None:
        self._letters = letters
        self._processor = processor
        self._rules = rules
        self._bonuses = bonuses

    async def apply_events(self, connection: Connection, events: Sequence[ProcessorEvent]) -> None:
        """The inbox's applier for EVENT_TYPES."""
        facts = [Fact(self._processor.checkout_in(event), event.type == PAYMENT_FAILED) for event in events]
        await self.apply(connection, facts)

    async def apply(self, connection: Connection, facts: Sequence[Fact]) -> None:
        """Apply facts that came together; those of pages that are not ours are counted and left."""
        by_deposit: dict[UUID, list[Fact]] = {}
        for fact in facts:
            deposit_id = _ours(fact.checkout)
            if deposit_id is None:
                STRANGE.inc()
            else:
                by_deposit.setdefault(deposit_id, []).append(fact)
        deposits = await repository.lock(connection, list(by_deposit))
        STRANGE.inc(len(by_deposit) - len(deposits))
        paid: dict[UUID, tuple[Deposit, Fact]] = {}
        for deposit_id, deposit in deposits.items():
            # What is paid is paid, whatever else is said of the page in the same breath.
            told = sorted(by_deposit[deposit_id], key=lambda fact: fact.checkout.payment_status != "paid")
            await self._follow(connection, deposit, told, paid)
        if paid:
            await self._credit(connection, paid)

    async def _follow(
        self, connection: Connection, deposit: Deposit, facts: Sequence[Fact], paid: dict[UUID, tuple[Deposit, Fact]]
    ) -> None:
        """What each fact makes of one deposit; what is to be credited goes into `paid`."""
        for fact in facts:
            verdict = judge(deposit, fact.checkout, payment_failed=fact.payment_failed)
            match verdict:
                case Credit(payment_intent=payment_intent):
                    paid[deposit.id] = (deposit, fact)
                    deposit = replace(deposit, state=DepositState.PAID, payment_intent=payment_intent)
                case End(state=state, failure=failure):
                    await self.end(connection, deposit, state, failure)
                    deposit = replace(deposit, state=state)
                case Flag(problem=problem, details=details):
                    await repository.flag(connection, deposit.id, problem, details)
                    FLAGGED.labels(problem).inc()
                    log.error("deposit_flagged", deposit=str(deposit.id), problem=problem)
                case Opened():
                    await repository.mark_opened(
                        connection, deposit.id, checkout_id=fact.checkout.id, url=fact.checkout.url
                    )
                    deposit = replace(deposit, state=DepositState.PENDING, checkout_id=fact.checkout.id)
                case _:
                    pass

    async def _credit(self, connection: Connection, paid: dict[UUID, tuple[Deposit, Fact]]) -> None:
        moment = now()
        # Nothing is known of the card yet: the longest wait, until the poll has read it.
        release_at = moment + self._rules.longest()
        wanted = [
            ToCredit(
                id=deposit.id,
                payment_intent=fact.checkout.payment_intent or "",
                checkout_id=fact.checkout.id,
                release_at=release_at,
            )
            for deposit, fact in paid.values()
        ]
        credited = await repository.credit(connection, wanted)
        crash_point("deposit.credited")
        fresh = [(deposit, fact) for deposit, fact in paid.values() if deposit.id in credited]
        receipts = [
            Receipt(
                deposit_id=deposit.id,
                user_id=deposit.user_id,
                currency=deposit.currency,
                amount=deposit.amount,
                fee=deposit.fee,
                payment_intent=fact.checkout.payment_intent,
                release_at=release_at,
            )
            for deposit, fact in fresh
        ]
        await receive_many(connection, self._letters, receipts)
        await self._give_bonuses(connection, [deposit for deposit, _ in fresh])
        await repository.tell_credited(connection, [deposit.id for deposit, _ in fresh])
        CREDITED.inc(len(fresh))

    async def end(self, connection: Connection, deposit: Deposit, state: DepositState, failure: str) -> None:
        """Nothing will come of a deposit: its state, the event, and a letter unless the customer wanted it so."""
        await repository.move(connection, deposit.id, state, failure=failure)
        await append_event(
            connection,
            user_id=deposit.user_id,
            kind=f"deposit_{state}",
            subject=deposit.id,
            payload={"state": str(state), "failure": failure},
        )
        if deposit.cancel_requested_at is None:
            values = {"amount": plain(deposit.amount), "asset": deposit.currency}
            await self._letters.queue(
                connection,
                user_id=deposit.user_id,
                template=f"deposit_{state}",
                values=values if state is DepositState.EXPIRED else {**values, "reason": _words(failure)},
            )

    async def _give_bonuses(self, connection: Connection, deposits: Sequence[Deposit]) -> None:
        if not await self._bonuses.has_active(connection):
            return
        before = await repository.paid_before(connection, deposits)
        moment = now()
        await self._bonuses.earn(
            connection,
            [
                PaidDeposit(
                    id=deposit.id,
                    user_id=deposit.user_id,
                    currency=deposit.currency,
                    amount=deposit.amount,
                    paid_at=moment,
                    first=deposit.id not in before,
                )
                for deposit in deposits
            ],
        )


async def tell_card(connection: Connection, deposit: Deposit, card: Card) -> None:
    """What was learned of a paid deposit's card, for monitoring: by it several deposits belong together."""
    if card.fingerprint is None:
        return
    facts = {"card": card.fingerprint, "worth": plain(deposit.worth)}
    if card.country is not None:
        facts["country"] = card.country
    await append_event(connection, user_id=deposit.user_id, kind="deposit_card_read", subject=deposit.id, payload=facts)


def _ours(checkout: Checkout) -> UUID | None:
    """The deposit that a page says that it is for."""
    try:
        return UUID(checkout.reference or "")
    except ValueError:
        return None


def _words(failure: str) -> str:
    """Why nothing came of it, for people."""
    return "the payment failed" if failure == "payment_failed" else "the processor refused it"
