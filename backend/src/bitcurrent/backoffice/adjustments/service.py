"""Asking for an adjustment, and doing what another person has granted, in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.backoffice.adjustments import repository
from bitcurrent.backoffice.adjustments.model import (
    EVIDENCE_LENGTH_MAX,
    EVIDENCE_LENGTH_MIN,
    Adjustment,
    OwnMoney,
    journal_of,
)
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.ledger.service import InsufficientFunds, post, read_balance
from bitcurrent.market_data.service import MarketData

KIND: Final = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for. Above zero the customer gets it, below zero it is taken of what is available."""

    user_id: UserId
    currency: str
    amount: Decimal
    reason: str
    evidence: str


class Adjustments:
    """Keeps adjustments."""

    def __init__(self, identity: Identity, approvals: Approvals, market_data: MarketData) -> None:
        self._identity = identity
        self._approvals = approvals
        self._market_data = market_data
        approvals.register(Kind(name=KIND, ask="money.approve", grant="money.approve", handler=self._execute))

    async def ask(self, connection: Connection, actor: Actor, wish: Wish, *, address: str) -> Approval:
        """Ask for it; another person of finance has to grant it. Nothing moves before.

        Raises NotFound, OwnMoney, Invalid, InsufficientFunds (it takes more than there is), AlreadyAsked.
        """
        if wish.user_id == actor.user_id:
            raise OwnMoney
        await self._identity.user(connection, wish.user_id)
        known = self._assets()
        if wish.currency not in known:
            raise Invalid("We keep no such asset.", field="currency", details={"known": ",".join(sorted(known))})
        if wish.amount == 0:
            raise Invalid("An adjustment moves something.", field="amount")
        evidence = " ".join(wish.evidence.split())
        if not EVIDENCE_LENGTH_MIN <= len(evidence) <= EVIDENCE_LENGTH_MAX or not evidence.isprintable():
            raise Invalid(
                f"Say in {EVIDENCE_LENGTH_MIN} to {EVIDENCE_LENGTH_MAX} characters where the evidence lies: a case, "
                "a ticket, a deposit.",
                field="evidence",
            )
        there = (await read_balance(connection, wish.user_id, wish.currency)).available
        if EXACT.add(there, wish.amount) < 0:
            raise InsufficientFunds(needed=abs(wish.amount), available=there, currency=wish.currency)
        return await self._approvals.ask(
            connection,
            actor,
            kind=KIND,
            subject=f"user:{wish.user_id}",
            payload={
                "user_id": str(wish.user_id),
                "currency": wish.currency,
                "amount": plain(wish.amount),
                "evidence": evidence,
            },
            reason=wish.reason,
            address=address,
        )

    async def search(
        self,
        connection: Connection,
        *,
        user_id: UserId | None = None,
        currency: str | None = None,
        before: UUID | None = None,
        limit: int,
    ) -> Sequence[Adjustment]:
        """Those that were granted, newest first; what waits stands among the approvals."""
        return await repository.search(connection, user_id=user_id, currency=currency, before=before, limit=limit)

    def _assets(self) -> set[str]:
        return {name for market in self._market_data.markets for name in (market.base, market.quote)} | {
            "USD",
            "EUR",
            "GBP",
        }

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload: dict[str, Any] = dict(approval.payload)
        user_id = UserId(UUID(payload["user_id"]))
        if user_id == granted_by:
            raise OwnMoney
        made = await repository.insert(
            connection,
            Adjustment(
                id=new_id(),
                user_id=user_id,
                currency=payload["currency"],
                amount=Decimal(payload["amount"]),
                reason=approval.reason,
                evidence=payload["evidence"],
                approval_id=approval.id,
                asked_by=approval.asked_by,
                granted_by=granted_by,
                created_at=now(),
            ),
        )
        crash_point("adjustment.granted")
        before = (await read_balance(connection, user_id, made.currency)).available
        await post(connection, journal_of(made.id, user_id, made.currency, made.amount))
        amount = plain(made.amount)
        await append_event(
            connection,
            user_id=user_id,
            kind="balance_adjusted",
            subject=made.id,
            payload={"currency": made.currency, "amount": amount},
        )
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="adjustment.booked",
            subject=f"user:{user_id}",
            reason=made.reason,
            details={
                "adjustment": str(made.id),
                "approval": str(approval.id),
                "asked_by": str(approval.asked_by),
                "currency": made.currency,
                "amount": amount,
                "evidence": made.evidence,
            },
            before={"available": before},
            after={"available": EXACT.add(before, made.amount)},
        )
