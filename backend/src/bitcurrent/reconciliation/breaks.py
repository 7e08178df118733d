"""Breaks: opened when a difference stays, held against withdrawals of the asset, resolved by people.

Nothing is ever plugged by itself: a break ends with a note that says why it is none, or with a journal that one
operator asks for and another one grants.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, get_args
from uuid import UUID

import structlog

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.products import WITHDRAWALS
from bitcurrent.compliance.stops.service import Stops
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals, read_reason
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import check_permission
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import plain
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import HouseName, Journal, Move, house
from bitcurrent.reconciliation import breaks_repository as repository
from bitcurrent.reconciliation.model import (
    NOTHING,
    STANDING,
    Break,
    BreakFilter,
    BreakState,
    Finding,
    Look,
    say,
)

log = structlog.get_logger(__name__)

RESOLUTION: Final = "break_resolution"
CAUSE: Final = "reconciliation"
LIFETIME: Final = timedelta(days=3)
COUNTERPARTS: Final[tuple[HouseName, ...]] = (
    "adjustments", "losses", "bank", "processor", "venue", "venue_fees", "processor_fees", "network_fees", "fees",
)  # fmt: skip
"""What a resolving journal may book a difference against."""


class BreakNotFound(NotFound):
    """No break has this id."""

    code = "break_not_found"

    def __init__(self) -> None:
        super().__init__("There is no break with this id.")


class BreakResolved(Conflict):
    """It is resolved already: that is final."""

    code = "break_resolved"

    def __init__(self, state: BreakState) -> None:
        super().__init__(f"This break is {state}. Nothing was done.", details={"state": state})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a look changed: breaks that it opened, and subjects that people have resolved for good."""

    opened: tuple[Break, ...]
    settled: frozenset[str]


