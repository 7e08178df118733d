"""What a replacement holds while the venue's messages about it and its predecessor cross."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.trading import repository, venue_repository
from tests.support import books
from tests.support.books import Ticket

NO_FEE = Decimal(0)


@pytest.fixture
async def connection(module_database_urls: DatabaseUrls) -> AsyncIterator[Connection]:
    opened = await books.connect(module_database_urls.app)
    yield opened
    assert await books.broken_laws(opened) == []
    await opened.close()


async def test_a_fill_of_the_replacement_before_the_predecessors_end_uses_the_predecessors_hold(
    connection: Connection,
) -> None:
    who, old = await _order(connection, money="20", quantity="2", price="10")
    new = await _replace(connection, who, old, quantity="1", price="10")
    assert await _fill(connection, new, "1", "10") == "settled"
    # All of the customer's money was held by the old order: what it bought is paid from there, not by the house.
    assert await books.balance(connection, who, "USD") == (Decimal(0), Decimal(10))
    assert await books.finish(connection, old, "replaced") == "finished"
    assert await books.balance(connection, who, "USD") == (Decimal(10), Decimal(0))
    assert await _lent(connection, who) == 0


async def test_what_the_replacement_has_filled_already_is_not_held_again(connection: Connection) -> None:
    who, old = await _order(connection, money="100", quantity="2", price="10")
    new = await _replace(connection, who, old, quantity="4", price="10")
    assert await _fill(connection, new, "3", "10") == "settled"
    assert await books.finish(connection, old, "replaced") == "finished"
    # 30 of the 40 are spent; 10 is all that the rest can cost.
    assert await books.balance(connection, who, "USD") == (Decimal(60), Decimal(10))
    assert await books.finish(connection, new, "canceled") == "finished"
    assert await books.balance(connection, who, "USD") == (Decimal(70), Decimal(0))


async def test_a_replacement_that_has_not_taken_over_yet_cannot_be_replaced(connection: Connection) -> None:
    who, old = await _order(connection, money="100", quantity="2", price="10")
    new = await _replace(connection, who, old, quantity="3", price="10")
    await venue_repository.mark_submitted(connection, new, "venue-2")
    again = Ticket(quantity=Decimal(4), fee_bps=NO_FEE).replacement(who, new)
    assert (await repository.request_replace(connection, again)).outcome == "pending"
    await books.finish(connection, old, "replaced")
    assert (await repository.request_replace(connection, again)).outcome == "accepted"


async def test_a_replacement_that_can_no_longer_be_paid_is_asked_to_cancel(connection: Connection) -> None:
    who, old = await _order(connection, money="20", quantity="2", price="10")
    new = await _replace(connection, who, old, quantity="2", price="10")
    assert await _fill(connection, old, "1", "10") == "settled"
    await books.finish(connection, old, "replaced", Decimal(1))
    row = await books.order_row(connection, new)
    assert row["held"] == 10
    assert row["cancel_requested_at"] is not None


async def _order(connection: Connection, *, money: str, quantity: str, price: str) -> tuple[UserId, OrderId]:
    who = await books.customer(connection, USD=money)
    new = Ticket(quantity=Decimal(quantity), price=Decimal(price), fee_bps=NO_FEE).order(who)
    assert (await repository.place_one(connection, new)).outcome == "accepted"
    await venue_repository.mark_submitted(connection, new.id, "venue-1")
    return who, new.id


async def _replace(connection: Connection, who: UserId, old: OrderId, *, quantity: str, price: str) -> OrderId:
    new = Ticket(quantity=Decimal(quantity), price=Decimal(price), fee_bps=NO_FEE).replacement(who, old)
    assert (await repository.request_replace(connection, new)).outcome == "accepted"
    return new.id


async def _fill(connection: Connection, order_id: OrderId, quantity: str, price: str) -> str:
    told = books.execution(f"{order_id}:{quantity}:{price}", Decimal(quantity), Decimal(price))
    return await venue_repository.settle_fill(connection, order_id, told)


async def _lent(connection: Connection, who: UserId) -> Decimal:
    """What the house laid out for this customer's fills."""
    lent: Decimal = await connection.fetchval(
        "SELECT coalesce(sum(e.amount), 0) FROM entries e JOIN fills f ON f.id = e.journal_id "
        "WHERE f.user_id = $1 AND e.account = 'suspense'",
        who,
    )
    return lent
