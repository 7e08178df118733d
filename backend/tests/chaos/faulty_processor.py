"""A card processor that misbehaves while customers pay in, are refunded and dispute: the real application, the sandbox
outside, faults on the wire, and webhooks that come late, twice, in any order, forged, stale or not at all."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from bitcurrent.funding.deposits.tasks import DepositKeeper
from bitcurrent.funding.ports import NotSent, OutcomeUnknown
from bitcurrent.funding.reversals.service import Wish
from bitcurrent.funding.reversals.tasks import ReversalKeeper
from bitcurrent.kernel.errors import Refusal
from bitcurrent.kernel.ids import UserId
from bitcurrent.reconciliation import reconciling
from bitcurrent.reconciliation.model import Pace
from bitcurrent.reconciliation.processor import ProcessorCheck
from tests.support.cards import Till, signature
from tests.support.customers import Person
from tests.support.laws import assert_clearing

OPEN: dict[str, Any] = {"method": "POST", "path": "/v1/checkout/sessions"}
REFUND: dict[str, Any] = {"method": "POST", "path": "/v1/refunds"}
READ: dict[str, Any] = {"method": "GET", "path": "/v1/checkout/sessions*"}
PAYMENT: dict[str, Any] = {"method": "GET", "path": "/v1/payment_intents*"}
LINES: dict[str, Any] = {"method": "GET", "path": "/v1/balance_transactions*"}
DRAIN_SECONDS = 45
TOLD_AGAIN = 120
PATIENT = Pace(line_grace=0, looks=1)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: on the wire (`options` say where), or with webhooks."""

    kind: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.kind, *(str(value) for value in self.options.values())])

    @property
    def on_the_wire(self) -> bool:
        """Whether the sandbox makes it; the others are made by whoever carries the webhooks."""
        return bool(self.options)


WEBHOOKS = ("duplicated", "reordered", "late", "held", "forged", "stale", "from the future", "replayed", "all at once")
FAULTS = (
    Fault("drop_before", OPEN),
    Fault("drop_after", OPEN),
    Fault("cut_after", OPEN),
    Fault("error_after", OPEN | {"status": 500}),
    Fault("error_before", OPEN | {"status": 503}),
    Fault("error_before", OPEN | {"status": 429}),
    Fault("delay_after", OPEN | {"ms": 900}),
    Fault("drop_before", REFUND),
    Fault("drop_after", REFUND | {"count": 2}),
    Fault("cut_after", REFUND),
    Fault("error_after", REFUND | {"status": 500, "count": 3}),
    Fault("error_before", REFUND | {"status": 429}),
    Fault("error_before", READ | {"status": 503, "count": 3}),
    Fault("cut_after", READ),
    Fault("error_before", PAYMENT | {"status": 500, "count": 3}),
    Fault("drop_after", PAYMENT),
    Fault("error_before", LINES | {"status": 503, "count": 3}),
    *(Fault(kind) for kind in WEBHOOKS),
)


