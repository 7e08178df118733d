"""All the SQL of deposits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.deposits.model import Deposit, DepositFilter, DepositState, Resolution
from bitcurrent.funding.ports import Card
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

_COLUMNS = (
    "id, user_id, currency, amount, fee, worth, state, created_at, updated_at, checkout_id, checkout_url,"
    " checkout_expires_at, payment_intent, paid_at, release_at, cancel_requested_at, failure, problem, problem_details,"
    " card_fingerprint, card_brand, card_last4, card_country, card_authenticated, risk_level, card_read_at, looks"
)
COUNTED = "state NOT IN ('expired', 'failed')"
"""What limits count: whatever came, or may still come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeposit:
    """A wish to store."""

    id: UUID
    user_id: UserId
    currency: str
    amount: Decimal
    fee: Decimal
    worth: Decimal
    limit_version: int
    checkout_expires_at: datetime
    first_look: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCredit:
    """A deposit whose money is there."""

    id: UUID
    payment_intent: str
    checkout_id: str
    release_at: datetime


async def insert(connection: Connection, new: NewDeposit) -> Deposit:
    """Store a wish."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO deposits (id, user_id, currency, amount, fee, worth, limit_version, checkout_expires_at, look_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9) RETURNING {_COLUMNS}
        """,
        new.id,
        new.user_id,
        new.currency,
        new.amount,
        new.fee,
        new.worth,
        new.limit_version,
        new.checkout_expires_at,
        new.first_look,
    )
    assert row is not None  # RETURNING of one INSERT
    return _deposit(row)


async def count_open(connection: Connection, user_id: UserId) -> int:
    """How many deposits of a customer wait for their payment."""
    found = await connection.fetchval(
        "SELECT count(*) FROM deposits WHERE user_id = $1 AND state IN ('created', 'pending') AND problem IS NULL",
        user_id,
    )
    return int(found)


async def used_since(
    connection: Connection, user_id: UserId, since: datetime, currency: str | None
) -> tuple[Decimal, Decimal, int, datetime | None]:
    """What limits count since a moment: worth in USD, amount (of one currency), how many, and the oldest's moment."""
    row = await connection.fetchrow(
        f"""
        SELECT coalesce(sum(worth), 0) AS worth, coalesce(sum(amount), 0) AS amount, count(*) AS count,
            min(created_at) AS oldest
        FROM deposits WHERE user_id = $1 AND created_at > $2 AND ($3::text IS NULL OR currency = $3) AND {COUNTED}
        """,
        user_id,
        since,
        currency,
    )
    assert row is not None  # an aggregate gives one row
    return row["worth"], row["amount"], row["count"], row["oldest"]


async def read(connection: Connection, deposit_id: UUID, *, user_id: UserId | None = None) -> Deposit | None:
    """One deposit; with a customer only if it is theirs."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM deposits WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)", deposit_id, user_id
    )
    return _deposit(row) if row else None


async def lock(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Deposit]:
    """Lock deposits until the transaction ends, in everybody's order; those that there are, by id."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM deposits WHERE id = ANY ($1) ORDER BY user_id, id FOR NO KEY UPDATE", list(ids)
    )
    return {row["id"]: _deposit(row) for row in rows}


async def find_by_payment(connection: Connection, payment_intent: str) -> Deposit | None:
    """The deposit that a payment paid."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM deposits WHERE payment_intent = $1", payment_intent)
    return _deposit(row) if row else None


async def search(connection: Connection, which: DepositFilter) -> list[Deposit]:
    """Deposits, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM deposits
        WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text[] IS NULL OR state = ANY ($2))
          AND ($3::boolean IS NULL OR (problem IS NOT NULL) = $3) AND ($4::text IS NULL OR currency = $4)
          AND ($5::uuid IS NULL OR id < $5) AND ($7::text IS NULL OR card_last4 = $7)
        ORDER BY id DESC LIMIT $6
        """,
        which.user_id,
        None if which.states is None else [str(state) for state in which.states],
        which.problem,
        which.currency,
        which.before,
        which.limit,
        which.card_last4,
    )
    return [_deposit(row) for row in rows]


async def mark_opened(connection: Connection, deposit_id: UUID, *, checkout_id: str, url: str | None) -> None:
    """Its page is open; what was paid or ended meanwhile stays."""
    await connection.execute(
        """
        UPDATE deposits SET state = 'pending', checkout_id = $2, checkout_url = $3, updated_at = now()
        WHERE id = $1 AND state = 'created'
        """,
        deposit_id,
        checkout_id,
        url,
    )


async def request_cancel(connection: Connection, deposit_id: UUID) -> None:
    """The customer wants it no more; the poll sees to it if nobody else does."""
    await connection.execute(
        """
        UPDATE deposits SET cancel_requested_at = coalesce(cancel_requested_at, now()), look_at = now() + $2,
            updated_at = now()
        WHERE id = $1
        """,
        deposit_id,
        timedelta(seconds=10),
    )


async def move(connection: Connection, deposit_id: UUID, state: DepositState, *, failure: str | None = None) -> None:
    """Change its state; the database refuses what is no way. What ended is looked at no more."""
    await connection.execute(
        """
        UPDATE deposits SET state = $2, failure = coalesce($3, failure), updated_at = now(),
            checkout_url = CASE WHEN $2 IN ('expired', 'failed') THEN NULL ELSE checkout_url END,
            look_at = CASE WHEN $2 IN ('expired', 'failed') THEN NULL ELSE look_at END
        WHERE id = $1 AND state <> $2
        """,
        deposit_id,
        str(state),
        failure,
    )


async def flag(connection: Connection, deposit_id: UUID, problem: str, details: Mapping[str, str]) -> None:
    """A person has to look; the first problem is kept, what people have decided stays so, and the poll leaves it."""
    await connection.execute(
        """
        UPDATE deposits SET problem = $2, problem_details = $3, updated_at = now(), look_at = NULL
        WHERE id = $1 AND problem IS NULL
          AND NOT EXISTS (SELECT FROM deposit_resolutions WHERE payment_intent = $4)
        """,
        deposit_id,
        problem,
        dict(details),
        details.get("payment_intent"),
    )


async def clear_problem(connection: Connection, deposit_id: UUID) -> None:
    """Nobody has to look any more; what was decided is in its resolution."""
    await connection.execute(
        "UPDATE deposits SET problem = NULL, problem_details = NULL, updated_at = now() WHERE id = $1", deposit_id
    )


async def insert_resolution(connection: Connection, resolution: Resolution) -> Resolution:
    """What was decided, once for each payment."""
    await connection.execute(
        """
        INSERT INTO deposit_resolutions (id, deposit_id, payment_intent, outcome, currency, amount, approval_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        resolution.id,
        resolution.deposit_id,
        resolution.payment_intent,
        resolution.outcome,
        resolution.currency,
        resolution.amount,
        resolution.approval_id,
    )
    return resolution


