"""The worker's part against an outside that answers late, never, or something else: paid once, or given back."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bitcurrent.funding.ports import NotSent, OutcomeUnknown, RefusedOutside
from bitcurrent.funding.reversals.model import RefundTooMuch
from bitcurrent.funding.reversals.service import Refunds
from bitcurrent.funding.withdrawals.card_rail import Bounces, CardRail
from bitcurrent.funding.withdrawals.deciding import Deciding
from bitcurrent.funding.withdrawals.model import RailName, Wish, Withdrawal
from bitcurrent.funding.withdrawals.ports import Destination, Outcome, Quote, Screened
from bitcurrent.funding.withdrawals.service import Withdrawals
from bitcurrent.funding.withdrawals.tasks import Paymaster
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.kernel.ids import UserId
from tests.funding.withdrawals.conftest import AT_ONCE, Desk
from tests.support import books
from tests.support.card_money import PAST, CardMoney
from tests.support.customers import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = Decimal(0)
Said = Outcome | Exception


class Died(BaseException):
    """The worker's process ends here."""


@dataclass(slots=True)
class Outside:
    """A bank with an interface, which does as the test says; it counts what it was really asked to pay."""

    sends: list[Said | BaseException] = field(default_factory=list)
    answers: list[Said] = field(default_factory=list)
    sent: list[UUID] = field(default_factory=list)
    name: RailName = "bank"
    automatic: bool = True

    async def find_destination(self, connection: Any, **_: Any) -> Destination:
        return Destination(id=UUID(int=7), label="An account")

    async def quote(self, **_: Any) -> Quote:
        return Quote()

    async def send(self, withdrawal: Withdrawal) -> Outcome:
        self.sent.append(withdrawal.id)
        return _said(self.sends.pop(0))

    async def ask(self, withdrawal: Withdrawal) -> Outcome:
        return _said(self.answers.pop(0))


@dataclass(slots=True)
class Checks:
    """Screening that says what the test wants."""

    said: Screened | Exception = field(default_factory=lambda: Screened(result="clear", reference="list 1"))

    async def screen(self, connection: Any, withdrawal: Withdrawal) -> Screened:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


@dataclass(slots=True)
class Works:
    """A customer's withdrawal on its way through a machine with this outside."""

    desk: Desk
    ann: Person
    outside: Outside
    checks: Checks
    withdrawals: Withdrawals
    paymaster: Paymaster
    id: UUID

    async def round(self) -> None:
        await self.paymaster.round()

    async def state(self) -> tuple[str, str | None]:
        found, _ = await self.withdrawals.read(None, self.id)
        return found.state.value, found.reason

    async def balance(self) -> tuple[Decimal, Decimal]:
        return await self.desk.balance(self.ann, "EUR")


async def confirmed(desk: Desk, outside: Outside, checks: Checks | None = None, amount: str = "50") -> Works:
    """A withdrawal that its owner has confirmed."""
    brokerage, screening = desk.brokerage, checks or Checks()
    withdrawals = Withdrawals(
        database=brokerage.database,
        rails={"bank": outside},
        prices=brokerage.withdrawals._prices,
        limits=brokerage.limits,
        letters=brokerage.letters,
        secret_key=brokerage.settings.secret_key,
    )
    paymaster = Paymaster(
        database=brokerage.database,
        rails={"bank": outside},
        changes=withdrawals.changes,
        deciding=Deciding(
            changes=withdrawals.changes, approvals=Approvals(), screening=screening, automatic_usd=Decimal(1_000)
        ),
        counts=Counter(),
        pace=AT_ONCE,
    )
    ann = await desk.customer(profile=False, EUR="2000")
    wish = Wish(asset="EUR", amount=Decimal(amount), rail="bank", destination=UUID(int=7))
    plan = await withdrawals.plan(UserId(UUID(ann.id)), wish)
    async with brokerage.database.transaction() as connection:
        asked = await withdrawals.ask(connection, UserId(UUID(ann.id)), plan, kyc_level="full", address="tests")
    await desk.confirm(ann)
    return Works(desk, ann, outside, screening, withdrawals, paymaster, asked.id)


async def test_cleared_and_small_ones_need_nobody(desk: Desk) -> None:
    works = await confirmed(
        desk, Outside(sends=[Outcome(kind="sent", reference="T1")], answers=[Outcome(kind="settled")])
    )
    await works.round()
    assert await works.state() == ("settled", None)
    assert await works.balance() == (Decimal(1949), NOTHING)


