"""Refunds go back to their source and no further; a dispute is locked, taken or owed, whatever came first."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from decimal import Decimal

import asyncpg
import pytest

from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import InDebt, NotReleased
from bitcurrent.funding.reversals.model import (
    DISPUTE_WAYS,
    REFUND_WAYS,
    Cover,
    DebtNotFound,
    DepositDisputed,
    DepositNotRefundable,
    Refund,
    RefundAmountInvalid,
    RefundState,
    RefundTooMuch,
    level,
)
from bitcurrent.funding.reversals.service import UnknownDeposit
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.service import InsufficientFunds
from tests.support import books
from tests.support.card_money import PAST, CardMoney

D = Decimal


@pytest.fixture
async def connection(module_database_urls: DatabaseUrls) -> AsyncIterator[Connection]:
    connection = await books.connect(module_database_urls.app)
    yield connection
    assert await books.broken_laws(connection) == []
    await connection.close()


@pytest.fixture
async def ann(connection: Connection) -> CardMoney:
    return await CardMoney.begin(connection)


async def test_a_refund_holds_the_money_until_the_processor_has_taken_it(ann: CardMoney) -> None:
    deposit = await ann.deposit("100")
    refund = await ann.ask_refund(deposit, "30")
    assert (refund.state, await ann.money()) == (RefundState.REQUESTED, (70, 30, 0))
    pending = await ann.told_of_refund(refund, "pending")
    # `requested` has not been sent: the processor cannot have it as pending.
    assert pending.state is RefundState.REQUESTED
    done = await ann.told_of_refund(refund, "succeeded")
    assert (done.state, await ann.money()) == (RefundState.SUCCEEDED, (70, 0, 0))
    again = await ann.told_of_refund(refund, "succeeded")
    assert (again, await ann.money()) == (done, (70, 0, 0))


async def test_a_refund_that_fails_gives_the_money_back_before_and_after_it_succeeded(ann: CardMoney) -> None:
    deposit = await ann.deposit("100")
    first, second = await ann.ask_refund(deposit, "40"), await ann.ask_refund(deposit, "60")
    await ann.told_of_refund(first, "failed")
    assert await ann.money() == (40, 60, 0)
    await ann.told_of_refund(second, "succeeded")
    assert (await ann.told_of_refund(second, "failed")).state is RefundState.FAILED
    assert await ann.money() == (100, 0, 0)
    # An old word that comes late changes nothing.
    assert (await ann.told_of_refund(second, "succeeded")).state is RefundState.FAILED
    assert (await ann.ask_refund(deposit, "100")).amount == 100, "and all of it may be refunded again"


async def test_no_more_is_refunded_than_came_less_the_fee(ann: CardMoney) -> None:
    deposit = await ann.deposit("100", fee="1.50")
    with pytest.raises(RefundTooMuch) as refused:
        await ann.ask_refund(deposit, "98.51")
    assert refused.value.details == {"limit": "98.5", "currency": "USD"}
    for wrong in ("0", "-1", "0.001"):
        with pytest.raises(RefundAmountInvalid):
            await ann.ask_refund(deposit, wrong)
    await ann.ask_refund(deposit, "50")
    assert (await ann.ask_refund(deposit)).amount == D("48.5"), "without an amount all that is left"
    with pytest.raises(RefundTooMuch):
        await ann.ask_refund(deposit)


async def test_nobody_refunds_what_is_not_theirs_or_not_there(ann: CardMoney, connection: Connection) -> None:
    deposit = await ann.deposit("100")
    bob = await CardMoney.begin(connection)
    for unknown in (deposit, new_id()):
        with pytest.raises(DepositNotRefundable):
            await bob.ask_refund(unknown, "1")
    await ann.spend("80")
    with pytest.raises(InsufficientFunds):
        await ann.ask_refund(deposit, "20.01")
    assert await ann.money() == (20, 0, 0)


async def test_released_money_may_not_go_round_what_is_locked(ann: CardMoney) -> None:
    old = await ann.deposit("100", release_at=PAST)
    young = await ann.deposit("100")
    await ann.spend("120")
    with pytest.raises(NotReleased):
        await ann.ask_refund(old, "80")
    await ann.ask_refund(young, "80")


async def test_eight_refunds_at_once_share_one_deposit(module_database_urls: DatabaseUrls) -> None:
    connections = [await books.connect(module_database_urls.app) for _ in range(8)]
    first = await CardMoney.begin(connections[0], USD="1000")
    deposit = await first.deposit("100")

    async def ask(connection: Connection) -> bool:
        try:
            await CardMoney(connection, first.user_id).ask_refund(deposit, "30")
        except RefundTooMuch:
            return False
        return True

    assert sum(await asyncio.gather(*map(ask, connections))) == 3
    assert await first.money() == (1010, 90, 0)
    for connection in connections:
        await connection.close()


async def test_a_refund_made_at_the_processor_takes_what_is_there_and_the_rest_is_owed(ann: CardMoney) -> None:
    deposit = await ann.deposit("100")
    await ann.spend("70")
    for _ in range(2):
        await ann.refunded_elsewhere(deposit, "50")
    assert await ann.money() == (0, 0, 20)
    with pytest.raises(InDebt):
        await ann.ask_refund(deposit, "1")
    await ann.deposit("15")
    assert await ann.money() == (0, 0, 5)
    await ann.refunded_elsewhere(deposit, "50", "failed")
    assert await ann.money() == (45, 0, 0), "30 taken at once and 15 paid later come back; 5 are forgotten"


async def test_our_own_refund_told_by_its_name_alone_is_ours(ann: CardMoney) -> None:
    deposit = await ann.deposit("100")
    refund = await ann.ask_refund(deposit, "10")
    await ann.told_of_refund(refund, "succeeded")
    found = await ann.refunds.search(ann.connection, user_id=ann.user_id, limit=10)
    assert [one.id for one in found] == [refund.id]


async def test_what_nobody_knows_is_looked_for_later(ann: CardMoney) -> None:
    with pytest.raises(UnknownDeposit):
        await ann.refunded_elsewhere(new_id(), "1")
    with pytest.raises(UnknownDeposit):
        await ann.disputed(new_id())


async def test_a_withdrawal_is_paid_by_cards_newest_first(ann: CardMoney, connection: Connection) -> None:
    await ann.deposit("40", release_at=PAST)
    young = await ann.deposit("100", release_at=PAST)
    withdrawal = new_id()

    async def ask() -> list[Refund]:
        return await ann.refunds.refund_for_withdrawal(
            connection, withdrawal_id=withdrawal, user_id=ann.user_id, currency="USD", amount=D(120)
        )

    assert await ann.refunds.refundable(connection, ann.user_id, "USD") == 140
    async with connection.transaction():
        made = await ask()
        assert {refund.id for refund in await ask()} == {refund.id for refund in made}
    assert [refund.amount for refund in made] == [D(100), D(20)]
    assert made[0].lot_id == young
    assert len(await ann.refunds.refunds_of_withdrawal(connection, withdrawal)) == 2
    assert await ann.refunds.refundable(connection, ann.user_id, "USD") == 20
    with pytest.raises(RefundTooMuch) as refused:
        async with connection.transaction():
            await ann.refunds.refund_for_withdrawal(
                connection, withdrawal_id=new_id(), user_id=ann.user_id, currency="USD", amount=D(21)
            )
    assert refused.value.details["limit"] == "20"
    assert await ann.refunds.refundable(connection, ann.user_id, "USD") == 20


async def test_a_dispute_locks_what_remains_and_the_rest_is_owed(ann: CardMoney) -> None:
    deposit = await ann.deposit("100")
    await ann.spend("60")
    opened = await ann.disputed(deposit, withdrawn="100", fee="15")
    assert opened.locked == 40
    assert await ann.money() == (0, 40, 60)
    assert (await ann.house("disputes"), await ann.house("processor_fees")) == (-100, -15)
    with pytest.raises(InDebt):
        await provenance.require_no_debt(ann.connection, ann.user_id)
    with pytest.raises(DepositDisputed):
        await ann.ask_refund(deposit, "1")
    await ann.deposit("25")
    assert await ann.money() == (0, 40, 35)
    await ann.disputed(deposit, "lost", withdrawn="100", fee="15")
    assert (await ann.money(), await ann.house("disputes")) == ((0, 0, 35), -35), "the debt stays"
    await ann.earn("100")
    await ann.collect()
    assert (await ann.money(), await ann.house("disputes")) == ((65, 0, 0), 0)


async def test_a_dispute_that_is_won_leaves_no_trace_in_the_balance(ann: CardMoney) -> None:
    deposit = await ann.deposit("100")
    await ann.spend("60")
    await ann.disputed(deposit, withdrawn="100", fee="15")
    await ann.deposit("25")
    won = await ann.disputed(deposit, "won", withdrawn="100", fee="15")
    assert await ann.money() == (0, 40, 35), "won, but the money has not come back so far"
    await ann.disputed(deposit, "won", withdrawn="100", reinstated="100", fee="15")
    assert (await ann.money(), await ann.house("disputes")) == ((65, 0, 0), 0)
    assert won.closed_at is not None


async def test_an_inquiry_moves_nothing_and_keeps_the_lot(ann: CardMoney) -> None:
    deposit = await ann.deposit("100", release_at=PAST)
    await ann.disputed(deposit, "warning_needs_response")
    assert await ann.money() == (100, 0, 0)
    assert await provenance.withdrawable(ann.connection, ann.user_id, "USD", prices={}) == 0
    await ann.disputed(deposit, "warning_closed")
    assert await provenance.withdrawable(ann.connection, ann.user_id, "USD", prices={}) == 100


LIFE = (
    {"status": "needs_response"},
    {"status": "needs_response", "withdrawn": "100", "fee": "15"},
    {"status": "won", "withdrawn": "100", "fee": "15"},
    {"status": "won", "withdrawn": "100", "reinstated": "100", "fee": "15"},
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(LIFE)))), ids=str)
async def test_whatever_the_order_of_the_words_the_end_is_the_same(ann: CardMoney, order: tuple[int, ...]) -> None:
    deposit = await ann.deposit("100")
    await ann.spend("30")
    for number in (*order, *order[:2]):
        await ann.disputed(deposit, **LIFE[number])
    assert (await ann.money(), await ann.house("disputes")) == ((70, 0, 0), 0)


async def test_a_dispute_reversed_after_the_debt_was_given_up_repays_the_loss(ann: CardMoney) -> None:
    deposit = await ann.deposit("100")
    await ann.spend("100")
    await ann.disputed(deposit, "lost", withdrawn="100")
    await ann.earn("10")
    [debt] = await provenance.open_debts(ann.connection, ann.user_id)
    await ann.collect()
    async with ann.connection.transaction():
        assert await ann.disputes.write_off(ann.connection, debt.id) == 90
    assert (await ann.money(), await ann.house("losses")) == ((0, 0, 0), -90)
    with pytest.raises(DebtNotFound):
        await ann.disputes.write_off(ann.connection, debt.id)
    await ann.disputed(deposit, "won", withdrawn="100", reinstated="100")
    assert (await ann.money(), await ann.house("losses")) == ((10, 0, 0), 0)


async def test_a_dispute_and_refunds_race_and_the_books_agree(module_database_urls: DatabaseUrls) -> None:
    connections = [await books.connect(module_database_urls.app) for _ in range(6)]
    first = await CardMoney.begin(connections[0])
    deposit = await first.deposit("100")
    people = [CardMoney(connection, first.user_id) for connection in connections]
    outcomes = await asyncio.gather(
        people[0].disputed(deposit, withdrawn="100"),
        people[1].ask_refund(deposit, "60"),
        people[2].ask_refund(deposit, "60"),
        people[3].spend("50"),
        people[4].disputed(deposit, withdrawn="100"),
        people[5].refunded_elsewhere(deposit, "10"),
        return_exceptions=True,
    )
    refusals = (RefundTooMuch, DepositDisputed, InsufficientFunds, InDebt, NotReleased)
    assert [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, refusals)] == []
    there, aside, owed = await first.money()
    spent = 0 if isinstance(outcomes[3], BaseException) else 50
    [dispute] = await first.disputes.search(connections[0], user_id=first.user_id, limit=2)
    assert there + aside - dispute.locked - owed == 100 - 100 - 10 - spent
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize("table", ["refunds", "disputes"])
async def test_model_and_database_allow_the_same(table: str, connection: Connection) -> None:
    ways = REFUND_WAYS if table == "refunds" else DISPUTE_WAYS
    given = await connection.fetchval(
        "SELECT tgargs FROM pg_trigger WHERE tgname = 'states' AND tgrelid = $1::text::regclass", table
    )
    listed = set(given.split(b"\0")[1].decode().split(","))
    assert listed == {f"{a}>{b}" for a, targets in ways.items() for b in targets}


async def test_the_database_refuses_what_the_model_would(ann: CardMoney, module_database_urls: DatabaseUrls) -> None:
    deposit = await ann.deposit("100")
    refund = await ann.ask_refund(deposit, "10")
    await ann.told_of_refund(refund, "succeeded")
    owner = await asyncpg.connect(module_database_urls.owner)
    for forbidden in (
        "UPDATE refunds SET state = 'sending', finished_at = NULL WHERE id = $1",
        "UPDATE refunds SET held = 10 WHERE id = $1",
        "DELETE FROM refunds WHERE id = $1",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(forbidden, refund.id)
    await owner.close()


def test_the_cover_is_always_as_large_as_the_claim() -> None:
    numbers = [D(n) for n in (0, 3, 10)]
    for locked, taken, unpaid, collected, lost, claim, there in itertools.product(numbers, repeat=7):
        cover = Cover(locked=locked, taken=taken, debt=unpaid + collected + lost, collected=collected, written_off=lost)
        for final in (False, True):
            steps = level(cover, claim=claim, there=there, final=final)
            after = steps.cover
            assert after.locked + after.taken + after.debt == claim
            assert steps.lock <= there
            assert min(steps.lock, steps.unlock, steps.take, steps.give_back, steps.regain) >= 0
            assert after.collected + after.written_off <= after.debt
            assert after.locked == 0 or not final
            assert after.locked == cover.locked + steps.lock - steps.unlock - steps.take
            given = cover.taken + cover.collected + steps.take - after.taken - after.collected
            assert given == steps.give_back
            assert steps.regain == cover.written_off - after.written_off
