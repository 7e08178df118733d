"""docs/money shows each flow as a table; here the real books do what it says, and every line must be the table's."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from bitcurrent.demo_data import VENUE_CASH
from bitcurrent.funding.conversions import repository as conversions_repository
from bitcurrent.funding.conversions.model import Rate, convert_journal, terms_of
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId, id_time, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Journal, Move, house
from bitcurrent.ledger.service import post
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Side
from bitcurrent.trading.ports import VenueFee
from bitcurrent.trading.tasks.healing import fee_journal
from tests.support import books
from tests.support.books import Ticket
from tests.support.deposit_flows import DEPOSIT_FLOWS
from tests.support.outside_flows import adjustment, adjustment_customer, payout, processor_fee
from tests.support.reversal_flows import REVERSAL_FLOWS
from tests.support.withdrawal_flows import WITHDRAWAL_FLOWS

PAGES = Path(__file__).parents[3] / "docs" / "money"
ROW = re.compile(r"^\| (Ann, )?(\w+) \| (\w+) \| ([+-][\d.]+) \| ([\d.]*) ?\|$", re.MULTILINE)
Line = tuple[str, bool, str, Decimal, Decimal | None]


@dataclass(slots=True)
class Ann:
    """The customer of the documentation: she starts with 100,000 USD."""

    connection: Connection
    id: UserId

    async def place(self, side: Side, quantity: str, price: str) -> OrderId:
        new = Ticket(side=side, quantity=Decimal(quantity), price=Decimal(price)).order(self.id)
        assert (await repository.place_one(self.connection, new)).outcome == "accepted"
        await venue_repository.mark_submitted(self.connection, new.id, f"venue-{new.id}")
        return new.id

    async def fill(self, order_id: OrderId, quantity: str, price: str) -> None:
        told = books.execution(f"{order_id}:{quantity}", Decimal(quantity), Decimal(price))
        assert await venue_repository.settle_fill(self.connection, order_id, told) == "settled"

    async def replace(self, old: OrderId, price: str) -> OrderId:
        await asyncio.sleep(0.002)  # ids sort by time, and only to the millisecond
        new = Ticket(quantity=Decimal("0.1"), price=Decimal(price)).replacement(self.id, old)
        assert (await repository.request_replace(self.connection, new)).outcome == "accepted"
        return new.id


async def demo_credit(ann: Ann) -> list[str]:
    del ann  # her 100,000 USD came by this journal
    return ["demo_credit"]


async def venue_funding(ann: Ann) -> list[str]:
    move = Move(source=house("venue", "USD"), target=house("bank", "USD"), amount=VENUE_CASH)
    await post(ann.connection, Journal(kind="venue_funding", reference=f"test:{new_id()}", moves=(move,)))
    return ["venue_funding"]


async def hold(ann: Ann) -> list[str]:
    await ann.place(Side.BUY, "0.1", "50000")
    return ["hold"]


async def fill_buy(ann: Ann) -> list[str]:
    await ann.fill(await ann.place(Side.BUY, "0.1", "50000"), "0.04", "49900")
    return ["fill"]


async def fill_sell(ann: Ann) -> list[str]:
    await books.credit(ann.connection, ann.id, "BTC", Decimal("0.02"))
    await ann.fill(await ann.place(Side.SELL, "0.02", "51000"), "0.02", "51000")
    return ["fill"]


async def release(ann: Ann) -> list[str]:
    order = await ann.place(Side.BUY, "0.1", "50000")
    await ann.fill(order, "0.04", "49900")
    assert await books.finish(ann.connection, order, "canceled", Decimal("0.04")) == "finished"
    return ["release"]


async def replace(ann: Ann) -> list[str]:
    higher = await ann.place(Side.BUY, "0.1", "50000")
    await ann.replace(higher, "52000")
    # Back to where the page starts its second story.
    await repository.request_cancel(ann.connection, ann.id, await _newest(ann))
    lower = higher
    await ann.replace(lower, "49000")
    assert await books.finish(ann.connection, lower, "replaced") == "finished"
    return ["hold", "rehold"]


async def venue_fee(ann: Ann) -> list[str]:
    fee = VenueFee(activity_id=f"test:{new_id()}", currency="BTC", amount=Decimal("0.00006"), charged_at=now())
    assert await post(ann.connection, fee_journal(fee))
    return ["venue_fee"]


async def convert(ann: Ann) -> list[str]:
    rate = Rate(base="USD", quote="EUR", middle=Decimal("0.8"), at=now(), source="test")
    terms = terms_of(
        from_currency="USD", to_currency="EUR", give=Decimal(100), get=None, rate=rate, spread_bps=Decimal(50)
    )
    quote = await conversions_repository.insert_quote(
        ann.connection, new_id(), ann.id, terms, worth=Decimal(100), rate=rate
    )
    conversion_id = new_id()
    await conversions_repository.insert_conversion(ann.connection, conversion_id, quote, at=id_time(conversion_id))
    await post(ann.connection, convert_journal(conversion_id, ann.id, terms))
    return ["convert"]


async def _newest(ann: Ann) -> OrderId:
    found: UUID = await ann.connection.fetchval(
        "SELECT id FROM orders WHERE user_id = $1 ORDER BY id DESC LIMIT 1", ann.id
    )
    return OrderId(found)


FLOWS: tuple[Callable[[Ann], Awaitable[list[str]]], ...] = (
    demo_credit, venue_funding, hold, fill_buy, fill_sell, release, replace, venue_fee, convert, processor_fee, payout,
    adjustment,
    adjustment_customer,
    *DEPOSIT_FLOWS,
    *WITHDRAWAL_FLOWS,
    *REVERSAL_FLOWS,
)  # fmt: skip


@pytest.fixture
async def ann(database_urls: DatabaseUrls) -> AsyncIterator[Ann]:
    connection = await books.connect(database_urls.app)
    yield Ann(connection, await books.customer(connection, USD="100000"))
    assert await books.broken_laws(connection) == []
    await connection.close()


def page_of(flow: Callable[..., object]) -> str:
    return f"{flow.__name__.replace('_', '-')}.md"


def test_every_page_has_a_flow_and_is_on_the_list() -> None:
    pages = {page.name for page in PAGES.glob("*.md")} - {"README.md"}
    assert pages == {page_of(flow) for flow in FLOWS}
    listed = (PAGES / "README.md").read_text()
    assert [page for page in sorted(pages) if f"({page})" not in listed] == []


@pytest.mark.parametrize("flow", FLOWS, ids=page_of)
async def test_the_books_do_what_the_page_says(ann: Ann, flow: Callable[[Ann], Awaitable[list[str]]]) -> None:
    kinds = await flow(ann)
    told = told_by(page_of(flow))
    assert told, "the page has no table"
    found: list[Line] = []
    for kind in kinds:
        found += await newest_lines(ann, kind)
    assert found == told


def told_by(page: str) -> list[Line]:
    """The lines of all tables of a page, in order."""
    return [
        (account, bool(own), asset, Decimal(amount), Decimal(left) if left else None)
        for own, account, asset, amount, left in ROW.findall((PAGES / page).read_text())
    ]


async def newest_lines(ann: Ann, kind: str) -> list[Line]:
    """The lines of the newest journal of a kind."""
    rows = await ann.connection.fetch(
        "SELECT account, user_id, currency, amount, balance_after FROM entries WHERE journal_id = "
        "(SELECT id FROM journals WHERE kind = $1 ORDER BY id DESC LIMIT 1) ORDER BY line",
        kind,
    )
    return [(r["account"], r["user_id"] == ann.id, r["currency"], r["amount"], r["balance_after"]) for r in rows]
