"""Whatever card money goes through, in whatever order it is told: the books end where a plain model says.

Deposits, spending, earning, refunds that succeed, fail, or fail afterwards, refunds made elsewhere, disputes whose
words come reordered and more than once, and withdrawals. The model knows no locks, lots or debts: only what came and
what went.
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bitcurrent.funding.ports import RefundStatus
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import InDebt, NotReleased
from bitcurrent.funding.reversals.model import DepositDisputed, Refund, RefundState, RefundTooMuch
from bitcurrent.kernel.database import Connection
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.service import InsufficientFunds
from tests.support import books
from tests.support.card_money import CardMoney

EXAMPLES = int(os.environ.get("BITCURRENT_LAW_EXAMPLES", "200")) // 2
LAWS_EVERY = 1 + EXAMPLES // 100
ZERO = Decimal(0)
REFUSALS = (InDebt, NotReleased, DepositDisputed, RefundTooMuch, InsufficientFunds)
ran = 0

amounts = st.sampled_from([Decimal(text) for text in ("0.01", "10", "33.33", "60", "100")])
which = st.integers(0, 3)
# What a dispute's truth is at some time: its status, and whether its money was taken and given back.
words = st.sampled_from(
    [("warning_needs_response", 0, 0), ("needs_response", 1, 0), ("under_review", 1, 0), ("lost", 1, 0),
     ("won", 1, 0), ("won", 1, 1)]
)  # fmt: skip
outcomes = st.sampled_from(["pending", "succeeded", "succeeded", "failed"])
steps = st.one_of(
    st.tuples(st.just("deposit"), amounts),
    st.tuples(st.just("spend"), amounts),
    st.tuples(st.just("earn"), amounts),
    st.tuples(st.just("refund"), which, amounts),
    st.tuples(st.just("refund"), which, amounts),
    st.tuples(st.just("told"), which, outcomes),
    st.tuples(st.just("told"), which, outcomes),
    st.tuples(st.just("elsewhere"), which, amounts, st.sampled_from(["succeeded", "succeeded", "failed"])),
    st.tuples(st.just("dispute"), which, words),
    st.tuples(st.just("dispute"), which, words),
    st.tuples(st.just("dispute"), which, words),
    st.tuples(st.just("withdraw"), amounts),
)


@dataclass(slots=True)
class Paid:
    """A card payment as the model sees it."""

    amount: Decimal
    ours: Decimal = ZERO
    elsewhere: Decimal = ZERO
    withdrawn: bool = False
    reinstated: bool = False
    open: bool = False
    final: str = ""

    @property
    def claim(self) -> Decimal:
        return self.amount if self.withdrawn and not self.reinstated else ZERO

    @property
    def remaining(self) -> Decimal:
        return max(self.amount - self.ours - self.elsewhere - self.claim, ZERO)


@dataclass(slots=True)
class Model:
    """What came and what went."""

    came: Decimal = ZERO
    went: Decimal = ZERO
    held: Decimal = ZERO
    paid: list[Paid] = field(default_factory=list)

    @property
    def left(self) -> Decimal:
        """What is there; below zero it is owed."""
        return self.came - self.went - self.held - sum((one.claim for one in self.paid), start=ZERO)

    @property
    def available(self) -> Decimal:
        return max(self.left, ZERO)

    @property
    def owed(self) -> Decimal:
        return max(-self.left, ZERO)

    @property
    def free(self) -> Decimal:
        locked = sum((one.remaining for one in self.paid), start=ZERO)
        return max(self.available - locked - self.owed, ZERO)


@dataclass(slots=True)
class World:
    """The model beside the real books."""

    money: CardMoney
    model: Model = field(default_factory=Model)
    deposits: list[UUID] = field(default_factory=list)
    refunds: list[tuple[Refund, int]] = field(default_factory=list)
    foreign: int = 0

    async def take(self, step: tuple[Any, ...]) -> None:
        """One step, in both."""
        name, *how = step
        await getattr(self, name)(*how)
        await self.money.collect()
        there, aside, owed = await self.money.money()
        disputes = await self.money.disputes.search(self.money.connection, user_id=self.money.user_id, limit=50)
        locked = sum((one.locked for one in disputes), start=ZERO)
        assert (there, owed, aside - locked) == (self.model.available, self.model.owed, self.model.held)

    async def deposit(self, amount: Decimal) -> None:
        if len(self.deposits) < 3:
            self.deposits.append(await self.money.deposit(str(amount)))
            self.model.paid.append(Paid(amount))
            self.model.came += amount

    async def spend(self, amount: Decimal) -> None:
        if amount <= self.model.available:
            await self.money.spend(amount)
            self.model.went += amount

    async def earn(self, amount: Decimal) -> None:
        await self.money.earn(amount)
        self.model.came += amount

    async def refund(self, number: int, amount: Decimal) -> None:
        number, model = number % len(self.deposits), self.model
        paid = model.paid[number]
        allowed = not model.owed and not paid.open and amount <= min(paid.remaining, model.available)
        try:
            made = await self.money.ask_refund(self.deposits[number], str(amount))
        except REFUSALS:
            assert not allowed
            event("refund refused")
            return
        assert allowed
        self.refunds.append((made, number))
        paid.ours += amount
        model.held += amount

    async def told(self, number: int, status: RefundStatus) -> None:
        if not self.refunds:
            return
        number %= len(self.refunds)
        refund, deposit = self.refunds[number]
        after = await self.money.told_of_refund(refund, status)
        before = self.refunds[number][0]
        self.refunds[number] = (after, deposit)
        if after.taken and not before.taken:
            self.model.held -= refund.amount
            self.model.went += refund.amount
        if after.state is RefundState.FAILED and before.state is not RefundState.FAILED:
            self.model.paid[deposit].ours -= refund.amount
            if before.taken:
                self.model.went -= refund.amount
            else:
                self.model.held -= refund.amount
        if status == "succeeded":
            assert after.state in {RefundState.SUCCEEDED, RefundState.FAILED}
        event(f"refund {after.state}")

    async def elsewhere(self, number: int, amount: Decimal, status: RefundStatus) -> None:
        """Made at the processor, which never gives back more than came: ours may be on their way to it already."""
        number %= len(self.deposits)
        paid = self.model.paid[number]
        sent = sum(
            (one.amount for one, deposit in self.refunds if deposit == number
             and one.state is not RefundState.FAILED), start=ZERO,
        )  # fmt: skip
        if paid.open or amount > paid.amount - sent - paid.elsewhere:
            return
        self.foreign += 1
        for _ in range(2):
            await self.money.refunded_elsewhere(self.deposits[number], str(amount), name=str(self.foreign))
        if status == "failed":
            await self.money.refunded_elsewhere(self.deposits[number], str(amount), "failed", name=str(self.foreign))
        else:
            paid.elsewhere += amount
            self.model.went += amount

    async def dispute(self, number: int, word: tuple[str, int, int]) -> None:
        number %= len(self.deposits)
        paid, (status, withdrawn, reinstated) = self.model.paid[number], word
        truth: dict[str, Any] = {
            "amount": paid.amount,
            "withdrawn": paid.amount * withdrawn,
            "reinstated": paid.amount * reinstated,
        }
        await self.money.disputed(self.deposits[number], status, **truth)
        after = await self.money.disputed(self.deposits[number], status, **truth)
        paid.withdrawn |= bool(withdrawn)
        paid.reinstated |= bool(reinstated)
        paid.open = not paid.final and status not in {"won", "lost"}
        paid.final = status if status in {"won", "lost"} else paid.final
        assert after.state == (paid.final or "open")
        event(f"dispute {status}")

    async def withdraw(self, amount: Decimal) -> None:
        connection, user_id = self.money.connection, self.money.user_id
        async with connection.transaction():
            assert await provenance.withdrawable(connection, user_id, "USD", prices={}) == self.model.free
            try:
                await provenance.require_withdrawable(connection, user_id, "USD", amount, prices={})
            except (InDebt, NotReleased):
                assert self.model.owed or min(amount, self.model.available) > self.model.free
                return
            assert not self.model.owed
        await self.spend(amount)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def connection(runner: asyncio.Runner, module_database_urls: DatabaseUrls) -> Iterator[Connection]:
    opened = runner.run(books.connect(module_database_urls.app))
    yield opened
    runner.run(opened.close())


@given(st.lists(steps, min_size=4, max_size=20))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_books_end_where_the_model_does(
    runner: asyncio.Runner, connection: Connection, plan: list[tuple[Any, ...]]
) -> None:
    async def live() -> None:
        world = World(await CardMoney.begin(connection))
        await world.take(("deposit", Decimal(100)))
        for step in plan:
            await world.take(step)
        global ran
        ran += 1
        if ran % LAWS_EVERY == 0:
            assert await books.broken_laws(connection) == []

    runner.run(live())


def test_they_kept_every_law(runner: asyncio.Runner, connection: Connection) -> None:
    assert runner.run(books.broken_laws(connection)) == []
    print(f"  laws of card money: {ran} histories")
    assert ran >= EXAMPLES
