"""Layer G for card money: bugs planted on purpose, each of which the harness must see.

A refund that does not lock its deposit; a withdrawal that does not lock what it counts; an inbox that stores an event
and applies it in another transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from uuid import UUID

import pytest

from bitcurrent.funding.inbox.service import Inbox
from bitcurrent.funding.ports import ProcessorEvent
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import Lot, NotReleased
from bitcurrent.funding.provenance.repository import LOTS_MAX, list_lots
from bitcurrent.funding.reversals.model import RefundTooMuch
from bitcurrent.integrations.stripe.adapter import StripeProcessor
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import InsufficientFunds, post
from tests.chaos.counting import say
from tests.support import books
from tests.support.card_money import CardMoney, vault

ROUNDS_MAX = 20
"""So many rounds may pass before a bug counts as missed."""
PLANTED = 3
caught: dict[str, int] = {}


@pytest.fixture
async def connections(database_urls: DatabaseUrls) -> AsyncIterator[Sequence[Connection]]:
    opened = [await books.connect(database_urls.app) for _ in range(6)]
    yield opened
    for connection in opened:
        await connection.close()


async def rounds_until_seen(play: Callable[[], Awaitable[bool]]) -> int:
    """In which round the harness first saw something; 0 when it never did."""
    for number in range(1, ROUNDS_MAX + 1):
        if not await play():
            return number
    return 0


async def refund_at_once(connections: Sequence[Connection]) -> bool:
    """Six refunds of 30 of a deposit of 100, at once: three are granted, and every law is kept."""
    first = await CardMoney.begin(connections[0], USD="1000")
    deposit = await first.deposit("100")

    async def ask(connection: Connection) -> bool:
        try:
            await CardMoney(connection, first.user_id).ask_refund(deposit, "30")
        except RefundTooMuch:
            return False
        return True

    granted = sum(await asyncio.gather(*map(ask, connections)))
    return granted == 3 and await books.broken_laws(connections[0]) == []


async def withdraw_at_once(connections: Sequence[Connection]) -> bool:
    """30 are free beside a card payment of 100; of six who want them at once one gets them."""
    ann = await CardMoney.begin(connections[0], USD="30")
    await ann.deposit("100")

    async def take(connection: Connection) -> bool:
        try:
            async with connection.transaction():
                await provenance.require_withdrawable(connection, ann.user_id, "USD", Decimal(30), prices={})
                move = Move(source=available(ann.user_id, "USD"), target=house("bank", "USD"), amount=Decimal(30))
                return await post(connection, Journal(kind="test", reference=f"test:{new_id()}", moves=(move,)))
        except (NotReleased, InsufficientFunds):
            return False

    return sum(await asyncio.gather(*map(take, connections))) == 1


async def unlocked_lot(connection: Connection, deposit_id: UUID) -> Lot | None:
    """What `lot_of` would be without its lock."""
    user_id = await connection.fetchval("SELECT user_id FROM lots WHERE id = $1", deposit_id)
    found = await list_lots(connection, user_id)
    assert len(found) < LOTS_MAX
    return next((lot for lot in found if lot.id == deposit_id), None)


async def test_a_refund_that_does_not_lock_its_deposit_is_seen(
    connections: Sequence[Connection],
) -> None:
    assert await refund_at_once(connections), "sound, it passes"
    sound = provenance.lot_of
    provenance.lot_of = unlocked_lot
    try:
        seen = await rounds_until_seen(lambda: refund_at_once(connections))
    finally:
        provenance.lot_of = sound
    assert seen, f"{ROUNDS_MAX} rounds passed"
    caught["a refund does not lock its deposit"] = seen


async def test_a_withdrawal_that_does_not_lock_what_it_counts_is_seen(
    connections: Sequence[Connection], database_urls: DatabaseUrls
) -> None:
    assert await withdraw_at_once(connections), "sound, it passes"
    owner = await books.connect(database_urls.owner)
    source: str = await owner.fetchval("SELECT pg_get_functiondef('lock_balances'::regproc)")
    assert "FOR UPDATE" in source
    await owner.execute(source.replace("FOR UPDATE", ""))
    await owner.close()
    seen = await rounds_until_seen(lambda: withdraw_at_once(connections))
    assert seen, f"{ROUNDS_MAX} rounds passed"
    caught["a withdrawal does not lock what it counts"] = seen


class PowerLost(Exception):
    """The process is gone here."""


class HastyInbox(Inbox):
    """Stores an event, commits, and applies it in another transaction: after a power cut it is stored and forgotten."""

    async def _apply(self, connection: Connection, events: Sequence[ProcessorEvent]) -> None:
        async def later() -> None:
            async with self._database.transaction() as own:
                await super(HastyInbox, self)._apply(own, events)

        self.after.append(later)

    after: list[Callable[[], Awaitable[None]]]


async def lost_events(kind: type[Inbox], urls: DatabaseUrls) -> int:
    """Events that are said to be applied and moved nothing, after the power was cut around each commit."""
    database = await Database.connect(urls.app)
    inbox = kind(database, vault(), StripeProcessor(None, webhook_secret=""))
    if isinstance(inbox, HastyInbox):
        inbox.after = []
    async with database.transaction() as connection:
        ann: UserId = await books.customer(connection)
    cut = {"now": True}

    async def credit(connection: Connection, event: ProcessorEvent) -> None:
        if cut["now"]:
            cut["now"] = False
            raise PowerLost
        move = Move(source=house("processor", "USD"), target=available(ann, "USD"), amount=Decimal(1))
        await post(connection, Journal(kind="test", reference=f"test:{event.id}", moves=(move,)))

    inbox.register(("test.paid",), credit)
    for number in range(3):
        cut["now"] = True
        event = ProcessorEvent(
            id=f"evt_{kind.__name__}_{number}", type="test.paid", created_at=now(), object={"id": "x"}, raw=b"{}"
        )
        # It is delivered again, as the processor does when nobody has answered.
        for _ in range(2):
            await inbox.take(event)
            for apply in getattr(inbox, "after", [])[:]:
                inbox.after.remove(apply)  # type: ignore[attr-defined]  # only the hasty one has it
                try:
                    await apply()
                except PowerLost:
                    continue
    await database.close()
    connection = await books.connect(urls.app)
    moved = (await books.balance(connection, ann, "USD"))[0]
    applied = await connection.fetchval(
        "SELECT count(*) FROM processor_events WHERE state = 'applied' AND event_id LIKE $1", f"evt_{kind.__name__}_%"
    )
    await connection.close()
    return int(applied - moved)


async def test_an_event_that_is_applied_outside_its_transaction_is_seen(database_urls: DatabaseUrls) -> None:
    assert await lost_events(Inbox, database_urls) == 0, "sound, what could not be applied is not called so"
    lost = await lost_events(HastyInbox, database_urls)
    assert lost > 0
    caught["an event is applied outside its transaction"] = lost


def test_every_planted_bug_was_caught() -> None:
    say(f"chaos G planted bugs of card money: {len(caught)} of {PLANTED} caught")
    assert len(caught) == PLANTED
