"""The worker's part: end what was not confirmed, screen, send what is approved, ask for what nobody knows.

Every round claims rows in one transaction, acts with none open, and records in another. Whoever dies in between leaves
a claim that runs out: then the rail is asked what became of it, and it is never sent under a new id.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from bitcurrent.compliance.restrictions.model import Restricted
from bitcurrent.compliance.restrictions.service import require_free
from bitcurrent.compliance.stops.model import Stopped
from bitcurrent.compliance.stops.service import require_running
from bitcurrent.funding.ports import NotConfigured, NotSent, OutcomeUnknown, RefusedOutside
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import InDebt
from bitcurrent.funding.withdrawals import repository
from bitcurrent.funding.withdrawals.changing import Changes, Facts
from bitcurrent.funding.withdrawals.deciding import Deciding
from bitcurrent.funding.withdrawals.model import PRODUCTS, RailName, State, Withdrawal
from bitcurrent.funding.withdrawals.ports import Outcome, Rail
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

BATCH: Final = 20
TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, Unavailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient the worker is. `lease` is longer than any call to the outside may take."""

    look_seconds: float = 2.0
    lease: timedelta = timedelta(seconds=60)
    first_pause: timedelta = timedelta(seconds=1)
    pause: timedelta = timedelta(minutes=5)
    trouble_seconds: float = 5.0


