"""The flows of deposits and bonuses that docs/money shows, done by the real books."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Protocol, cast
from uuid import UUID

from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.funding.bonuses import repository as campaigns
from bitcurrent.funding.bonuses.model import PaidDeposit, Rules
from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.deposits import repository
from bitcurrent.funding.deposits.model import Resolution
from bitcurrent.funding.deposits.repository import NewDeposit, ToCredit
from bitcurrent.funding.deposits.resolving import credit_journal
from bitcurrent.funding.provenance.model import Receipt
from bitcurrent.funding.provenance.service import receive_many
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.ledger.service import post
from bitcurrent.notifications.service import Mails
from bitcurrent.trading.reading import traded_since
from tests.support.card_money import LATER, vault


class Holder(Protocol):
    """Whose money it is."""

    @property
    def connection(self) -> Connection: ...
    @property
    def id(self) -> UserId: ...


async def deposit(ann: Holder) -> list[str]:
    await _pay_in(ann)
    return ["deposit"]


async def bonus(ann: Holder) -> list[str]:
    await _earn(ann)
    return ["bonus"]


async def bonus_release(ann: Holder) -> list[str]:
    bonuses, bonus_id = await _earn(ann)
    async with ann.connection.transaction():
        await bonuses.settle(ann.connection, ann.id, bonus_id)
    return ["bonus_release"]


async def bonus_forfeit(ann: Holder) -> list[str]:
    bonuses, _ = await _earn(ann)
    async with ann.connection.transaction():
        await bonuses.money_leaves(ann.connection, ann.id)
    return ["bonus_forfeit"]


async def _pay_in(ann: Holder) -> UUID:
    """200 USD by card, of which 3 USD are the fee."""
    connection, deposit_id = ann.connection, new_id()
    await connection.execute("INSERT INTO users (id, password_hash) VALUES ($1, 'none') ON CONFLICT DO NOTHING", ann.id)
    payment, page = f"pi_{deposit_id.hex}", f"cs_{deposit_id.hex}"
    async with connection.transaction():
        new = NewDeposit(
            id=deposit_id,
            user_id=ann.id,
            currency="USD",
            amount=Decimal(200),
            fee=Decimal(3),
            worth=Decimal(200),
            limit_version=1,
            checkout_expires_at=LATER,
            first_look=timedelta(hours=1),
        )
        await repository.insert(connection, new)
        await repository.lock(connection, [deposit_id])
        wanted = ToCredit(id=deposit_id, payment_intent=payment, checkout_id=page, release_at=LATER)
        assert await repository.credit(connection, [wanted]) == {deposit_id}
        receipt = Receipt(
            deposit_id=deposit_id,
            user_id=ann.id,
            currency="USD",
            amount=Decimal(200),
            fee=Decimal(3),
            payment_intent=payment,
            release_at=LATER,
        )
        await receive_many(connection, Mails(vault(), "http://bitcurrent.test"), [receipt])
        await repository.tell_credited(connection, [deposit_id])
    return deposit_id


async def _earn(ann: Holder) -> tuple[Bonuses, UUID]:
    """10 USD for the deposit, by a campaign that releases at once."""
    deposit_id = await _pay_in(ann)
    # Only what is done on the connection in hand is asked of it here.
    nowhere = cast("Database", None)
    bonuses = Bonuses(
        nowhere,
        Approvals(),
        traded=traded_since,
        letters=Mails(vault(), "http://bitcurrent.test"),
        may_have=Conduct(nowhere, vault()).may_have_bonus,
    )
    rules = Rules(
        code="welcome",
        title="Welcome",
        currency="USD",
        starts_at=now() - timedelta(days=1),
        ends_at=now() + timedelta(days=1),
        minimum=Decimal(50),
        amount=Decimal(10),
        percent=None,
        cap=None,
        first_deposit_only=True,
        once_per_customer=True,
        release_days=0,
        release_volume=None,
    )
    paid = PaidDeposit(id=deposit_id, user_id=ann.id, currency="USD", amount=Decimal(200), paid_at=now(), first=True)
    async with ann.connection.transaction():
        await campaigns.activate(ann.connection, await campaigns.insert_campaign(ann.connection, rules, ann.id))
        (earned,) = await bonuses.earn(ann.connection, [paid])
    return bonuses, earned.id


async def deposit_resolved(ann: Holder) -> list[str]:
    """120 USD came where 100 were asked for; two operators have credited them."""
    connection, deposit_id, approval_id = ann.connection, new_id(), new_id()
    await connection.execute("INSERT INTO users (id, password_hash) VALUES ($1, 'none') ON CONFLICT DO NOTHING", ann.id)
    asked = "INSERT INTO approvals (id, kind, subject, payload, reason, asked_by, expires_at)"
    await connection.execute(
        f"{asked} VALUES ($1, 'deposits.resolve', 'deposit', '{{}}', 'Looked at it', $2, now() + interval '1 day')",
        approval_id,
        ann.id,
    )
    async with connection.transaction():
        new = NewDeposit(
            id=deposit_id,
            user_id=ann.id,
            currency="USD",
            amount=Decimal(100),
            fee=Decimal("1.5"),
            worth=Decimal(100),
            limit_version=1,
            checkout_expires_at=LATER,
            first_look=timedelta(hours=1),
        )
        await repository.insert(connection, new)
        resolution = Resolution(
            id=new_id(),
            deposit_id=deposit_id,
            payment_intent=f"pi_{deposit_id.hex}",
            outcome="credit",
            currency="USD",
            amount=Decimal(120),
            approval_id=approval_id,
        )
        await repository.insert_resolution(connection, resolution)
        await post(connection, credit_journal(ann.id, resolution))
    return ["deposit_resolved"]


DEPOSIT_FLOWS: tuple[Callable[[Holder], Awaitable[list[str]]], ...] = (
    deposit,
    deposit_resolved,
    bonus,
    bonus_release,
    bonus_forfeit,
)
