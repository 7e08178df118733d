"""The clearing account against the card processor's own balance: planted differences are found, fees are booked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import post
from bitcurrent.reconciliation import reconciling
from bitcurrent.reconciliation.model import Break, BreakFilter, BreakKind, BreakState, Pace
from bitcurrent.reconciliation.processor import ProcessorCheck
from bitcurrent.reconciliation.reconciling import Result
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.cards import Till
from tests.support.sandbox import Sandbox

AT_ONCE = "4000000000000077"
"""The test card whose money is available at once."""
HASTY = Pace(line_grace=0, looks=2)


class Clearing:
    """A till whose clearing account is compared with the processor."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.database = till.brokerage.database

    async def run(self, times: int = 1, *, wholly: bool = False, payouts: bool = False, pace: Pace = HASTY) -> Result:
        """Compare so many times; the last result."""
        check = ProcessorCheck(self.database, self.till.brokerage.processor, pace, books_payouts=payouts)
        result = await reconciling.run(self.database, self.till.brokerage.breaks, [check], wholly=wholly)
        for _ in range(times - 1):
            result = await reconciling.run(self.database, self.till.brokerage.breaks, [check], wholly=wholly)
        assert result.troubles == ()
        return result

    async def open_breaks(self) -> Sequence[Break]:
        """What waits for a person."""
        async with self.database.read() as connection:
            return await self.till.brokerage.breaks.search(connection, BreakFilter(state=BreakState.OPEN))

    async def paid(self, amount: str = "100.00", **how: Any) -> str:
        """A deposit that was paid and credited; the payment's name."""
        ann = await self.till.customer()
        deposit = await self.till.opened(ann, amount)
        await self.till.deliver_all(await self.till.pay(deposit, **how))
        assert (await self.till.read(ann, deposit["id"]))["state"] == "paid"
        return str(await self.till.books("SELECT payment_intent FROM deposits ORDER BY paid_at DESC LIMIT 1"))

    async def control(self, verb: str, **body: Any) -> Any:
        """Tell the sandbox's processor something."""
        return await asyncio.to_thread(lambda: self.till.sandbox.control(f"stripe/{verb}", **body))


@pytest_asyncio.fixture
async def clearing(database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox) -> AsyncIterator[Clearing]:
    await asyncio.to_thread(lambda: sandbox.control("stripe/reset", state=True))
    async with running_api(settings_for(database_urls, redis_server.url, sandbox)) as (http, app):
        yield Clearing(Till(app, http, sandbox))
        assert await Till(app, http, sandbox).broken_laws() == []


def difference(result: Result) -> Decimal:
    (row,) = result.rows
    return row.difference


async def test_deposits_and_the_processor_s_fees_agree(clearing: Clearing) -> None:
    for amount in ("100.00", "250.50"):
        await clearing.paid(amount)
    first = await clearing.run()
    assert difference(first) == 0
    assert first.findings == ()
    again = await clearing.run(wholly=True)
    (row,) = again.rows
    assert row.ours == row.theirs
    assert row.difference == 0
    assert row.reasons == ()
    assert again.findings == ()
    fees = await clearing.till.books("SELECT sum(fee) FROM processor_lines")
    booked = await clearing.till.books(
        "SELECT -sum(balance) FROM house_accounts WHERE account = 'processor_fees' AND currency = 'USD'"
    )
    assert fees == booked > 0
    assert await clearing.till.books("SELECT count(*) FROM processor_lines WHERE reference IS NULL") == 0


async def test_a_payment_whose_webhook_is_late_is_on_its_way_and_no_break(clearing: Clearing) -> None:
    ann = await clearing.till.customer()
    deposit = await clearing.till.opened(ann, "75.00")
    events = await clearing.till.pay(deposit)
    waiting = await clearing.run(3, pace=Pace(looks=2))
    (row,) = waiting.rows
    assert row.difference == 0
    assert waiting.findings == ()
    assert "lines of the processor that no journal stands for yet" in {reason.what for reason in row.reasons}
    await clearing.till.deliver_all(events)
    assert (await clearing.run(2)).rows[0].reasons == ()
    assert await clearing.open_breaks() == []


async def test_a_refund_made_in_the_dashboard_is_found_until_it_is_booked(clearing: Clearing) -> None:
    payment = await clearing.paid()
    await clearing.run()
    await clearing.control("refund", payment_intent=payment, amount=2_500)
    result = await clearing.run()
    assert difference(result) == 0  # the line is known, so the balance is explained; the line is the break
    (found,) = await clearing.open_breaks()
    assert found.kind == BreakKind.LINE_UNBOUND
    assert found.expected == -25
    assert found.found == 0
    assert found.asset == "USD"
    stopped = await clearing.till.books(
        "SELECT array_agg(product ORDER BY product) FROM stops WHERE asset = 'USD' AND cause = 'reconciliation'"
    )
    assert stopped == ["bank_withdrawal", "card_refund", "crypto_withdrawal"]