class Breaks:
    """Keeps the breaks."""

    def __init__(self, approvals: Approvals, stops: Stops) -> None:
        self._approvals = approvals
        self._stops = stops
        approvals.register(
            Kind(name=RESOLUTION, ask="money.approve", grant="money.approve", handler=self._execute, lifetime=LIFETIME)
        )

    async def note(self, connection: Connection, look: Look) -> Recorded:
        """Write down what a look found, in the open transaction: new suspicions, breaks that open, those that went."""
        active = await repository.lock_active(connection)
        findings = {finding.subject: finding for finding in look.findings}
        settled = await repository.resolved_subjects(
            connection, [each.subject for each in findings.values() if each.kind in STANDING]
        )
        opened: list[Break] = []
        for subject, finding in findings.items():
            if subject in settled:
                continue
            before = active.get(subject)
            after = await self._see(connection, before, finding)
            if after.state is BreakState.OPEN and (before is None or before.state is BreakState.SUSPECTED):
                opened.append(after)
                await self._open(connection, after, finding)
        gone = [
            each.id
            for each in active.values()
            if each.party is look.party
            and each.kind in look.checked
            and each.subject not in findings
            and each.subject not in look.undecided
        ]
        if gone:
            await repository.mark_gone(connection, gone)
        return Recorded(opened=tuple(opened), settled=frozenset(settled))

    async def _see(self, connection: Connection, before: Break | None, finding: Finding) -> Break:
        looks = 1 if before is None else before.looks + 1
        if before is None:
            state = BreakState.OPEN if looks >= finding.looks else BreakState.SUSPECTED
            return await repository.insert_break(connection, new_id(), finding, state)
        state = before.state
        if state is BreakState.SUSPECTED and looks >= finding.looks:
            state = BreakState.OPEN
        return await repository.see_again(connection, before.id, finding, state)

    async def _open(self, connection: Connection, opened: Break, finding: Finding) -> None:
        """Tell it loudly, and hold up withdrawals of the asset until a person lets them run again."""
        log.error("break_opened", break_id=str(opened.id), kind=opened.kind, what=say(finding))
        await record(
            connection,
            actor_id=None,
            actor_kind=ActorKind.SYSTEM,
            action="break.opened",
            subject=f"break:{opened.id}",
            details={"kind": opened.kind.value, "about": opened.subject, "asset": opened.asset},
            after={"expected": opened.expected, "found": opened.found},
        )
        for product in WITHDRAWALS:
            await self._stops.stop(
                connection,
                product=product,
                asset=opened.asset,
                cause=CAUSE,
                reason=f"Break {opened.id}: {opened.text}"[:500],
                words=f"We are checking our {opened.asset} accounts, and withdrawals of {opened.asset} wait so long. "
                "Your money is safe.",
            )

    # ---- people

    async def read(self, connection: Connection, break_id: UUID) -> Break:
        """One break; raises BreakNotFound."""
        found = await repository.read_break(connection, break_id)
        if found is None:
            raise BreakNotFound
        return found

    async def search(self, connection: Connection, which: BreakFilter) -> Sequence[Break]:
        """Breaks, newest first."""
        return await repository.list_breaks(connection, which)

    async def count(self, connection: Connection) -> tuple[int, int]:
        """How many are open, and the age of the oldest in seconds."""
        return await repository.count_unresolved(connection)

    async def assign(
        self, connection: Connection, actor: Actor, break_id: UUID, owner: UserId, *, address: str
    ) -> Break:
        """Have somebody look after it. Raises BreakNotFound, BreakResolved; an unknown owner is Invalid."""
        before = await self._unresolved(connection, actor, break_id)
        after = await repository.assign(connection, break_id, owner)
        await self._audit(
            connection, actor, "break.assigned", after, address, details={"owner": str(owner)},
            before={"owner": str(before.owner) if before.owner else None},
        )  # fmt: skip
        return after

    async def resolve(self, connection: Connection, actor: Actor, break_id: UUID, *, note: str, address: str) -> Break:
        """End it by saying why the difference is none (any more); no money moves.

        A difference that is still there is refused: only a journal, by four eyes, ends that. Raises BreakNotFound,
        BreakResolved, StillThere.
        """
        found = await self._unresolved(connection, actor, break_id)
        if found.kind not in STANDING and found.gone_since is None:
            raise StillThere(found)
        after = await repository.resolve(
            connection, break_id, resolved_by=actor.user_id, note=read_reason(note), journal_reference=None
        )
        await self._audit(connection, actor, "break.resolved", after, address, reason=after.note)
        return after

    async def ask_for_journal(
        self,
        connection: Connection,
        actor: Actor,
        break_id: UUID,
        *,
        counterpart: str,
        amount: Decimal | None,
        reason: str,
        address: str,
    ) -> Approval:
        """Ask that the difference is booked against a house account; somebody else has to grant it.

        `amount` is how much less our books shall say that there is (negative: more); by default the whole difference.
        """
        found = await self._unresolved(connection, actor, break_id)
        account = found.account or found.party.value
        change = found.difference if amount is None else amount
        names: tuple[HouseName, ...] = get_args(HouseName)
        if counterpart not in COUNTERPARTS or counterpart not in names or counterpart == account:
            raise Invalid(
                f"A difference of {account} is booked against one of {', '.join(COUNTERPARTS)}.",
                field="counterpart",
                details={"known": ",".join(COUNTERPARTS)},
            )
        if change == NOTHING:
            raise Invalid("There is no difference left to book.", field="amount")
        return await self._approvals.ask(
            connection,
            actor,
            kind=RESOLUTION,
            subject=f"break:{break_id}",
            payload={
                "break_id": str(break_id),
                "account": account,
                "counterpart": counterpart,
                "asset": found.asset,
                "amount": plain(change),
            },
            reason=reason,
            address=address,
        )

    async def _execute(
        self, connection: Connection, approval: Approval, granted_by: UserId
    ) -> Callable[[], Awaitable[None]] | None:
        payload: dict[str, Any] = dict(approval.payload)
        break_id = UUID(payload["break_id"])
        found = await repository.read_break(connection, break_id, lock=True)
        if found is None or found.state not in (BreakState.OPEN, BreakState.ASSIGNED):
            raise SubjectGone("This break is not open any more.")
        journal = resolving_journal(
            break_id, payload["account"], payload["counterpart"], payload["asset"], Decimal(payload["amount"])
        )
        await ledger.post(connection, journal)
        after = await repository.resolve(
            connection, break_id, resolved_by=granted_by, note=approval.reason, journal_reference=journal.reference
        )
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="break.resolved",
            subject=f"break:{break_id}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by), **payload},
            before={"expected": after.expected, "found": after.found},
            after={"journal": journal.reference},
        )
        return None

    async def _unresolved(self, connection: Connection, actor: Actor, break_id: UUID) -> Break:
        actor.require_operator()
        check_permission(actor.role, "money.approve")
        found = await repository.read_break(connection, break_id, lock=True)
        if found is None:
            raise BreakNotFound
        if found.state not in (BreakState.OPEN, BreakState.ASSIGNED):
            raise BreakResolved(found.state)
        return found

    async def _audit(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        about: Break,
        address: str,
        *,
        reason: str | None = None,
        details: dict[str, object] | None = None,
        before: dict[str, object] | None = None,
    ) -> None:
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action=action,
            subject=f"break:{about.id}",
            address=address,
            reason=reason,
            details={"about": about.subject, "age_seconds": about.age_seconds(now()), **(details or {})},
            before=before,
        )


class StillThere(Conflict):
    """A balance that differs is not explained by words."""

    code = "break_still_there"
    title = "The difference is still there"

    def __init__(self, found: Break) -> None:
        super().__init__(
            f"{found.asset} still differs by {plain(found.difference)}: find what is missing, or have the difference "
            "booked by a journal that somebody else grants. Nothing was done.",
            details={"difference": plain(found.difference), "asset": found.asset},
        )


def resolving_journal(
    break_id: UUID, account: HouseName, counterpart: HouseName, asset: str, amount: Decimal
) -> Journal:
    """Say that `amount` less lies at `account` (negative: more), against the counterpart.

    What lies outside is negative in our books: less of it is a move towards it.
    """
    there, against = house(account, asset), house(counterpart, asset)
    source, target = (against, there) if amount > NOTHING else (there, against)
    return Journal(
        kind="adjustment",
        reference=f"break:{break_id}",
        moves=(Move(source=source, target=target, amount=abs(amount)),),
    )
