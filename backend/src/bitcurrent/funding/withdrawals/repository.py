"""All the SQL of withdrawals."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.compliance.limits.model import Usage
from bitcurrent.funding.withdrawals.model import RailName, State, Step, Withdrawal, WithdrawalFilter
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of

# Names of our own fields, never somebody's input.
_WITHDRAWAL = ", ".join(field.name for field in fields(Withdrawal))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWithdrawal:
    """What is written when a withdrawal is asked for."""

    id: UUID
    user_id: UserId
    asset: str
    amount: Decimal
    fee: Decimal
    network_fee: Decimal
    held: Decimal
    worth: Decimal
    rail: RailName
    destination: UUID | None
    destination_label: str
    limit_version: str | None


async def insert(connection: Connection, new: NewWithdrawal, *, confirm_within: timedelta) -> Withdrawal:
    """A withdrawal that waits for its confirmation."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO withdrawals (id, user_id, asset, amount, fee, network_fee, held, worth, rail, destination,
            destination_label, limit_version, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now() + $13) RETURNING {_WITHDRAWAL}
        """,
        *(getattr(new, field.name) for field in fields(NewWithdrawal)),
        confirm_within,
    )
    assert row is not None
    return _withdrawal(row)


async def find(connection: Connection, withdrawal_id: UUID, user_id: UserId | None = None) -> Withdrawal | None:
    """One by id, of this customer when one is named."""
    row = await connection.fetchrow(
        f"SELECT {_WITHDRAWAL} FROM withdrawals WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)",
        withdrawal_id,
        user_id,
    )
    return _withdrawal(row) if row else None


async def lock(connection: Connection, withdrawal_id: UUID, user_id: UserId | None = None) -> Withdrawal | None:
    """The same, locked until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_WITHDRAWAL} FROM withdrawals WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2) FOR UPDATE",
        withdrawal_id,
        user_id,
    )
    return _withdrawal(row) if row else None


async def database_time(connection: Connection) -> datetime:
    """The database's clock, which alone decides what is late."""
    moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return moment


async def move(
    connection: Connection, withdrawal_id: UUID, state: State, *, ended: bool, reason: str | None = None, **facts: Any
) -> Withdrawal:
    """The next state, with what is known by now; the row must be locked. An ended one holds nothing."""
    given = {name: value for name, value in facts.items() if value is not None}
    assert given.keys() <= _FACTS, given.keys() - _FACTS
    sets = "".join(f", {name} = ${number}" for number, name in enumerate(given, start=5))
    row = await connection.fetchrow(
        # nosemgrep: formatted-sql  names of _FACTS
        f"""
        UPDATE withdrawals SET state = $2, reason = $3, unknown_since = NULL, claimed_until = NULL, next_at = NULL,
            attempts = 0, held = CASE WHEN $4 THEN 0 ELSE held END,
            finished_at = CASE WHEN $4 THEN coalesce(finished_at, clock_timestamp()) END{sets}
        WHERE id = $1 RETURNING {_WITHDRAWAL}
        """,
        withdrawal_id,
        state.value,
        reason,
        ended,
        *given.values(),
    )
    assert row is not None  # locked before
    return _withdrawal(row)


_FACTS = frozenset({"paid", "network_fee_paid", "reference", "details", "screening", "screening_reference", "batch_id"})


async def note_facts(
    connection: Connection,
    withdrawal_id: UUID,
    *,
    reference: str | None,
    details: Mapping[str, str],
    network_fee_paid: Decimal | None,
) -> None:
    """What was learned on the way; what is not given stays as it was."""
    await connection.execute(
        """
        UPDATE withdrawals SET reference = coalesce($2, reference), details = details || $3,
            network_fee_paid = coalesce($4, network_fee_paid), updated_at = clock_timestamp()
        WHERE id = $1
        """,
        withdrawal_id,
        reference,
        dict(details),
        network_fee_paid,
    )


async def list_withdrawals(connection: Connection, which: WithdrawalFilter) -> list[Withdrawal]:
    """Withdrawals, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_WITHDRAWAL} FROM withdrawals
        WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR state = $2)
          AND ($3::text IS NULL OR asset = $3) AND ($4::text IS NULL OR rail = $4) AND ($5::uuid IS NULL OR id < $5)
        ORDER BY id DESC LIMIT $6
        """,
        which.user_id,
        which.state.value if which.state else None,
        which.asset,
        which.rail,
        which.before,
        which.limit,
    )
    return [_withdrawal(row) for row in rows]


async def read_steps(connection: Connection, withdrawal_id: UUID) -> list[Step]:
    """The states it reached, in order."""
    rows = await connection.fetch(
        "SELECT state, at, reason FROM withdrawal_steps WHERE withdrawal_id = $1 ORDER BY number", withdrawal_id
    )
    return [Step(state=State(row["state"]), at=row["at"], reason=row["reason"]) for row in rows]


async def used_since(
    connection: Connection, user_id: UserId, rail: RailName, since: datetime, asset: str | None
) -> Usage:
    """What a customer withdrew by a rail since a moment; what came to nothing is out."""
    row = await connection.fetchrow(
        """
        SELECT coalesce(sum(worth), 0) AS worth, coalesce(sum(amount), 0) AS amount, count(*) AS count,
            min(created_at) AS oldest
        FROM withdrawals
        WHERE user_id = $1 AND rail = $2 AND created_at > $3 AND ($4::text IS NULL OR asset = $4)
          AND state NOT IN ('failed', 'refused', 'canceled', 'expired')
        """,
        user_id,
        rail,
        since,
        asset,
    )
    assert row is not None
    return Usage(**dict(row))


