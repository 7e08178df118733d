"""Layer G: bugs planted on purpose. A harness that does not see them proves nothing when it sees none.

The same histories, power cuts and faulty venue as in the other layers run over each; one that passes fails the test.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import asyncpg
import pytest

from bitcurrent.integrations.alpaca.adapter import AlpacaVenue
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import OrderId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres
from bitcurrent.migrate import upgrade
from bitcurrent.trading.model import Order
from bitcurrent.trading.placing import PlacingQueue, Waiting
from bitcurrent.trading.ports import VenueOrder, VenueRefused, VenueUnknown
from bitcurrent.trading.repository import PlaceOutcome
from tests.chaos.counting import SEED, say
from tests.chaos.faulty_venue import SUBMIT, Fault, Round
from tests.chaos.histories import live_through
from tests.chaos.power_cuts import TROUBLE, power_cut
from tests.support import books
from tests.support.desk import trading_floor
from tests.support.sandbox import Sandbox

HISTORIES_MAX = 40
"""So many histories may pass before a bug counts as missed."""
CUTS_MAX = 3
PLANTED = 9
caught: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug in SQL: functions whose text is changed, and statements that take a guard away."""

    changes: tuple[tuple[str, str, str], ...] = ()
    statements: tuple[str, ...] = ()


STALE_READ = """
    SELECT b.available INTO available FROM balances b WHERE b.user_id = p_user AND b.currency = p_hold_currency;
    available := coalesce(available, 0);
    PERFORM pg_sleep(0.002);
"""
SQL_BUGS = {
    "the unique on references is dropped": Plant(
        statements=("ALTER TABLE journal_references DROP CONSTRAINT pk_journal_references",)
    ),
    "a fill is settled without looking whether it was": Plant(
        changes=(
            ("settle_fill", "IF EXISTS (SELECT FROM journal_references WHERE reference = 'fill:' || p_execution) THEN",
             "IF false THEN"),
            ("settle_fill", "'fill', 'fill:' || p_execution)", "'fill', 'fill:' || p_execution || ':' || p_fill)"),
        )
    ),
    "a hold is released twice": Plant(
        changes=(
            ("finish_order", "IF o.finished_at IS NOT NULL THEN", "IF false THEN"),
            ("finish_order", "held = 0, finished_at", "finished_at"),
            ("finish_order", "'release:' || o.id)", "'release:' || v_journal)"),
        ),
        # Without the database's own eyes: the histories must see it.
        statements=("ALTER TABLE orders DROP CONSTRAINT ck_orders_ended_holds_nothing",),
    ),
    "money is held without asking whether it is there": Plant(
        changes=(("place_order", " AND b.available >= p_hold_amount", ""),),
        statements=("ALTER TABLE balances DROP CONSTRAINT ck_balances_available_not_negative",),
    ),
    "a balance is written from what was read before": Plant(
        changes=(
            ("place_order", "UPDATE balances b SET available = b.available - p_hold_amount,",
             STALE_READ + "UPDATE balances b SET available = place_order.available - p_hold_amount,"),
        ),
    ),
    "an idempotency key is not looked up": Plant(
        changes=(
            ("place_order", "p_idempotency_key IS NOT NULL OR p_client_order_id IS NOT NULL", "false"),
        )
    ),
}  # fmt: skip


async def _plant(urls: DatabaseUrls, plant: Plant) -> None:
    connection = await books.connect(urls.owner)
    try:
        for function, old, new in plant.changes:
            source = await connection.fetchval("SELECT pg_get_functiondef($1::regproc)", function)
            assert old in source, f"{function} does not read like that any more: {old}"
            await connection.execute(source.replace(old, new))
        for statement in plant.statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _first_failure(attempts: int, attempt: Callable[[int], Awaitable[object]]) -> str:
    """What the harness says of the first attempt that fails; the empty text when all passed."""
    for number in range(attempts):
        try:
            await attempt(number)
        except (AssertionError, asyncpg.CheckViolationError) as error:
            return f"{type(error).__name__} after {number + 1}: {str(error)[:120]}"
    return ""


async def _laws_too(database: Database, seed: int) -> None:
    await live_through(database, seed)
    async with database.read() as connection:
        assert await books.broken_laws(connection) == []


@pytest.mark.parametrize("name", SQL_BUGS)
async def test_a_bug_in_the_books_is_seen(database: Database, database_urls: DatabaseUrls, name: str) -> None:
    await _plant(database_urls, SQL_BUGS[name])
    seen = await _first_failure(HISTORIES_MAX, lambda number: _laws_too(database, SEED + number))
    assert seen, f"{HISTORIES_MAX} histories passed although {name}"
    caught[name] = seen


class HastyQueue(PlacingQueue):
    """Answers first and commits afterwards."""

    async def _commit(self, batch: list[Waiting], *, again: bool = False) -> None:
        for order, future in batch:
            future.set_result(PlaceOutcome("accepted", order.id, Decimal(0)))
        with contextlib.suppress(*TROUBLE):
            await self._place([order for order, _ in batch], again=again)


@pytest.mark.durable
async def test_an_answer_before_its_commit_is_seen(durable_postgres: ScratchPostgres) -> None:
    await asyncio.to_thread(upgrade, durable_postgres.owner)
    seen = await _first_failure(
        CUTS_MAX, lambda number: power_cut(durable_postgres, HastyQueue, SEED + number, filling=False)
    )
    assert seen, "every answer was true although none had been committed"
    caught["answers before the commit"] = seen


class ForgetfulVenue(AlpacaVenue):
    """Sends an order again under a new id when the answer to the first was lost."""

    async def submit(self, order: Order) -> VenueOrder:
        try:
            return await super().submit(order)
        except VenueUnknown:
            return await super().submit(replace(order, id=OrderId(new_id())))


class ImpatientVenue(AlpacaVenue):
    """Takes a lost answer for a refusal."""

    async def submit(self, order: Order) -> VenueOrder:
        try:
            return await super().submit(order)
        except VenueUnknown as error:
            raise VenueRefused("it did not answer", code="") from error


@pytest.mark.parametrize("venue", [ForgetfulVenue, ImpatientVenue])
async def test_a_bug_at_the_venue_is_seen(
    database_urls: DatabaseUrls,
    redis_url: str,
    sandbox: Sandbox,
    venue: type[AlpacaVenue],
) -> None:
    async with trading_floor(database_urls, redis_url, sandbox, venue=venue) as floor:
        faults = [Fault("drop_after", **SUBMIT), Fault("drop_event", event="fill"), Fault("drop_event", event="new")]
        seen = await _first_failure(2, lambda number: Round(floor, SEED + number, faults).run(settle_fees=False))
    assert seen, f"nobody noticed {venue.__name__}"
    caught[venue.__name__] = seen


def test_every_planted_bug_was_caught() -> None:
    for name, seen in caught.items():
        say(f"  caught: {name} ({seen})")
    say(f"chaos G planted bugs: {len(caught)} of {PLANTED} caught, seed {SEED}")
    assert len(caught) == PLANTED
