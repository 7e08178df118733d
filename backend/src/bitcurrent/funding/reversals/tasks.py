"""The worker's part: refunds are sent, hints are looked up, debts collected, and what no webhook said is found.

Rows are claimed as work, the processor is asked with no transaction open, and its answer is applied in another one. A
refund whose outcome nobody knows is looked for by its own id, and only ever sent again under that id.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import asyncpg
import structlog

from bitcurrent.funding.ports import (
    BalanceLine,
    NotConfigured,
    NotSent,
    OutcomeUnknown,
    Processor,
    ProcessorRefund,
    RefusedOutside,
)
from bitcurrent.funding.reversals import disputes_repository, repository
from bitcurrent.funding.reversals.model import Dispute, DisputeState, RefundState, line_subject, pause_after
from bitcurrent.funding.reversals.operating import Reversals
from bitcurrent.funding.reversals.repository import DueRefund, Look
from bitcurrent.funding.reversals.service import UnknownDeposit
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

TROUBLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, Unavailable, NotSent)
T = TypeVar("T")
LEASE: Final = timedelta(minutes=2)
BATCH: Final = 20
COLLECT_MAX: Final = 200
PAGES_MAX: Final = 20
FIRST_WINDOW: Final = timedelta(days=3)
WINDOW: Final = timedelta(hours=2)
OPEN_DISPUTE_PAUSE: Final = timedelta(hours=1)
STRANGER_ATTEMPTS: Final = 20
STRANGER_PAUSE: Final = timedelta(hours=6)
"""A payment that was never credited here after so many looks may be another business of the same account."""
TROUBLE_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often the keeper looks for work."""

    look_seconds: float = 1.0
    collect_seconds: float = 30.0
    poll_seconds: float = 60.0
    trouble_seconds: float = 5.0


