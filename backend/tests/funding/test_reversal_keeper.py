"""Refunds reach the processor once, whatever it answers; what it tells, or forgets to tell, ends in the books."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from bitcurrent.funding.ports import NotSent, OutcomeUnknown, Processor, ProcessorEvent, ProcessorRefund
from bitcurrent.funding.reversals.hints import apply_event
from bitcurrent.funding.reversals.model import DisputeState, RefundState
from bitcurrent.funding.reversals.tasks import ReversalKeeper
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.wiring import Brokerage, open_brokerage
from tests.support import books
from tests.support.brokerage import settings_for
from tests.support.card_money import CardMoney
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARD = "4242424242424242"


class Troubled:
    """The real processor behind a line that fails as it is told."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self.failures: list[str] = []
        self.sent: list[UUID] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    async def refund(self, **what: Any) -> ProcessorRefund:
        self.sent.append(what["refund_id"])
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "not sent":
            raise NotSent
        answer = await self._processor.refund(**what)
        if failure == "done, and no answer":
            raise OutcomeUnknown
        return answer


@dataclass(slots=True)
class Office:
    """The brokerage, its keeper, a customer, and the processor's sandbox."""

    brokerage: Brokerage
    sandbox: Sandbox
    line: Troubled
    keeper: ReversalKeeper
    ann: CardMoney
    counts: Counter[str] = field(default_factory=Counter)

    async def pay(self, amount: str, card: str = CARD) -> tuple[UUID, str]:
        """A real payment at the sandbox, and its deposit; the payment's name."""
        processor = self.brokerage.processor
        page = await processor.open_checkout(
            deposit_id=new_id(),
            amount=Decimal(amount),
            currency="USD",
            description="tests",
            email=None,
            success_url="http://bitcurrent.test/done",
            cancel_url="http://bitcurrent.test/back",
            expires_at=now() + timedelta(hours=1),
        )
        await asyncio.to_thread(self.sandbox.pay, page.id, card=card)
        paid = await processor.read_checkout(page.id)
        assert paid.payment_intent is not None
        return await self.ann.deposit(amount, payment_intent=paid.payment_intent), paid.payment_intent

    async def hurry(self) -> None:
        """What waits for later is due now."""
        await self.ann.connection.execute("UPDATE refunds SET next_at = now() WHERE next_at IS NOT NULL")
        await self.ann.connection.execute("UPDATE looks SET next_at = now()")

    async def hint(self, kind: str, **thing: str) -> None:
        """An event of the processor, as the inbox hands it on."""
        event = ProcessorEvent(id=f"evt_{new_id()}", type=kind, created_at=now(), object=thing, raw=b"{}")
        await apply_event(self.ann.connection, event)

    async def states(self) -> list[RefundState]:
        found = await self.ann.refunds.search(self.ann.connection, user_id=self.ann.user_id, limit=10)
        return [refund.state for refund in found]

    async def control(self, path: str, **body: Any) -> Any:
        return await asyncio.to_thread(self.sandbox.control, path, **body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def brokerage(
    module_database_urls: DatabaseUrls, redis_server: Any, sandbox: Sandbox
) -> AsyncIterator[Brokerage]:
    async with open_brokerage(settings_for(module_database_urls, redis_server.url, sandbox)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def office(brokerage: Brokerage, module_database_urls: DatabaseUrls, sandbox: Sandbox) -> AsyncIterator[Office]:
    connection = await books.connect(module_database_urls.app)
    line, counts = Troubled(brokerage.processor), Counter[str]()
    keeper = ReversalKeeper(brokerage.database, line, brokerage.reversals, counts=counts)
    yield Office(brokerage, sandbox, line, keeper, await CardMoney.begin(connection), counts)
    assert await books.broken_laws(connection) == []
    await connection.close()


async def test_a_refund_reaches_the_card(office: Office) -> None:
    deposit, _ = await office.pay("100")
    await office.ann.ask_refund(deposit, "40")
    assert await office.keeper.send_due() == 1
    assert (await office.states(), await office.ann.money()) == ([RefundState.SUCCEEDED], (60, 0, 0))
    assert await office.keeper.send_due() == 0


async def test_a_refund_without_an_answer_is_looked_for_and_sent_once(office: Office) -> None:
    deposit, payment = await office.pay("100")
    refund = await office.ann.ask_refund(deposit, "40")
    office.line.failures = ["not sent", "done, and no answer"]
    await office.keeper.send_due()
    assert await office.states() == [RefundState.REQUESTED]
    await office.hurry()
    await office.keeper.send_due()
    assert await office.states() == [RefundState.SENDING]
    assert (await office.ann.refunds.read(office.ann.connection, refund.id)).unknown_since is not None
    assert await office.ann.money() == (60, 40, 0), "unknown stays unknown"
    await office.hurry()
    await office.keeper.send_due()
    assert await office.states() == [RefundState.SUCCEEDED]
    assert office.line.sent == [refund.id, refund.id], "never a new id, and not sent again once it is there"
    assert len(await office.brokerage.processor.refunds_of(payment)) == 1


async def test_a_refund_that_the_processor_refuses_frees_the_money(office: Office) -> None:
    deposit, payment = await office.pay("100")
    await office.ann.ask_refund(deposit, "100")
    await office.control("stripe/refund", payment_intent=payment)
    await office.keeper.send_due()
    assert (await office.states(), await office.ann.money()) == ([RefundState.FAILED], (100, 0, 0))
    # And the one that somebody made in the dashboard is found.
    await office.hint("charge.refunded", id="ch_x", payment_intent=payment)
    await office.keeper.look_due()
    assert await office.ann.money() == (0, 0, 0)


async def test_a_dispute_is_looked_up_and_followed_to_its_end(office: Office) -> None:
    deposit, payment = await office.pay("100")
    await office.ann.spend("70")
    dispute = await office.control("stripe/dispute", payment_intent=payment)
    for kind in ("closed", "funds_withdrawn", "created", "created"):
        await office.hint(f"charge.dispute.{kind}", id=dispute["id"])
    assert await office.keeper.look_due() == 1
    assert await office.ann.money() == (0, 30, 70)
    [known] = await office.ann.disputes.search(office.ann.connection, deposit_id=deposit, limit=5)
    assert (known.state, known.fee) == (DisputeState.OPEN, Decimal(15))
    assert await office.keeper.look_due() == 0, "an open one is looked at again, but not at once"


async def test_what_no_webhook_told_is_found_in_the_balance(office: Office) -> None:
    _, refunded = await office.pay("100")
    _, disputed = await office.pay("50")
    await office.control("stripe/refund", payment_intent=refunded, amount=2_500)
    await office.control("stripe/dispute", payment_intent=disputed)
    assert await office.keeper.poll_lines() >= 2
    while await office.keeper.look_due():
        continue
    assert await office.ann.money() == (75, 50, 0)
    found = await office.keeper.poll_lines()
    while await office.keeper.look_due():
        continue
    assert await office.keeper.poll_lines() <= found


async def test_what_is_spoken_of_before_it_is_credited_waits(office: Office) -> None:
    await office.hint("charge.dispute.created", id="dp_nobody_knows")
    await office.hint("refund.created", id="re_nobody_knows")
    await office.hint("charge.refunded", id="ch_without_payment")
    assert await office.keeper.look_due() == 2
    rows = await office.ann.connection.fetch("SELECT trouble, attempts FROM looks WHERE trouble IS NOT NULL")
    assert len(rows) == 2
    await office.ann.connection.execute("DELETE FROM looks")


async def test_a_debt_is_collected_from_what_a_sale_brings(office: Office) -> None:
    deposit = await office.ann.deposit("100")
    await office.ann.spend("100")
    await office.ann.disputed(deposit, withdrawn="100")
    await office.ann.earn("130")
    assert await office.keeper.collect_due() == 1
    assert await office.ann.money() == (30, 0, 0)
    assert await office.keeper.collect_due() == 0