async def credit(connection: Connection, wanted: Sequence[ToCredit]) -> set[UUID]:
    """Book the money of deposits that were locked and judged; which were credited now."""
    rows = await connection.fetch(
        "SELECT credit_deposits($1, $2, $3, $4, $5) AS id",
        [each.id for each in wanted],
        [each.payment_intent for each in wanted],
        [each.checkout_id for each in wanted],
        [each.release_at for each in wanted],
        [new_id() for _ in wanted],
    )
    return {row["id"] for row in rows}


async def tell_credited(connection: Connection, ids: Sequence[UUID]) -> None:
    """Append the event of each deposit that was credited in this transaction."""
    await connection.execute("SELECT tell_credited($1)", list(ids))


async def paid_before(connection: Connection, deposits: Sequence[Deposit]) -> set[UUID]:
    """Of these deposits those whose customers had paid another one before."""
    rows = await connection.fetch(
        """
        SELECT d.id FROM deposits d WHERE d.id = ANY ($1) AND EXISTS (
            SELECT FROM deposits e WHERE e.user_id = d.user_id AND e.paid_at IS NOT NULL AND e.id <> d.id
                AND (d.paid_at IS NULL OR (e.paid_at, e.id) < (d.paid_at, d.id)))
        """,
        [deposit.id for deposit in deposits],
    )
    return {row["id"] for row in rows}


async def claim_due(connection: Connection, *, limit: int, lease: timedelta) -> list[Deposit]:
    """Deposits that the poll is to look at, the most recent first; nobody else gets them until the lease is over."""
    rows = await connection.fetch(
        f"""
        WITH due AS (
            SELECT id AS due_id FROM deposits WHERE look_at <= now()
            ORDER BY created_at DESC LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE deposits d SET look_at = now() + $2, looks = looks + 1 FROM due WHERE d.id = due_id
        RETURNING {_COLUMNS}
        """,
        limit,
        lease,
    )
    return sorted((_deposit(row) for row in rows), key=lambda deposit: deposit.created_at, reverse=True)


async def look_again(connection: Connection, deposit_id: UUID, pause: timedelta | None) -> None:
    """When to look again; None: never, unless something happens."""
    await connection.execute("UPDATE deposits SET look_at = now() + $2 WHERE id = $1", deposit_id, pause)


async def keep_card(connection: Connection, deposit_id: UUID, card: Card, release_at: datetime) -> None:
    """What is known of the card, and when its money is released."""
    await connection.execute(
        """
        UPDATE deposits SET card_fingerprint = $2, card_brand = $3, card_last4 = $4, card_country = $5,
            card_authenticated = $6, risk_level = $7, card_read_at = now(), release_at = $8, look_at = NULL,
            updated_at = now()
        WHERE id = $1
        """,
        deposit_id,
        card.fingerprint,
        card.brand,
        card.last4,
        card.country,
        card.authenticated,
        card.risk_level,
        release_at,
    )


async def claim_untold(connection: Connection, *, limit: int, card_wait: timedelta) -> list[Deposit]:
    """Deposits that were credited and whose letter is not written so far; they are told when the transaction ends.

    The release date is known when the card is; a letter waits for that a little.
    """
    rows = await connection.fetch(
        f"""
        WITH untold AS (
            SELECT id AS untold_id FROM deposits WHERE paid_at IS NOT NULL AND told_at IS NULL
                AND (card_read_at IS NOT NULL OR paid_at < now() - $2::interval)
            ORDER BY paid_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE deposits SET told_at = now() FROM untold WHERE id = untold_id RETURNING {_COLUMNS}
        """,
        limit,
        card_wait,
    )
    return [_deposit(row) for row in rows]


async def count_waiting(connection: Connection) -> tuple[int, int]:
    """How many wait for their payment, and how many for a person."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM deposits WHERE look_at IS NOT NULL) AS waiting,
            (SELECT count(*) FROM deposits WHERE problem IS NOT NULL) AS problems
        """
    )
    assert row is not None  # a SELECT without FROM gives one row
    return row["waiting"], row["problems"]


def _deposit(row: Any) -> Deposit:
    return Deposit(**{**dict(row), "state": DepositState(row["state"])})
