"""Card money in every state that a process may die in: the application, the sandbox's processor, people, and the end.

What one process left behind is due at once for the next (`hurry`): leases and pauses are minutes long.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from bitcurrent.funding.reversals.tasks import ReversalKeeper
from bitcurrent.funding.withdrawals.tasks import Pace, Paymaster
from bitcurrent.identity.factors.enrolment import ensure_totp
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.reconciliation import reconciling
from bitcurrent.reconciliation.model import Pace as Looks
from bitcurrent.reconciliation.processor import ProcessorCheck
from tests.support.callers import OFFICE, client_from
from tests.support.cards import Till
from tests.support.customers import Person
from tests.support.laws import assert_clearing

AT_ONCE = Pace(look_seconds=0.01, first_pause=timedelta(0), pause=timedelta(0))
TURNS_MAX = 60
OVERDUE = (
    "UPDATE deposits SET look_at = now() WHERE look_at IS NOT NULL",
    "UPDATE refunds SET next_at = now() WHERE next_at IS NOT NULL",
    "UPDATE looks SET next_at = now()",
    "UPDATE processor_events SET next_at = now() WHERE state = 'waiting'",
    "UPDATE bonuses SET look_at = now() WHERE look_at IS NOT NULL",
    "UPDATE withdrawals SET next_at = NULL, claimed_until = NULL WHERE finished_at IS NULL",
)
CONFIRMED = (
    "UPDATE withdrawals SET state = 'screening' WHERE id = $1 AND state = 'requested'",
    """
    UPDATE withdrawals SET state = 'approved', screening = coalesce(screening, 'clear')
    WHERE id = $1 AND state IN ('screening', 'review')
    """,
)
OPEN = """
SELECT string_agg(thing, '; ') FROM (
    SELECT format('deposit %s is %s', id, state) FROM deposits
    WHERE state IN ('created', 'pending') AND cancel_requested_at IS NOT NULL OR paid_at IS NOT NULL AND told_at IS NULL
    UNION ALL SELECT format('refund %s is %s (%s)', id, state, failure) FROM refunds WHERE finished_at IS NULL
    UNION ALL SELECT format('withdrawal %s is %s (%s)', id, state, reason) FROM withdrawals
    WHERE state IN ('approved', 'sending', 'sent')
    UNION ALL SELECT format('bonus %s', id) FROM bonuses WHERE state = 'earned'
    UNION ALL SELECT format('event %s: %s', type, trouble) FROM processor_events WHERE state = 'waiting'
    UNION ALL SELECT format('look at %s %s: %s', subject, object_id, trouble) FROM looks l
    WHERE NOT EXISTS (SELECT FROM disputes WHERE processor_dispute_id = l.object_id AND state = 'open')
) AS things (thing)
"""


@dataclass(slots=True)
class Street:
    """The running application and what goes on around it."""

    till: Till

    # ---- what people do

    async def customer(self) -> Person:
        """Somebody verified, fresh from a second factor."""
        person = await self.till.customer()
        await self.make_fresh(person)
        return person

    async def make_fresh(self, person: Person) -> None:
        """As if a second factor had been used just now."""
        b = self.till.brokerage
        async with b.database.transaction() as connection:
            await ensure_totp(connection, b.identity.vault, UserId(UUID(person.id)), "JBSWY3DPEHPK3PXP")
            await connection.execute(
                "UPDATE user_sessions SET stepped_up_at = now() WHERE user_id = $1", UUID(person.id)
            )

    async def paid(self, who: Person, amount: str = "100") -> dict[str, Any]:
        """A deposit by card that is credited."""
        deposit = await self.till.opened(who, amount)
        await self.till.deliver_all(await self.till.pay(deposit))
        return deposit

    async def post(self, who: Person, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        """A customer's request."""
        headers = who.bearer | ({"Idempotency-Key": key} if key else {})
        return await self.till.http.post(f"/api/{path}", json=body, headers=headers)

    async def did(self, who: Person, path: str, body: Any = None) -> dict[str, Any]:
        """One that succeeds."""
        answer = await self.post(who, path, body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        done: dict[str, Any] = answer.json()
        return done

    async def office(self, who: Person, path: str, body: Any = None) -> dict[str, Any]:
        """An operator's request that succeeds."""
        async with client_from(self.till.app, OFFICE) as http:
            answer = await http.post(f"/api/admin/{path}", json=body, headers=who.bearer)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        done: dict[str, Any] = answer.json()
        return done

    async def convert(self, who: Person, give: str, *, source: str = "USD", target: str = "EUR") -> str:
        """Another currency at the quoted rate; how much came of it."""
        quote = await self.did(who, "conversions/quote", {"from": source, "to": target, "give": give})
        return str((await self.did(who, "conversions", {"quote_id": quote["id"]}))["get"])

    async def dispute(self, deposit: dict[str, Any], **how: Any) -> dict[str, Any]:
        """The card's owner goes to the bank."""
        payment = await self.payment_of(deposit)
        told: dict[str, Any] = await self.control("dispute", payment_intent=payment, **how)
        return told

    async def payment_of(self, deposit: dict[str, Any]) -> str:
        """The processor's name of a payment."""
        return str(await self.till.books("SELECT payment_intent FROM deposits WHERE id = $1", UUID(deposit["id"])))

    async def control(self, verb: str, **body: Any) -> Any:
        """Tell the sandbox's processor something."""
        return await asyncio.to_thread(lambda: self.till.sandbox.control(f"stripe/{verb}", **body))

    async def back_to_card(self, who: Person, amount: str) -> dict[str, Any]:
        """A withdrawal to the card that was approved and not sent so far."""
        asked = await self.did(who, "withdrawals", {"asset": "USD", "amount": amount, "destination": "card"})
        await self.approve(asked["id"])
        return asked

    async def approve(self, withdrawal_id: str) -> None:
        """Confirmed and looked at, unless something has ended it before."""
        for statement in CONFIRMED:
            await self.till.books(statement, UUID(withdrawal_id))

    async def campaign(self, by: Sequence[Person]) -> None:
        """10 USD for each first deposit, released at once."""
        rules = {
            "code": f"risk-{new_id().hex[-8:]}",
            "title": "Risk",
            "currency": "USD",
            "starts_at": (now() - timedelta(days=1)).isoformat(),
            "ends_at": (now() + timedelta(days=30)).isoformat(),
            "minimum": "50",
            "amount": "10",
            "release_days": 0,
        }
        drafted = await self.office(by[0], "campaigns", rules)
        asked = await self.office(by[0], f"campaigns/{drafted['id']}/activate", {"reason": "For the test"})
        await self.office(by[1], f"approvals/{asked['id']}/grant")

    async def no_campaign(self) -> None:
        """Nothing is given any more."""
        await self.till.books("UPDATE bonus_campaigns SET state = 'ended', ended_at = now() WHERE state = 'active'")

    # ---- what the worker does

    def reversals(self) -> ReversalKeeper:
        """The worker's part for refunds, disputes and debts."""
        b = self.till.brokerage
        return ReversalKeeper(b.database, b.processor, b.reversals, counts=Counter())

    def paymaster(self) -> Paymaster:
        """The worker's part for withdrawals."""
        b = self.till.brokerage
        return Paymaster(
            database=b.database,
            rails=b.rails,
            changes=b.withdrawals.changes,
            deciding=b.deciding,
            counts=Counter(),
            pace=AT_ONCE,
        )

    async def hurry(self) -> None:
        """What waits for later, or for somebody who died, is due now."""
        for statement in OVERDUE:
            await self.till.books(statement)

    async def turn(self) -> None:
        """One round of every poll in which everything is due."""
        await self.hurry()
        deposits, reversals = self.till.keeper(), self.reversals()
        for work in (deposits.look_after_due, deposits.write_letters, deposits.settle_bonuses):
            await work()
        await reversals.poll_lines()
        for work in (reversals.send_due, reversals.look_due, reversals.collect_due):
            while await work():  # at once after work, as the worker does
                continue
        await self.paymaster().round()
        await self.till.brokerage.inbox.retry_due(limit=100, lease=timedelta(minutes=1))

    async def drain(self) -> None:
        """Until nothing is open."""
        left = await self.till.books(OPEN)
        for _ in range(TURNS_MAX):
            await self.turn()
            left = await self.till.books(OPEN)
            if not left:
                return
        raise AssertionError(f"these never ended: {left}")

    # ---- what must be true

    async def all_is_right(self) -> None:
        """Every law; our books say what the processor says, line by line; what went to cards went once."""
        assert await self.till.broken_laws() == []
        b = self.till.brokerage
        check = ProcessorCheck(b.database, b.processor, Looks(line_grace=0, looks=1))
        result = await reconciling.run(b.database, b.breaks, [check], wholly=True)
        assert [finding.text for finding in result.findings] == []
        assert [row for row in result.rows if row.difference] == []
        async with b.database.read() as connection:
            await assert_clearing(connection, self.till.sandbox)
        state = await asyncio.to_thread(self.till.sandbox.stripe_state)
        ours = await self.till.books("SELECT count(*) FROM refunds WHERE state = 'succeeded'")
        assert state["counts"].get("refund", 0) == ours, "a refund at the processor that is not ours, or one twice"