@dataclass(slots=True)
class Round:
    """Customers pay while these faults strike; then the processor is itself again, and all must end right."""

    till: Till
    seed: int
    faults: list[Fault]
    payments: int = 0
    deliveries: int = 0
    refused: int = 0
    _told: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Raises AssertionError when something is not as it must be."""
        rng = random.Random(self.seed)
        self._told = {event["id"] for event in await self._events()}
        for fault in self.faults:
            if fault.on_the_wire:
                await self._control("faults", kind=fault.kind, **fault.options)
        await asyncio.gather(*(self._customer(random.Random(rng.random())) for _ in range(4)))
        await self._carry(rng)
        await self._turn()
        await self._control("reset")
        await self._drain(rng)
        await self._all_is_right()

    async def _control(self, verb: str, **body: Any) -> Any:
        """Tell the sandbox's processor something."""
        return await asyncio.to_thread(lambda: self.till.sandbox.control(f"stripe/{verb}", **body))

    # ---- what people do

    async def _customer(self, rng: random.Random) -> None:
        who = await self.till.customer()
        deposit_id = await self._ask(who)
        if deposit_id is None:
            return
        await self._until_pending(deposit_id)
        page = str(await self.till.books("SELECT checkout_id FROM deposits WHERE id = $1", deposit_id))
        await asyncio.to_thread(lambda: self.till.sandbox.pay(page, card="4242424242424242"))
        self.payments += 1
        await self._carry(rng, only=page)
        match rng.randrange(4):
            case 0:
                await self._refund(who, deposit_id)
            case 1:
                await self._elsewhere("refund", page, amount=rng.randint(100, 2_000))
            case 2:
                await self._elsewhere("dispute", page)

    async def _ask(self, who: Person) -> UUID | None:
        """Ask for a deposit. Whatever is answered, what was written down is the truth."""
        await self.till.ask(who, "50.00")
        found: UUID | None = await self.till.books("SELECT id FROM deposits WHERE user_id = $1", UUID(who.id))
        return found

    async def _refund(self, who: Person, deposit_id: UUID) -> None:
        user_id = UserId(UUID(who.id))
        wish = Wish(
            user_id=user_id, deposit_id=deposit_id, amount=Decimal(20), origin="customer", asked_by=user_id, reason=None
        )
        try:
            async with self.till.brokerage.database.transaction() as connection:
                await self.till.brokerage.reversals.refunds.ask(connection, wish)
        except Refusal:
            return  # its webhook was held: the deposit is not credited so far
        await self._keeper().send_due()

    async def _elsewhere(self, what: str, page: str, **body: Any) -> None:
        """Somebody at the processor's own pages, or the card's bank."""
        sessions = await self._get(f"/v1/checkout/sessions/{page}")
        await self._control(what, payment_intent=sessions["payment_intent"], **body)

    # ---- what the processor tells

    async def _carry(self, rng: random.Random, *, only: str | None = None) -> None:
        """Carry the webhooks that have not been told, as badly as this round's faults say."""
        kinds = {fault.kind for fault in self.faults if not fault.on_the_wire}
        fresh = [event for event in await self._events() if event["id"] not in self._told]
        if only is not None:
            fresh = [event for event in fresh if event["data"]["object"].get("id") == only]
        if "reordered" in kinds:
            rng.shuffle(fresh)
        if "held" in kinds:
            fresh = [event for event in fresh if rng.random() < 0.5]
        await self._attack(kinds, fresh)
        bodies = [json.dumps(event).encode() for event in fresh]
        if "duplicated" in kinds:
            bodies = [body for body in bodies for _ in range(3)]
        if "late" in kinds:
            await asyncio.sleep(rng.uniform(0, 0.5))
        if "all at once" in kinds:
            await asyncio.gather(*(self._deliver(body) for body in bodies))
        else:
            for body in bodies:
                await self._deliver(body)
        if "replayed" in kinds:
            for body in bodies:
                await self._deliver(body)
        self._told |= {event["id"] for event in fresh}

    async def _attack(self, kinds: set[str], events: Sequence[dict[str, Any]]) -> None:
        """Webhooks that must have no effect: refused, and nothing stored."""
        secret = self.till.sandbox.stripe_webhook_secret
        proofs = {
            "forged": lambda body: signature(body, "whsec_of_somebody_else"),
            "stale": lambda body: signature(body, secret, at=time.time() - 301),
            "from the future": lambda body: signature(body, secret, at=time.time() + 120),
        }
        for kind in kinds & set(proofs):
            for event in events:
                body = json.dumps(event).encode()
                answer = await self.till.deliver(body, proofs[kind](body))
                assert answer.status_code == 400, answer.text
                self.refused += 1

    async def _deliver(self, body: bytes) -> None:
        answer = await self.till.deliver(body)
        assert answer.status_code == 200, answer.text
        self.deliveries += 1

    async def _events(self) -> list[dict[str, Any]]:
        """Every event of the processor, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            after = {"starting_after": found[-1]["id"]} if found else {}
            page = await self._get("/v1/events", limit="100", **after)
            found += page["data"]
            if not page["has_more"]:
                return found[::-1]

    async def _get(self, path: str, **query: str) -> Any:
        """As the harness asks: until a fault that was meant for the application is over."""
        headers = {"Authorization": f"Bearer {self.till.sandbox.stripe_key}"}
        async with httpx.AsyncClient(timeout=10) as http:
            for _ in range(8):
                try:
                    answer = await http.get(f"{self.till.sandbox.stripe_url}{path}", params=query, headers=headers)
                    if answer.is_success:
                        return answer.json()
                except (httpx.HTTPError, ValueError):
                    continue
        raise AssertionError(f"the sandbox never answered {path}")

    # ---- what the worker does

    def _keeper(self) -> ReversalKeeper:
        brokerage = self.till.brokerage
        return ReversalKeeper(brokerage.database, brokerage.processor, brokerage.reversals, counts=Counter())

    async def _turn(self) -> None:
        """One round of every poll in which everything is due; no answer is waited out like in the worker."""
        for statement in (
            "UPDATE deposits SET look_at = now() WHERE look_at IS NOT NULL",
            "UPDATE refunds SET next_at = now() WHERE next_at IS NOT NULL",
            "UPDATE looks SET next_at = now()",
            "UPDATE processor_events SET next_at = now() WHERE state = 'waiting'",
        ):
            await self.till.books(statement)
        deposits: DepositKeeper = self.till.keeper()
        reversals = self._keeper()
        for work in (deposits.look_after_due, reversals.send_due, reversals.poll_lines, reversals.look_due):
            try:
                await work()
            except (NotSent, OutcomeUnknown):
                continue
        await self.till.brokerage.inbox.retry_due(limit=100, lease=timedelta(minutes=1))

    async def _until_pending(self, deposit_id: UUID) -> None:
        """Its page is opened by us or by the poll, whatever the first try met."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while await self.till.books("SELECT state = 'created' FROM deposits WHERE id = $1", deposit_id):
            assert time.monotonic() < deadline, "the deposit never got its page"
            await self.till.books(
                "UPDATE deposits SET look_at = now() WHERE id = $1 AND look_at IS NOT NULL", deposit_id
            )
            await self.till.keeper().look_after_due()
            await asyncio.sleep(0.05)

    async def _drain(self, rng: random.Random) -> None:
        """What was told lately is told once more in any order, and nothing may be left open."""
        events = (await self._events())[-TOLD_AGAIN:]
        rng.shuffle(events)
        for event in events:
            await self._deliver(json.dumps(event).encode())
        deadline = time.monotonic() + DRAIN_SECONDS
        while open_things := await self.till.books(OPEN_THINGS):
            assert time.monotonic() < deadline, f"these never ended: {open_things}"
            await self._turn()
            await asyncio.sleep(0.1)
        await self._turn()

    # ---- what must be true

    async def _all_is_right(self) -> None:
        """One credit for one payment, every law, and a clearing account that is what the processor has."""
        paid, journals = await self.till.books(
            "SELECT ARRAY[(SELECT count(*) FROM deposits WHERE paid_at IS NOT NULL), "
            "(SELECT count(*) FROM journals WHERE kind = 'deposit')]"
        )
        charges = await asyncio.to_thread(self.till.sandbox.stripe_state)
        assert paid == journals == charges["counts"]["charge"]
        assert await self.till.broken_laws() == []
        database = self.till.brokerage.database
        check = ProcessorCheck(database, self.till.brokerage.processor, PATIENT)
        result = await reconciling.run(database, self.till.brokerage.breaks, [check], wholly=True)
        assert [finding.text for finding in result.findings] == []
        assert [row for row in result.rows if row.difference] == []
        assert result.troubles == ()
        async with database.read() as connection:
            await assert_clearing(connection, self.till.sandbox)


OPEN_THINGS = """
SELECT string_agg(thing, '; ') FROM (
    SELECT format('deposit %s is %s', id, state) FROM deposits d
    WHERE state IN ('created', 'pending') AND checkout_id IS NOT NULL AND EXISTS (
        SELECT FROM processor_events e WHERE e.object_id = d.checkout_id AND e.type LIKE '%completed')
    UNION ALL SELECT format('refund %s is %s (%s)', id, state, failure) FROM refunds WHERE finished_at IS NULL
    UNION ALL SELECT format('event %s: %s', type, trouble) FROM processor_events WHERE state = 'waiting'
    UNION ALL SELECT format('look at %s %s: %s', subject, object_id, trouble) FROM looks l
    WHERE NOT EXISTS (SELECT FROM disputes WHERE processor_dispute_id = l.object_id AND state = 'open')
) AS things (thing)
"""