class ReversalKeeper:
    """Looks after refunds, disputes and debts while this process leads."""

    def __init__(
        self,
        database: Database,
        processor: Processor,
        reversals: Reversals,
        *,
        counts: Counter[str],
        rounds: Rounds | None = None,
    ) -> None:
        self._database = database
        self._processor = processor
        self._reversals = reversals
        self._refunds = reversals.refunds
        self._disputes = reversals.disputes
        self._counts = counts
        self._rounds = rounds or Rounds()
        self._polled = False
        self.open = 0
        self.unknown = 0
        self.troubled = 0

    async def run(self) -> None:
        """Until cancelled, each kind of work in its own round."""
        await asyncio.gather(
            self._repeat("refunds", self.send_due, self._rounds.look_seconds),
            self._repeat("looks", self.look_due, self._rounds.look_seconds),
            self._repeat("debts", self.collect_due, self._rounds.collect_seconds),
            self._repeat("lines", self.poll_lines, self._rounds.poll_seconds),
        )

    async def send_due(self) -> int:
        """Send, or ask for, the refunds whose time has come; how many there were."""
        if not self._processor.configured:
            return 0
        async with self._database.transaction() as connection:
            due = await repository.claim_due(connection, limit=BATCH, lease=LEASE)
        for each in due:
            crash_point("refund.claimed")
            await self._send(each)
        async with self._database.read() as connection:
            self.open, self.unknown, self.troubled = await repository.count_open(connection)
        return len(due)

    async def look_due(self) -> int:
        """Read anew what was spoken of, and apply it; how many things were read."""
        if not self._processor.configured:
            return 0
        async with self._database.transaction() as connection:
            due = await repository.claim_looks(connection, limit=BATCH, lease=LEASE)
        for look in due:
            await self._look(look)
        return len(due)

    async def collect_due(self) -> int:
        """Collect debts from customers who have money again; how many paid."""
        return await self._database.in_transaction(
            lambda connection: self._reversals.collect_due(connection, limit=COLLECT_MAX)
        )

    async def poll_lines(self) -> int:
        """Find refunds and disputes in the processor's balance that no webhook told; how many are to be looked up."""
        if not self._processor.configured:
            return 0
        since = now() - (WINDOW if self._polled else FIRST_WINDOW)
        after, found = None, 0
        for _ in range(PAGES_MAX):
            lines, more = await self._processor.balance_lines(since=since, after=after)
            for line in lines:
                wanted = await self._want(line)
                found += wanted
            if not more or not lines:
                break
            after = lines[-1].id
        self._polled = True
        return found

    async def _want(self, line: BalanceLine) -> bool:
        subject = line_subject(line)
        if subject is None or line.source is None:
            return False

        async def work(connection: Connection) -> bool:
            assert line.source is not None  # seen above
            if await _is_known(connection, line):
                return False
            await repository.want_look(connection, subject, line.source)
            return True

        wanted = await self._database.in_transaction(work)
        if wanted:
            log.info("reversal_found_by_polling", source=line.source, kind=line.kind)
            self._counts["reversals_found_by_polling"] += 1
        return wanted

    async def _send(self, due: DueRefund) -> None:
        refund = due.refund
        try:
            truth = await self._ask_or_send(due)
        except RefusedOutside as refusal:
            code = refusal.code
            log.warning("refund_refused", refund=str(refund.id), code=code)
            await self._database.in_transaction(lambda connection: self._refunds.refused(connection, refund.id, code))
            return
        except (NotSent, NotConfigured) as reason:
            log.warning("refund_waits", refund=str(refund.id), error=type(reason).__name__)
            await self._postpone(due, sent=False)
            return
        except OutcomeUnknown:
            log.warning("refund_unknown", refund=str(refund.id))
            self._counts["refunds_unknown"] += 1
            await self._postpone(due, sent=True)
            return
        crash_point("refund.sent")
        await self._database.in_transaction(lambda connection: self._refunds.apply(connection, truth))
        crash_point("refund.recorded")

    async def _ask_or_send(self, due: DueRefund) -> ProcessorRefund:
        """What the processor says of it: sent now, unless it may have been sent before and is there."""
        refund = due.refund
        if refund.state is RefundState.PENDING and refund.processor_refund_id is not None:
            return await _answer_to(self._processor.read_refund(refund.processor_refund_id))
        if refund.attempts > 1:
            found = await _answer_to(
                self._processor.find_refund(refund_id=refund.id, payment_intent=due.payment_intent)
            )
            if found is not None:
                return found
        return await self._processor.refund(
            refund_id=refund.id, payment_intent=due.payment_intent, amount=refund.amount, currency=refund.currency
        )

    async def _postpone(self, due: DueRefund, *, sent: bool) -> None:
        async with self._database.transaction() as connection:
            await repository.postpone(connection, due.refund.id, pause=pause_after(due.refund.attempts), sent=sent)

    async def _look(self, look: Look) -> None:
        try:
            pause = await self._read_and_apply(look)
        except (UnknownDeposit, NotSent, NotConfigured, RefusedOutside) as reason:
            stranger = isinstance(reason, UnknownDeposit) and look.attempts >= STRANGER_ATTEMPTS
            pause = STRANGER_PAUSE if stranger else pause_after(look.attempts)
            trouble = f"{type(reason).__name__}: {reason}"[:TROUBLE_LENGTH_MAX]
            async with self._database.transaction() as connection:
                await repository.look_again(connection, look, pause=pause, trouble=trouble)
            return
        async with self._database.transaction() as connection:
            if pause is None:
                await repository.end_look(connection, look)
            else:
                await repository.look_again(connection, look, pause=pause, trouble=None)

    async def _read_and_apply(self, look: Look) -> timedelta | None:
        """Apply the processor's truth; when to look again, if ever."""
        if look.subject == "dispute":
            dispute = await self._processor.read_dispute(look.object_id)
            crash_point("dispute.read")
            applied = await self._database.in_transaction(lambda connection: self._disputes.apply(connection, dispute))
            return OPEN_DISPUTE_PAUSE if _is_undecided(applied) else None
        if look.subject == "refund":
            truths = [await self._processor.read_refund(look.object_id)]
        else:
            truths = [*await self._processor.refunds_of(look.object_id)]

        async def apply(connection: Connection) -> None:
            for truth in truths:
                await self._refunds.apply(connection, truth)

        await self._database.in_transaction(apply)
        return None

    async def _repeat(self, name: str, work: Callable[[], Awaitable[int]], seconds: float) -> None:
        """Again and again: at once after work, soon after trouble. A fault is loud, counted, and not the end."""
        while True:
            done = 0
            pause = seconds
            try:
                done = await work()
            except TROUBLE as error:
                log.warning("reversals_wait", round=name, error=f"{type(error).__name__}: {error}"[:TROUBLE_LENGTH_MAX])
                pause = self._rounds.trouble_seconds
            except Exception:
                log.exception("reversals_failed", round=name)
                self._counts["reversals_failed"] += 1
                pause = self._rounds.trouble_seconds
            if not done or pause > self._rounds.look_seconds:
                await asyncio.sleep(pause)


async def _answer_to(question: Awaitable[T]) -> T:
    """A question that is refused is no answer about the money."""
    try:
        return await question
    except RefusedOutside as refusal:
        raise NotSent(f"the question was refused: {refusal.code}") from refusal


def _is_undecided(dispute: Dispute) -> bool:
    """Whether more is to come of it: no decision, or one whose money has not moved so far."""
    return dispute.state is DisputeState.OPEN or (dispute.state is DisputeState.WON and dispute.claim > 0)


async def _is_known(connection: Connection, line: BalanceLine) -> bool:
    """Whether the books know what a line of the processor's balance tells."""
    assert line.source is not None
    if line_subject(line) == "dispute":
        written = await disputes_repository.updated_at(connection, line.source)
        return written is not None and written >= line.created_at
    refund = await repository.find_by_processor(connection, line.source)
    if refund is None:
        return False
    return refund.state is RefundState.FAILED if line.net > 0 else refund.taken