class Paymaster:
    """Carries withdrawals from confirmed to settled, on all rails that act by themselves."""

    def __init__(
        self,
        *,
        database: Database,
        rails: Mapping[RailName, Rail],
        changes: Changes,
        deciding: Deciding,
        counts: Counter[str],
        pace: Pace | None = None,
    ) -> None:
        self._database = database
        self._rails = {name: rail for name, rail in rails.items() if rail.automatic}
        self._every_rail = tuple(rails)
        self._changes = changes
        self._deciding = deciding
        self._counts = counts
        self._pace = pace or Pace()
        self.open: Mapping[str, int] = {}

    def gauges(self) -> dict[str, tuple[str, float]]:
        """What the worker's metrics tell of withdrawals; the last two are alarms when they are not zero for long."""
        return {
            "withdrawals_review": ("Withdrawals that wait for two operators.", self.open.get("review", 0)),
            "withdrawals_approved": ("Approved withdrawals that have not been sent.", self.open.get("approved", 0)),
            "withdrawals_sending": ("Withdrawals that are being sent.", self.open.get("sending", 0)),
            "withdrawals_unknown": ("Withdrawals whose outcome nobody has told us.", self.open.get("unknown", 0)),
            "withdrawals_late": (
                "Withdrawals without a new word for an hour, banks' not counted.",
                self.open.get("late", 0),
            ),
        }

    async def run(self) -> None:
        """Work until cancelled. A fault is loud, counted, and not the end."""
        while True:
            try:
                done = await self.round()
                await self._count()
            except TROUBLE as error:
                log.warning("withdrawals_wait", error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(self._pace.trouble_seconds)
            except Exception:
                log.exception("withdrawals_failed")
                self._counts["withdrawals_failed"] += 1
                await asyncio.sleep(self._pace.trouble_seconds)
            else:
                if not done:
                    await asyncio.sleep(self._pace.look_seconds)

    async def round(self) -> int:
        """Everything that is due, once; how many withdrawals were looked at."""
        return await self._expire() + await self._screen() + await self._send() + await self._ask()

    async def _expire(self) -> int:
        async with self._database.transaction() as connection:
            late = await repository.lock_expired(connection, limit=BATCH)
            for withdrawal in late:
                await self._changes.move(connection, withdrawal, State.EXPIRED, Facts(reason="not_confirmed"))
        return len(late)

    async def _screen(self) -> int:
        due = await self._claim(State.SCREENING, self._every_rail)
        for withdrawal in due:
            try:
                async with self._database.transaction() as connection:
                    await self._deciding.screen(connection, withdrawal.id)
            except Unavailable as error:
                log.warning("screening_waits", withdrawal=str(withdrawal.id), code=error.code)
                await self._postpone(withdrawal)
        return len(due)

    async def _send(self) -> int:
        due = await self._claim(State.APPROVED, tuple(self._rails))
        for withdrawal in due:
            intent = await self._begin(withdrawal)
            if intent is not None:
                crash_point("withdrawal.sending")
                await self._hand_over(intent)
        return len(due)

    async def _begin(self, withdrawal: Withdrawal) -> Withdrawal | None:
        """Commit the intent to send, unless something has come up since it was approved."""
        async with self._database.transaction() as connection:
            current = await repository.lock(connection, withdrawal.id)
            if current is None or current.state is not State.APPROVED:
                return None
            try:
                await require_running(connection, product=PRODUCTS[current.rail], asset=current.asset)
                await require_free(connection, current.user_id, "withdrawals")
                await provenance.lock_money(connection, current.user_id)
                await provenance.require_no_debt(connection, current.user_id)
            except (Stopped, Restricted):
                # It stays approved, and its owner may still cancel it.
                await self._postpone_in(connection, current)
                return None
            except InDebt:
                await self._changes.move(connection, current, State.REFUSED, Facts(reason="in_debt"))
                return None
            sending = await self._changes.move(connection, current, State.SENDING)
            # Ours until the lease is over: nobody asks for it while it is on its way.
            await repository.lease(connection, sending.id, self._pace.lease)
            return sending

    async def _hand_over(self, withdrawal: Withdrawal) -> None:
        try:
            outcome = await self._rails[withdrawal.rail].send(withdrawal)
        except (NotSent, NotConfigured) as error:
            # Certainly nothing happened: it is asked for first, then sent again under the same id.
            log.warning("withdrawal_not_sent", withdrawal=str(withdrawal.id), error=str(error)[:200])
            self._counts["withdrawals_not_sent"] += 1
            await self._postpone(withdrawal)
            return
        except OutcomeUnknown as error:
            log.warning("withdrawal_unknown", withdrawal=str(withdrawal.id), error=str(error)[:200])
            self._counts["withdrawals_unknown"] += 1
            await self._postpone(withdrawal, unknown=True)
            return
        except RefusedOutside as error:
            outcome = Outcome(kind="failed", reason=error.code[:100])
        crash_point("withdrawal.answered")
        await self._record(withdrawal, outcome)

    async def _ask(self) -> int:
        looked = 0
        for state in (State.SENDING, State.SENT):
            due = await self._claim(state, tuple(self._rails))
            looked += len(due)
            for withdrawal in due:
                await self._ask_for(withdrawal)
        return looked

    async def _ask_for(self, withdrawal: Withdrawal) -> None:
        try:
            outcome = await self._rails[withdrawal.rail].ask(withdrawal)
        except (NotSent, OutcomeUnknown, Unavailable) as error:
            log.warning("withdrawal_unanswered", withdrawal=str(withdrawal.id), error=str(error)[:200])
            await self._postpone(withdrawal, unknown=withdrawal.state is State.SENDING)
            return
        if outcome.kind == "nothing_there" and withdrawal.state is State.SENDING:
            self._counts["withdrawals_sent_again"] += 1
            await self._hand_over(withdrawal)
        else:
            await self._record(withdrawal, outcome)

    async def _record(self, withdrawal: Withdrawal, outcome: Outcome) -> None:
        """Write down what the outside said. Saying the same twice changes nothing."""
        async with self._database.transaction() as connection:
            current = await repository.lock(connection, withdrawal.id)
            if current is None or current.state not in {State.SENDING, State.SENT}:
                return
            if current.updated_at != withdrawal.updated_at:
                # Something was learned while we asked: the answer may be older than that.
                await self._postpone_in(connection, current)
                return
            if outcome.kind in {"unknown", "nothing_there"}:
                await self._postpone_in(connection, current, unknown=current.state is State.SENDING)
                return
            state = {"sent": State.SENT, "settled": State.SETTLED, "failed": State.FAILED}[outcome.kind]
            if state is current.state:
                await repository.note_facts(
                    connection,
                    current.id,
                    reference=outcome.reference,
                    details=outcome.details,
                    network_fee_paid=outcome.network_fee,
                )
                await self._postpone_in(connection, current)
                return
            facts = Facts(
                reason=outcome.reason,
                reference=outcome.reference,
                details=outcome.details,
                paid=outcome.paid if state is State.SETTLED else None,
                network_fee_paid=outcome.network_fee,
            )
            await self._changes.move(connection, current, state, facts)
        crash_point("withdrawal.recorded")
        self._counts[f"withdrawals_{outcome.kind}"] += 1

    async def _claim(self, state: State, rails: tuple[RailName, ...]) -> list[Withdrawal]:
        async with self._database.transaction() as connection:
            return await repository.claim(connection, state, rails, lease=self._pace.lease, limit=BATCH)

    async def _postpone(self, withdrawal: Withdrawal, *, unknown: bool = False) -> None:
        async with self._database.transaction() as connection:
            await self._postpone_in(connection, withdrawal, unknown=unknown)

    async def _postpone_in(self, connection: Connection, withdrawal: Withdrawal, *, unknown: bool = False) -> None:
        await repository.postpone(
            connection, withdrawal.id, pause=self._pace.pause, first=self._pace.first_pause, unknown=unknown
        )

    async def _count(self) -> None:
        async with self._database.read() as connection:
            self.open = await repository.count_open(connection)
