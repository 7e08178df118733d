"""Seeded concurrent histories on a real PostgreSQL: customers and a venue who say everything, at once and repeatedly.

A history is a bag of messages about some orders. Several workers, each with a connection of its own, draw from it in
any order; most messages come more than once. When the bag is empty, the books must say exactly what was told.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import asyncpg

from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.trading import repository, venue_repository
from bitcurrent.trading.model import Side, fee_of
from bitcurrent.trading.ports import VenueFill
from tests.support import books
from tests.support.books import Ticket

WORKERS = (3, 8)
TURNS_MAX = 20_000
"""Messages that a history may draw, those that came too early included."""
ZERO = Decimal(0)
Expected = defaultdict[tuple[int, str], Decimal]
Message = tuple[Any, ...]


class Broken(AssertionError):
    """The books do not say what was told."""


@dataclass(slots=True)
class Plan:
    """One order and what the venue will do with it."""

    user: int
    ticket: Ticket
    key: str
    fills: list[VenueFill]
    end: str
    cancel: bool
    replacement: int | None = None
    replaces: int | None = None
    asks: int = 0
    """How often its customer will still ask; refused every time, it is given up."""
    id: OrderId | None = None
    given_up: bool = False
    submitted: bool = False
    replaced: bool | None = None
    """Whether the replacement was taken; None until that is known."""

    @property
    def filled(self) -> Decimal:
        """What the venue fills of it."""
        return sum((fill.quantity for fill in self.fills), ZERO)


@dataclass(slots=True)
class History:
    """One history: its customers, its orders, and the bag of messages."""

    seed: int
    users: list[UserId]
    gifts: list[tuple[int, str, Decimal, str]]
    plans: list[Plan]
    bag: list[Message]
    counts: Counter[str] = field(default_factory=Counter)


async def live_through(database: Database, seed: int) -> Counter[str]:
    """Run one history and compare the books with it; raises Broken, or whatever the books raised."""
    rng = random.Random(seed)
    async with database.transaction() as connection:
        users = [await books.customer(connection) for _ in range(rng.randint(1, 3))]
    history = _write(rng, seed, users)
    hands = [_work(database, history, random.Random(rng.random())) for _ in range(rng.randint(*WORKERS))]
    await asyncio.gather(*hands)
    async with database.read() as connection:
        await _compare(connection, history)
    return history.counts


# ---- what will be told


def _write(rng: random.Random, seed: int, users: list[UserId]) -> History:
    gifts = [
        (user, currency, Decimal(rng.randint(1, 60)), f"gift:{users[user]}:{currency}:{n}")
        for user in range(len(users))
        for currency in ("USD", "BTC")
        for n in range(rng.randint(1, 3))
    ]
    plans = [_plan(rng, users, user=rng.randrange(len(users)), number=n) for n in range(rng.randint(3, 7))]
    for plan in list(plans):
        if rng.random() < 0.3 and plan.end != "rejected" and plan.filled < plan.ticket.quantity:
            new = _plan(rng, users, user=plan.user, number=len(plans), like=plan.ticket)
            new.replaces, plan.replacement = plans.index(plan), len(plans)
            plans.append(new)
    bag: list[Message] = [("credit", n) for n in range(len(gifts))]
    for number, plan in enumerate(plans):
        bag.append(("place", number) if plan.replaces is None else ("replace", plan.replaces, number))
        bag += [("submit", number), ("end", number), *(("fill", number, n) for n in range(len(plan.fills)))]
        bag += [("cancel", number)] if plan.cancel else []
    bag = [message for message in bag for _ in range(rng.randint(1, 3))]
    for kind, *numbers in bag:
        if kind in {"place", "replace"}:
            plans[numbers[-1]].asks += 1
    rng.shuffle(bag)
    return History(seed, users, gifts, plans, bag)


def _plan(rng: random.Random, users: list[UserId], *, user: int, number: int, like: Ticket | None = None) -> Plan:
    quantity = Decimal(rng.choice(["0.5", "1", "1.5", "2.000000001"]))
    ticket = Ticket(
        side=like.side if like else rng.choice(list(Side)),
        quantity=quantity,
        price=Decimal(rng.choice(["9.99", "10", "12.5"])),
        fee_bps=Decimal(rng.choice(["0", "25", "12.3456"])),
        idempotency_key=f"key-{number}",
    )
    end = rng.choice(["filled", "filled", "canceled", "expired", "rejected"])
    share = {"filled": Decimal(1), "rejected": ZERO}.get(end, Decimal(rng.choice(["0", "0.3", "0.7"])))
    fills = [
        books.execution(f"{users[user]}:{number}:{n}", part, ticket.price)
        for n, part in enumerate(_parts(rng, (quantity * share).quantize(Decimal("1e-9"))))
    ]
    return Plan(user, ticket, f"key-{number}", fills, end, rng.random() < 0.3)


def _parts(rng: random.Random, total: Decimal) -> list[Decimal]:
    parts = []
    while total > 0:
        part = total if rng.random() < 0.5 else (total * Decimal("0.4")).quantize(Decimal("1e-9"))
        parts.append(part or total)
        total -= parts[-1]
    return parts


# ---- how it is told


async def _work(database: Database, history: History, rng: random.Random) -> None:
    """Draw messages until the bag is empty; one that comes too early is put back."""
    for _ in range(TURNS_MAX):
        if not history.bag:
            return
        message = history.bag.pop(rng.randrange(len(history.bag)))
        if not await _tell(database, history, message):
            history.counts["too early"] += 1
            history.bag.append(message)
            await asyncio.sleep(0.002)
    raise Broken(f"history {history.seed}: messages that never found their order: {history.bag}")


async def _tell(database: Database, history: History, message: Message) -> bool:
    """Whether the message found what it is about."""
    kind, *numbers = message
    if kind == "credit":
        user, currency, amount, reference = history.gifts[numbers[0]]
        await _in_transaction(
            database, history, lambda tx: books.credit(tx, history.users[user], currency, amount, reference)
        )
        return True
    plan = history.plans[numbers[-1] if kind == "replace" else numbers[0]]
    if plan.given_up:
        return True
    if kind in {"place", "replace"}:
        return await _ask_for(database, history, plan)
    if plan.id is None or (kind in {"fill", "end", "cancel"} and not plan.submitted):
        return False
    return await _say(database, history, plan, kind, numbers)


async def _ask_for(database: Database, history: History, plan: Plan) -> bool:
    """A customer's wish, each time under a new id and the same key, as a client that repeats itself."""
    user_id = history.users[plan.user]
    if plan.replaces is None:
        order = plan.ticket.order(user_id)
        outcome = await _in_transaction(database, history, lambda tx: repository.place_one(tx, order))
    else:
        old = history.plans[plan.replaces]
        if old.given_up:
            plan.given_up = True
            return True
        if old.id is None or not old.submitted:
            return False
        new = plan.ticket.replacement(user_id, old.id)
        outcome = await _in_transaction(database, history, lambda tx: repository.request_replace(tx, new))
    history.counts[outcome.outcome] += 1
    if outcome.outcome in {"accepted", "replayed", "duplicate"}:
        if plan.id not in {None, outcome.order_id}:
            raise Broken(f"history {history.seed}: one key, two orders: {plan.id} and {outcome.order_id}")
        plan.id = outcome.order_id
    plan.asks -= 1
    plan.given_up = plan.id is None and plan.asks == 0
    if plan.replaces is not None and (plan.id is not None or plan.given_up):
        history.plans[plan.replaces].replaced = plan.id is not None
    return True


