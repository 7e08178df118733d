"""A break's life: suspected, opened, gone, resolved by words or by four eyes; the database refuses other ways."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.compliance.stops.model import Stopped
from bitcurrent.compliance.stops.service import Stops
from bitcurrent.identity.approvals.model import SamePerson
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import SessionId, UserId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.service import sum_house
from bitcurrent.reconciliation.breaks import BreakResolved, Breaks, StillThere
from bitcurrent.reconciliation.memory import BEGINNING
from bitcurrent.reconciliation.model import Break, BreakFilter, BreakKind, BreakState, Finding, Look, Party
from tests.support import books
from tests.support.brokerage import running_api, settings_for
from tests.support.operators import operator

MISSING = Finding(
    kind=BreakKind.HOLDINGS,
    subject="venue:BTC",
    party=Party.VENUE,
    asset="BTC",
    account="venue",
    expected=Decimal("0.9"),
    found=Decimal(1),
    text="The venue has 0.9 BTC; our books say 1.",
    looks=3,
)
STRANGER = replace(MISSING, kind=BreakKind.FOREIGN_ORDER, subject="venue-order:x", looks=1, text="An order of nobody.")
CHECKED = frozenset({BreakKind.HOLDINGS, BreakKind.FOREIGN_ORDER})
HERE = "198.51.100.7"


class Desk:
    """The breaks and everybody around them."""

    def __init__(self, database: Database, people: dict[str, Actor]) -> None:
        self.database = database
        self.approvals = Approvals()
        self.stops = Stops(self.approvals)
        self.breaks = Breaks(self.approvals, self.stops)
        self.people = people

    async def see(self, *findings: Finding, times: int = 1, party: Party = Party.VENUE) -> None:
        """Look so many times and find this."""
        for _ in range(times):
            async with self.database.transaction() as connection:
                await self.breaks.note(connection, Look(party=party, findings=findings, checked=CHECKED))

    async def only(self, state: BreakState) -> Break:
        """The one break in a state."""
        async with self.database.read() as connection:
            (found,) = await self.breaks.search(connection, BreakFilter(state=state))
        return found


@pytest_asyncio.fixture
async def desk(database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[Desk]:
    async with running_api(settings_for(database_urls, redis_server.url)) as (_, app):
        yield Desk(app.state.database, {name: await _finance(app) for name in ("fay", "finn")})
        async with app.state.database.read() as connection:
            assert await books.broken_laws(connection) == []


async def _finance(app: Litestar) -> Actor:
    """Somebody of finance, as a request brings them."""
    person = await operator(app, "finance")
    session = SessionId(new_id())
    return Actor(UserId(UUID(person.id)), "finance", "active", session_id=session, is_customer=False)


async def test_only_what_stays_is_a_break(desk: Desk) -> None:
    await desk.see(MISSING, times=2)
    assert (await desk.only(BreakState.SUSPECTED)).looks == 2
    await desk.see()
    assert (await desk.only(BreakState.CLEARED)).gone_since is not None
    await desk.see(MISSING, times=3)
    opened = await desk.only(BreakState.OPEN)
    assert (opened.looks, opened.difference) == (3, Decimal("0.1"))
    async with desk.database.read() as connection:
        for product in ("bank_withdrawal", "crypto_withdrawal", "card_refund"):
            with pytest.raises(Stopped) as stopped:
                await desk.stops.require_running(connection, product=product, asset="BTC")
            assert "withdrawals of BTC wait" in stopped.value.message
        await desk.stops.require_running(connection, product="bank_withdrawal", asset="USD")
        await desk.stops.require_running(connection, product="trading", asset="BTC")


async def test_a_party_that_was_not_asked_clears_nothing(desk: Desk) -> None:
    await desk.see(STRANGER)
    await desk.see(party=Party.PROCESSOR)
    assert (await desk.only(BreakState.OPEN)).gone_since is None


async def test_words_end_what_is_gone_and_not_what_still_differs(desk: Desk) -> None:
    fay = desk.people["fay"]
    await desk.see(MISSING, times=3)
    found = await desk.only(BreakState.OPEN)
    async with desk.database.transaction() as connection:
        with pytest.raises(StillThere):
            await desk.breaks.resolve(connection, fay, found.id, note="It will be fine.", address=HERE)
    await desk.see()
    async with desk.database.transaction() as connection:
        await desk.breaks.assign(connection, fay, found.id, fay.user_id, address=HERE)
        done = await desk.breaks.resolve(connection, fay, found.id, note="The venue corrected it.", address=HERE)
    assert (done.state, done.resolved_by, done.journal_reference) == (BreakState.RESOLVED, fay.user_id, None)
    async with desk.database.transaction() as connection:
        with pytest.raises(BreakResolved):
            await desk.breaks.assign(connection, fay, found.id, fay.user_id, address=HERE)
        # The stop stands until a person ends it.
        with pytest.raises(Stopped):
            await desk.stops.require_running(connection, product="crypto_withdrawal", asset="BTC")
    await desk.see(MISSING, times=3)
    assert (await desk.only(BreakState.OPEN)).id != found.id  # a balance may go wrong again


async def test_one_thing_that_happened_is_resolved_for_good(desk: Desk) -> None:
    fay = desk.people["fay"]
    await desk.see(STRANGER)
    found = await desk.only(BreakState.OPEN)
    async with desk.database.transaction() as connection:
        await desk.breaks.resolve(connection, fay, found.id, note="Placed by hand by us.", address=HERE)
    await desk.see(STRANGER, times=3)
    assert (await desk.only(BreakState.RESOLVED)).id == found.id


async def test_a_difference_is_booked_by_four_eyes_only(desk: Desk) -> None:
    fay, finn = desk.people["fay"], desk.people["finn"]
    await desk.see(MISSING, times=3)
    found = await desk.only(BreakState.OPEN)
    async with desk.database.transaction() as connection:
        for wrong in ("venue", "held", "nonsense"):
            with pytest.raises(Invalid):
                await desk.breaks.ask_for_journal(
                    connection, fay, found.id, counterpart=wrong, amount=None, reason="Lost coins.", address=HERE
                )
    async with desk.database.transaction() as connection:
        asked = await desk.breaks.ask_for_journal(
            connection, fay, found.id, counterpart="losses", amount=None, reason="Lost coins.", address=HERE
        )
    async with desk.database.transaction() as connection:
        with pytest.raises(SamePerson):
            await desk.approvals.grant(connection, fay, asked.id, address=HERE)
    async with desk.database.transaction() as connection:
        await desk.approvals.grant(connection, finn, asked.id, address=HERE)
    done = await desk.only(BreakState.RESOLVED)
    assert (done.journal_reference, done.resolved_by, done.note) == (f"break:{found.id}", finn.user_id, "Lost coins.")
    async with desk.database.read() as connection:
        moved = await sum_house(connection, ("venue", "losses"), since=BEGINNING)
        acts = await connection.fetch("SELECT action FROM audit_logs WHERE subject = $1", f"break:{found.id}")
    assert moved == {("venue", "BTC"): Decimal("0.1"), ("losses", "BTC"): Decimal("-0.1")}
    assert [act["action"] for act in acts] == ["break.opened", "break.resolved"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE reconciliation_breaks SET state = 'suspected' WHERE id = $1",
        "UPDATE reconciliation_breaks SET state = 'resolved' WHERE id = $1",
        "UPDATE reconciliation_breaks SET subject = 'another' WHERE id = $1",
        "DELETE FROM reconciliation_breaks WHERE id = $1",
    ],
)
async def test_the_database_refuses_what_is_no_way(desk: Desk, change: str) -> None:
    await desk.see(STRANGER)
    found: UUID = (await desk.only(BreakState.OPEN)).id
    with pytest.raises((asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)):
        async with desk.database.transaction() as connection:
            await connection.execute(change, found)
