"""Stopping, letting run again, and asking whether something runs. Never cached: a stop counts from its commit on."""

from collections.abc import Sequence
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.products import NAMES, Product
from bitcurrent.compliance.stops import repository
from bitcurrent.compliance.stops.model import BY_OPERATOR, WORDS_LENGTH_MAX, Stop, StopEnded, StopNotFound, Stopped
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals, read_reason
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import check_permission
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId, new_id

RESUME = "stop.resume"
STANDING_MAX = 500


async def require_running(connection: Connection, *, product: Product, asset: str | None) -> None:
    """Raise Stopped, with the words for customers, when the product stands still (for this asset)."""
    stop = await repository.find_standing(connection, product=product, asset=asset)
    if stop is not None:
        raise Stopped(stop)


async def require_orders(connection: Connection, *, market: str, side: str, order_type: str) -> None:
    """Raise Stopped, with the words for customers, when such orders are refused now."""
    stop = await repository.find_stop_of_order(connection, market=market, side=side, order_type=order_type)
    if stop is not None:
        raise Stopped(stop)


class Stops:
    """Keeps what stands still."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals
        approvals.register(Kind(name=RESUME, ask="markets.halt", grant="markets.halt", handler=self._execute))

    async def require_running(self, connection: Connection, *, product: Product, asset: str | None) -> None:
        """The same as the function of this module, for who holds the service."""
        await require_running(connection, product=product, asset=asset)

    async def stop(
        self,
        connection: Connection,
        *,
        product: Product | None,
        asset: str | None,
        reason: str,
        words: str | None = None,
        cause: str = BY_OPERATOR,
        actor: Actor | None = None,
        address: str | None = None,
    ) -> Stop:
        """Stop a product, an asset, or all; without an actor it is the house itself that does.

        Stopping again for the same cause gives the stop that stands. Without `words` customers read a plain sentence.
        """
        if actor is not None:
            actor.require_operator()
            check_permission(actor.role, "markets.halt")
        stop, fresh = await repository.insert_stop(
            connection,
            stop_id=new_id(),
            product=product,
            asset=asset,
            cause=cause,
            reason=read_reason(reason),
            words=_words(words, product, asset),
            started_by=actor.user_id if actor else None,
        )
        if fresh:
            await self._note(connection, "stop.started", stop, actor=actor, reason=stop.reason, address=address)
        return stop

    async def ask_to_resume(
        self, connection: Connection, actor: Actor, stop_id: UUID, *, reason: str, address: str
    ) -> Approval:
        """Ask that it runs again; another person has to grant it. Raises StopNotFound, StopEnded, AlreadyAsked."""
        stop = await self.read(connection, stop_id)
        if stop.ended_at is not None:
            raise StopEnded
        return await self._approvals.ask(
            connection,
            actor,
            kind=RESUME,
            subject=f"stop:{stop_id}",
            payload={"stop_id": str(stop_id), "product": stop.product, "asset": stop.asset, "cause": stop.cause},
            reason=reason,
            address=address,
        )

    async def resume_by_house(self, connection: Connection, stop_id: UUID, *, reason: str) -> Stop:
        """End a stop that the house itself made, when its cause is gone. Raises StopNotFound, StopEnded.

        What a person stopped, only people let run again: that is refused as StopNotFound.
        """
        found = await repository.read_stop(connection, stop_id, lock=True)
        if found is None or found.started_by is not None:
            raise StopNotFound
        return await self._end(connection, found, ended_by=None, reason=reason, details={})

    async def read(self, connection: Connection, stop_id: UUID) -> Stop:
        """One stop; raises StopNotFound."""
        found = await repository.read_stop(connection, stop_id)
        if found is None:
            raise StopNotFound
        return found

    async def search(
        self, connection: Connection, *, standing: bool | None, before: UUID | None, limit: int
    ) -> Sequence[Stop]:
        """Stops, newest first."""
        return await repository.list_stops(connection, standing=standing, before=before, limit=limit)

    async def standing(self, connection: Connection) -> Sequence[Stop]:
        """What stands still now, the latest first."""
        return await repository.list_stops(connection, standing=True, limit=STANDING_MAX)

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        found = await repository.read_stop(connection, UUID(approval.payload["stop_id"]), lock=True)
        if found is None or found.ended_at is not None:
            raise SubjectGone("This stop has ended already.")
        details = {"approval": str(approval.id), "asked_by": str(approval.asked_by)}
        await self._end(connection, found, ended_by=granted_by, reason=approval.reason, details=details)

    async def _end(
        self, connection: Connection, stop: Stop, *, ended_by: UserId | None, reason: str, details: dict[str, str]
    ) -> Stop:
        if stop.ended_at is not None:
            raise StopEnded
        ended = await repository.end_stop(connection, stop.id, ended_by=ended_by, reason=reason)
        await record(
            connection,
            actor_id=ended_by,
            actor_kind=ActorKind.SYSTEM if ended_by is None else ActorKind.OPERATOR,
            action="stop.ended",
            subject=f"stop:{stop.id}",
            reason=reason,
            details={**details, "product": stop.product or "all", "asset": stop.asset or "all", "cause": stop.cause},
        )
        return ended

    async def _note(
        self, connection: Connection, action: str, stop: Stop, *, actor: Actor | None, reason: str, address: str | None
    ) -> None:
        await record(
            connection,
            actor_id=actor.user_id if actor else None,
            actor_kind=ActorKind.OPERATOR if actor else ActorKind.SYSTEM,
            actor_role=actor.role if actor else None,
            action=action,
            subject=f"stop:{stop.id}",
            address=address,
            reason=reason,
            details={"product": stop.product or "all", "asset": stop.asset or "all", "cause": stop.cause},
        )


def _words(words: str | None, product: Product | None, asset: str | None) -> str:
    if words is None:
        what = "Everything" if product is None and asset is None else NAMES[product] if product else "Everything"
        about = f" in {asset}" if asset else ""
        singular = product in (None, "trading")
        return f"{what}{about} {'is' if singular else 'are'} stopped for now. We are working on it."
    plain = " ".join(words.split())
    if not 1 <= len(plain) <= WORDS_LENGTH_MAX or not plain.isprintable():
        raise Invalid(f"Tell customers in 1 to {WORDS_LENGTH_MAX} characters what stands still.", field="words")
    return plain