async def test_a_payout_that_nobody_asked_for_is_a_break_and_an_expected_one_is_booked(clearing: Clearing) -> None:
    await clearing.paid("500.00", card=AT_ONCE)
    await clearing.run()
    await clearing.control("payout", currency="usd")
    await clearing.run()
    (found,) = await clearing.open_breaks()
    assert found.kind is BreakKind.PAYOUT
    assert found.expected < -400
    expected = await clearing.run(payouts=True)
    assert difference(expected) == 0
    assert expected.findings == ()
    again = await clearing.run(payouts=True)
    (row,) = again.rows
    assert row.ours == 0
    assert row.theirs == 0
    assert row.reasons == ()


async def test_a_dispute_that_is_not_booked_is_found(clearing: Clearing) -> None:
    payment = await clearing.paid()
    await clearing.run()
    await clearing.control("dispute", payment_intent=payment)
    await clearing.run()
    (found,) = await clearing.open_breaks()
    assert (found.kind, found.expected) == (BreakKind.LINE_UNBOUND, Decimal(-115))


async def test_a_journal_that_the_processor_knows_nothing_of_is_found(clearing: Clearing) -> None:
    async with clearing.database.transaction() as connection:
        move = Move(source=house("processor", "USD"), target=available(UserId(new_id()), "USD"), amount=Decimal(40))
        await post(connection, Journal(kind="test_credit", reference="test:invented", moves=(move,)))
    result = await clearing.run()
    assert [each.kind for each in result.findings] == [BreakKind.JOURNAL_UNSEEN]
    (found,) = await clearing.open_breaks()
    assert found.found == 40
    assert found.difference == 40


async def test_a_processor_that_does_not_answer_is_said_and_breaks_nothing(clearing: Clearing) -> None:
    await clearing.paid()
    await clearing.run()
    await clearing.control("faults", kind="error_before", status=503, count=0, path="/v1/balance*")
    check = ProcessorCheck(clearing.database, clearing.till.brokerage.processor, HASTY)
    result = await reconciling.run(clearing.database, clearing.till.brokerage.breaks, [check])
    assert len(result.troubles) == 1
    assert (result.rows, await clearing.open_breaks()) == ((), [])
    await clearing.control("reset")
    assert (await clearing.run()).findings == ()


async def test_busy_card_payments_make_no_false_break(clearing: Clearing) -> None:
    customers = [await clearing.till.customer() for _ in range(4)]
    done = asyncio.Event()

    async def pay(index: int) -> None:
        for turn in range(4):
            deposit = await clearing.till.opened(customers[index], f"{20 + turn}.00")
            events = await clearing.till.pay(deposit)
            await asyncio.sleep(0.05)
            await clearing.till.deliver_all(events)

    traffic = asyncio.gather(*(pay(index) for index in range(4)))
    traffic.add_done_callback(lambda _: done.set())
    looks = 0
    while not done.is_set():
        await clearing.run(pace=Pace(line_grace=5, looks=2))
        looks += 1
    await traffic
    last = await clearing.run(wholly=True)
    print(f"reconciliation beside 16 card payments: {looks} looks, {len(await clearing.open_breaks())} breaks")
    assert difference(last) == 0
    assert last.findings == ()
    assert await clearing.open_breaks() == []
    assert looks >= 2
    async with clearing.database.read() as connection:
        assert await books.broken_laws(connection) == []


@pytest.mark.parametrize("wholly", [False, True])
async def test_without_a_processor_there_is_nothing_to_compare(
    database_urls: DatabaseUrls, redis_server: RedisServer, wholly: bool
) -> None:
    async with running_api(settings_for(database_urls, redis_server.url)) as (_, app):
        brokerage = app.state.brokerage
        check = ProcessorCheck(brokerage.database, brokerage.processor, HASTY)
        result = await reconciling.run(brokerage.database, brokerage.breaks, [check], wholly=wholly)
        assert (result.rows, result.findings, result.troubles) == ((), (), ())


async def test_what_an_account_did_before_us_is_its_opening_and_no_break(clearing: Clearing) -> None:
    """Money that somebody took with this account before, which no journal of ours knows."""
    old = await clearing.till.customer()
    await clearing.till.pay(await clearing.till.opened(old, "75.00"))
    await asyncio.sleep(1.1)  # the processor's moments are whole seconds
    since = now().replace(microsecond=0)
    await clearing.paid("100.00")
    check = ProcessorCheck(clearing.database, clearing.till.brokerage.processor, HASTY, since=since)
    breaks = clearing.till.brokerage.breaks
    *_, result = [await reconciling.run(clearing.database, breaks, [check], wholly=False) for _ in range(3)]
    assert difference(result) == 0
    assert result.findings == ()
    opening = {reason.what: reason.amount for reason in result.rows[0].reasons}
    assert list(opening) == ["what lay there before our first line (opening)"]
    assert opening["what lay there before our first line (opening)"] < -70
    assert await clearing.open_breaks() == []
