"""The terms of withdrawals: what is in force, what is announced, and how two operators change them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, get_args

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.funding.withdrawals import terms_repository as repository
from bitcurrent.funding.withdrawals.model import PLACES, RailName, Terms, TermsRecord, leaves_by
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import places, plain

TERMS_CHANGE: Final = "withdrawals.terms"
CARD_FIRST_DAYS_MAX: Final = 180
"""Older card payments the processor may not be able to give back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTerms:
    """Terms somebody asks for."""

    rail: RailName
    asset: str | None
    minimum: Decimal
    maximum: Decimal
    fee: Decimal
    card_first_days: int
    effective_from: datetime


class WithdrawalTerms:
    """Reads the terms from the database each time: new ones count at once. Changes need four eyes."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals
        approvals.register(Kind(name=TERMS_CHANGE, ask="money.approve", grant="money.approve", handler=self._execute))

    async def announced(self, connection: Connection) -> list[Terms]:
        """What is in force, and what is to come."""
        return await repository.list_announced(connection)

    async def versions(
        self, connection: Connection, *, rail: RailName | None, before: int | None, limit: int
    ) -> Sequence[TermsRecord]:
        """Every version there ever was, the newest first."""
        return await repository.list_terms(connection, rail=rail, before=before, limit=limit)

    async def ask(self, connection: Connection, actor: Actor, wish: NewTerms, *, reason: str, address: str) -> Approval:
        """Ask for new terms; another person has to grant them. Raises Invalid, AlreadyAsked."""
        check_terms(wish)
        return await self._approvals.ask(
            connection,
            actor,
            kind=TERMS_CHANGE,
            subject=f"withdrawal_terms:{wish.rail}:{wish.asset or 'any'}",
            payload={
                "rail": wish.rail,
                "asset": wish.asset,
                "minimum": plain(wish.minimum),
                "maximum": plain(wish.maximum),
                "fee": plain(wish.fee),
                "card_first_days": wish.card_first_days,
                "effective_from": wish.effective_from.isoformat(),
            },
            reason=reason,
            address=address,
        )

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload: dict[str, Any] = dict(approval.payload)
        made = await repository.insert_terms(
            connection,
            rail=next(rail for rail in get_args(RailName) if rail == payload["rail"]),
            asset=payload["asset"],
            minimum=Decimal(payload["minimum"]),
            maximum=Decimal(payload["maximum"]),
            fee=Decimal(payload["fee"]),
            card_first_days=payload["card_first_days"],
            effective_from=datetime.fromisoformat(payload["effective_from"]),
            reason=approval.reason,
            approval_id=approval.id,
        )
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="withdrawals.terms_added",
            subject=f"withdrawal_terms:{made.version}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
            after={**payload, "effective_from": made.effective_from},
        )


def check_terms(wish: NewTerms) -> None:
    """Raise Invalid for terms that would mean nothing, or that the rail cannot pay."""
    if wish.asset is not None and not leaves_by(wish.asset, wish.rail):
        raise Invalid(f"{wish.asset} does not leave by this rail.", field="asset")
    for name, amount in (("minimum", wish.minimum), ("maximum", wish.maximum), ("fee", wish.fee)):
        if places(amount) > PLACES[wish.rail]:
            raise Invalid(
                f"This rail pays with at most {PLACES[wish.rail]} decimals.",
                field=name,
                details={"limit": str(PLACES[wish.rail])},
            )
    if wish.minimum <= 0 or wish.fee < 0:
        raise Invalid("The minimum is above zero, and a fee is not negative.", field="minimum")
    if wish.maximum < wish.minimum:
        raise Invalid("The maximum is below the minimum.", field="maximum", details={"minimum": plain(wish.minimum)})
    if not 0 <= wish.card_first_days <= CARD_FIRST_DAYS_MAX or (wish.card_first_days and wish.rail != "bank"):
        raise Invalid(
            f"From 0 to {CARD_FIRST_DAYS_MAX} days, and only for banks: that is where card money might go instead.",
            field="card_first_days",
            details={"limit": str(CARD_FIRST_DAYS_MAX)},
        )