async def _say(database: Database, history: History, plan: Plan, kind: str, numbers: list[int]) -> bool:
    """What the venue says of an order, or its customer's wish to cancel it."""
    order_id = plan.id
    assert order_id is not None
    if kind == "submit":
        await _in_transaction(
            database, history, lambda tx: venue_repository.mark_submitted(tx, order_id, f"v{order_id}")
        )
        plan.submitted = True
    elif kind == "fill":
        fill = plan.fills[numbers[1]]
        outcome = await _in_transaction(database, history, lambda tx: venue_repository.settle_fill(tx, order_id, fill))
        history.counts[f"fill {outcome}"] += 1
    elif kind == "cancel":
        user_id = history.users[plan.user]
        await _in_transaction(database, history, lambda tx: repository.request_cancel(tx, user_id, order_id))
    else:
        return await _end(database, history, plan, order_id)
    return True


async def _end(database: Database, history: History, plan: Plan, order_id: OrderId) -> bool:
    """The venue's last word of an order; whether it was replaced depends on what became of the replacement."""
    if plan.replacement is not None and plan.replaced is None:
        new = history.plans[plan.replacement]
        if not new.given_up:
            return False
        plan.replaced = False
    if plan.end == "filled" and not plan.replaced:
        return True  # its fills end it
    state = "replaced" if plan.replaced else plan.end
    filled = None if state == "rejected" else plan.filled
    outcome = await _in_transaction(database, history, lambda tx: books.finish(tx, order_id, state, filled))
    history.counts[f"end {outcome}"] += 1
    return True


