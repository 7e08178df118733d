"""Schedules of fees: each a version that holds from a moment on, decided by two people, never for the past."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Conflict, Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import places, plain
from bitcurrent.trading import oversight_repository as repository
from bitcurrent.trading.model import FeeRate
from bitcurrent.trading.oversight_model import Schedule

KIND: Final = "fee_schedule"
SUBJECT: Final = "fees:trading"
TIERS_MAX: Final = 50
BPS_MAX: Final = Decimal(1_000)
BPS_PLACES: Final = 4
AHEAD_MAX: Final = timedelta(days=366)


class ScheduleTaken(Conflict):
    """Another version begins in the same moment."""

    code = "fee_schedule_taken"

    def __init__(self) -> None:
        super().__init__("Another schedule begins at this moment. Ask again with another one.")


class FeeSchedules:
    """Keeps the versions of the fees."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals
        approvals.register(Kind(name=KIND, ask="money.approve", grant="money.approve", handler=self._execute))

    async def schedules(self, connection: Connection, *, before: int | None, limit: int) -> Sequence[Schedule]:
        """Every version, newest first."""
        return await repository.list_schedules(connection, before=before, limit=limit)

    async def ask(
        self,
        connection: Connection,
        actor: Actor,
        tiers: Sequence[FeeRate],
        *,
        effective_from: datetime | None,
        reason: str,
        address: str,
    ) -> Approval:
        """Ask for a new version; another person has to grant it. Raises Invalid, AlreadyAsked."""
        checked = check_tiers(tiers)
        begins = effective_from or now()
        if begins > now() + AHEAD_MAX:
            raise Invalid("Fees are set at most a year ahead.", field="effective_from")
        return await self._approvals.ask(
            connection,
            actor,
            kind=KIND,
            subject=SUBJECT,
            payload={
                "effective_from": begins.astimezone(UTC).isoformat(),
                "tiers": [
                    {
                        "volume_from": plain(tier.volume_from),
                        "maker_bps": plain(tier.maker_bps),
                        "taker_bps": plain(tier.taker_bps),
                    }
                    for tier in checked
                ],
            },
            reason=reason,
            address=address,
        )

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload: dict[str, Any] = dict(approval.payload)
        tiers = [
            FeeRate(Decimal(one["volume_from"]), Decimal(one["maker_bps"]), Decimal(one["taker_bps"]))
            for one in payload["tiers"]
        ]
        made = await repository.insert_schedule(
            connection,
            effective_from=datetime.fromisoformat(payload["effective_from"]),
            reason=approval.reason,
            approval_id=approval.id,
            tiers=tiers,
        )
        if made is None:
            raise ScheduleTaken
        version, effective_from = made
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="fee_schedule.decided",
            subject=SUBJECT,
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by), "version": version},
            after={"effective_from": effective_from, "tiers": payload["tiers"]},
        )


def check_tiers(tiers: Sequence[FeeRate]) -> list[FeeRate]:
    """The tiers by rising volume; raises Invalid for a schedule that leaves somebody out or makes no sense."""
    ordered = sorted(tiers, key=lambda tier: tier.volume_from)
    if not 1 <= len(ordered) <= TIERS_MAX or ordered[0].volume_from != 0:
        raise Invalid(f"A schedule has 1 to {TIERS_MAX} tiers, and the first begins at 0.", field="tiers")
    for tier in ordered:
        for bps in (tier.maker_bps, tier.taker_bps):
            if not 0 <= bps <= BPS_MAX or places(bps) > BPS_PLACES:
                raise Invalid(
                    f"A fee is between 0 and {plain(BPS_MAX)} hundredths of a percent, with at most {BPS_PLACES} "
                    "decimals.",
                    field="tiers",
                    details={"maximum": plain(BPS_MAX)},
                )
    for below, above in pairwise(ordered):
        if below.volume_from == above.volume_from:
            raise Invalid("Two tiers begin at the same volume.", field="tiers")
        if above.maker_bps > below.maker_bps or above.taker_bps > below.taker_bps:
            raise Invalid("Who trades more does not pay more: the fees fall from tier to tier.", field="tiers")
    return ordered


def in_force(schedules: Sequence[Schedule], moment: datetime) -> int | None:
    """The version that holds at a moment, of these."""
    begun = [one for one in schedules if one.effective_from <= moment]
    return max(begun, key=lambda one: one.effective_from).version if begun else None
