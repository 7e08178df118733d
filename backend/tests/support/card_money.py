"""Words for tests of card money: deposits as they are credited, and what the processor says of refunds and disputes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.ports import ProcessorDispute, ProcessorRefund, RefundStatus
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.reversals.disputing import Disputes
from bitcurrent.funding.reversals.model import Dispute, Refund
from bitcurrent.funding.reversals.service import Refunds, Wish
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import post
from bitcurrent.notifications.service import Mails
from tests.support import books
from tests.support.brokerage import BLIND_INDEX_KEY, ENCRYPTION_KEYS

LATER = datetime(2099, 1, 1, tzinfo=UTC)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
ZERO = Decimal(0)


def vault() -> Vault:
    """The vault that tests use."""
    return Vault.from_text(ENCRYPTION_KEYS, BLIND_INDEX_KEY)


@dataclass(slots=True)
class CardMoney:
    """One customer's card money on a connection. Each act is a transaction."""

    connection: Connection
    user_id: UserId
    currency: str = "USD"
    letters: Mails = field(init=False)
    refunds: Refunds = field(init=False)
    disputes: Disputes = field(init=False)

    def __post_init__(self) -> None:
        self.letters = Mails(vault(), "http://bitcurrent.test")
        self.refunds, self.disputes = Refunds(self.letters), Disputes(self.letters)

    @classmethod
    async def begin(cls, connection: Connection, currency: str = "USD", **money: str) -> "CardMoney":
        """A new customer, whom the house knows by nothing but an id."""
        user_id = await books.customer(connection, **money)
        await connection.execute("INSERT INTO users (id, password_hash) VALUES ($1, 'none')", user_id)
        return cls(connection, user_id, currency)

    async def deposit(
        self, amount: str, *, fee: str = "0", release_at: datetime = LATER, payment_intent: str | None = None
    ) -> UUID:
        """A card payment as provenance hears of it; where it came from is the tests' own journal."""
        deposit_id, gross, cost = new_id(), Decimal(amount), Decimal(fee)
        own, outside = available(self.user_id, self.currency), house("processor", self.currency)
        moves = [Move(source=outside, target=own, amount=gross - cost)]
        if cost:
            moves.append(Move(source=outside, target=house("fees", self.currency), amount=cost))
        async with self.connection.transaction():
            await post(self.connection, Journal(kind="test", reference=f"test:pi_{deposit_id}", moves=tuple(moves)))
            await provenance.receive(
                self.connection,
                self.letters,
                user_id=self.user_id,
                currency=self.currency,
                amount=gross,
                deposit_id=deposit_id,
                release_at=release_at,
                fee=cost,
                payment_intent=payment_intent or f"pi_{deposit_id}",
            )
        return deposit_id

    async def spend(self, amount: str | Decimal) -> None:
        """The money goes for something else, as in a trade."""
        move = Move(
            source=available(self.user_id, self.currency), target=house("venue", self.currency), amount=Decimal(amount)
        )
        await post(self.connection, Journal(kind="test", reference=f"test:{new_id()}", moves=(move,)))

    async def earn(self, amount: str | Decimal) -> None:
        """Money comes from elsewhere, as from a sale."""
        move = Move(
            source=house("venue", self.currency), target=available(self.user_id, self.currency), amount=Decimal(amount)
        )
        await post(self.connection, Journal(kind="test", reference=f"test:{new_id()}", moves=(move,)))

    async def collect(self) -> None:
        """What is owed is paid from what is there."""
        async with self.connection.transaction():
            await provenance.collect(self.connection, self.letters, self.user_id, self.currency)

    async def ask_refund(self, deposit_id: UUID, amount: str | None = None) -> Refund:
        """The customer wants it back on the card."""
        wish = Wish(
            user_id=self.user_id,
            deposit_id=deposit_id,
            amount=None if amount is None else Decimal(amount),
            origin="customer",
            asked_by=self.user_id,
            reason=None,
        )
        async with self.connection.transaction():
            return await self.refunds.ask(self.connection, wish)

    async def told_of_refund(self, refund: Refund, status: RefundStatus) -> Refund:
        """The processor says what became of one of ours."""
        truth = refund_truth(
            refund.lot_id, refund.amount, status, our_id=refund.id, name=f"re_{refund.id}", currency=self.currency
        )
        async with self.connection.transaction():
            return await self.refunds.apply(self.connection, truth)

    async def refunded_elsewhere(
        self, deposit_id: UUID, amount: str, status: RefundStatus = "succeeded", name: str = "1"
    ) -> Refund:
        """Somebody refunded at the processor's own pages."""
        truth = refund_truth(
            deposit_id, Decimal(amount), status, our_id=None, name=f"re_{deposit_id}_{name}", currency=self.currency
        )
        async with self.connection.transaction():
            return await self.refunds.apply(self.connection, truth)

    async def disputed(
        self,
        deposit_id: UUID,
        status: str = "needs_response",
        *,
        withdrawn: str | Decimal = ZERO,
        reinstated: str | Decimal = ZERO,
        fee: str | Decimal = ZERO,
        amount: str | Decimal = "100",
    ) -> Dispute:
        """The processor says what became of the dispute of a deposit."""
        truth = ProcessorDispute(
            id=f"dp_{deposit_id}",
            status=status,
            reason="fraudulent",
            amount=Decimal(amount),
            currency=self.currency,
            payment_intent=f"pi_{deposit_id}",
            charge_id=None,
            withdrawn=Decimal(withdrawn),
            reinstated=Decimal(reinstated),
            fee=Decimal(fee),
            respond_by=LATER,
        )
        async with self.connection.transaction():
            return await self.disputes.apply(self.connection, truth)

    async def owed(self) -> Decimal:
        """What is owed in the currency."""
        debts = await provenance.open_debts(self.connection, self.user_id)
        return sum((debt.open for debt in debts if debt.currency == self.currency), start=ZERO)

    async def money(self) -> tuple[Any, ...]:
        """Available, held, owed."""
        there, aside = await books.balance(self.connection, self.user_id, self.currency)
        return there, aside, await self.owed()

    async def house(self, account: str) -> Any:
        """What the house has in an account of the currency."""
        found = await self.connection.fetchval(
            "SELECT balance FROM house_accounts WHERE account = $1 AND currency = $2", account, self.currency
        )
        return found or ZERO


def refund_truth(
    deposit_id: UUID, amount: Decimal, status: RefundStatus, *, our_id: UUID | None, name: str, currency: str = "USD"
) -> ProcessorRefund:
    """A refund as the processor has it."""
    return ProcessorRefund(
        id=name,
        status=status,
        amount=amount,
        currency=currency,
        payment_intent=f"pi_{deposit_id}",
        our_id=our_id,
        failure_reason="expired_or_canceled_card" if status == "failed" else None,
    )