async def _in_transaction(database: Database, history: History, work: Callable[[Connection], Awaitable[Any]]) -> Any:
    """As the application does it: again after a deadlock, and after a key that somebody else took just now."""
    for _ in range(8):
        try:
            return await database.in_transaction(work)
        except asyncpg.UniqueViolationError:
            history.counts["key taken meanwhile"] += 1
    raise Broken(f"history {history.seed}: a key stays taken and is not found")


# ---- what the books must say then


async def _compare(connection: Connection, history: History) -> None:
    expected: Expected = defaultdict(Decimal)
    for user, currency, amount, _ in history.gifts:
        expected[user, currency] += amount
    for plan in history.plans:
        if plan.id is not None:
            await _compare_order(connection, history, plan, expected)
    for user, user_id in enumerate(history.users):
        lent = {row["currency"]: row["amount"] for row in await connection.fetch(_LENT, user_id)}
        for currency in ("USD", "BTC"):
            available, held = await books.balance(connection, user_id, currency)
            wanted = expected[user, currency] + lent.get(currency, ZERO)
            if (available, held) != (wanted, ZERO):
                raise Broken(
                    f"history {history.seed}: {currency} is {available} and {held} held, should be {wanted} and nothing"
                )


_LENT = """
    SELECT e.currency, -sum(e.amount) AS amount FROM entries e JOIN fills f ON f.id = e.journal_id
    WHERE f.user_id = $1 AND e.account = 'suspense' GROUP BY 1
"""


async def _compare_order(connection: Connection, history: History, plan: Plan, expected: Expected) -> None:
    assert plan.id is not None
    row = await books.order_row(connection, plan.id)
    told = Counter((fill.execution_id, fill.quantity, fill.price) for fill in plan.fills)
    booked = await connection.fetch("SELECT execution_id, quantity, price FROM fills WHERE order_id = $1", plan.id)
    if Counter((r["execution_id"], r["quantity"], r["price"]) for r in booked) != told:
        raise Broken(f"history {history.seed}: the fills of {plan.key} are not those that the venue told")
    if row["finished_at"] is None or row["held"]:
        raise Broken(f"history {history.seed}: {plan.key} is stuck as {row['state']} with {row['held']} held")
    for fill in plan.fills:
        cost = fill.quantity * fill.price
        buying = plan.ticket.side is Side.BUY
        gross = fill.quantity if buying else cost
        net = gross - fee_of(gross, plan.ticket.fee_bps)
        coins, cash = (net, -cost) if buying else (-fill.quantity, net)
        expected[plan.user, "BTC"] += coins
        expected[plan.user, "USD"] += cash