async def test_large_ones_wait_for_people(desk: Desk) -> None:
    works = await confirmed(desk, Outside(), amount="1000")
    await works.round()
    assert await works.state() == ("review", "above_limit")
    assert works.outside.sent == []


async def test_screening_decides(desk: Desk) -> None:
    blocked = await confirmed(desk, Outside(), Checks(Screened(result="block", reference="hit 1", reason="sanctions")))
    await blocked.round()
    assert await blocked.state() == ("refused", "sanctions")
    assert await blocked.balance() == (Decimal(2000), NOTHING)
    looked_at = await confirmed(desk, Outside(), Checks(Screened(result="review", reference="hit 2", reason="similar")))
    await looked_at.round()
    assert await looked_at.state() == ("review", "similar")
    mute = await confirmed(desk, Outside(), Checks(Unavailable("The list is being read.")))
    await mute.round()
    assert await mute.state() == ("screening", None)
    mute.checks.said = Screened(result="clear", reference="list 2")
    mute.outside.sends = [Outcome(kind="settled")]
    await mute.round()
    assert await mute.state() == ("settled", None)


@pytest.mark.parametrize(
    ("sends", "answers", "state", "requests"),
    [
        ([OutcomeUnknown("no answer")], [Outcome(kind="settled")], "settled", 1),
        ([OutcomeUnknown("no answer")], [OutcomeUnknown("x"), NotSent("x"), Outcome(kind="settled")], "settled", 1),
        ([OutcomeUnknown("no answer")], [Outcome(kind="failed", reason="closed")], "failed", 1),
        ([Outcome(kind="unknown")], [Outcome(kind="unknown"), Outcome(kind="settled")], "settled", 1),
        ([NotSent("no connection"), Outcome(kind="settled")], [Outcome(kind="nothing_there")], "settled", 2),
        ([RefusedOutside("no_such_account", "No.")], [], "failed", 1),
        ([Died(), Outcome(kind="settled")], [Outcome(kind="nothing_there")], "settled", 2),
        ([Died()], [Outcome(kind="settled")], "settled", 1),
    ],
)
async def test_whatever_is_answered_it_is_paid_once_or_given_back(
    desk: Desk, sends: list[Said | BaseException], answers: list[Said], state: str, requests: int
) -> None:
    works = await confirmed(desk, Outside(sends=list(sends), answers=list(answers)))
    for _ in range(6):
        try:
            await works.round()
        except Died:
            # Whoever leads next finds a claim that has run out.
            await desk.owner("UPDATE withdrawals SET claimed_until = now() WHERE id = $1", works.id)
        else:
            await desk.owner("UPDATE withdrawals SET claimed_until = NULL WHERE id = $1", works.id)
    assert (await works.state())[0] == state
    assert works.outside.sent == [works.id] * requests
    paid = Decimal(51) if state == "settled" else NOTHING
    assert await works.balance() == (Decimal(2000) - paid, NOTHING)


async def test_a_part_that_could_not_be_paid_goes_back(desk: Desk) -> None:
    some = Outcome(kind="settled", paid=Decimal("20.5"), reason="partly_paid")
    works = await confirmed(desk, Outside(sends=[some]))
    await works.round()
    assert await works.state() == ("settled", "partly_paid")
    assert await works.balance() == (Decimal("1978.5"), NOTHING)


async def test_a_debt_that_came_up_meanwhile_is_paid_first(desk: Desk) -> None:
    works = await confirmed(desk, Outside())
    await works.paymaster._screen()
    async with cards(works) as card:
        await card.spend("1949")
        deposit = await card.deposit("80", release_at=PAST)
        await card.spend("60")
        await card.refunded_elsewhere(deposit, "80")
        assert await card.owed() == Decimal(60)
    await works.round()
    assert await works.state() == ("refused", "in_debt")
    assert works.outside.sent == []
    async with cards(works) as card:
        assert await card.owed() == Decimal(9)
    assert await works.balance() == (NOTHING, NOTHING)


