"""What operators see and do about everybody's orders and the venue; no money moves here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.identity.approvals.service import read_reason
from bitcurrent.identity.model import Actor
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Conflict, NotFound
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.trading import inbox_repository, repository
from bitcurrent.trading import oversight_repository as own
from bitcurrent.trading.model import Order
from bitcurrent.trading.oversight_model import AnyOrderFilter, VenueEvent

WORKING: Final = ("applied", "seen")


class VenueEventNotFound(NotFound):
    """The venue never said that."""

    code = "venue_event_not_found"

    def __init__(self) -> None:
        super().__init__("There is no message of the venue with this id.")


class VenueEventSettled(Conflict):
    """Nobody needs to look at it."""

    code = "venue_event_settled"

    def __init__(self, outcome: str) -> None:
        super().__init__(f"This message is {outcome}: nothing is left to do with it.", details={"outcome": outcome})


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueState:
    """How we stand with the venue: what waits, when it last told something, and when it was last asked."""

    open_orders: dict[str, int]
    accepted: int
    unknown: int
    canceling: int
    flagged: int
    newest_event_at: datetime | None
    polls: dict[str, datetime]


async def search_orders(connection: Connection, which: AnyOrderFilter) -> Sequence[Order]:
    """Orders of anybody's, newest first."""
    return await own.search_orders(connection, which)


async def owner_of(connection: Connection, order_id: OrderId) -> UserId | None:
    """Whose order this is."""
    found = await repository.read_order(connection, order_id)
    return found.user_id if found else None


async def read_any_order(connection: Connection, order_id: OrderId) -> Order | None:
    """An order of anybody's."""
    return await repository.read_order(connection, order_id)


async def search_events(
    connection: Connection,
    *,
    outcome: str | None = None,
    unresolved: bool | None = None,
    kind: str | None = None,
    before: tuple[datetime, str, str] | None = None,
    limit: int,
) -> Sequence[VenueEvent]:
    """The venue's messages, newest first; `unresolved` are those that wait for a person."""
    return await own.search_events(
        connection, outcome=outcome, unresolved=unresolved, kind=kind, before=before, limit=limit
    )


async def resolve_event(
    connection: Connection, actor: Actor, source: str, event_id: str, *, reason: str, address: str
) -> VenueEvent:
    """Say what it was, and that nothing is left to do. Raises VenueEventNotFound, VenueEventSettled, Invalid."""
    actor.require_operator()
    words = read_reason(reason)
    found = await own.lock_event(connection, source, event_id)
    if found is None:
        raise VenueEventNotFound
    if found.outcome in WORKING:
        raise VenueEventSettled(found.outcome)
    after = await own.resolve_event(connection, found, actor.user_id, words)
    await record(
        connection,
        actor_id=actor.user_id,
        actor_kind=ActorKind.OPERATOR,
        actor_role=actor.role,
        action="venue_event.resolved",
        subject=f"venue_event:{source}:{event_id}"[:200],
        address=address,
        reason=words,
        details={"kind": found.kind},
        before={"outcome": found.outcome},
        after={"outcome": after.outcome},
    )
    return after


async def venue_state(connection: Connection) -> VenueState:
    """How we stand with the venue, as the database knows it."""
    backlog = await inbox_repository.read_backlog(connection)
    return VenueState(
        open_orders=await own.count_by_state(connection),
        accepted=backlog["accepted"],
        unknown=backlog["unknown"],
        canceling=backlog["canceling"],
        flagged=backlog["flagged"],
        newest_event_at=await own.newest_event_at(connection),
        polls=await own.read_cursors(connection),
    )


async def volumes_by_day(connection: Connection, *, days: int) -> Sequence[tuple[str, Decimal, int]]:
    """What was traded on each of the last days (UTC), in USD, and by how many customers."""
    return await own.volumes_by_day(connection, days)