async def claim(
    connection: Connection, state: State, rails: Sequence[RailName], *, lease: timedelta, limit: int
) -> list[Withdrawal]:
    """Withdrawals of a state whose time has come; nobody else gets them until the lease is over."""
    rows = await connection.fetch(
        f"""
        UPDATE withdrawals SET claimed_until = now() + $2, attempts = attempts + 1 WHERE id IN (
            SELECT id FROM withdrawals WHERE state = $1 AND rail = ANY ($4) AND finished_at IS NULL
              AND (claimed_until IS NULL OR claimed_until < now()) AND (next_at IS NULL OR next_at <= now())
            ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
        RETURNING {_WITHDRAWAL}
        """,
        state.value,
        lease,
        limit,
        list(rails),
    )
    return [_withdrawal(row) for row in rows]


async def lease(connection: Connection, withdrawal_id: UUID, length: timedelta) -> None:
    """Nobody else acts on it until then."""
    await connection.execute("UPDATE withdrawals SET claimed_until = now() + $2 WHERE id = $1", withdrawal_id, length)


async def postpone(
    connection: Connection, withdrawal_id: UUID, *, pause: timedelta, first: timedelta, unknown: bool = False
) -> None:
    """Look at it again later, each time twice as late up to `pause`; with `unknown`, only the outside knows of it."""
    await connection.execute(
        """
        UPDATE withdrawals SET claimed_until = NULL,
            next_at = now() + least($2::interval, $3::interval * power(2, least(attempts, 20))),
            unknown_since = CASE WHEN $4 THEN coalesce(unknown_since, clock_timestamp()) ELSE unknown_since END
        WHERE id = $1
        """,
        withdrawal_id,
        pause,
        first,
        unknown,
    )


async def lock_expired(connection: Connection, *, limit: int) -> list[Withdrawal]:
    """Unconfirmed withdrawals whose time is over, locked."""
    rows = await connection.fetch(
        f"""
        SELECT {_WITHDRAWAL} FROM withdrawals WHERE state = 'requested' AND expires_at <= now()
        ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
    )
    return [_withdrawal(row) for row in rows]


async def lock_for_bank(connection: Connection, currency: str, *, up_to: UUID | None, limit: int) -> list[Withdrawal]:
    """Approved withdrawals that wait for the bank, oldest first, locked."""
    rows = await connection.fetch(
        f"""
        SELECT {_WITHDRAWAL} FROM withdrawals
        WHERE state = 'approved' AND rail = 'bank' AND asset = $1 AND ($2::uuid IS NULL OR id <= $2)
        ORDER BY id LIMIT $3 FOR UPDATE
        """,
        currency,
        up_to,
        limit,
    )
    return [_withdrawal(row) for row in rows]


async def lock_many(connection: Connection, withdrawal_ids: Sequence[UUID]) -> dict[UUID, Withdrawal]:
    """These, locked in order; those that there are not are left out."""
    rows = await connection.fetch(
        f"SELECT {_WITHDRAWAL} FROM withdrawals WHERE id = ANY ($1) ORDER BY id FOR UPDATE", list(withdrawal_ids)
    )
    return {row["id"]: _withdrawal(row) for row in rows}


async def read_batch(connection: Connection, batch_id: UUID) -> list[Withdrawal]:
    """The withdrawals of a batch, by id."""
    rows = await connection.fetch(f"SELECT {_WITHDRAWAL} FROM withdrawals WHERE batch_id = $1 ORDER BY id", batch_id)
    return [_withdrawal(row) for row in rows]


async def waiting_for_bank(connection: Connection) -> list[tuple[str, int, Decimal]]:
    """Currency, number and sum of what is approved and waits for a batch."""
    rows = await connection.fetch(
        """
        SELECT asset, count(*) AS count, sum(amount) AS total FROM withdrawals
        WHERE state = 'approved' AND rail = 'bank' GROUP BY asset ORDER BY asset
        """
    )
    return [(row["asset"], row["count"], row["total"]) for row in rows]


async def count_open(connection: Connection) -> dict[str, int]:
    """How many stand in each state that is no end; `unknown` and `late` apart."""
    rows = await connection.fetch(
        """
        SELECT state AS name, count(*) AS number FROM withdrawals WHERE finished_at IS NULL GROUP BY state
        UNION ALL SELECT 'unknown', count(*) FROM withdrawals WHERE unknown_since IS NOT NULL
        UNION ALL SELECT 'late', count(*) FROM withdrawals
            WHERE state IN ('sending', 'sent') AND rail <> 'bank' AND updated_at < now() - interval '1 hour'
        """
    )
    return {row["name"]: row["number"] for row in rows}


def withdrawal_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's withdrawals for an export, oldest first."""
    return rows_of(
        connection,
        """
        SELECT id, created_at, asset, amount, fee, network_fee, network_fee_paid, paid, rail, destination_label, state,
            reason, reference, finished_at
        FROM withdrawals WHERE user_id = $1 ORDER BY id
        """,
        user_id,
    )


def _withdrawal(row: Any) -> Withdrawal:
    values = dict(row)
    return Withdrawal(**{**values, "state": State(values["state"]), "user_id": UserId(values["user_id"])})