async def test_card_money_goes_back_to_its_cards_before_it_is_released(desk: Desk) -> None:
    works = await confirmed(desk, Outside(), amount="1000")
    brokerage = desk.brokerage
    rail = CardRail(database=brokerage.database, refunds=Refunds(brokerage.letters), processor=Cards())  # type: ignore[arg-type]  # the rail asks nothing else of a processor
    works.withdrawals._rails = {"card_refund": rail}
    works.paymaster._rails, works.paymaster._every_rail = {"card_refund": rail}, ("card_refund",)
    async with cards(works) as card:
        await card.spend("900")
        await card.deposit("60")
        await card.deposit("40")
        wish = Wish(asset="EUR", amount=Decimal(101), rail="card_refund")
        with pytest.raises(RefundTooMuch):
            await works.withdrawals.plan(card.user_id, wish)
        plan = await works.withdrawals.plan(card.user_id, replace(wish, amount=Decimal(90)))
        async with brokerage.database.transaction() as connection:
            asked = await works.withdrawals.ask(connection, card.user_id, plan, kyc_level="full", address="tests")
        works.id = asked.id
        await desk.confirm(works.ann)
        await works.round()
        assert await works.state() == ("sent", None)
        first, second = await card.refunds.refunds_of_withdrawal(card.connection, works.id)
        assert {first.amount, second.amount} == {Decimal(40), Decimal(50)}
        await card.told_of_refund(first, "succeeded")
        await works.round()
        assert await works.state() == ("sent", None)
        await card.told_of_refund(second, "failed")
        await works.round()
    assert await works.state() == ("settled", "partly_paid")
    found, _ = await works.withdrawals.read(None, works.id)
    assert (found.paid, found.amount) == (first.amount, Decimal(90))
    refunds = card.refunds
    refunds.bounced = Bounces(works.withdrawals.changes).hear
    async with cards(works) as card:
        card.refunds = refunds
        await card.told_of_refund(await refunds.read(card.connection, first.id), "failed")
        await card.told_of_refund(await refunds.read(card.connection, first.id), "failed")
    assert await works.state() == ("returned", "card_returned")
    # All came back: 2000 came, 1001 are held by the first withdrawal, 900 were spent, 100 came by card.
    assert await works.balance() == (Decimal(199), Decimal(1001))


async def test_what_the_processor_has_taken_is_booked_though_the_cards_bank_is_not_done(desk: Desk) -> None:
    works = await confirmed(desk, Outside(), amount="1000")
    brokerage = desk.brokerage
    rail = CardRail(database=brokerage.database, refunds=Refunds(brokerage.letters), processor=Cards())  # type: ignore[arg-type]  # the rail asks nothing else of a processor
    works.withdrawals._rails = {"card_refund": rail}
    works.paymaster._rails, works.paymaster._every_rail = {"card_refund": rail}, ("card_refund",)
    async with cards(works) as card:
        await card.deposit("60")
        plan = await works.withdrawals.plan(card.user_id, Wish(asset="EUR", amount=Decimal(60), rail="card_refund"))
        async with brokerage.database.transaction() as connection:
            asked = await works.withdrawals.ask(connection, card.user_id, plan, kyc_level="full", address="tests")
        works.id = asked.id
        await desk.confirm(works.ann)
        await works.round()
        (refund,) = await card.refunds.refunds_of_withdrawal(card.connection, works.id)
        told = await card.told_of_refund(refund, "pending")
        assert (told.taken, told.finished_at) == (True, None)
        await works.round()
        assert await works.state() == ("settled", None)
        assert await works.balance() == (Decimal(999), Decimal(1001))
        # The bank refuses it in the end: the money comes back, as from any bank.
        card.refunds.bounced = Bounces(works.withdrawals.changes).hear
        await card.told_of_refund(told, "failed")
    assert await works.state() == ("returned", "card_returned")
    assert await works.balance() == (Decimal(1059), Decimal(1001))


async def test_the_database_refuses_what_the_machine_would_never_do(desk: Desk) -> None:
    works = await confirmed(desk, Outside(), amount="1000")
    await works.round()
    for statement in (
        "UPDATE withdrawals SET state = 'approved' WHERE id = $1",
        "UPDATE withdrawals SET state = 'settled' WHERE id = $1",
        "UPDATE withdrawals SET held = 0 WHERE id = $1",
        "UPDATE withdrawals SET amount = 1 WHERE id = $1",
        "UPDATE withdrawals SET screening = 'none' WHERE id = $1",
        "DELETE FROM withdrawals WHERE id = $1",
        "UPDATE withdrawal_steps SET state = 'sent' WHERE withdrawal_id = $1",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await desk.owner(statement, works.id)


def _said(said: Said | BaseException) -> Outcome:
    if isinstance(said, BaseException):
        raise said
    return said


class Cards:
    """A processor with an account."""

    configured = True


@asynccontextmanager
async def cards(works: Works) -> AsyncIterator[CardMoney]:
    """The customer's card money."""
    connection = await books.connect(works.desk.brokerage.settings.database_url)
    try:
        yield CardMoney(connection, UserId(UUID(works.ann.id)), "EUR")
    finally:
        await connection.close()
